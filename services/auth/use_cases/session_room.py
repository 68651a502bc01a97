"""Room for a session: before one more starts, what the browser still held ends, and the oldest above the most (S-27).

S-02  A browser that logs in anew has one session: the one that it held before is dead at once.
S-27  A person has five sessions at most; however many log in as them at the same moment, no commit leaves more.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from services.auth.adapters import mail_queue, session_secrets
from services.auth.adapters.codes import Codes
from services.auth.domain import session as sessions
from services.auth.domain.limits import Limits
from services.auth.domain.session import TooManySessions, room_for_one_more
from services.auth.domain.whereabouts import Whereabouts
from services.auth.events import EndedBecause
from services.auth.use_cases.categories import SESSIONS
from services.auth.views import open_sessions
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database
from shared.events import Event
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Change, Streams

Ending = tuple[str, EndedBecause]
MOST_ROUNDS = 50
"""In each round somebody gets in, so this many would have to log in as one person at the same moment."""


class RoomForSessions:
    """Starts a session together with what has to end for it."""

    def __init__(self, *, streams: Streams, database: Database, clock: Clock, limits: Limits, codes: Codes) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._codes = codes

    async def change_all(
        self, changes: Sequence[Change[Any]], cause: Cause, *, where: Whereabouts, held: str | None
    ) -> Written:
        """Make these changes, one of which starts a session of the cause's actor. Raises what they refuse with.

        `held` is the secret of a session that the same browser still has.
        """
        subject = str(cause.actor)
        bounded = cause.ensuring(lambda _: [open_sessions.at_most(subject, self._limits.sessions)])
        for _ in range(MOST_ROUNDS):
            now = self._clock()
            ended = await self._held(held)
            endings = [*ended, *await self._above_the_most(subject, ended, now)]
            ends = [Change(SESSIONS, each, partial(sessions.end, because=why)) for each, why in endings]
            told = self._told(subject, endings, where, now)
            try:
                return await self._streams.change_all([*changes, *ends], bounded.ensuring(partial(_these, told)))
            except TooManySessions:
                continue  # somebody else logged in as the same person meanwhile: look again
        raise TooManySessions

    async def _held(self, secret: str | None) -> Sequence[Ending]:
        found = await session_secrets.find(self._database, self._codes.of_secret(secret)) if secret else None
        return [(found.session.session_id, "logged-in-again")] if found else []

    async def _above_the_most(self, subject: str, ended: Sequence[Ending], now: datetime) -> Sequence[Ending]:
        going = {session for session, _ in ended}
        others = [
            session
            for session in await session_secrets.of_subject(self._database, subject)
            if session.session_id not in going
        ]
        return room_for_one_more(others, now=now, limits=self._limits)

    @staticmethod
    def _told(subject: str, endings: Sequence[Ending], where: Whereabouts, now: datetime) -> Sequence[Statement]:
        if all(because != "too-many" for _, because in endings):
            return ()
        return [mail_queue.queue_security(subject=subject, what="too-many-sessions", now=now, where=where)]


def _these(statements: Sequence[Statement], _events: Sequence[Event]) -> Sequence[Statement]:
    return statements
