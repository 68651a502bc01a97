"""Which sessions are open, and whose are they?"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.auth.domain.session import SessionNotValid, TooManySessions
from services.auth.events import SessionEnded, SessionStarted
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement
from shared.tokens import Claims


class OpenSessions:
    """One row a session that nobody has ended."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "open_sessions": """
            CREATE TABLE IF NOT EXISTS open_sessions (
                session_id text PRIMARY KEY, subject text NOT NULL,
                started_at timestamptz NOT NULL, ends_at timestamptz NOT NULL);
            CREATE INDEX IF NOT EXISTS open_sessions_subject ON open_sessions (subject);
            CREATE OR REPLACE FUNCTION sessions_at_most(whose text, most int) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF (SELECT count(*) FROM open_sessions WHERE subject = whose) > most THEN
                    RAISE check_violation USING CONSTRAINT = 'sessions_at_most', MESSAGE = 'too many sessions';
                END IF;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"sessions_at_most": TooManySessions}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case SessionStarted(session_id=session, subject=subject, ends_at=ends_at):
                yield Statement(
                    "INSERT INTO open_sessions (session_id, subject, started_at, ends_at) VALUES (%s, %s, %s, %s)",
                    (session, subject, recorded.time, ends_at),
                )
            case SessionEnded(session_id=session):
                yield Statement("DELETE FROM open_sessions WHERE session_id = %s", (session,))
            case _:
                pass


async def of_subject(database: Database, subject: str) -> list[str]:
    """The open sessions of one person. Raises Unavailable."""
    rows = await database.rows("SELECT session_id FROM open_sessions WHERE subject = %s", (subject,))
    return [row["session_id"] for row in rows]


def at_most(subject: str, most: int) -> Statement:
    """What must hold once a session has started (S-27): refuses with TooManySessions."""
    return Statement("SELECT sessions_at_most(%s, %s)", (subject, most))


async def by_id(database: Database, session_id: str) -> Row | None:
    """`subject`, `started_at` and `ends_at` of an open session, else None. Raises Unavailable."""
    return await database.row(
        "SELECT subject, started_at, ends_at FROM open_sessions WHERE session_id = %s", (session_id,)
    )


async def must_be_open(database: Database, claims: Claims) -> None:
    """Refuse a token whose session is over or of a cancelled login (C-13). Raises SessionNotValid, Unavailable."""
    row = await database.row(
        "SELECT coalesce(p.cancelled, false) AS cancelled FROM open_sessions s "
        "LEFT JOIN people p ON p.profile_id = split_part(s.subject, ':', 2) WHERE s.session_id = %s",
        (claims.session,),
    )
    if row is None or row["cancelled"]:
        raise SessionNotValid
