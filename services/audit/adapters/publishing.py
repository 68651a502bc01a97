"""The topic of checkpoints: signed notes, where somebody else than the database's administrators keeps them (T-05).

    selfservice.audit.checkpoints      one partition; key = the log's name, value = the note

Each is there at least once, in the order of their sizes but for repetitions: whoever begins to publish says the newest
one again.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.broker import PartitionsChangedError, Topic, abandon, ensure_topics, producer, undisturbed
from shared.logs import log
from shared.settings import KafkaSettings

PUBLISH_LOCK = 0x5EA2
SECONDS = 10.0
PAUSE_SECONDS = 1.0
Row = tuple[int, str]


def topic(prefix: str = "selfservice") -> Topic:
    """The topic of checkpoints."""
    return Topic(f"{prefix}.audit.checkpoints", partitions=1)


class Publisher:
    """Publishes every signed checkpoint; one of the replicas at a time."""

    def __init__(self, dsn: str, origin: str, settings: KafkaSettings) -> None:
        self._dsn = dsn
        self._origin = origin.encode()
        self._settings = settings
        self._topic = topic(settings.topic_prefix)

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
                    if await self._is_my_turn(connection):
                        await self._publish(connection)
            except (KafkaError, PartitionsChangedError, OSError, psycopg.Error) as not_now:
                log.warning("checkpoints cannot be published now", error=repr(not_now))
            await asyncio.sleep(PAUSE_SECONDS)

    @staticmethod
    async def _is_my_turn(connection: psycopg.AsyncConnection[Any]) -> bool:
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (PUBLISH_LOCK,))).fetchone()
        return bool(row and row[0])

    async def _publish(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Publish whatever is signed, for as long as all goes well."""
        await ensure_topics([self._topic], self._settings)
        kafka = producer(self._settings)
        try:
            await kafka.start()
            waiting: Sequence[Row] = await self._rows(connection, _NEWEST)
            while True:
                for size, note in waiting:
                    sent = kafka.send_and_wait(self._topic.name, note.encode(), key=self._origin, partition=0)
                    await asyncio.wait_for(sent, SECONDS)
                    await connection.execute("UPDATE checkpoints SET published = true WHERE size = %s", (size,))
                await asyncio.sleep(PAUSE_SECONDS)
                waiting = await self._rows(connection, _WAITING)
        finally:
            await abandon(kafka)

    @staticmethod
    async def _rows(connection: psycopg.AsyncConnection[Any], query: LiteralString) -> Sequence[Row]:
        return await (await connection.execute(query)).fetchall()


_WAITING: LiteralString = (
    "SELECT size, note FROM checkpoints WHERE note IS NOT NULL AND NOT published ORDER BY size LIMIT 1000"
)
_NEWEST: LiteralString = "SELECT size, note FROM checkpoints WHERE note IS NOT NULL ORDER BY size DESC LIMIT 1"


async def last_published(settings: KafkaSettings) -> str | None:
    """The newest note that the topic holds; None while there is none. Raises KafkaError, TimeoutError."""
    checkpoints = topic(settings.topic_prefix)
    await ensure_topics([checkpoints], settings)
    partition = TopicPartition(checkpoints.name, 0)
    kafka = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest")
    try:
        await undisturbed(kafka.start())
        end = (await undisturbed(kafka.end_offsets([partition])))[partition]
        if end == 0:
            return None
        kafka.assign([partition])
        kafka.seek(partition, end - 1)
        return await asyncio.wait_for(_read_to_the_end(kafka, partition), SECONDS)
    finally:
        await kafka.stop()


async def _read_to_the_end(kafka: AIOKafkaConsumer, partition: TopicPartition) -> str:
    """The last record there is: the end that a broker names may be too low."""
    last = None
    while last is None or (records := await kafka.getmany(partition, timeout_ms=200)):
        last = records[partition][-1] if last is not None else await kafka.getone()
    return bytes(last.value).decode()
