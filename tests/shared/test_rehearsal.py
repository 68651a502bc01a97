"""A rehearsal is the command itself, taken back: refused by what refuses the command, and leaving nothing behind."""

import asyncio
from dataclasses import replace

import psycopg
import pytest

from shared.cause import Cause, Written
from shared.envelope import Recorded
from shared.eventstore.recorder import APPEND_LOCK
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Change
from tests.shared.shop import (
    ANNA,
    PRODUCT,
    NoteAdded,
    PlateTaken,
    Product,
    ProductClosed,
    ProductIsClosed,
    ProductOrdered,
    Shop,
    close,
    note,
    order,
)
from tests.waiting import started_and_held

REHEARSED = ANNA.rehearsed()


def everything_in(shop: Shop) -> tuple[list[Recorded], list[tuple[object, ...]]]:
    """The log, and every table that a command of the shop changes."""
    tables = "SELECT 'plates', t::text FROM plates t UNION SELECT 'notebook', t::text FROM notebook t"
    return shop.log(), sorted(shop.query(f"{tables} UNION SELECT 'keys', t::text FROM idempotency t"))


async def test_a_rehearsal_tells_the_events_that_would_be_recorded_and_leaves_nothing_behind(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    before = everything_in(shop)
    rehearsed = await shop.streams.change(PRODUCT, "product-1", close("product-1"), REHEARSED.answering(id="product-1"))
    assert rehearsed == Written((), {"id": "product-1"}, [ProductClosed(product_id="product-1")])
    assert everything_in(shop) == before


async def test_a_rehearsal_of_several_streams_tells_all_of_it(shop: Shop) -> None:
    both = [Change(PRODUCT, f"product-{n}", order(f"product-{n}", f"DK{n}")) for n in (2, 1)]
    rehearsed = await shop.streams.change_all(both, REHEARSED)
    assert rehearsed.events == [
        ProductOrdered(product_id="product-2", plate="DK2"),
        ProductOrdered(product_id="product-1", plate="DK1"),
    ]
    assert shop.log() == []


async def test_a_rehearsal_of_what_is_so_already_tells_no_event(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    rehearsed = await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), REHEARSED)
    assert rehearsed == Written((), {}, [])


async def test_a_rehearsal_is_refused_by_the_decision_by_a_view_by_a_guard_and_by_what_must_hold_after(
    shop: Shop,
) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    await shop.streams.change(PRODUCT, "product-2", close("product-2"), ANNA)
    before = everything_in(shop)
    no = Statement("INSERT INTO plates VALUES ('DK12345', 'product-9')")
    with pytest.raises(ProductIsClosed):
        await shop.streams.change(PRODUCT, "product-2", note("product-2", "too late"), REHEARSED)
    for cause in (REHEARSED, REHEARSED.guarded_by(no), REHEARSED.ensuring(lambda _: [no])):
        plate = "DK12345" if cause is REHEARSED else "DK22222"
        with pytest.raises(PlateTaken):
            await shop.streams.change(PRODUCT, "product-3", order("product-3", plate), cause)
    assert everything_in(shop) == before


async def test_what_is_rehearsed_is_not_known_to_the_next_command(shop: Shop) -> None:
    """Neither in the database nor among the states that a process keeps."""
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    await shop.streams.change(PRODUCT, "product-1", close("product-1"), REHEARSED)
    seen: list[Product] = []

    def look(product: Product) -> list[NoteAdded]:
        seen.append(product)
        return [NoteAdded(product_id="product-1", note="still open")]

    written = await shop.streams.change(PRODUCT, "product-1", look, ANNA)
    assert (written.seen, seen) == (("product-1@2",), [Product(plate="DK12345")])
    assert [recorded.version for recorded in shop.log()] == [1, 2]


