"""The relay: carries a service's log to its topic, in order, each event at least once.

One relay of a service is active at a time: it holds a session lock, on the very connection that records how far it
came, so one that lost its lock can record nothing. It resumes from the last position that the broker acknowledged
whole, and skips per partition what the topic already holds. A topic that lost its records is filled again from the log;
a log that is behind its topic (a restored backup) is refused, because its next events would contradict what others saw.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from eventsourcing.persistence import Notification, PersistenceError
from eventsourcing.postgres import PostgresApplicationRecorder

from shared.broker import PartitionsChangedError, Topic, ensure_topics, producer
from shared.envelope import wire
from shared.logs import log
from shared.settings import KafkaSettings

RELAY_LOCK = 0x5E1F5E13
BATCH = 1000
POLL_SECONDS = 0.1
LOOK_AT_TOPIC_SECONDS = 1.0
TABLE = "CREATE TABLE IF NOT EXISTS relay (topic text PRIMARY KEY, position bigint NOT NULL)"


class LogBehindTopic(Exception):
    """The topic holds events that this log does not: the database was restored to an earlier moment."""


class TopicLost(Exception):
    """The topic is not there any more, or lost records that it had acknowledged."""


@dataclass(slots=True)
class Progress:
    """What the relay knows of itself, for health and metrics."""

    state: str = "starting"
    position: int = 0
    """The last position that the broker acknowledged with all before it."""
    error: str | None = None


@dataclass(slots=True)
class _Held:
    """What a topic holds: the last log position and the last offset of each partition."""

    positions: dict[int, int] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        return max(self.positions.values(), default=0)


class Relay:
    """Publishes one service's log; `run` works until it is cancelled."""

    def __init__(
        self, source: str, topic: Topic, recorder: PostgresApplicationRecorder, dsn: str, settings: KafkaSettings
    ) -> None:
        self._source = source
        self._topic = topic
        self._recorder = recorder
        self._dsn = dsn
        self._settings = settings
        self._wake = asyncio.Event()
        self._partition_of = DefaultPartitioner()
        self.progress = Progress()

    def wake(self) -> None:
        """Something was committed: look now instead of at the next poll."""
        self._wake.set()

    async def run(self) -> None:
        wait = 0.1
        while True:
            try:
                await self._be_active()
            except TopicLost as lost:
                log.warning("relay: topic lost, filling it again", topic=self._topic.name, why=str(lost))
                wait = 0.1
            except (LogBehindTopic, PartitionsChangedError) as refused:
                self.progress.state, self.progress.error = "refused", str(refused)
                log.error("relay refuses", topic=self._topic.name, why=str(refused))
                wait = 5.0
            except (KafkaError, psycopg.Error, PersistenceError, OSError) as broken:
                self.progress.state, self.progress.error = "broken", str(broken)
                log.warning("relay: will try again", topic=self._topic.name, error=repr(broken))
                wait = min(wait * 2, 2.0)
            await asyncio.sleep(wait)

    async def _be_active(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            await self._get_lock(connection)
            await ensure_topics([self._topic], self._settings)
            held = await self._look_at_topic()
            self.progress.position = await self._resume_at(connection, held)
            kafka = producer(self._settings)
            await kafka.start()
            try:
                self.progress.state, self.progress.error = "active", None
                await self._carry(connection, kafka, held)
            finally:
                await kafka.stop()

    async def _get_lock(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (RELAY_LOCK,))).fetchone()
            if row is not None and row[0]:
                return
            self.progress.state = "standby"
            await asyncio.sleep(0.5)

    async def _resume_at(self, connection: psycopg.AsyncConnection[Any], held: _Held) -> int:
        """The position after which to send. Raises LogBehindTopic."""
        newest_here = await asyncio.to_thread(self._recorder.max_notification_id) or 0
        if held.newest > newest_here:
            raise LogBehindTopic(
                f"{self._topic.name} holds position {held.newest}, the log ends at {newest_here}. "
                "Restore the missing events, or delete the topic and rebuild every subscriber."
            )
        query = "SELECT position FROM relay WHERE topic = %s"
        row = await (await connection.execute(query, (self._topic.name,))).fetchone()
        acknowledged = int(row[0]) if row else 0
        if held.newest < acknowledged:
            log.warning("relay: topic lost records, sending the log again", topic=self._topic.name)
            return 0
        return acknowledged

    async def _carry(self, connection: psycopg.AsyncConnection[Any], kafka: AIOKafkaProducer, held: _Held) -> None:
        looked = 0.0
        while True:
            self._wake.clear()
            batch = await asyncio.to_thread(
                self._recorder.select_notifications, self.progress.position, BATCH, inclusive_of_start=False
            )
            if batch:
                await self._send(kafka, batch, held)
                await self._remember(connection, batch[-1].id)
            if len(batch) == BATCH:
                continue
            now = asyncio.get_running_loop().time()
            if now - looked > LOOK_AT_TOPIC_SECONDS:
                await self._still_there(kafka)
                await connection.execute("SELECT 1")
                looked = now
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    async def _send(self, kafka: AIOKafkaProducer, batch: list[Notification], held: _Held) -> None:
        """Send a batch and wait until all of it is acknowledged. Raises TopicLost when offsets went backwards."""
        partitions = list(range(self._topic.partitions))
        waiting: list[tuple[int, asyncio.Future[Any]]] = []
        filling: dict[int, Any] = {}

        async def close(partition: int) -> None:
            builder = filling.pop(partition)
            waiting.append((partition, await kafka.send_batch(builder, self._topic.name, partition=partition)))

        for event in batch:
            key = str(event.originator_id).encode()
            partition = self._partition_of(key, partitions, partitions)
            if event.id <= held.positions.get(partition, 0):
                continue
            headers, value = wire(self._source, event)
            builder = filling.setdefault(partition, kafka.create_batch())
            if builder.append(key=key, value=value, timestamp=None, headers=headers) is None:
                await close(partition)
                builder = filling.setdefault(partition, kafka.create_batch())
                builder.append(key=key, value=value, timestamp=None, headers=headers)
        for partition in list(filling):
            await close(partition)
        for partition, sent in waiting:
            offset = (await sent).offset
            if offset < held.offsets.get(partition, -1):
                raise TopicLost(f"partition {partition} began again at offset {offset}")
            held.offsets[partition] = offset

    async def _remember(self, connection: psycopg.AsyncConnection[Any], position: int) -> None:
        await connection.execute(
            "INSERT INTO relay VALUES (%s, %s) ON CONFLICT (topic) DO UPDATE SET position = excluded.position",
            (self._topic.name, position),
        )
        self.progress.position = position

    async def _still_there(self, kafka: AIOKafkaProducer) -> None:
        await kafka.client.force_metadata_update()
        if not kafka.client.cluster.partitions_for_topic(self._topic.name):
            raise TopicLost("the broker does not know it")

    async def _look_at_topic(self) -> _Held:
        """Read the last record of every partition.

        The end offset that a broker names may lie (the embedded one's does), the high-water mark of a fetch does not.
        """
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap_servers, enable_auto_commit=False, fetch_max_wait_ms=50
        )
        await consumer.start()
        held = _Held()
        try:
            partitions = [TopicPartition(self._topic.name, n) for n in range(self._topic.partitions)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            for partition in partitions:
                if ends[partition] > 0:
                    await self._read_last(consumer, partition, ends[partition], held)
        finally:
            await consumer.stop()
        return held

    @staticmethod
    async def _read_last(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int, held: _Held) -> None:
        consumer.seek(partition, max(0, end - 1))
        while True:
            got = await consumer.getmany(partition, timeout_ms=500)
            for record in got.get(partition, []):
                position = next((value for name, value in record.headers if name == "ce_position"), b"0")
                held.positions[partition.partition] = int(position)
                held.offsets[partition.partition] = record.offset
            highwater = consumer.highwater(partition)
            if not got and highwater is not None and await consumer.position(partition) >= highwater:
                return
