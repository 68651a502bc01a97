"""By which secret is a session recognised, from where and when was it used? Kept beside the log, secrets hashed.

S-13  A new secret waits sealed until it is first shown, so that a lost answer is given again with the same secret;
      whoever else asks meanwhile gets the same one.
S-19  Browser and network are what the owner recognises a session by; both go with it.

Not derived from events: rebuilding it would log everybody out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, LiteralString

from services.auth.domain.session import SessionInUse, Standing
from services.auth.domain.whereabouts import Whereabouts
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
                digest bytea PRIMARY KEY, session_id text NOT NULL UNIQUE, last_used_at timestamptz NOT NULL,
                before bytea, handing_over bytea, renewed_at timestamptz NOT NULL, shown_at timestamptz,
                browser text, place text)
                WITH (fillfactor = 50)""",
        "replaced_secrets": """
            CREATE TABLE IF NOT EXISTS replaced_secrets (digest bytea PRIMARY KEY, session_id text NOT NULL);
            CREATE INDEX IF NOT EXISTS replaced_secrets_session ON replaced_secrets (session_id);""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case SessionEnded(session_id=session):
                yield Statement("DELETE FROM session_secrets WHERE session_id = %s", (session,))
                yield Statement("DELETE FROM replaced_secrets WHERE session_id = %s", (session,))
            case _:
                pass


@dataclass(frozen=True, slots=True)
class Found:
    """The session that a secret belongs to, and what is known of the secret."""

    session: SessionInUse
    standing: Standing
    handing_over: bytes | None
    """The one that counts, sealed, while nobody has shown it yet."""


_SESSION: LiteralString = (
    "session_id, s.subject, s.started_at, s.ends_at, k.last_used_at, coalesce(p.cancelled, false) AS cancelled, "
    "k.renewed_at, k.shown_at"
)
_OPEN: LiteralString = (
    "FROM session_secrets k JOIN open_sessions s USING (session_id) "
    "LEFT JOIN people p ON p.profile_id = split_part(s.subject, ':', 2) "
)


def sealed_about(session_id: str) -> str:
    """What a sealed secret belongs to."""
    return f"session_secrets/{session_id}/secret"


def keep(*, digest: bytes, session_id: str, now: datetime, where: Whereabouts) -> Statement:
    """The secret of a session that starts."""
    return Statement(
        "INSERT INTO session_secrets (digest, session_id, last_used_at, renewed_at, shown_at, browser, place) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (digest, session_id, now, now, now, where.browser, where.place),
    )


async def find(database: Database, digest: bytes) -> Found | None:
    """The open session that a secret is or ever was of, or None. Raises Unavailable."""
    row = await database.row(
        "SELECT " + _SESSION + ", k.handing_over, CASE %(digest)s WHEN k.digest THEN 'current' "
        "WHEN k.before THEN 'before' ELSE 'older' END AS standing " + _OPEN + "WHERE k.digest = %(digest)s "
        "OR k.session_id = (SELECT r.session_id FROM replaced_secrets r WHERE r.digest = %(digest)s)",
        {"digest": digest},
    )
    if row is None:
        return None
    standing, handing_over = row.pop("standing"), row.pop("handing_over")
    return Found(SessionInUse(**row), standing, handing_over and bytes(handing_over))


async def of_subject(database: Database, subject: str) -> list[SessionInUse]:
    """The open sessions of a person. Raises Unavailable."""
    rows = await database.rows("SELECT " + _SESSION + " " + _OPEN + "WHERE s.subject = %s", (subject,))
    return [SessionInUse(**row) for row in rows]


async def whereabouts_of(database: Database, subject: str) -> Mapping[str, Mapping[str, Any]]:
    """`browser` and `place` of each open session of a person, by its id. Raises Unavailable."""
    rows = await database.rows(
        "SELECT session_id, browser, place FROM session_secrets k JOIN open_sessions s USING (session_id) "
        "WHERE s.subject = %s",
        (subject,),
    )
    return {row.pop("session_id"): row for row in rows}


async def renew(database: Database, *, old: bytes, new: bytes, sealed: bytes, now: datetime) -> bool:
    """Replace the secret that counts; False when somebody else just did. Raises Unavailable."""
    done = await database.execute(
        "WITH renewed AS (UPDATE session_secrets SET before = digest, digest = %(new)s, handing_over = %(sealed)s, "
        "renewed_at = %(now)s, shown_at = NULL WHERE digest = %(old)s RETURNING session_id) "
        "INSERT INTO replaced_secrets (digest, session_id) SELECT %(old)s, session_id FROM renewed",
        {"old": old, "new": new, "sealed": sealed, "now": now},
    )
    return done == 1


async def shown(database: Database, digest: bytes, now: datetime) -> None:
    """The new secret has arrived: it need not be given again. Raises Unavailable."""
    await database.execute(
        "UPDATE session_secrets SET shown_at = %s, handing_over = NULL WHERE digest = %s AND shown_at IS NULL",
        (now, digest),
    )


async def used(database: Database, session_id: str, now: datetime, grain: timedelta) -> None:
    """Write down that a session is used now, unless that was done less than `grain` ago. Raises Unavailable."""
    await database.execute(
        "UPDATE session_secrets SET last_used_at = %s WHERE session_id = %s AND last_used_at <= %s",
        (now, session_id, now - grain),
    )


async def perhaps_over(database: Database, now: datetime, idle_since: datetime) -> Sequence[SessionInUse]:
    """Open sessions that may be over, the first few hundred. Raises Unavailable."""
    rows = await database.rows(
        "SELECT " + _SESSION + " " + _OPEN + "WHERE s.ends_at <= %s OR k.last_used_at <= %s OR p.cancelled LIMIT 500",
        (now, idle_since),
    )
    return [SessionInUse(**row) for row in rows]
