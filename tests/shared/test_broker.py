"""The broker's clients: set so that nothing is lost, and no record can stop the others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from shared.broker import Topic, abandon, delete_topic, ensure_topics, producer, start_patiently, subscribe
from shared.relay import Relay
from shared.settings import KafkaSettings
from tests.parts import Broker
from tests.shared.elsewhere import Elsewhere, inbox_of, parked, said
from tests.shared.shop import ANNA, PRODUCT, Shop, note, open_shop
from tests.shared.topics import send, until

Records = Sequence[ConsumerRecord[Any, Any]]


async def test_a_producer_counts_only_what_every_replica_has(kafka: KafkaSettings) -> None:
    made = producer(kafka)
    await made.start()
    assert made._sender._acks == -1
    assert (made._txn_manager is not None) == kafka.idempotence
    await abandon(made)


async def test_a_producer_is_abandoned_at_once_with_what_it_could_not_deliver(
    topic: Topic, kafka: KafkaSettings
) -> None:
    await send(topic, kafka, (b"1", []))
    made = producer(kafka)
    await made.start()
    await made.partitions_for(topic.name)
    await delete_topic(topic, kafka)
    batch = made.create_batch()
    batch.append(key=b"key", value=b"2", timestamp=None)
    sent = await made.send_batch(batch, topic.name, partition=0)
    await asyncio.wait([sent], timeout=0.5)
    async with asyncio.timeout(3):
        await abandon(made)
    assert sent.done()
    sent.exception()


async def test_a_subscriber_begins_at_the_beginning_and_acknowledges_what_was_done(
    topic: Topic, kafka: KafkaSettings
) -> None:
    async def handle(_records: Records) -> None:
        pass

    async with subscribed(topic, kafka, handle) as broker:
        (subscriber,) = broker.subscribers
        consumer: AIOKafkaConsumer = subscriber.consumer  # type: ignore[attr-defined]
        assert consumer._auto_offset_reset == "earliest"
        assert consumer._enable_auto_commit is False
        assert consumer._isolation_level == "read_committed"
        assert consumer._fetch_max_wait_ms == 50
        assert consumer._session_timeout_ms == kafka.session_timeout_ms
        assert consumer._heartbeat_interval_ms == kafka.heartbeat_interval_ms
        assert subscriber.ack_policy is AckPolicy.NACK_ON_ERROR
        assert subscriber.max_records == 500  # type: ignore[attr-defined]


async def test_a_topic_keeps_its_records_for_ever_in_six_partitions(
    topic: Topic, kafka: KafkaSettings, request: pytest.FixtureRequest
) -> None:
    await ensure_topics([topic], kafka)
    await ensure_topics([topic], kafka)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    (described,) = await admin.describe_topics([topic.name])
    assert len(described["partitions"]) == 6
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name)])
    kept = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    await admin.close()
    wanted = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "min.insync.replicas": "1"}
    assert wanted.items() <= kept.items()


async def test_a_record_whose_headers_are_no_text_is_delivered_and_so_are_its_neighbours(
    topic: Topic, kafka: KafkaSettings
) -> None:
    got: list[bytes] = []

    async def handle(records: Records) -> None:
        got.extend(record.value for record in records)

    await send(topic, kafka, (b"1", []), (b"2", [("x", b"\xff\xfe")]), (b"3", [("x", None)]), (b"4", [("x", b"")]))
    async with subscribed(topic, kafka, handle):
        await until(lambda: len(got) == 4)
    assert got == [b"1", b"2", b"3", b"4"]


async def test_what_a_handler_failed_at_comes_again_from_every_partition(topic: Topic, kafka: KafkaSettings) -> None:
    tried = 0
    done: list[bytes] = []

    async def handle(records: Records) -> None:
        nonlocal tried
        tried += 1
        if tried <= 2:
            raise RuntimeError("the database is away")
        done.extend(record.value for record in records)

    await ensure_topics([topic], kafka)
    for partition in range(6):
        await send(topic, kafka, *((f"{partition}-{n}".encode(), []) for n in range(3)), partition=partition)
    async with subscribed(topic, kafka, handle):
        await until(lambda: len(set(done)) == 18)
    for partition in range(6):
        assert [v for v in done if v.startswith(b"%d" % partition)][:3] == [b"%d-%d" % (partition, n) for n in range(3)]


async def test_what_was_done_is_not_delivered_again_to_the_same_group(topic: Topic, kafka: KafkaSettings) -> None:
    got: list[bytes] = []

    async def handle(records: Records) -> None:
        got.extend(record.value for record in records)

    for round_ in (b"1", b"2"):
        await send(topic, kafka, (round_, []))
        async with subscribed(topic, kafka, handle):
            await until(lambda expected=round_: got[-1:] == [expected])  # type: ignore[misc]
            await asyncio.sleep(0.2)
    assert got == [b"1", b"2"]


async def test_poison_is_parked_and_its_stream_waits_while_others_go_on(
    shop: Shop, topic: Topic, kafka: KafkaSettings
) -> None:
    elsewhere = Elsewhere()
    a, poison, c = elsewhere.notes("product-1", "a", "b", "c")
    x, y = elsewhere.notes("product-2", "x", "y")
    sent = [(letter.value, list(letter.headers)) for letter in (a, poison, c, x, y)]
    nonsense: list[tuple[bytes, list[tuple[str, bytes | None]]]] = [
        (b"\x00", [("ce_id", b"\xff")]),
        (b"{}", [("ce_stream", None)]),
        (b"", []),
    ]
    with inbox_of(shop) as inbox:
        async with subscribed(topic, kafka, inbox.take):
            await send(topic, kafka, sent[0], nonsense[0], (b"broken", sent[1][1]), *nonsense[1:], *sent[2:])
            await until(lambda: said(shop, "product-2") == "x y")
            assert said(shop, "product-1") == "a"
            assert [(stream, version) for stream, version, _ in parked(shop)] == [
                ("product-1", 2), ("product-1", 3), (None, None), (None, None), (None, None),
            ]  # fmt: skip
            await send(topic, kafka, sent[1])
            await until(lambda: said(shop, "product-1") == "a b c")


async def test_a_subscription_waits_patiently_for_a_broker_that_is_down(
    topic: Topic, kafka: KafkaSettings, broker: Broker
) -> None:
    got: list[bytes] = []

    async def handle(records: Records) -> None:
        got.extend(record.value for record in records)

    broker.stop()
    made = subscribe([topic], topic.name, kafka, handle)
    starting = asyncio.create_task(start_patiently(made, [topic], kafka))
    await asyncio.sleep(0.3)
    assert not starting.done()
    await asyncio.to_thread(broker.start)
    await asyncio.wait_for(starting, 30)
    await send(topic, kafka, (b"1", []))
    await until(lambda: got == [b"1"])
    await made.stop()


async def test_from_log_to_view_each_event_takes_effect_once_whatever_becomes_of_the_broker(
    shop: Shop, new_database: Callable[[], str], topic: Topic, kafka: KafkaSettings, broker: Broker
) -> None:
    relay = Relay("shop", topic, shop.recorder, shop.dsn, kafka)
    async with open_shop(new_database()) as other:
        with inbox_of(other) as inbox:
            running = asyncio.create_task(relay.run())
            async with subscribed(topic, kafka, inbox.take):
                await notes(shop, 0, 10)
                await until(lambda: said(other, "product-1") is not None)
                broker.wipe()
                await notes(shop, 10, 20)
                await asyncio.to_thread(broker.start)
                await notes(shop, 20, 30)
                everything = " ".join(f"n{number}" for number in range(30))
                await until(lambda: said(other, "product-1") == said(other, "product-2") == everything, 60)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert parked(other) == []


# ---------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def subscribed(
    topic: Topic, kafka: KafkaSettings, handle: Callable[[Records], Awaitable[None]]
) -> AsyncIterator[KafkaBroker]:
    """A running subscription in a group of the topic's name."""
    made = subscribe([topic], topic.name, kafka, handle)
    await start_patiently(made, [topic], kafka)
    try:
        yield made
    finally:
        await made.stop()


async def notes(shop: Shop, first: int, end: int) -> None:
    for number in range(first, end):
        for stream in ("product-1", "product-2"):
            await shop.streams.change(PRODUCT, stream, note(stream, f"n{number}"), ANNA)
