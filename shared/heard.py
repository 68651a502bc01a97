"""Heard: until when a service knows that it has taken in everything that some topics said.

A service decides by copies of what others said, and refuses what they revoked. When it cannot hear them it must not go
on as if nothing had been revoked (S-16).

1. A partition is heard until now while all that it holds has taken effect and the broker goes on answering; while there
   is more, until the time of the last event that has. So a load peak counts only when it puts the service itself back.
2. Replicas share the partitions, so they share what they know: a row of each partition in the database, which whoever
   reads it keeps fresh. A service has heard its topics until the oldest of those rows, and not at all while one lacks.
3. Longer ago than the settings say, commands are refused and somebody is told; it says by itself when it is well again.
4. What is not known is not heard: without the database the last known moment only gets older.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import LiteralString

import psycopg
from aiokafka import TopicPartition

from shared.broker import Topic
from shared.database import Database
from shared.errors import Unavailable
from shared.logs import log

NOTE_SECONDS = 1.0

TABLE: LiteralString = """
CREATE TABLE IF NOT EXISTS heard (
    topic text NOT NULL, partition int NOT NULL, heard_until timestamptz NOT NULL, PRIMARY KEY (topic, partition))
    WITH (fillfactor = 50)
"""

Ages = Mapping[TopicPartition, float]
"""How many seconds ago each partition was known to be heard; nothing of one of which that is not known."""


class RevocationsNotHeard(Unavailable):
    """Whether your rights still hold is not known here just now, so nothing is changed; ask again in a moment."""

    code = "revocations-not-heard"


class Heard:
    """What one service has heard of the topics that may revoke what its callers rely on."""

    def __init__(self, database: Database, topics: Sequence[Topic], within_seconds: float) -> None:
        self._database = database
        self._topics = [topic.name for topic in topics]
        self._partitions = sum(topic.partitions for topic in topics)
        self._within = within_seconds
        self._heard_at: float | None = None
        """The moment until which all was heard, on this process's steady clock."""
        self._told = False
        self.once = not topics
        """Whether all was heard freshly enough at least once since this process began."""

    @property
    def seconds_ago(self) -> float | None:
        """How long ago all was heard; None while that was never known."""
        if not self._topics:
            return 0.0
        return None if self._heard_at is None else time.monotonic() - self._heard_at

    def must_be_fresh(self) -> None:
        """Refuse to go on while a revocation may have been missed. Raises RevocationsNotHeard."""
        if not self._is_fresh():
            raise RevocationsNotHeard(retry_after=2)

    async def keep_noting(self, look: Callable[[], Awaitable[Ages]]) -> None:
        """Note what `look` answers every second, and tell when all is not heard any more, and when it is again."""
        while self._topics:
            try:
                await self.note(await look())
            except (Unavailable, psycopg.Error) as failure:
                log.warning("what was heard could not be noted", error=repr(failure))
            self._tell()
            await asyncio.sleep(NOTE_SECONDS)

    async def note(self, ages: Ages) -> None:
        """Note how long ago these were heard, and look at what all replicas noted. Raises Unavailable."""
        ours = {partition: age for partition, age in ages.items() if partition.topic in self._topics}
        if ours:
            await self._database.execute(_NOTE, _columns(ours))
        before = time.monotonic()
        row = await self._database.row(_LOOK, (self._topics,))
        if row is not None and row["partitions"] == self._partitions:
            self._heard_at = before - float(row["seconds_ago"])
        self.once = self.once or self._is_fresh()

    def _is_fresh(self) -> bool:
        return (ago := self.seconds_ago) is not None and ago <= self._within

    def _tell(self) -> None:
        if self._is_fresh() == self._told:
            return
        self._told = not self._told
        if self._told:
            log.info("revocations are heard", topics=self._topics)
        else:
            log.error("revocations are not heard: no command is taken", topics=self._topics, seconds=self.seconds_ago)


def _columns(ages: Ages) -> tuple[list[str], list[int], list[float]]:
    ordered = sorted(ages.items())  # replicas take the rows in one order
    return [p.topic for p, _ in ordered], [p.partition for p, _ in ordered], [age for _, age in ordered]


_NOTE: LiteralString = """
INSERT INTO heard AS h
SELECT n.topic, n.partition, clock_timestamp() - n.age * interval '1 second'
FROM unnest(%s::text[], %s::int[], %s::float[]) AS n(topic, partition, age)
ON CONFLICT (topic, partition) DO UPDATE SET heard_until = excluded.heard_until
WHERE excluded.heard_until > h.heard_until
"""
_LOOK: LiteralString = """
SELECT count(*) AS partitions, extract(epoch FROM clock_timestamp() - min(heard_until)) AS seconds_ago
FROM heard WHERE topic = ANY(%s)
"""
