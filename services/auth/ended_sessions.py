"""How others know that a session has ended: the copy by which every service refuses a token that is still young.

Part of auth's published language (beside `events.py`): services import it, put the view among their copies (profiles
among its own views, too), and hand `must_not_have_ended` to their door. Auth itself asks its own tables.

It says who has ended, not who is open: a token may come before its session is heard of, and nobody waits for that.

S-15  A session that ended is worth nothing here as soon as that was heard.
S-16  Of a cancelled profile nothing is worth anything any more, whichever of the two events comes first.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.auth.domain.session import SessionNotValid
from services.auth.events import SessionEnded
from services.profiles.events import ProfileCancelled
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement
from shared.tokens import Claims


class EndedSessions:
    """Which sessions ended within the last hour, and whose login is over for good?

    No token lives longer than ten minutes, so what ended an hour before the newest end is not asked for any more. A
    cancelled profile stays: it never comes back, and there are few of them.
    """

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "ended_sessions": """
            CREATE TABLE IF NOT EXISTS ended_sessions (session_id text PRIMARY KEY, ended_at timestamptz NOT NULL);
            CREATE INDEX IF NOT EXISTS ended_sessions_ended_at ON ended_sessions (ended_at);""",
        "ended_subjects": "CREATE TABLE IF NOT EXISTS ended_subjects (subject text PRIMARY KEY)",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case SessionEnded(session_id=session, subject=subject, because=because):
                # The time of the event, not of its arrival: a rebuild forgets what the live view forgot. An event
                # from a clock that runs ahead must not make this forget too much.
                yield Statement(
                    "DELETE FROM ended_sessions WHERE ended_at < least(%s, clock_timestamp()) - interval '1 hour'",
                    (recorded.time,),
                )
                yield Statement(
                    "INSERT INTO ended_sessions VALUES (%s, %s) ON CONFLICT DO NOTHING", (session, recorded.time)
                )
                if because == "profile-cancelled":
                    yield _ended(subject)
            case ProfileCancelled(profile_id=profile):
                yield _ended(f"profile:{profile}")
            case _:
                pass


def _ended(subject: str) -> Statement:
    return Statement("INSERT INTO ended_subjects VALUES (%s) ON CONFLICT DO NOTHING", (subject,))


async def must_not_have_ended(database: Database, claims: Claims) -> None:
    """Refuse a token whose session or person has ended. Raises SessionNotValid, Unavailable."""
    row = await database.row(
        "SELECT EXISTS (SELECT 1 FROM ended_sessions WHERE session_id = %s) "
        "OR EXISTS (SELECT 1 FROM ended_subjects WHERE subject = %s) AS ended",
        (claims.session, str(claims.actor)),
    )
    if row is None or row["ended"]:
        raise SessionNotValid
