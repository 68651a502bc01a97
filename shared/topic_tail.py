"""The tail of a topic: what it holds already, and whether it still does. Only its one writer, the relay, asks.

The end offset that a broker names may be too low (the embedded one's is), the high-water mark of a fetch is not; both
only ever grow while the topic keeps what it acknowledged.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.broker import Topic, never_create_by_looking, undisturbed
from shared.settings import KafkaSettings

LOOK_SECONDS = 10.0


class TopicLost(Exception):
    """The topic is not there any more, or lost records that it had acknowledged."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last record of a partition."""

    offset: int
    position: int
    """The place of its event in the log; 0 for a record that is not one of ours."""
    id: str


class TopicTail:
    """What one topic holds, by partition."""

    def __init__(self, topic: Topic, consumer: AIOKafkaConsumer) -> None:
        self._topic = topic
        self._consumer = consumer
        self._partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        self._ends: dict[TopicPartition, int] = {}
        self._offsets: dict[int, int] = {}
        self.last: dict[int, Last] = {}

    @property
    def newest(self) -> int:
        """The highest position in the topic; 0 when it holds nothing of ours."""
        return max((last.position for last in self.last.values()), default=0)

    def position(self, partition: int) -> int:
        """The position up to which a partition was filled when it was looked at."""
        return self.last[partition].position if partition in self.last else 0

    def sent(self, partition: int, offset: int) -> None:
        """A batch was acknowledged at this offset. Raises TopicLost when the partition has begun again."""
        if offset <= self._offsets.get(partition, -1):
            raise TopicLost(f"partition {partition} began again at offset {offset}")
        self._offsets[partition] = offset

    async def look(self) -> None:
        """Read the last record of every partition. Raises TopicLost when one cannot be read."""
        self._ends = await undisturbed(self._consumer.end_offsets(self._partitions))
        filled = [partition for partition in self._partitions if self._ends[partition] > 0]
        if filled:
            self._consumer.assign(filled)
            for partition in filled:
                self._consumer.seek(partition, self._ends[partition] - 1)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._read_to_the_end(filled)
            except TimeoutError:
                raise TopicLost("its last records cannot be read") from None
            self._consumer.unsubscribe()
        self._offsets = {partition: last.offset for partition, last in self.last.items()}

    async def _read_to_the_end(self, filled: list[TopicPartition]) -> None:
        while not all([await self._is_read(partition) for partition in filled]):
            for partition, records in (await self._consumer.getmany(timeout_ms=100)).items():
                self.last[partition.partition] = _last(records[-1])

    async def _is_read(self, partition: TopicPartition) -> bool:
        highwater = self._consumer.highwater(partition)
        return (
            partition.partition in self.last
            and highwater is not None
            and await self._consumer.position(partition) >= highwater
        )

    async def still_there(self) -> None:
        """Raises TopicLost when the topic is gone or holds less than it did; somebody else may have made it anew."""
        if self._topic.name not in await undisturbed(self._consumer.topics()):
            raise TopicLost("the broker does not know it")
        ends = await undisturbed(self._consumer.end_offsets(self._partitions))
        for partition, end in ends.items():
            if end < self._ends.get(partition, 0) or (end == 0 and partition.partition in self._offsets):
                raise TopicLost(f"partition {partition.partition} ends at {end}")
        self._ends = ends


@asynccontextmanager
async def tail_of(topic: Topic, settings: KafkaSettings) -> AsyncIterator[TopicTail]:
    """The tail of a topic that exists, over a connection of its own."""
    never_create_by_looking()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=50,
        request_timeout_ms=5_000,
    )
    try:
        await consumer.start()
        yield TopicTail(topic, consumer)
    finally:
        await consumer.stop()


def _last(record: ConsumerRecord[Any, Any]) -> Last:
    headers = dict(record.headers)
    position, event_id = headers.get("ce_position") or b"0", headers.get("ce_id") or b""
    return Last(record.offset, int(position), event_id.decode())
