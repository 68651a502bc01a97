"""The relay: from the log to the topic, in order, whatever breaks on the way."""

import asyncio
from dataclasses import replace

import pytest

from shared.broker import Topic, abandon, delete_topic, ensure_topics, producer
from shared.relay import RELAY_LOCK, Relay
from shared.settings import KafkaSettings
from tests.parts import Broker
from tests.shared.shop import Shop
from tests.shared.topics import (
    ensure_again,
    history,
    in_order_at_least_once,
    notes,
    published,
    running,
    until,
    until_published,
)


@pytest.fixture
def relay(shop: Shop, topic: Topic, kafka: KafkaSettings) -> Relay:
    return Relay("shop", topic, shop.recorder, shop.dsn, kafka)


async def test_everything_is_published_in_order_by_key(
    shop: Shop, relay: Relay, topic: Topic, kafka: KafkaSettings
) -> None:
    await notes(shop, 30)
    async with running(relay):
        await until(lambda: relay.progress.position == 90)
        await notes(shop, 10, at=30)
        await until(lambda: relay.progress.position == 120)
    assert await published(topic, kafka) == history(shop)
    assert relay.progress.error is None


async def test_a_relay_that_starts_again_goes_on_where_it_was_without_gaps_or_repetition(
    shop: Shop, topic: Topic, kafka: KafkaSettings
) -> None:
    for round_ in range(3):
        relay = Relay("shop", topic, shop.recorder, shop.dsn, kafka)
        async with running(relay):
            await notes(shop, 5, at=round_ * 5)
            await until(lambda r=relay, n=round_: r.progress.position == 15 * (n + 1))  # type: ignore[misc]
    assert await published(topic, kafka) == history(shop)


async def test_what_the_broker_has_but_the_relay_forgot_is_not_sent_again(
    shop: Shop, topic: Topic, kafka: KafkaSettings, relay: Relay
) -> None:
    await notes(shop, 10)
    async with running(relay):
        await until(lambda: relay.progress.position == 30)
    shop_forgets(shop, 7)
    await notes(shop, 5, at=10)
    again = Relay("shop", topic, shop.recorder, shop.dsn, kafka)
    async with running(again):
        await until(lambda: again.progress.position == 45)
    assert await published(topic, kafka) == history(shop)


async def test_a_second_relay_stands_by_and_takes_over(shop: Shop, topic: Topic, kafka: KafkaSettings) -> None:
    first, second = (Relay("shop", topic, shop.recorder, shop.dsn, kafka) for _ in range(2))
    async with running(second):
        async with running(first):
            await until(lambda: {first.progress.state, second.progress.state} == {"active", "standby"})
            active = first if first.progress.state == "active" else second
            await notes(shop, 3)
            await until(lambda: active.progress.position == 9)
        await until(lambda: second.progress.state == "active")
        await notes(shop, 3, at=3)
        await until(lambda: second.progress.position == 18)
    assert await published(topic, kafka) == history(shop)


async def test_a_relay_whose_lock_connection_is_killed_records_nothing_and_sends_nothing_more(
    shop: Shop, relay: Relay, topic: Topic, kafka: KafkaSettings
) -> None:
    async with running(relay):
        await notes(shop, 3)
        await until(lambda: relay.progress.position == 9)
        with shop.connect() as other:
            # Whoever holds the lock next keeps the first relay from coming back; it must notice and stand by.
            assert killed_lock_holder(shop)
            other.execute("SELECT pg_advisory_lock(%s)", (RELAY_LOCK,))
            await notes(shop, 3, at=3)
            await until(lambda: relay.progress.state in {"broken", "standby"})
            await asyncio.sleep(0.5)
            assert shop.query("SELECT position FROM relay") == [(9,)]
            assert sum(len(versions) for versions in (await published(topic, kafka)).values()) == 9
        await until(lambda: relay.progress.position == 18)
    assert in_order_at_least_once(await published(topic, kafka), history(shop))


async def test_a_wiped_broker_is_filled_again_while_the_relay_runs(
    shop: Shop, relay: Relay, topic: Topic, kafka: KafkaSettings, broker: Broker
) -> None:
    await notes(shop, 10)
    async with running(relay):
        await until(lambda: relay.progress.position == 30)
        broker.wipe()
        await notes(shop, 3, at=10)
        broker.start()
        await until_published(topic, kafka, shop)


async def test_a_topic_that_somebody_else_made_anew_is_filled_again_even_if_nothing_happens(
    shop: Shop, relay: Relay, topic: Topic, kafka: KafkaSettings
) -> None:
    await notes(shop, 1)
    async with running(relay):
        await until(lambda: relay.progress.position == 3)
        await delete_topic(topic, kafka)
        await ensure_again(topic, kafka)
        await until_published(topic, kafka, shop)


