"""S-16: whether everything that may have been revoked was heard is known, shared by replicas, and never guessed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from structlog.testing import capture_logs

from shared import schema
from shared.broker import Topic
from shared.database import Database
from shared.heard import Heard, RevocationsNotHeard
from shared.http.problems import headers_of, status_of
from shared.settings import KafkaSettings
from shared.subscription import Subscription
from shared.wall import Roles
from tests.parts import Broker, owner_of
from tests.shared.topics import send

ONE, TWO = Topic("one.events", 2), Topic("two.events", 1)
PARTITION = 3
JUST_NOW = 2.0
EVERY = [TopicPartition("one.events", 0), TopicPartition("one.events", 1), TopicPartition("two.events", 0)]


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Database]:
    schema.migrate(owner_of(database), Roles.of(database), [])
    opened = Database(database, connections=2)
    await opened.open()
    yield opened
    await opened.close()


async def test_a_service_that_heeds_nobody_takes_every_command(opened: Database) -> None:
    heard = Heard(opened, [], 30)
    heard.must_be_fresh()
    assert (heard.once, heard.seconds_ago) == (True, 0.0)


async def test_nothing_was_heard_while_one_partition_was_not(opened: Database) -> None:
    heard = Heard(opened, [ONE, TWO], 30)
    await heard.note(dict.fromkeys(EVERY[:2], 0.0))
    with pytest.raises(RevocationsNotHeard) as refused:
        heard.must_be_fresh()
    assert status_of(refused.value) == 503
    assert headers_of(refused.value) == {"Retry-After": "2"}
    assert not heard.once
    await heard.note({EVERY[2]: 0.0})
    heard.must_be_fresh()
    assert heard.once


async def test_the_partition_that_was_heard_longest_ago_counts_and_no_earlier_word_takes_a_later_one_back(
    opened: Database,
) -> None:
    heard = Heard(opened, [ONE, TWO], 30)
    await heard.note({EVERY[0]: 0.0, EVERY[1]: 29.0, EVERY[2]: 5.0})
    assert heard.seconds_ago == pytest.approx(29, abs=1)
    heard.must_be_fresh()
    await heard.note(dict.fromkeys(EVERY, 100.0))
    assert heard.seconds_ago == pytest.approx(29, abs=1)
    await heard.note({EVERY[1]: 1.0})
    assert heard.seconds_ago == pytest.approx(5, abs=1)


async def test_replicas_share_what_they_heard_of_their_own_partitions(opened: Database) -> None:
    """One that reads no partition at all takes commands as well; topics that are not heeded do not matter."""
    one, other, idle = (Heard(opened, [ONE, TWO], 30) for _ in range(3))
    await one.note({EVERY[0]: 0.0, TopicPartition("three.events", 0): 0.0})
    await other.note(dict.fromkeys(EVERY[1:], 0.0))
    await idle.note({})
    idle.must_be_fresh()


async def test_what_was_heard_gets_older_by_itself_even_when_the_database_is_gone(
    opened: Database, database: str
) -> None:
    heard = Heard(opened, [TWO], 0.3)
    await heard.note({EVERY[2]: 0.0})
    heard.must_be_fresh()
    with psycopg.connect(owner_of(database)) as owner:
        owner.execute("DROP TABLE heard")
    await asyncio.sleep(0.4)
    with pytest.raises(RevocationsNotHeard):
        heard.must_be_fresh()
    assert heard.once, "ready is what it was: questions are answered"


async def test_somebody_is_told_when_revocations_are_not_heard_any_more_and_when_they_are_again(
    opened: Database,
) -> None:
    heard, known = Heard(opened, [TWO], 0.5), [{EVERY[2]: 0.0}, {}, {}, {EVERY[2]: 0.0}]

    async def look() -> dict[TopicPartition, float]:
        return known.pop(0) if known else {}

    with capture_logs() as said:
        noting = asyncio.create_task(heard.keep_noting(look))
        while known:
            await asyncio.sleep(0.1)
        noting.cancel()
        await asyncio.gather(noting, return_exceptions=True)
    assert [(line["log_level"], line["event"]) for line in said] == [
        ("info", "revocations are heard"),
        ("error", "revocations are not heard: no command is taken"),
        ("info", "revocations are heard"),
    ]


# From a real broker ---------------------------------------------------------------------------------------------------


class Reader:
    """Takes in whole batches; while it is closed it is amid one."""

    def __init__(self) -> None:
        self.open, self.amid = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def take(self, _records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        self.amid.set()
        await self.open.wait()


@asynccontextmanager
async def reading(topic: Topic, kafka: KafkaSettings, reader: Reader) -> AsyncIterator[Subscription]:
    subscription = Subscription([topic], topic.name, kafka, reader.take)
    await subscription.start()
    try:
        yield subscription
    finally:
        reader.open.set()
        await subscription.stop()


async def all_heard(subscription: Subscription, topic: Topic) -> None:
    """Wait until every partition is heard just now."""
    async with asyncio.timeout(60):
        while len(heard := await subscription.heard()) < topic.partitions or max(heard.values()) > JUST_NOW:
            await asyncio.sleep(0.05)


def said(ago: float, version: int) -> tuple[bytes, Sequence[tuple[str, bytes]]]:
    """A record of an event that was said some seconds ago."""
    attributes = {
        "id": f"event-{version}",
        "specversion": "1.0",
        "type": "shop.note-added.v1",
        "source": "shop",
        "subject": "product-1",
        "stream": "product-1",
        "version": str(version),
        "position": str(version),
        "time": (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(),
        "actor": "system:tests",
        "correlationid": "tests",
    }
    headers = [("content-type", b"application/json")]
    return b"{}", [*headers, *((f"ce_{name}", value.encode()) for name, value in attributes.items())]


async def test_all_is_heard_just_now_while_all_is_through_and_the_broker_answers(
    topic: Topic, kafka: KafkaSettings, broker: Broker
) -> None:
    async with reading(topic, kafka, Reader()) as subscription:
        await all_heard(subscription, topic)
        await send(topic, kafka, said(1000, 1))
        await all_heard(subscription, topic)
        broker.kill()
        async with asyncio.timeout(60):
            while await subscription.heard():
                await asyncio.sleep(0.05)
        await asyncio.to_thread(broker.start)


async def test_while_there_is_more_all_was_heard_until_the_last_event_that_is_through_was_said(
    topic: Topic, kafka: KafkaSettings, broker: Broker
) -> None:
    """A load peak puts commands off only when it puts the service itself back."""
    reader = Reader()
    async with reading(topic, kafka, reader) as subscription:
        await all_heard(subscription, topic)
        await send(topic, kafka, said(1000, 1), partition=PARTITION)
        await reader.amid.wait()
        await all_heard(subscription, topic)
        reader.open.clear()
        reader.amid.clear()
        await send(topic, kafka, said(500, 2), partition=PARTITION)
        await reader.amid.wait()
        assert (await subscription.heard())[TopicPartition(topic.name, PARTITION)] == pytest.approx(1000, abs=60)
        reader.open.set()
        await all_heard(subscription, topic)


async def test_of_a_backlog_of_which_nothing_is_through_nothing_is_known(
    topic: Topic, kafka: KafkaSettings, broker: Broker
) -> None:
    reader = Reader()
    reader.open.clear()
    await send(topic, kafka, said(1, 1), said(1, 2), partition=PARTITION)
    async with reading(topic, kafka, reader) as subscription:
        await reader.amid.wait()
        assert TopicPartition(topic.name, PARTITION) not in await subscription.heard()
        reader.open.set()
        await all_heard(subscription, topic)
