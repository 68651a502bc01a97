"""Others' logs: everything that the topics of other services hold, read from the start, for a rebuild."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from shared.broker import Topic
from shared.dead_letters import Letter
from shared.settings import KafkaSettings


class ForeignLog(Protocol):
    """Where a rebuild finds what other services said."""

    def read(self) -> AsyncIterator[Sequence[Letter]]:
        """What has come since the last reading, up to the present end, in the order of each stream."""

    async def close(self) -> None:
        """There will be no further reading."""


class Topics:
    """The topics themselves, read beside every consumer group: nobody's place in them is touched."""

    def __init__(self, topics: Sequence[Topic], settings: KafkaSettings) -> None:
        self._partitions = [TopicPartition(topic.name, n) for topic in topics for n in range(topic.partitions)]
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None

    async def read(self) -> AsyncIterator[Sequence[Letter]]:
        """As every foreign log: what is added meanwhile is left to the next reading. Raises KafkaError."""
        consumer = self._consumer or await self._open()
        # The end that a broker names may lie before the end; the high-water mark of the first fetch does not.
        named = await consumer.end_offsets(self._partitions)
        ends: dict[TopicPartition, int] = {}
        left = [partition for partition in self._partitions if named[partition] > 0]
        while left:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                yield [Letter(r.topic, r.partition, r.offset, tuple(r.headers), r.value or b"") for r in records]
            for partition in left:
                if (highwater := consumer.highwater(partition)) is not None:
                    ends.setdefault(partition, max(highwater, named[partition]))
            left = [p for p in left if p not in ends or await consumer.position(p) < ends[p]]

    async def _open(self) -> AIOKafkaConsumer:
        self._consumer = consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        await consumer.start()
        if missing := {partition.topic for partition in self._partitions} - await consumer.topics():
            raise UnknownTopicOrPartitionError(f"the broker has no {', '.join(sorted(missing))}")
        consumer.assign(self._partitions)
        await consumer.seek_to_beginning(*self._partitions)
        return consumer

    async def close(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            await self._consumer.stop()
