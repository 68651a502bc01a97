"""How far behind a subscription is, is said when it is known, and never guessed from before a broker's crash."""

import asyncio

from shared.broker import Topic
from shared.settings import KafkaSettings
from shared.subscription import Subscription
from tests.parts import Broker
from tests.shared.topics import Reader, reading, send, until


async def known_to_be(subscription: Subscription, topic: Topic, behind: int | None) -> None:
    async with asyncio.timeout(60):
        while (await subscription.behind())[topic.name] != behind:
            await asyncio.sleep(0.05)


async def known_to_lag(subscription: Subscription, topic: Topic) -> None:
    async with asyncio.timeout(60):
        while not (await subscription.behind())[topic.name]:
            await asyncio.sleep(0.05)


async def test_what_is_not_through_counts_as_behind(topic: Topic, kafka: KafkaSettings, broker: Broker) -> None:
    reader = Reader()
    async with reading(topic, kafka, reader) as subscription:
        reader.open.clear()
        await known_to_be(subscription, topic, 0)
        await send(topic, kafka, *[(value, []) for value in (b"1", b"2", b"3")])
        await known_to_lag(subscription, topic)
        reader.open.set()
        await until(lambda: reader.got == [b"1", b"2", b"3"])
        await known_to_be(subscription, topic, 0)


async def test_nothing_is_known_of_a_broker_that_does_not_answer(
    topic: Topic, kafka: KafkaSettings, broker: Broker
) -> None:
    reader = Reader()
    async with reading(topic, kafka, reader) as subscription:
        await send(topic, kafka, (b"1", []))
        await until(lambda: reader.got == [b"1"])
        await known_to_be(subscription, topic, 0)
        broker.kill()
        await known_to_be(subscription, topic, None)
        await asyncio.to_thread(broker.start)


async def test_after_a_broker_lost_its_data_the_lag_is_unknown_until_all_of_it_is_read_again(
    topic: Topic, kafka: KafkaSettings, broker: Broker
) -> None:
    reader = Reader()
    async with reading(topic, kafka, reader) as subscription:
        await send(topic, kafka, *[(value, []) for value in (b"1", b"2", b"3")])
        await until(lambda: len(reader.got) == 3)
        await known_to_be(subscription, topic, 0)
        broker.wipe()
        await asyncio.to_thread(broker.start)
        await known_to_be(subscription, topic, None)
        reader.open.clear()
        await send(topic, kafka, *[(value, []) for value in (b"1", b"2", b"3", b"4")])
        await known_to_lag(subscription, topic)
        reader.open.set()
        # What it read from its old place, before its group was joined anew, it is given once more.
        await until(lambda: reader.got[-4:] == [b"1", b"2", b"3", b"4"])
        await known_to_be(subscription, topic, 0)
