"""What is in a topic, beside what is in the log it was filled from."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.broker import Topic, ensure_topics, producer
from shared.relay import Relay
from shared.settings import KafkaSettings
from shared.subscription import Subscription
from tests.shared.shop import ANNA, PRODUCT, Shop, note

T = TypeVar("T")
Entry = tuple[str, int]
"""A stream and a version in it."""


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(relay.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def notes(shop: Shop, each: int, *, at: int = 0) -> None:
    """Three streams get as many notes each, all at once."""

    async def on(stream: str) -> None:
        for number in range(at, at + each):
            await shop.streams.change(PRODUCT, stream, note(stream, f"n{number}"), ANNA)

    await asyncio.gather(*(on(f"product-{name}") for name in ("anna", "bo", "carla")))


def history(shop: Shop) -> dict[str, list[int]]:
    """The versions of every stream in the log, in its order."""
    return by_stream([(r.stream, r.version) for r in shop.log()])


def by_stream(entries: list[Entry]) -> dict[str, list[int]]:
    streams: dict[str, list[int]] = defaultdict(list)
    for stream, version in entries:
        streams[stream].append(version)
    return dict(streams)


async def published(topic: Topic, kafka: KafkaSettings) -> dict[str, list[int]]:
    """The versions of every stream in the topic, in the order in which a subscriber gets them."""

    async def read(consumer: AIOKafkaConsumer) -> list[Entry]:
        partitions = [TopicPartition(topic.name, n) for n in range(topic.partitions)]
        ends = await consumer.end_offsets(partitions)
        filled = [partition for partition in partitions if ends[partition]]
        consumer.assign(filled)
        for partition in filled:
            consumer.seek(partition, 0)
        entries: list[Entry] = []
        while not all([(consumer.highwater(p) or -1) == await consumer.position(p) for p in filled]):
            for records in (await consumer.getmany(timeout_ms=50)).values():
                entries.extend(entry_of(record) for record in records)
        return entries

    return by_stream(await consuming(kafka, read))


async def consuming(kafka: KafkaSettings, work: Callable[[AIOKafkaConsumer], Awaitable[T]]) -> T:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, enable_auto_commit=False, fetch_max_wait_ms=20
    )
    await consumer.start()
    try:
        return await work(consumer)
    finally:
        await consumer.stop()


def entry_of(record: ConsumerRecord[bytes, bytes]) -> Entry:
    headers = {name: value.decode() for name, value in record.headers}
    assert record.key == headers["ce_stream"].encode()
    return headers["ce_stream"], int(headers["ce_version"])


def in_order_at_least_once(got: dict[str, list[int]], wanted: dict[str, list[int]]) -> bool:
    """Whether every version came, none before its predecessor; only a cut-off batch may be there twice."""
    return all(sorted(set(versions)) == wanted[stream] for stream, versions in got.items()) and all(
        v in versions[: versions.index(v + 1)] for versions in got.values() for v in versions if v + 1 in versions
    )


class Reader:
    """Takes in values in whole batches; while it is closed it is amid one."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.open, self.amid = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        self.amid.set()
        await self.open.wait()
        self.got += [record.value for record in records]


@asynccontextmanager
async def reading(topic: Topic, kafka: KafkaSettings, reader: Reader) -> AsyncIterator[Subscription]:
    """A running subscription of a group of the topic's name."""
    subscription = Subscription([topic], topic.name, kafka, reader.take)
    await subscription.start()
    try:
        yield subscription
    finally:
        reader.open.set()
        await subscription.stop()


async def send(
    topic: Topic,
    kafka: KafkaSettings,
    *records: tuple[bytes, Sequence[tuple[str, bytes | None]]],
    partition: int = 3,
) -> None:
    """Put records into one partition, whatever they are."""
    await ensure_topics([topic], kafka)
    made = producer(kafka)
    await made.start()
    try:
        for value, headers in records:
            await made.send_and_wait(topic.name, value, key=b"key", partition=partition, headers=headers)
    finally:
        await made.stop()


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


async def ensure_again(topic: Topic, kafka: KafkaSettings) -> None:
    """Somebody creates the topic as soon as it is deleted; Apache Kafka takes a moment for that."""
    async with asyncio.timeout(10):
        while set(await consuming(kafka, lambda consumer: consumer.topics())) >= {topic.name}:
            await asyncio.sleep(0.05)
    await ensure_topics([topic], kafka)


async def until_published(topic: Topic, kafka: KafkaSettings, shop: Shop) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(Exception):
                async with asyncio.timeout(5):
                    if in_order_at_least_once(got := await published(topic, kafka), history(shop)) and got:
                        return
            await asyncio.sleep(0.1)
