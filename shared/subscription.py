"""A service's subscription: begun when the broker answers, and how far behind it is, said only when it is known.

What a consumer last heard of a partition's end is worth nothing once the broker is gone, and what it took in before its
partitions were assigned anew says nothing about the records that it is given now: a broker that lost its data begins at
offset 0 again. Then the lag is not 0 but unknown (None), until the broker has told the end of the partition afresh.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError

from shared.broker import MOST_RECORDS, BatchHandler, Topic, start_patiently, subscribe
from shared.envelope import MalformedEnvelopeError, attributes
from shared.settings import KafkaSettings

HEARD_WITHIN_SECONDS = 2.0
"""How old the last word of the broker may be to be believed; it is asked some twenty times a second."""
POSITION_SECONDS = 0.1


class Subscription(ConsumerRebalanceListener):  # type: ignore[misc]  # its package is not typed
    """One group's reading of some topics in batches; a batch is acknowledged when `handle` has come back."""

    def __init__(
        self,
        topics: Sequence[Topic],
        group: str,
        settings: KafkaSettings,
        handle: BatchHandler,
        most: int = MOST_RECORDS,
    ) -> None:
        self._topics = topics
        self._settings = settings
        self._handle = handle
        self._broker = subscribe(topics, group, settings, self._take, listener=self, most=most)
        self._taken: dict[TopicPartition, int] = {}
        """Where each partition is: the offset after the last record whose batch is through."""
        self._said_at: dict[TopicPartition, float] = {}
        """When the last event of each partition was said whose batch is through."""
        self._assignments = 0

    async def start(self) -> None:
        """Comes back when the subscription is there, however long the broker is out of reach."""
        await start_patiently(self._broker, self._topics, self._settings)

    async def stop(self) -> None:
        await self._broker.stop()

    async def _take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        assignment, taken = self._assignments, self._taken
        for record in records:
            taken.setdefault(TopicPartition(record.topic, record.partition), record.offset)
        await self._handle(records)
        if assignment == self._assignments:
            last = {TopicPartition(record.topic, record.partition): record for record in records}
            taken |= {partition: record.offset + 1 for partition, record in last.items()}
            self._said_at |= {at: said for at, record in last.items() if (said := _said_at(record)) is not None}

    def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        """Nothing to do: a batch under way is committed whole, whoever reads on."""

    def on_partitions_assigned(self, _assigned: Iterable[TopicPartition]) -> None:
        """What was taken in before says nothing about the records that come now."""
        self._assignments += 1
        self._taken, self._said_at = {}, {}

    async def behind(self) -> dict[str, int | None]:
        """Records of each topic that are not through yet, as the broker last told, a moment ago; None: not known."""
        behind: dict[str, int | None] = {topic.name: 0 for topic in self._topics}
        consumers = self._consumers()
        if not any(consumer.assignment() for consumer in consumers):
            return dict.fromkeys(behind)
        for consumer in consumers:
            for partition in consumer.assignment():
                known, here = behind[partition.topic], await self._behind_in(consumer, partition)
                behind[partition.topic] = None if known is None or here is None else known + here
        return behind

    async def heard(self) -> dict[TopicPartition, float]:
        """How many seconds ago each partition read here was heard, without those of which that is not known.

        When all of it is through: when the broker last said so; while there is more: when the last event was said that
        is through.
        """
        heard: dict[TopicPartition, float] = {}
        for consumer in self._consumers():
            for partition in consumer.assignment():
                behind = await self._behind_in(consumer, partition)
                polled = consumer.last_poll_timestamp(partition) if behind == 0 else None
                at = self._said_at.get(partition) if behind else polled and polled / 1000
                if at is not None:
                    heard[partition] = max(0.0, time.time() - at)
        return heard

    def _consumers(self) -> list[AIOKafkaConsumer]:
        return [consumer for s in self._broker.subscribers if (consumer := getattr(s, "consumer", None))]

    async def _behind_in(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
        if partition not in consumer.assignment():
            return None
        end, heard = consumer.highwater(partition), consumer.last_poll_timestamp(partition)
        at = self._taken[partition] if partition in self._taken else await _position(consumer, partition)
        if end is None or heard is None or at is None:
            return None
        if at < end:
            return int(end - at)
        # All is through, so the consumer asks for more all the time, unless nobody answers.
        return 0 if at == end and time.time() - heard / 1000 < HEARD_WITHIN_SECONDS else None


def _said_at(record: ConsumerRecord[Any, Any]) -> float | None:
    """When the event of a record was said; None when it is none of ours."""
    try:
        return attributes(tuple(record.headers)).time.timestamp()
    except MalformedEnvelopeError:
        return None


async def _position(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """The offset that a consumer is at; None while it is looking for it, or has lost the partition."""
    try:
        async with asyncio.timeout(POSITION_SECONDS):
            return int(await consumer.position(partition))
    except (TimeoutError, IllegalStateError):
        return None
