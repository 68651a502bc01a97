"""Bulk orders that are ordered whole or not at all, and P2 with real concurrency on two replicas."""

import asyncio
from collections import Counter

import pytest

from services.products.adapters import bulk_orders
from shared.cause import Cause
from tests.feed import log_of, running
from tests.products.bulk import (
    FLEET,
    ONE_WRONG,
    TICKET_ROW,
    counts,
    outcomes,
    plates,
    rows,
    sends,
    sent,
    worked,
    worker,
)
from tests.products.conftest import (
    ANNA,
    CONFIRMED,
    HANS,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS_HARBOUR,
    PLATE_PAYMENT,
    World,
    replica,
)

# All or nothing -------------------------------------------------------------------------------------------------------


async def test_a_whole_file_is_ordered_in_one_moment(world: World) -> None:
    bulk = await worked(world, FLEET, mode="all-or-nothing")
    assert await counts(world, bulk) == {"done": 4}
    assert len(await world.listed(ANNA)) == 4
    assert await counts(world, await worked(world, FLEET, mode="all-or-nothing")) == {"done": 4}
    assert len(await world.listed(ANNA)) == 4


@pytest.mark.parametrize("mode", ["per-row", "all-or-nothing"])
async def test_a_row_that_is_invalid_keeps_a_whole_file_from_being_ordered(world: World, mode: str) -> None:
    bulk = await worked(world, ONE_WRONG, mode=mode)
    whole = {"invalid": 1, "not_ordered": 4}
    assert await counts(world, bulk) == (whole if mode == "all-or-nothing" else {"invalid": 1, "done": 4})
    assert len(await world.listed(ANNA)) == (0 if mode == "all-or-nothing" else 4)


async def test_every_row_that_a_rule_refuses_is_named_and_nothing_of_a_whole_file_is_ordered(world: World) -> None:
    await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)
    twice = FLEET + TICKET_ROW.replace("Malmö", "Lund")
    bulk = await worked(world, twice, mode="all-or-nothing")
    assert [outcome for _, outcome, _, _ in await outcomes(world, bulk)] == [
        *("not-ordered", "not-ordered", "refused", "not-ordered", "refused")
    ]
    assert await world.listed(ANNA) == []
    assert all(row["product_id"] is None for row in await rows(world, bulk))


async def test_a_whole_file_that_was_refused_is_ordered_once_nothing_speaks_against_it(world: World) -> None:
    taken = await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)
    await worked(world, FLEET, mode="all-or-nothing")
    await world.done(HANS, "POST", f"/products/{taken}/close", CONFIRMED)
    assert await counts(world, await worked(world, FLEET, mode="all-or-nothing")) == {"done": 4}


async def test_a_file_that_is_ordered_whole_has_at_most_200_rows(world: World) -> None:
    answer = await sends(world, plates(*range(201)), mode="all-or-nothing")
    assert (answer.status_code, answer.json()["code"]) == (422, "file-too-long")
    bulk = await worked(world, plates(*range(200)), mode="all-or-nothing")
    assert await counts(world, bulk) == {"done": 200}


# P2 with real concurrency ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["per-row", "all-or-nothing"])
async def test_p2_of_bulk_orders_and_orders_by_hand_for_the_same_plates_on_two_replicas_each_plate_has_one_product(
    world: World, database: str, mode: str
) -> None:
    numbers = range(12)
    other = replica(database)
    async with running(other.backbone):
        bulks = [
            (await sent(world, plates(*numbers), mode=mode), ANNA),
            (await sent(other, plates(*reversed(numbers)), HANS, HAVNEFART_MAIN, mode=mode), HANS),
            (await sent(world, plates(*numbers), METTE, NORDLYS_HARBOUR, mode=mode), METTE),
        ]
        by_hand = [
            (world, other)[n % 2].asks_to_order(HANS, {**PLATE_PAYMENT, "plate": f"AB {n:05d}"}, HAVNEFART_MAIN)
            for n in (3, 7)
        ]
        await asyncio.gather(*(worker(each).work() for each in (world, other, world)), *by_hand)
        while await worker(other).work():
            pass
    ordered = [r.data for r in log_of(world.backbone) if r.type.startswith("products.number-plate-payment-ordered")]
    times = Counter(getattr(event, "plate") for event in ordered)  # noqa: B009 (one kind of event only)
    assert set(times.values()) <= {1}
    if mode == "per-row":
        assert len(times) == len(numbers)
    for bulk, who in bulks:
        found = await counts(world, bulk, who)
        assert not found.get("waiting")
        assert sum(found.values()) == len(numbers)
        assert mode == "per-row" or not (found.get("done") and len(found) > 1), found


async def test_one_file_worked_on_by_several_at_once_orders_every_row_once(world: World, database: str) -> None:
    bulk = await sent(world, plates(*range(20)) + "bizz;;\nbizz;;\n")
    other = replica(database)
    async with running(other.backbone):
        claimed = await bulk_orders.claim(world.backbone.database, world.backbone.clock())
        assert claimed is not None
        # As if the lease of one had run out while it works.
        await bulk_orders.hold(world.backbone.database, bulk, None)
        works = [getattr(worker(each), "_work_through") for each in (world, other)]  # noqa: B009
        cause = Cause(ANNA, "twice")
        await asyncio.gather(*(work(claimed, cause) for work in works))
    assert await counts(world, bulk) == {"done": 22}
    types = Counter(world.types_in_log())
    assert (types["number-plate-payment-ordered"], types["bizz-ordered"]) == (20, 2)
    assert types["bulk-order-finished"] == 1
