"""The check that audit makes of itself once a day (T-09); what it finds stays an alarm until a later one finds nothing.

It is made against the newest checkpoint of the topic, too: who can write in this database cannot write there.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from aiokafka.errors import KafkaError
from psycopg import Connection

from services.audit.adapters.publishing import last_published
from services.audit.adapters.rechecks import Result, keep, last_kept, recheck
from services.audit.proof.notes import Checkpoint, Key, MalformedNote, checkpoint_signed_by
from shared.broker import PartitionsChangedError
from shared.clock import Clock
from shared.logs import log
from shared.settings import KafkaSettings

EVERY: Final = timedelta(days=1)
RECHECK_LOCK: Final = 0x5EA3


class Nightly:
    """Checks the whole history once a day, whichever replica comes first."""

    def __init__(self, connect: Callable[[], Connection[Any]], key: Key, kafka: KafkaSettings, clock: Clock) -> None:
        self._connect = connect
        self._key = key
        self._kafka = kafka
        self._clock = clock
        self._difference: str | None = None

    async def look(self) -> None:
        """Check, if nobody has for a day; else remember what was found."""
        if await asyncio.to_thread(self._is_due):
            await asyncio.to_thread(self.check, await self._outside())

    def check(self, outside: list[Checkpoint]) -> Result | None:
        """Hash everything anew and keep what is found; None where somebody else is just doing it."""
        with self._connect() as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (RECHECK_LOCK,)).fetchone()
            if row is None or not row[0]:
                return None
            found = recheck(connection, outside)
            keep(connection, self._clock(), found)
        self._difference = found.difference
        if found.difference is not None:
            log.error("the history is not what it was", difference=found.difference)
        return found

    def alarms(self) -> list[str]:
        """What the last check found."""
        return [f"the history is not what it was: {self._difference}"] if self._difference else []

    def _is_due(self) -> bool:
        with self._connect() as connection:
            last = last_kept(connection)
        self._difference = last[1] if last else None
        return last is None or self._clock() - last[0] >= EVERY

    async def _outside(self) -> list[Checkpoint]:
        try:
            note = await last_published(self._kafka)
            return [checkpoint_signed_by(self._key, note)] if note is not None else []
        except (KafkaError, PartitionsChangedError, MalformedNote, OSError, TimeoutError) as unreachable:
            log.warning("checked without the topic of checkpoints", error=repr(unreachable))
            return []
