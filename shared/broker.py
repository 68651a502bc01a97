"""The broker: every setting of topics, producers and consumers, said once.

FastStream acknowledges before the handler runs and aiokafka's defaults are `acks=1`, automatic commits and `latest`;
each of them loses events. Here all of it is said explicitly, and a test reads it back from running clients.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import aiokafka.client
from aiokafka import AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError
from aiokafka.protocol.metadata import MetadataRequest
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from shared.logs import log
from shared.settings import KafkaSettings

PARTITIONS = 6
KEEP_FOR_EVER = "-1"
FINISH_SECONDS = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of events: one a service, keyed by stream, so that a stream's events stay in order.

    A feed is a topic that others write and one service takes in; whatever it needs of it, it keeps.
    """

    name: str
    partitions: int = PARTITIONS
    keep_ms: str = KEEP_FOR_EVER

    @property
    def settings(self) -> dict[str, str]:
        """Events are kept for ever: a new subscriber reads the whole history. Never compacted: every record counts."""
        return {"cleanup.policy": "delete", "retention.ms": self.keep_ms, "retention.bytes": KEEP_FOR_EVER}


def topic_of(service: str, prefix: str = "selfservice") -> Topic:
    """The topic that a service publishes its events to."""
    return Topic(f"{prefix}.{service}.events")


def feed_of(name: str, prefix: str = "selfservice", *, keep: timedelta) -> Topic:
    """The topic of a feed, each record of which is kept for so long."""
    return Topic(f"{prefix}.{name}.feed", keep_ms=str(int(keep.total_seconds() * 1000)))


class PartitionsChangedError(Exception):
    """A topic has another number of partitions than declared, so keys would move and order would break."""

    def __init__(self, topic: Topic, found: int) -> None:
        super().__init__(f"{topic.name}: {found} partitions, not {topic.partitions}")
        self.found = found


class _Looking(MetadataRequest):  # type: ignore[misc]  # its package is not typed
    """aiokafka wants every topic that it looks for created, as the broker thinks best: with too few partitions."""

    def __init__(self, topics: list[str] | None = None) -> None:
        super().__init__(topics, allow_auto_topic_creation=False)


def never_create_by_looking() -> None:
    """Make all Kafka clients of this process find topics and not make them; there is no setting for it."""
    aiokafka.client.MetadataRequest = _Looking


async def ensure_topics(topics: Sequence[Topic], settings: KafkaSettings) -> None:
    """Create what is missing. Raises PartitionsChangedError, or KafkaError while the broker is out of reach."""
    async with _admin(settings) as admin:
        present = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
        for topic in topics:
            if topic.name not in present:
                await _create(admin, topic, settings)
            elif present[topic.name] != topic.partitions:
                raise PartitionsChangedError(topic, present[topic.name])


async def delete_topic(topic: Topic, settings: KafkaSettings) -> None:
    """Delete a topic and all that is in it."""
    async with _admin(settings) as admin:
        await admin.delete_topics([topic.name])


async def make_anew(topic: Topic, settings: KafkaSettings) -> None:
    """Replace a topic that the embedded broker has lost; nothing is done on any other, where it would cost history.

    That broker takes records for a topic it does not know any more, and cannot read that partition ever after, unless
    the topic is deleted once.
    """
    if not settings.idempotence:
        with suppress(PartitionsChangedError):
            await ensure_topics([topic], settings)
        await delete_topic(topic, settings)


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    never_create_by_looking()
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers, request_timeout_ms=10_000)
    try:
        await undisturbed(admin.start())
        yield admin
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, topic: Topic, settings: KafkaSettings) -> None:
    new = NewTopic(
        topic.name,
        topic.partitions,
        settings.replication_factor,
        topic_configs={**topic.settings, "min.insync.replicas": str(settings.min_insync_replicas)},
    )
    answer = await admin.create_topics([new])
    for name, code, *_ in answer.topic_errors:
        if code not in {0, TopicAlreadyExistsError.errno}:
            raise KafkaError(f"topic {name} could not be created: error {code}")


def producer(settings: KafkaSettings) -> AIOKafkaProducer:
    """A producer that counts a record as sent only when every in-sync replica has it."""
    never_create_by_looking()
    return AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        acks="all",
        enable_idempotence=settings.idempotence,
        request_timeout_ms=10_000,
        metadata_max_age_ms=5_000,
        max_batch_size=256 * 1024,
    )


async def undisturbed(work: Coroutine[Any, Any, T]) -> T:
    """Let the Kafka client finish what it began even when the caller is cancelled: it forgets half-made connections."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=FINISH_SECONDS)
        raise


async def abandon(kafka: AIOKafkaProducer) -> None:
    """Close a producer at once, without what it has not delivered: whoever publishes next begins from the log.

    An idempotent producer's own `stop` waits until everything is delivered, which without its topic is never.
    """
    kafka._message_accumulator.fail_all(KafkaError("abandoned"))
    await kafka.stop()


MOST_RECORDS = 500
"""The most records of one batch, unless a subscription says otherwise."""
CONSUMER: dict[str, Any] = {
    "auto_offset_reset": "earliest",
    "ack_policy": AckPolicy.NACK_ON_ERROR,
    "fetch_max_wait_ms": 50,
    "max_records": MOST_RECORDS,
    "isolation_level": "read_committed",
}
"""What every subscription of ours says beside its topics and its group."""

BatchHandler = Callable[[Sequence[ConsumerRecord[Any, Any]]], Awaitable[None]]


async def _tolerant(records: Any, original: Callable[[Any], Awaitable[KafkaMessage]]) -> KafkaMessage:
    """Parse a batch without touching headers: a value that is not UTF-8 would raise before any handler sees it."""
    message = await original(tuple(replace(record, headers=()) for record in records))
    message.raw_message = records
    return message


async def _pass_through(message: KafkaMessage) -> list[Any]:
    return [record.value for record in message.raw_message]


def subscribe(
    topics: Sequence[Topic],
    group: str,
    settings: KafkaSettings,
    handle: BatchHandler,
    listener: ConsumerRebalanceListener | None = None,
    *,
    most: int = MOST_RECORDS,
) -> KafkaBroker:
    """A FastStream broker with one batch subscription; a batch is acknowledged when `handle` has come back."""
    never_create_by_looking()
    broker = KafkaBroker(
        settings.bootstrap_servers,
        parser=_tolerant,
        decoder=_pass_through,
        metadata_max_age_ms=5_000,
        logger=None,
        allow_auto_create_topics=False,
    )

    async def take(message: KafkaMessage) -> None:
        raw = message.raw_message
        await handle(raw if isinstance(raw, tuple) else (raw,))

    subscription = broker.subscriber(
        *(topic.name for topic in topics),
        group_id=group,
        batch=True,
        listener=listener,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.heartbeat_interval_ms,
        **{**CONSUMER, "max_records": most},
    )
    subscription(take)
    return broker


async def start_patiently(broker: KafkaBroker, topics: Sequence[Topic], settings: KafkaSettings) -> None:
    """Start a subscription when the broker answers: FastStream itself gives up at the first refusal."""
    wait = 0.1
    while True:
        try:
            await ensure_topics(topics, settings)
            await broker.start()
        except (KafkaError, PartitionsChangedError, OSError) as not_yet:
            log.warning("cannot subscribe yet", error=str(not_yet))
            await broker.stop()
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2.0)
        else:
            return