async def test_a_topic_lost_while_the_relay_was_down_is_filled_again(
    shop: Shop, relay: Relay, topic: Topic, kafka: KafkaSettings
) -> None:
    await notes(shop, 10)
    async with running(relay):
        await until(lambda: relay.progress.position == 30)
    await delete_topic(topic, kafka)
    again = Relay("shop", topic, shop.recorder, shop.dsn, kafka)
    async with running(again):
        await until_published(topic, kafka, shop)


async def test_a_log_behind_its_topic_is_refused_with_an_explanation(
    shop: Shop, topic: Topic, kafka: KafkaSettings, relay: Relay
) -> None:
    await notes(shop, 3)
    async with running(relay):
        await until(lambda: relay.progress.position == 9)
    restore_to(shop, 6)
    again = Relay("shop", topic, shop.recorder, shop.dsn, kafka)
    async with running(again):
        await until(lambda: again.progress.state == "refused")
    assert "ending at 6" in str(again.progress.error)
    assert "Restore the missing events" in str(again.progress.error)
    assert sum(len(versions) for versions in (await published(topic, kafka)).values()) == 9


async def test_a_log_that_went_on_differently_after_a_restore_is_refused(
    shop: Shop, topic: Topic, kafka: KafkaSettings, relay: Relay
) -> None:
    await notes(shop, 3)
    async with running(relay):
        await until(lambda: relay.progress.position == 9)
    restore_to(shop, 6)
    await notes(shop, 5, at=70)
    again = Relay("shop", topic, shop.recorder, shop.dsn, kafka)
    async with running(again):
        await until(lambda: again.progress.state == "refused")
    assert "Restore the missing events" in str(again.progress.error)


async def test_a_topic_with_another_number_of_partitions_is_refused(
    shop: Shop, relay: Relay, topic: Topic, kafka: KafkaSettings
) -> None:
    await notes(shop, 2)
    async with running(relay):
        await until(lambda: relay.progress.position == 6)
    more = Relay("shop", replace(topic, partitions=8), shop.recorder, shop.dsn, kafka)
    async with running(more):
        await until(lambda: more.progress.state == "refused")
    assert more.progress.error == f"{topic.name}: 6 partitions, not 8"
    assert await published(topic, kafka) == history(shop)


async def test_an_empty_stand_in_for_the_topic_is_replaced(
    shop: Shop, relay: Relay, topic: Topic, kafka: KafkaSettings
) -> None:
    await ensure_topics([replace(topic, partitions=4)], kafka)
    await notes(shop, 2)
    async with running(relay):
        await until_published(topic, kafka, shop)


async def test_looking_for_a_topic_does_not_create_it(topic: Topic, kafka: KafkaSettings) -> None:
    looking = producer(kafka)
    await looking.start()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(looking.partitions_for(topic.name), 0.5)
    await abandon(looking)
    await ensure_topics([topic], kafka)  # it would find other partitions


async def test_appends_go_on_while_the_broker_is_down_and_the_relay_catches_up(
    shop: Shop, relay: Relay, topic: Topic, kafka: KafkaSettings, broker: Broker
) -> None:
    async with running(relay):
        await until(lambda: relay.progress.state == "active")
        broker.kill()
        await notes(shop, 10)
        assert len(shop.log()) == 30
        broker.start()
        await until_published(topic, kafka, shop)


async def test_a_row_that_cannot_be_published_stops_the_relay_visibly_and_not_for_ever(
    shop: Shop, relay: Relay
) -> None:
    with shop.as_owner() as connection:
        connection.execute("ALTER TABLE events ALTER originator_id TYPE text")
        connection.execute(
            "INSERT INTO events (originator_id, originator_version, topic, state) VALUES ('product-9', 1, 'x', '{}')"
        )
    async with running(relay) as task:
        await until(lambda: relay.progress.state == "broken")
        assert not task.done()


# ---------------------------------------------------------------------------------------------------------------------


def shop_forgets(shop: Shop, position: int) -> None:
    with shop.connect() as connection:
        connection.execute("UPDATE relay SET position = %s", (position,))


def restore_to(shop: Shop, position: int) -> None:
    """As if the database came from a backup: events, their numbers and what the relay knew are of that time."""
    with shop.as_owner() as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER USER")
        connection.execute("DELETE FROM events WHERE notification_id > %s", (position,))
        connection.execute("ALTER TABLE events ENABLE TRIGGER USER")
        connection.execute("SELECT setval('events_notification_id_seq', %s)", (position,))
        connection.execute("UPDATE relay SET position = %s", (position,))


def killed_lock_holder(shop: Shop) -> bool:
    with shop.connect() as connection:
        row = connection.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (RELAY_LOCK & 0xFFFFFFFF,),
        ).fetchone()
    return row == (True,)