async def test_a_rehearsal_that_lost_a_race_decides_again(shop: Shop, replica: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    await replica.streams.change(PRODUCT, "product-1", close("product-1"), ANNA)
    with pytest.raises(ProductIsClosed):  # the state that this replica keeps is open
        await shop.streams.change(PRODUCT, "product-1", note("product-1", "late"), REHEARSED)


async def test_rehearsals_among_real_commands_neither_commit_nor_are_seen_nor_disturb_them(
    shop: Shop, replica: Shop
) -> None:
    """Every plate is rehearsed for one product and really ordered for another, at the same moment."""

    async def ordered(at: Shop, stream: str, cause: Cause) -> Written:
        return await at.streams.change(PRODUCT, stream, order(stream, stream.rpartition("-")[2]), cause)

    plates = {f"{name}{n}": at for n in range(40) for name, at in (("A", shop), ("B", replica))}
    real, rehearsed = await asyncio.gather(
        asyncio.gather(*(ordered(at, f"product-real-{plate}", ANNA) for plate, at in plates.items())),
        asyncio.gather(
            *(ordered(at, f"product-rehearsed-{plate}", REHEARSED) for plate, at in plates.items()),
            return_exceptions=True,
        ),
    )
    assert [written.seen for written in real] == [(f"product-real-{plate}@1",) for plate in plates]
    assert {type(answer) for answer in rehearsed} <= {Written, PlateTaken}
    log = shop.log()
    assert {recorded.stream for recorded in log} == {f"product-real-{plate}" for plate in plates}
    assert [recorded.position for recorded in log] == sorted({recorded.position for recorded in log})
    assert len(shop.query("SELECT 1 FROM plates")) == len(plates)


async def test_no_commit_waits_for_more_than_one_rehearsal(shop: Shop) -> None:
    slow = REHEARSED.guarded_by(Statement("SELECT pg_sleep(0.05)"))
    rehearsals = [
        asyncio.create_task(shop.streams.change(PRODUCT, f"product-{n}", note(f"product-{n}", "one"), slow))
        for n in range(20)
    ]
    await asyncio.wait(rehearsals, return_when=asyncio.FIRST_COMPLETED)
    for stream in ("product-real-1", "product-real-2"):
        before = sum(rehearsal.done() for rehearsal in rehearsals)
        await shop.streams.change(PRODUCT, stream, note(stream, "now"), ANNA)
        assert sum(rehearsal.done() for rehearsal in rehearsals) <= before + 2
    assert not all(rehearsal.done() for rehearsal in rehearsals)
    await asyncio.gather(*rehearsals)
    assert len(shop.log()) == 2


async def test_a_rehearsal_sees_what_was_committed_before_it_and_keeps_nobody_out_after(
    shop: Shop, replica: Shop
) -> None:
    with psycopg.connect(shop.dsn) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        rehearsing = shop.streams.change(PRODUCT, "product-2", order("product-2", "DK12345"), REHEARSED)
        async with started_and_held(rehearsing, shop.dsn) as rehearsal:
            holder.execute("INSERT INTO plates VALUES ('DK12345', 'product-1')")
            holder.commit()
            with pytest.raises(PlateTaken):
                await rehearsal
    await asyncio.wait_for(replica.streams.change(PRODUCT, "product-2", order("product-2", "DK22222"), ANNA), timeout=3)


async def test_a_rehearsal_keeps_no_answer_even_if_it_is_told_to(shop: Shop) -> None:
    keep = Statement(
        "INSERT INTO idempotency (actor, key, digest, status, seen, answer) VALUES ('a', 'k', 'd', 200, '{}', '{}')"
    )
    cause = replace(REHEARSED, bookkeeping=lambda _seen, _answer: [keep])
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), cause)
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), cause)
    assert shop.query("SELECT 1 FROM idempotency") == []


async def test_a_rehearsal_whose_connection_is_lost_is_played_again(shop: Shop) -> None:
    with psycopg.connect(shop.dsn) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        rehearsing = shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), REHEARSED)
        async with started_and_held(rehearsing, shop.dsn) as rehearsal:
            holder.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            holder.commit()
            assert (await rehearsal).events == [ProductOrdered(product_id="product-1", plate="DK12345")]
    assert shop.log() == []
