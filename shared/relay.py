"""The relay: carries a service's log to its topic, in order, each event at least once.

One relay of a service is active at a time: it holds a session lock, on the very connection that records how far it
came, so one that lost its lock can record nothing and begins no further batch. It resumes from the last position that
the broker acknowledged whole, and skips per partition what the topic already holds. A topic that lost its records is
filled again from the log; a log that is behind its topic (a restored backup) is refused, because its next events would
contradict what others saw.

Twice in the topic may only be what one batch held when its relay was cut off from the broker or from its lock.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from eventsourcing.persistence import Notification
from eventsourcing.postgres import PostgresApplicationRecorder

from shared.broker import (
    PartitionsChangedError,
    Topic,
    abandon,
    delete_topic,
    ensure_topics,
    make_anew,
    producer,
)
from shared.envelope import wire
from shared.logs import log
from shared.settings import KafkaSettings
from shared.topic_tail import TopicLost, TopicTail, tail_of

__all__ = ["LogBehindTopic", "Progress", "Relay", "TopicLost"]

RELAY_LOCK = 0x5E1F5E13
BATCH = 1000
POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
"""How often an active relay asks whether its lock and its topic are still there."""
LOCK_TIMEOUT = "30s"
"""A relay that is frozen for longer than this loses its lock."""
TABLE = "CREATE TABLE IF NOT EXISTS relay (topic text PRIMARY KEY, position bigint NOT NULL)"

Connection = psycopg.AsyncConnection[Any]


class LogBehindTopic(Exception):
    """The topic holds events that this log does not: the database was restored to an earlier moment."""


@dataclass(slots=True)
class Progress:
    """What the relay knows of itself, for health and metrics."""

    state: str = "starting"
    position: int = 0
    """The last position that the broker acknowledged with all before it."""
    error: str | None = None


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
        self._lost = False
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
                self.progress.state, self._lost, wait = "starting", True, 0.1
            except (LogBehindTopic, PartitionsChangedError) as refused:
                self.progress.state, self.progress.error = "refused", str(refused)
                log.error("relay refuses", topic=self._topic.name, why=str(refused))
                wait = 5.0
            except Exception as broken:  # noqa: BLE001 (whatever it is: a relay that ended would end unnoticed)
                wait = 0.1 if self.progress.state == "active" else min(wait * 2, 2.0)
                self.progress.state, self.progress.error = "broken", repr(broken)
                log.warning("relay: will try again", topic=self._topic.name, error=repr(broken))
            await asyncio.sleep(wait)

    async def _be_active(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            await connection.execute("SELECT set_config('idle_session_timeout', %s, false)", (LOCK_TIMEOUT,))
            await self._get_lock(connection)
            if self.progress.state == "standby":
                self.progress.state = "starting"
            await self._ensure_topic(connection)
            async with tail_of(self._topic, self._settings) as tail:
                await tail.look()
                self.progress.position = await self._resume_at(connection, tail)
                kafka = producer(self._settings)
                try:
                    await kafka.start()
                    self.progress.state, self.progress.error = "active", None
                    await self._carry(connection, kafka, tail)
                finally:
                    await abandon(kafka)

    async def _get_lock(self, connection: Connection) -> None:
        while True:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (RELAY_LOCK,))).fetchone()
            if row is not None and row[0]:
                return
            self.progress.state = "standby"
            await asyncio.sleep(0.5)

    async def _ensure_topic(self, connection: Connection) -> None:
        """Raises PartitionsChangedError, unless what has the wrong partitions is a mere stand-in.

        After a loss, a broker that creates topics by itself may have made one for whoever asked first.
        """
        if self._lost:
            await make_anew(self._topic, self._settings)
            self._lost = False
        try:
            await ensure_topics([self._topic], self._settings)
        except PartitionsChangedError as changed:
            async with tail_of(replace(self._topic, partitions=changed.found), self._settings) as tail:
                await tail.look()
            if tail.last and tail.newest >= await self._acknowledged(connection):
                raise
            await delete_topic(self._topic, self._settings)
            raise TopicLost(str(changed)) from changed

    async def _resume_at(self, connection: Connection, tail: TopicTail) -> int:
        """The position after which to send. Raises LogBehindTopic."""
        await self._refuse_if_behind(tail)
        acknowledged = await self._acknowledged(connection)
        if tail.newest < acknowledged:
            log.warning("relay: topic lost records, sending the log again", topic=self._topic.name)
            await self._remember(connection, 0)
            return 0
        return acknowledged

    async def _acknowledged(self, connection: Connection) -> int:
        query = "SELECT position FROM relay WHERE topic = %s"
        row = await (await connection.execute(query, (self._topic.name,))).fetchone()
        return int(row[0]) if row else 0

    async def _refuse_if_behind(self, tail: TopicTail) -> None:
        """The topic may hold nothing that the log does not, nor anything else at the same position."""
        for last in tail.last.values():
            here = await asyncio.to_thread(self._recorder.select_notifications, last.position, 1)
            ids = [dict(wire(self._source, event)[0])["ce_id"].decode() for event in here if event.id == last.position]
            if last.position and ids != [last.id]:
                newest = await asyncio.to_thread(self._recorder.max_notification_id)
                raise LogBehindTopic(
                    f"{self._topic.name} holds event {last.id} at position {last.position}, which this log, ending at "
                    f"{newest or 0}, does not. Restore the missing events, or delete the topic and rebuild every "
                    "subscriber."
                )

    async def _carry(self, connection: Connection, kafka: AIOKafkaProducer, tail: TopicTail) -> None:
        looked = 0.0
        while True:
            self._wake.clear()
            batch = await asyncio.to_thread(
                self._recorder.select_notifications, self.progress.position, BATCH, inclusive_of_start=False
            )
            if batch:
                await self._heartbeat(connection)
                await self._send(connection, kafka, batch, tail)
                await self._remember(connection, batch[-1].id)
            now = asyncio.get_running_loop().time()
            if now - looked > HEARTBEAT_SECONDS:
                await self._heartbeat(connection, tail)
                looked = now
            if len(batch) < BATCH:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    @staticmethod
    async def _heartbeat(connection: Connection, tail: TopicTail | None = None) -> None:
        """Raises psycopg.OperationalError when the lock is lost, TopicLost when the topic is."""
        await connection.execute("SELECT 1")
        if tail is not None:
            await tail.still_there()

    async def _send(
        self, connection: Connection, kafka: AIOKafkaProducer, batch: Sequence[Notification], tail: TopicTail
    ) -> None:
        """Send a batch and wait until all of it is acknowledged. Raises TopicLost, KafkaError."""
        waiting: dict[asyncio.Future[Any], int] = {}
        for partition, events in self._by_partition(batch, tail).items():
            for builder in _packed(kafka, self._source, events):
                sent = await kafka.send_batch(builder, self._topic.name, partition=partition)
                sent.add_done_callback(lambda done: done.cancelled() or done.exception())  # looked at, in any case
                waiting[sent] = partition
        missing = set(waiting)
        while missing:
            # A producer that may not write twice tries for ever: it is up to us to see that the topic is gone.
            _, missing = await asyncio.wait(missing, timeout=HEARTBEAT_SECONDS)
            if missing:
                await self._heartbeat(connection, tail)
        for acknowledged, partition in waiting.items():
            tail.sent(partition, acknowledged.result().offset)

    def _by_partition(self, batch: Sequence[Notification], tail: TopicTail) -> dict[int, list[Notification]]:
        """What the topic does not hold yet, by the partition it belongs to."""
        partitions = list(range(self._topic.partitions))
        missing: dict[int, list[Notification]] = {}
        for event in batch:
            partition = self._partition_of(str(event.originator_id).encode(), partitions, partitions)
            if event.id > tail.position(partition):
                missing.setdefault(partition, []).append(event)
        return missing

    async def _remember(self, connection: Connection, position: int) -> None:
        await connection.execute(
            "INSERT INTO relay VALUES (%s, %s) ON CONFLICT (topic) DO UPDATE SET position = excluded.position",
            (self._topic.name, position),
        )
        self.progress.position = position


def _packed(kafka: AIOKafkaProducer, source: str, events: Sequence[Notification]) -> list[Any]:
    """Events of one partition, in their order, in as few batches as they fit into."""
    builders = [kafka.create_batch()]
    for event in events:
        headers, value = wire(source, event)
        record = {"key": str(event.originator_id).encode(), "value": value, "timestamp": None, "headers": headers}
        if builders[-1].append(**record) is None:
            builders.append(kafka.create_batch())
            builders[-1].append(**record)
    return builders
