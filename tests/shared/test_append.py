"""The event store: decide, append and refuse, on one database with one or two replicas."""

import asyncio
from typing import LiteralString

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from shared.cause import Cause
from shared.eventstore.streams import Change, HistoryBroken
from tests.shared.shop import (
    ANNA,
    PRODUCT,
    NoteAdded,
    PlateTaken,
    Product,
    ProductIsClosed,
    ProductOrdered,
    Shop,
    close,
    note,
    open_shop,
    order,
    raw_event,
)


async def test_what_was_appended_is_loaded(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    written = await shop.streams.change(PRODUCT, "product-1", note("product-1", "for Sofie"), ANNA)
    assert written.seen == ("product-1@2",)
    assert await shop.streams.load(PRODUCT, "product-1") == (Product(plate="DK12345", notes=1), 2)


async def test_a_stream_where_nothing_happened_is_in_its_initial_state(shop: Shop) -> None:
    assert await shop.streams.load(PRODUCT, "product-unknown") == (Product(), 0)


async def test_an_event_is_recorded_with_who_under_which_grant_and_in_answer_to_what(shop: Shop) -> None:
    cause = Cause(ANNA.actor, "request-7", "event-3", "account-administrator:account-9")
    await shop.streams.record("product-1", ProductOrdered(product_id="product-1", plate="DK12345"), cause)
    (recorded,) = shop.log()
    assert (recorded.actor, recorded.correlation, recorded.causation) == (ANNA.actor, "request-7", "event-3")
    assert recorded.grant == "account-administrator:account-9"


async def test_asking_again_appends_nothing(shop: Shop) -> None:
    for _ in range(3):
        written = await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
        assert written.seen == ("product-1@1",)
    assert len(shop.log()) == 1


async def test_several_streams_change_in_one_commit_or_not_at_all(shop: Shop) -> None:
    swap = [
        Change(PRODUCT, "product-2", order("product-2", "DK22222")),
        Change(PRODUCT, "product-1", order("product-1", "DK11111")),
    ]
    written = await shop.streams.change_all(swap, ANNA)
    assert written.seen == ("product-2@1", "product-1@1")
    taken = [
        Change(PRODUCT, "product-3", note("product-3", "never")),
        Change(PRODUCT, "product-4", order("product-4", "DK11111")),
    ]
    with pytest.raises(PlateTaken):
        await shop.streams.change_all(taken, ANNA)
    assert [r.stream for r in shop.log()] == ["product-1", "product-2"]


async def test_one_stream_is_decided_about_once_in_a_command(shop: Shop) -> None:
    twice = [Change(PRODUCT, "product-1", note("product-1", "one")), Change(PRODUCT, "product-1", close("product-1"))]
    with pytest.raises(ValueError, match="one decision a stream"):
        await shop.streams.change_all(twice, ANNA)


async def test_versions_count_from_one_without_gaps_and_positions_follow_the_commits(shop: Shop) -> None:
    async def notes(stream: str) -> None:
        for number in range(20):
            await shop.streams.change(PRODUCT, stream, note(stream, str(number)), ANNA)

    await asyncio.gather(*(notes(f"product-{n}") for n in range(5)))
    for n in range(5):
        own = [r for r in shop.log() if r.stream == f"product-{n}"]
        assert [r.version for r in own] == list(range(1, 21))
        assert [r.position for r in own] == sorted(r.position for r in own)


async def test_a_lost_race_decides_again(shop: Shop, replica: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    seen: list[int] = []

    def late(product: Product) -> list[NoteAdded]:
        seen.append(product.notes)
        if len(seen) == 1:
            shop.query("SELECT 1")  # a pause in which the other replica is faster
            _append_past(shop, "product-1", 2)
        return [NoteAdded(product_id="product-1", note="late")]

    written = await replica.streams.change(PRODUCT, "product-1", late, ANNA)
    assert written.seen == ("product-1@3",)
    assert seen == [0, 1]


async def test_two_replicas_lose_nothing_and_never_both_succeed_at_a_version(shop: Shop, replica: Shop) -> None:
    answers: list[str] = []

    async def notes(at: Shop, who: str) -> None:
        for number in range(15):
            stream = f"product-{number % 3}"
            written = await at.streams.change(PRODUCT, stream, note(stream, f"{who}{number}"), ANNA)
            answers.extend(written.seen)

    await asyncio.gather(*(notes(at, f"{name}{n}-") for n in range(8) for name, at in (("a", shop), ("b", replica))))
    assert len(answers) == len(set(answers)) == 8 * 2 * 15
    notes_in_log = [note for n in range(3) for note in shop.notes_of(f"product-{n}")]
    assert len(notes_in_log) == len(set(notes_in_log)) == 8 * 2 * 15
    for n in range(3):
        assert [r.version for r in shop.log() if r.stream == f"product-{n}"] == list(range(1, 81))
        said = shop.query("SELECT said FROM notebook WHERE product_id = %s", (f"product-{n}",))
        assert said == [(" ".join(shop.notes_of(f"product-{n}")),)]


async def test_a_kept_state_gone_stale_is_not_believed_for_an_answer_without_events(database: str) -> None:
    async with open_shop(database, []) as shop, open_shop(database, []) as replica:
        await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK11111"), ANNA)
        await replica.streams.change(PRODUCT, "product-1", order("product-1", "DK22222"), ANNA)
        written = await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK11111"), ANNA)
        assert written.seen == ("product-1@3",)


async def test_a_kept_state_gone_stale_is_not_believed_for_a_refusal(shop: Shop, replica: Shop) -> None:
    def only_with_a_note(product: Product) -> list[ProductOrdered]:
        if product.notes == 0:
            raise ProductIsClosed
        return [ProductOrdered(product_id="product-1", plate="DK99999")]

    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK11111"), ANNA)
    with pytest.raises(ProductIsClosed):
        await shop.streams.change(PRODUCT, "product-1", only_with_a_note, ANNA)
    await replica.streams.change(PRODUCT, "product-1", note("product-1", "now"), ANNA)
    await shop.streams.change(PRODUCT, "product-1", only_with_a_note, ANNA)


async def test_a_decision_whose_asker_went_away_does_no_harm(shop: Shop) -> None:
    task = asyncio.create_task(shop.streams.change(PRODUCT, "product-1", note("product-1", "gone"), ANNA))
    await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    written = await shop.streams.change(PRODUCT, "product-1", note("product-1", "here"), ANNA)
    assert written.seen[0] == f"product-1@{len(shop.log())}"
    assert shop.notes_of("product-1")[-1] == "here"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET state = 'x'",
        "DELETE FROM events",
        "TRUNCATE events",
        "INSERT INTO events SELECT * FROM events ON CONFLICT ON CONSTRAINT events_pkey DO UPDATE SET state = 'x'",
        "MERGE INTO events e USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    ],
)
async def test_history_is_only_ever_added_to_by_the_service_and_by_its_owner(shop: Shop, sql: LiteralString) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    with shop.connect() as service, pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
        service.execute(sql)
    with shop.as_owner() as owner, pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added to"):
        owner.execute(sql)
    assert len(shop.log()) == 1


async def test_a_stream_with_a_missing_version_is_not_decided_upon(shop: Shop) -> None:
    _append_past(shop, "product-1", 3)
    with pytest.raises(HistoryBroken):
        await shop.streams.change(PRODUCT, "product-1", note("product-1", "on sand"), ANNA)


async def test_the_library_sees_the_same_log(shop: Shop) -> None:
    shop.recorder.insert_events(
        [StoredEvent("product-1", 1, *raw_event("product-1")), StoredEvent("product-2", 1, *raw_event("product-2"))]
    )
    await shop.streams.change(PRODUCT, "product-1", close("product-1"), ANNA)
    assert [(r.stream, r.version) for r in shop.log()] == [("product-1", 1), ("product-2", 1), ("product-1", 2)]


def _append_past(shop: Shop, stream: str, version: int) -> None:
    topic, state = raw_event(stream, "past")
    with shop.connect() as connection:
        connection.execute(
            "INSERT INTO events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)",
            (stream, version, topic, state),
        )
