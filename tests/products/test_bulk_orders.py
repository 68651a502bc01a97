"""Bulk orders, row by row: each row has its outcome, and nothing is ordered twice (P1-P5)."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from services.products.adapters import bulk_orders
from services.products.use_cases import bulk as bulk_use_cases
from shared.database import Database
from shared.errors import Unavailable
from tests.feed import log_of, running
from tests.products.bulk import (
    FLEET,
    HEADER,
    ONE_WRONG,
    TICKET_ROW,
    counts,
    outcomes,
    plates,
    rows,
    sends,
    sent,
    shown,
    worked,
    worker,
)
from tests.products.conftest import (
    ANNA,
    CONFIRMED,
    HANS,
    HAVNEFART_MAIN,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    replica,
)

# Row by row -----------------------------------------------------------------------------------------------------------


async def test_p1_p2_p3_p5_a_file_orders_what_orders_by_hand_would(world: World) -> None:
    bulk = await worked(world, FLEET)
    assert await counts(world, bulk) == {"done": 4}
    made = [await world.seen(row["product_id"]) for row in await rows(world, bulk)]
    assert [(p["kind"], p["plate"], p["reference"], p["trips"]) for p in made] == [
        ("bizz", None, "Van 1", None),
        ("bizz", None, "Van 1", None),
        ("number-plate-payment", "AB12345", None, None),
        ("eticket", "ABC123", "Malmö", 2),
    ]
    types = ["bulk-order-received", "bizz-ordered", "bizz-ordered", "number-plate-payment-ordered", "eticket-ordered"]
    assert world.types_in_log() == [*types, "bulk-order-finished"]


async def test_each_row_has_its_outcome_with_the_rule_or_the_column_and_the_others_are_ordered(world: World) -> None:
    await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)
    bulk = await worked(world, ONE_WRONG)
    assert await outcomes(world, bulk) == [
        (2, "done", None, None),
        (3, "done", None, None),
        (4, "refused", None, "plate-has-open-product"),
        (5, "done", None, None),
        (6, "invalid", "plate", "plate-malformed"),
    ]
    refused = (await rows(world, bulk))[2]
    assert (refused["rule"], refused["product_id"]) == ("P2", None)
    assert "plate" in refused["detail"]
    assert [row["line"] for row in await rows(world, bulk, query="?outcome=invalid")] == [6]
    assert [row["line"] for row in await rows(world, bulk, query="?after=4")] == [5, 6]


async def test_h1_a_row_that_is_refused_is_a_refused_attempt_in_the_history(world: World) -> None:
    await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)
    bulk = await worked(world, FLEET)
    (attempt,) = [recorded for recorded in log_of(world.backbone) if recorded.type.endswith("attempt-refused.v1")]
    assert attempt.actor == ANNA
    assert bulk in str(attempt.data)
    assert "plate-has-open-product" in str(attempt.data)


async def test_h1_what_a_file_orders_is_ordered_by_whoever_sent_it_under_their_grant_and_its_request(
    world: World,
) -> None:
    await worked(world, plates(1))
    received, ordered, finished = log_of(world.backbone)
    assert ordered.actor == received.actor == ANNA
    assert ordered.grant == received.grant == f"account-administrator:{NORDLYS_ROAD}"
    assert ordered.correlation == received.correlation == finished.correlation
    assert str(finished.actor) == "system:products"


async def test_p2_a_plate_that_stands_twice_in_a_file_is_ordered_once(world: World) -> None:
    bulk = await worked(world, HEADER + "number-plate-payment;DK;AB 1\n" + TICKET_ROW + TICKET_ROW.replace("ö", "o"))
    assert [row["code"] for row in await rows(world, bulk)] == [None, None, "plate-has-open-product"]


async def test_p3_etickets_are_refused_row_by_row_where_the_company_pays_by_card(world: World) -> None:
    bulk = await worked(world, FLEET, HANS, HAVNEFART_MAIN)
    assert (await outcomes(world, bulk, HANS))[3] == (5, "refused", None, "eticket-needs-invoice")
    assert await counts(world, bulk, HANS) == {"done": 3, "refused": 1}


async def test_progress_is_shown_while_a_file_is_worked_through(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_use_cases, "AT_ONCE", 2)
    bulk = await sent(world, plates(*range(7)))
    seen = [await counts(world, bulk)]
    hold = bulk_orders.hold

    async def and_look(*arguments: Any) -> None:
        await hold(*arguments)
        seen.append(await counts(world, bulk))

    monkeypatch.setattr(bulk_orders, "hold", and_look)
    assert (await shown(world, bulk))["finished_at"] is None
    await worker(world).work()
    assert seen[0] == seen[1] == {"waiting": 7}
    assert seen[2:5] == [{"waiting": 5, "done": 2}, {"waiting": 3, "done": 4}, {"waiting": 1, "done": 6}]
    assert (await shown(world, bulk))["finished_at"] is not None


# Nothing twice --------------------------------------------------------------------------------------------------------


async def test_the_same_file_sent_again_repeats_nothing_and_answers_with_the_same_products(world: World) -> None:
    first, again = await worked(world, FLEET), await worked(world, FLEET)
    assert first != again
    assert await counts(world, again) == {"done": 4}
    made = [[row["product_id"] for row in await rows(world, bulk)] for bulk in (first, again)]
    assert made[0] == made[1]
    assert len(await world.listed(ANNA)) == 4


async def test_of_a_corrected_file_only_what_was_not_ordered_before_is_ordered(world: World) -> None:
    await worked(world, ONE_WRONG)
    corrected = ONE_WRONG.replace(";?", ";CD 67 890").replace("AB 12 345", "ab12345")
    bulk = await worked(world, corrected)
    assert await counts(world, bulk) == {"done": 5}
    assert len(await world.listed(ANNA)) == 5


async def test_the_same_rows_under_another_name_are_another_order(world: World) -> None:
    await worked(world, HEADER + "bizz;;\n")
    for name in ("March", "April", " April "):
        await worked(world, HEADER + "bizz;;\n", name=name)
    assert len(await world.listed(ANNA)) == 3


async def test_p4_what_was_closed_since_is_not_ordered_again_by_the_same_file(world: World) -> None:
    (row,) = await rows(world, await worked(world, plates(1)))
    await world.done(ANNA, "POST", f"/products/{row['product_id']}/close", CONFIRMED)
    again = await worked(world, plates(1))
    assert await outcomes(world, again) == [(2, "refused", None, "product-closed")]
    assert await counts(world, await worked(world, plates(1), name="again")) == {"done": 1}


async def test_a_key_sent_again_is_answered_the_same_and_takes_the_file_in_once(world: World) -> None:
    answers = [await sends(world, FLEET, key="fleet-1") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert world.types_in_log() == ["bulk-order-received"]


async def test_a_file_that_was_left_in_the_middle_is_worked_through_by_another_and_nothing_is_done_twice(
    world: World, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_use_cases, "AT_ONCE", 2)
    bulk = await sent(world, plates(*range(6)))
    hold, held = bulk_orders.hold, 0

    async def and_crash(*arguments: Any) -> None:
        nonlocal held
        held += 1
        if held == 2:
            raise Unavailable
        await hold(*arguments)

    monkeypatch.setattr(bulk_orders, "hold", and_crash)
    with pytest.raises(Unavailable):
        await worker(world).work()
    assert await counts(world, bulk) == {"waiting": 4, "done": 2}
    other = replica(database)
    async with running(other.backbone):
        assert await worker(other).work()
        assert not await worker(other).work()
    assert await counts(world, bulk) == {"done": 6}
    assert Counter(world.types_in_log())["number-plate-payment-ordered"] == 6


async def test_a_file_is_worked_through_in_the_background_also_one_that_another_replica_took_in(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        work = asyncio.create_task(worker(other).keep_working())
        bulk = await sent(world, FLEET)
        async with asyncio.timeout(20):
            while (await shown(world, bulk))["finished_at"] is None:
                await asyncio.sleep(0.05)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert await counts(world, bulk) == {"done": 4}


async def test_a_defect_in_one_file_keeps_no_other_from_being_worked_through(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await sent(world, plates(1)), await sent(world, plates(2))
    waiting = bulk_orders.waiting

    async def with_a_defect(database: Database, bulk_id: str, *, most: int) -> list[bulk_orders.Waiting]:
        assert bulk_id != first, "a defect"
        return await waiting(database, bulk_id, most=most)

    monkeypatch.setattr(bulk_orders, "waiting", with_a_defect)
    with pytest.raises(AssertionError, match="a defect"):
        await worker(world).work()
    assert await worker(world).work()
    assert await counts(world, first) == {"waiting": 1}
    assert await counts(world, second) == {"done": 1}


async def test_nobody_else_works_on_a_file_while_somebody_does(world: World) -> None:
    await sent(world, plates(1))
    now = world.backbone.clock()
    assert await bulk_orders.claim(world.backbone.database, now) is not None
    assert not await worker(world).work()
    late = now + bulk_orders.LEASE * 2
    assert await bulk_orders.claim(world.backbone.database, late) is not None
