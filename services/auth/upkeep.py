"""What auth does by itself, now and then; on every replica, where doing it twice changes nothing."""

from functools import partial

from services.auth.adapters import kept_codes, mail_queue, session_secrets
from services.auth.categories import AUTH, SESSIONS
from services.auth.domain import session as sessions
from services.auth.domain.limits import Limits
from services.auth.domain.session import LAST_USE_GRAIN
from services.auth.key_rotation import KeyRotation
from shared.cause import Cause
from shared.clock import Clock
from shared.database import Database
from shared.eventstore.streams import Streams


class Upkeep:
    """The work nobody asks for."""

    def __init__(
        self, *, streams: Streams, database: Database, clock: Clock, limits: Limits, rotation: KeyRotation
    ) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._rotation = rotation

    async def keep_signing_key_fresh(self) -> None:
        """Keys come and go by the calendar (S-11). Raises Unavailable."""
        await self._rotation.keep_fresh()

    async def end_what_is_over(self) -> None:
        """Make it history that a session is over which time or a cancelled login ended. Raises Unavailable."""
        now = self._clock()
        idle_since = now - self._limits.session_idle - LAST_USE_GRAIN
        for session in await session_secrets.perhaps_over(self._database, now, idle_since):
            if because := session.over_because(now, self._limits):
                decide = partial(sessions.end, because=because)
                await self._streams.change(SESSIONS, session.session_id, decide, Cause(AUTH, session.session_id))

    async def forget_old(self) -> None:
        """Drop codes and mails that nobody can use any more. Raises Unavailable."""
        await kept_codes.forget_old(self._database, self._clock())
        await mail_queue.forget_old(self._database, self._clock())
