"""Open sessions, seen and ended: by their owner, and by whoever administers the person.

S-19  Everybody sees where they are logged in, and ends one of these sessions or all others.
A11   Who could cancel somebody's login may also log them out everywhere: all that they hold lies in reach.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from services.auth.adapters import mail_queue, session_secrets
from services.auth.domain import session as sessions
from services.auth.domain.limits import Limits
from services.auth.domain.session import EndingNotConfirmed, SessionNotValid
from services.auth.use_cases.all_they_hold import AllTheyHold
from services.auth.use_cases.categories import SESSIONS
from services.auth.views import open_sessions
from services.profiles.policy import END_SESSIONS_OF, STAFF, WHO
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database
from shared.errors import Forbidden
from shared.eventstore.streams import Change, Streams


class CannotEndSessions(Forbidden):
    """This person reaches more than lies within your reach; customer service can help."""

    code = "cannot-end-sessions"
    rule = "A11"

    def __init__(self) -> None:
        super().__init__(who_could=f"{WHO[STAFF]} or the person themselves")


class SessionEndings:
    """What is asked about open sessions, and how they end before their time."""

    def __init__(
        self, *, streams: Streams, database: Database, clock: Clock, limits: Limits, all_they_hold: AllTheyHold
    ) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._all_they_hold = all_they_hold

    async def of_oneself(self, actor: Actor, current: str) -> Sequence[Mapping[str, Any]]:
        """Where somebody is logged in, the newest first."""
        now, subject = self._clock(), str(actor)
        where = await session_secrets.whereabouts_of(self._database, subject)
        found = [
            session
            for session in await session_secrets.of_subject(self._database, subject)
            if session.over_because(now, self._limits) is None
        ]
        return [
            {
                "session_id": session.session_id,
                "started_at": session.started_at,
                "last_used_at": session.last_used_at,
                "ends_at": session.ends_at,
                "current": session.session_id == current,
                **where.get(session.session_id, {"browser": None, "place": None}),
            }
            for session in sorted(found, key=lambda session: session.started_at, reverse=True)
        ]

    async def end_own(self, session_id: str, cause: Cause) -> Written:
        """End one of one's own sessions; ending it again changes nothing. Raises NotFound for anybody else's."""
        decide = partial(sessions.end_own, subject=str(cause.actor))
        return await self._streams.change(SESSIONS, session_id, decide, cause.answering(session_id=session_id))

    async def end_others(self, current: str, cause: Cause) -> Written:
        """End all of one's own sessions but this one, in one commit. Raises SessionNotValid."""
        if await open_sessions.by_id(self._database, current) is None:
            raise SessionNotValid
        found = await open_sessions.of_subject(self._database, str(cause.actor))
        others = [session for session in found if session != current]
        decide = partial(sessions.end_own, subject=str(cause.actor))
        changes = [Change(SESSIONS, session, decide) for session in others]
        return await self._streams.change_all(changes, cause.answering(ended=len(others)))

    async def end_all_of(self, profile_id: str, confirmed: bool, cause: Cause) -> Written:
        """Log somebody out everywhere; they are told.

        Raises NotFound, NotPermitted, CannotEndSessions, EndingNotConfirmed.
        """
        cause = await self._all_they_hold.covering(END_SESSIONS_OF, profile_id, cause, else_raise=CannotEndSessions)
        if not confirmed:
            raise EndingNotConfirmed
        subject, now = f"profile:{profile_id}", self._clock()
        found = await open_sessions.of_subject(self._database, subject)
        told = mail_queue.queue_security(subject=subject, what="sessions-ended-by-administrator", now=now)
        decide = partial(sessions.end, because="ended-by-administrator")
        return await self._streams.change_all(
            [Change(SESSIONS, session, decide) for session in found],
            cause.answering(ended=len(found)).ensuring(lambda events: [told] if events else []),
        )
