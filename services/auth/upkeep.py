"""What auth does by itself, now and then; on every replica, where doing it twice changes nothing."""

from functools import partial

from services.auth.adapters import kept_codes, mail_queue, session_secrets
from services.auth.adapters.key_ring import KeyRing, MadeByAnother
from services.auth.categories import AUTH, KEYS, SESSIONS
from services.auth.domain import session as sessions
from services.auth.domain import signing_key as keys
from services.auth.domain.limits import Limits
from services.auth.domain.session import LAST_USE_GRAIN
from shared.cause import Cause
from shared.clock import Clock
from shared.database import Database
from shared.eventstore.streams import Streams
from shared.ids import new_id
from shared.logs import log


class Upkeep:
    """The work nobody asks for."""

    def __init__(self, *, streams: Streams, database: Database, clock: Clock, limits: Limits, ring: KeyRing) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._ring = ring

    async def keep_signing_key_fresh(self) -> None:
        """Make the next signing key when it is due (S-11). Raises Unavailable.

        Appends take turns under one lock, and a generation is made once: of replicas that start together one makes it.
        """
        now, known = self._clock(), await self._ring.keys(afresh=True)
        if not keys.next_is_due(known, now):
            return
        key_id, generation = new_id("key"), 1 + max((key.generation for key in known), default=0)
        made = self._ring.make(key_id=key_id, generation=generation, now=now)
        decide = partial(keys.publish, key_id=key_id, public_key=made.public_key, now=now)
        try:
            await self._streams.change(KEYS, key_id, decide, Cause(AUTH, key_id).ensuring(lambda _: [made.kept]))
        except MadeByAnother:
            log.info("signing key made by another replica", generation=generation)
        await self._ring.keys(afresh=True)

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
