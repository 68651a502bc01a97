"""How many sessions would end with this login? A copy of what auth says; it may lag behind by a moment."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, LiteralString

from services.auth.events import SessionEnded, SessionStarted
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class OpenSessions:
    """One row a session that auth has not ended."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "open_sessions": """
            CREATE TABLE IF NOT EXISTS open_sessions (session_id text PRIMARY KEY, subject text NOT NULL);
            CREATE INDEX IF NOT EXISTS open_sessions_subject ON open_sessions (subject);"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case SessionStarted(session_id=session, subject=subject):
                yield Statement("INSERT INTO open_sessions VALUES (%s, %s)", (session, subject))
            case SessionEnded(session_id=session):
                yield Statement("DELETE FROM open_sessions WHERE session_id = %s", (session,))
            case _:
                pass


async def how_many(database: Database, profiles: Sequence[str]) -> int:
    """The number of open sessions of some profiles. Raises Unavailable."""
    subjects = [f"profile:{profile}" for profile in profiles]
    row = await database.row("SELECT count(*) AS open FROM open_sessions WHERE subject = ANY(%s)", (subjects,))
    return int(row["open"]) if row else 0
