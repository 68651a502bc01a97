"""Signing keys come and go: by the calendar, by command, and at once when somebody else may have one.

S-11  A new key is published long before it is used, an old one known until its last token is worth nothing. Which key
      is used follows from the time alone, so there is no step between the two that a crash could leave half done.
S-12  A revoked key is believed by nobody as soon as that was heard; if it was the last one, the next comes with it.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from services.auth.adapters.key_ring import KeyRing, MadeByAnother
from services.auth.domain import signing_key as keys
from services.auth.domain.signing_key import KeptKey
from services.auth.use_cases.categories import AUTH, KEYS
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Change, Streams
from shared.ids import new_id
from shared.logs import log


class KeyRotation:
    """What is done with the keys of the ring."""

    def __init__(self, *, streams: Streams, clock: Clock, ring: KeyRing) -> None:
        self._streams = streams
        self._clock = clock
        self._ring = ring

    async def keep_fresh(self) -> None:
        """Make the next key when it is due, and let go of those that have done their work. Raises Unavailable.

        Appends take turns under one lock, and a generation is made once: of replicas that start together one makes it.
        """
        known = await self._ring.keys(afresh=True)
        if keys.next_is_due(known, self._clock()):
            try:
                await self.rotate(Cause(AUTH, new_id("rotation")))
            except MadeByAnother:
                log.info("signing key made by another replica")
        for key in keys.have_done_their_work(known, self._clock()):
            await self._streams.change(KEYS, key.id, keys.retire, Cause(AUTH, key.id))
        await self._ring.keys(afresh=True)

    async def rotate(self, cause: Cause) -> Written:
        """Make the next key now; it is used once everybody knows it. Raises MadeByAnother."""
        key_id, change, kept = self._next(await self._ring.keys(afresh=True))
        return await self._streams.change_all([change], cause.ensuring(lambda _: [kept]).answering(key_id=key_id))

    async def revoke(self, key_id: str, cause: Cause) -> Written:
        """Nobody believes this key any more; the next one comes in the same commit if there is no other to sign with.

        Raises SigningKeyUnknown, MadeByAnother.
        """
        known = await self._ring.keys(afresh=True)
        changes: list[Change[Any]] = [Change(KEYS, key_id, keys.revoke)]
        kept: list[Statement] = []
        if keys.in_use([key for key in known if key.id != key_id], self._clock()) is None:
            _, change, statement = self._next(known)
            changes, kept = [*changes, change], [statement]
        written = await self._streams.change_all(changes, cause.ensuring(lambda _: kept).answering(key_id=key_id))
        await self._ring.keys(afresh=True)
        return written

    async def all(self) -> tuple[Sequence[KeptKey], KeptKey | None]:
        """Every key there is, the newest first, and the one that is signed with. Raises Unavailable."""
        known = await self._ring.keys(afresh=True)
        return sorted(known, key=lambda key: -key.generation), keys.in_use(known, self._clock())

    def _next(self, known: Sequence[KeptKey]) -> tuple[str, Change[Any], Statement]:
        now, key_id, generation = self._clock(), new_id("key"), 1 + max((key.generation for key in known), default=0)
        made = self._ring.make(key_id=key_id, generation=generation, now=now)
        decide = partial(keys.publish, key_id=key_id, public_key=made.public_key, now=now)
        return key_id, Change(KEYS, key_id, decide), made.kept
