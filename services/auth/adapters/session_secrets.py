"""By which secret is a session recognised, and when was it last used? Kept beside the log, hashed.

Not derived from events: rebuilding it would log everybody out.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, LiteralString

from services.auth.domain.session import SessionInUse
from services.auth.events import SessionEnded
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class SessionSecrets:
    """One row an open session; it goes with the session."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "session_secrets": """
            CREATE TABLE IF NOT EXISTS session_secrets (
                digest bytea PRIMARY KEY, session_id text NOT NULL UNIQUE, last_used_at timestamptz NOT NULL)
                WITH (fillfactor = 50)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case SessionEnded(session_id=session):
                yield Statement("DELETE FROM session_secrets WHERE session_id = %s", (session,))
            case _:
                pass


_OPEN: LiteralString = """
    SELECT session_id, s.subject, s.ends_at, k.last_used_at, coalesce(p.cancelled, false) AS cancelled
    FROM session_secrets k JOIN open_sessions s USING (session_id)
    LEFT JOIN people p ON p.profile_id = split_part(s.subject, ':', 2) """


def keep(*, digest: bytes, session_id: str, now: datetime) -> Statement:
    """The secret of a session that starts."""
    return Statement(
        "INSERT INTO session_secrets (digest, session_id, last_used_at) VALUES (%s, %s, %s)", (digest, session_id, now)
    )


async def find(database: Database, digest: bytes) -> SessionInUse | None:
    """The open session of a secret, or None. Raises Unavailable."""
    row = await database.row(_OPEN + "WHERE k.digest = %s", (digest,))
    return SessionInUse(**row) if row else None


async def used(database: Database, session_id: str, now: datetime, grain: timedelta) -> None:
    """Write down that a session is used now, unless that was done less than `grain` ago. Raises Unavailable."""
    await database.execute(
        "UPDATE session_secrets SET last_used_at = %s WHERE session_id = %s AND last_used_at <= %s",
        (now, session_id, now - grain),
    )


async def perhaps_over(database: Database, now: datetime, idle_since: datetime) -> list[SessionInUse]:
    """Open sessions that may be over, the first few hundred. Raises Unavailable."""
    rows = await database.rows(
        _OPEN + "WHERE s.ends_at <= %s OR k.last_used_at <= %s OR p.cancelled LIMIT 500", (now, idle_since)
    )
    return [SessionInUse(**row) for row in rows]
