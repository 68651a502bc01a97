"""Bulk orders through the real application: each row's outcome, in both modes, and nothing twice (P1-P5, A5, A14)."""

import asyncio
import base64
from collections import Counter
from datetime import timedelta
from typing import Any, LiteralString

import httpx
import pytest

from services.company.events import AccountEnded
from services.products.adapters import bulk_orders
from services.products.use_cases import bulk as bulk_use_cases
from services.products.use_cases.bulk import BulkOrdering
from services.products.use_cases.products import CareOfProducts
from services.profiles.access import Access
from shared.actor import Actor
from shared.cause import Cause
from shared.errors import Unavailable
from shared.heard import RevocationsNotHeard
from tests.feed import SUSANNE, hears_until, log_of, running
from tests.products.conftest import (
    ANNA,
    BIZZ,
    CONFIRMED,
    DORA,
    ETICKET,
    HANS,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    replica,
)

HEADER = "kind;country;plate;vin;vehicle_type;trips;details_are_right;may_be_used_everywhere;reference\n"
TICKET_ROW = "eticket;SE;ABC 123;wvwzzz1jzxw000001;lorry;2;yes;yes;Malmö\n"
FLEET = HEADER + "bizz;;;;;;;;Van 1\nbizz;;;;;;;;Van 1\nnumber-plate-payment;DK;AB 12 345\n" + TICKET_ROW
ONE_WRONG = FLEET + "number-plate-payment;DK;?\n"


def plates(*numbers: int) -> str:
    return HEADER + "".join(f"number-plate-payment;DK;AB {number:05d}\n" for number in numbers)


def worker(world: World) -> BulkOrdering:
    """What works through files in the background of a service that runs."""
    parts = world.backbone.streams, world.backbone.database, Access(world.backbone.database), world.backbone.clock
    return BulkOrdering(
        *parts,
        care=CareOfProducts(*parts),
        record_refusal=world.backbone.record_refusal,
        must_have_heard=world.backbone.heard.must_be_fresh,
    )


async def sends(
    world: World,
    file: str | bytes,
    by: Actor = ANNA,
    account: str = NORDLYS_ROAD,
    key: str = "",
    **more: str,
) -> httpx.Response:
    content = file.encode() if isinstance(file, str) else file
    headers: dict[str, Any] = {"idempotency_key": key} if key else {}
    body = {"mode": "per-row", **more, "file": base64.b64encode(content).decode()}
    return await world.asked_by(by)("POST", f"/accounts/{account}/bulk-orders", body, **headers)


async def sent(world: World, file: str, by: Actor = ANNA, account: str = NORDLYS_ROAD, **more: str) -> str:
    """A file that is taken in; answers which bulk order it is."""
    answer = await sends(world, file, by, account, **more)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["bulk_id"])


async def worked(world: World, file: str, by: Actor = ANNA, account: str = NORDLYS_ROAD, **more: str) -> str:
    """A file that is taken in and worked through."""
    bulk = await sent(world, file, by, account, **more)
    while await worker(world).work():
        pass
    return bulk


async def shown(world: World, bulk: str, by: Actor = ANNA) -> dict[str, Any]:
    answer = await world.asked_by(by)("GET", f"/bulk-orders/{bulk}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def rows(world: World, bulk: str, by: Actor = ANNA, query: str = "") -> list[dict[str, Any]]:
    answer = await world.asked_by(by)("GET", f"/bulk-orders/{bulk}/rows{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def counts(world: World, bulk: str, by: Actor = ANNA) -> dict[str, int]:
    """How many rows have each outcome, of those that some have."""
    found = await shown(world, bulk, by)
    return {name: found[name] for name in ("waiting", "done", "refused", "invalid", "not_ordered") if found[name]}


async def outcomes(world: World, bulk: str, by: Actor = ANNA) -> list[tuple[int, str, str | None, str | None]]:
    return [(row["line"], row["outcome"], row["column"], row["code"]) for row in await rows(world, bulk, by)]


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


async def test_nobody_else_works_on_a_file_while_somebody_does(world: World) -> None:
    await sent(world, plates(1))
    now = world.backbone.clock()
    assert await bulk_orders.claim(world.backbone.database, now) is not None
    assert not await worker(world).work()
    late = now + bulk_orders.LEASE * 2
    assert await bulk_orders.claim(world.backbone.database, late) is not None


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


# Who may --------------------------------------------------------------------------------------------------------------


async def test_a5_a13_administrators_of_the_account_send_files_and_nobody_else(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.drives(DORA, bizz)
    for by, status in ((ANNA, 202), (METTE, 202), (SUSANNE, 403), (HANS, 404), (DORA, 403)):
        answer = await sends(world, plates(1), by)
        assert answer.status_code == status, (by, answer.text)
    # Whoever may not learns nothing of what is wrong with a file either.
    assert (await sends(world, b"\xff", HANS)).status_code == 404


async def test_a13_a_bulk_order_is_seen_by_administrators_and_customer_service_and_no_one_else(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.drives(DORA, bizz)
    bulk = await worked(world, FLEET)
    for by, status in ((ANNA, 200), (METTE, 200), (SUSANNE, 200), (HANS, 404)):
        for path in (f"/bulk-orders/{bulk}", f"/bulk-orders/{bulk}/rows", f"/accounts/{NORDLYS_ROAD}/bulk-orders"):
            assert (await world.asked_by(by)("GET", path)).status_code == status, (by, path)
    assert (await world.asked_by(DORA)("GET", f"/bulk-orders/{bulk}")).status_code == 403
    assert (await world.asked_by(ANNA)("GET", f"/bulk-orders/bulk-{'0' * 32}")).status_code == 404


async def test_a13_in_the_database_too_rows_are_shown_within_reach_only(world: World) -> None:
    await worked(world, FLEET)
    for question in ("SELECT 1 FROM bulk_orders", "SELECT 1 FROM bulk_rows"):
        assert await _asked(world, HANS, question) == await _asked(world, DORA, question) == []
        assert await _asked(world, ANNA, question) != []


async def _asked(world: World, actor: Actor, question: LiteralString) -> list[dict[str, Any]]:
    return await world.backbone.database.asked_by(actor).rows(question)


async def test_bulk_orders_of_an_account_are_listed_the_latest_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = [await sent(world, plates(n), name=f"File {n}") for n in range(3)]
    await sent(world, plates(1), METTE, NORDLYS_HARBOUR)
    path = f"/accounts/{NORDLYS_ROAD}/bulk-orders"
    page = (await world.asked_by(ANNA)("GET", path)).json()
    assert [bulk["bulk_id"] for bulk in page["items"]] == [third, second, first]
    assert [bulk["name"] for bulk in page["items"]] == ["File 2", "File 1", "File 0"]
    page = (await world.asked_by(ANNA)("GET", f"{path}?after={third}")).json()
    assert [bulk["bulk_id"] for bulk in page["items"]] == [second, first]


async def test_a14_a_right_that_is_revoked_while_a_file_waits_orders_nothing(world: World) -> None:
    bulk = await sent(world, plates(1, 2))
    await world.administers_no_longer(ANNA)
    await worker(world).work()
    assert [row["outcome"] for row in await rows(world, bulk, METTE)] == ["refused", "refused"]
    assert "number-plate-payment-ordered" not in world.types_in_log()


async def test_c7_a_file_for_an_account_that_ended_meanwhile_orders_nothing(world: World) -> None:
    bulk = await sent(world, plates(1), METTE)
    await world.feed.given(AccountEnded(company_id=NORDLYS, account_id=NORDLYS_ROAD))
    await worker(world).work()
    assert [row["code"] for row in await rows(world, bulk, METTE)] == ["account-ended"]


async def test_a14_a_file_waits_while_revocations_are_not_heard(world: World, database: str) -> None:
    bulk = await sent(world, plates(1))
    deaf = replica(database)
    await deaf.backbone.open_store()
    try:
        with pytest.raises(RevocationsNotHeard):
            await worker(deaf).work()
        assert "number-plate-payment-ordered" not in world.types_in_log()
        await hears_until(deaf.backbone, timedelta(days=365))
        await worker(deaf).work()
    finally:
        await deaf.backbone.close_store()
    assert await counts(world, bulk) == {"done": 1}


# What is refused at once, and what is kept ----------------------------------------------------------------------------


async def test_a_file_that_cannot_be_read_is_refused_at_once_and_says_where(world: World) -> None:
    for content, code, fact in (
        ((HEADER + "bizz;;;;;;;;Malmö\n").encode("latin-1"), "file-not-utf-8", {"line": 2}),
        (b"", "file-empty", {}),
        (b"colour\nred\n", "file-columns-unclear", {"column": 1}),
        (b"kind\n" + b"bizz\n" * 2001, "file-too-long", {"most": 2000}),
    ):
        answer = await sends(world, content)
        told = answer.json()
        assert (answer.status_code, told["code"]) == (422, code)
        assert fact.items() <= told.items()
    for body in ({"file": "kind,", "mode": "per-row"}, {"file": "", "mode": "at-once"}, {"mode": "per-row"}):
        answer = await world.asked_by(ANNA)("POST", f"/accounts/{NORDLYS_ROAD}/bulk-orders", body)
        assert answer.status_code == 422
    assert world.types_in_log() == []


async def test_p6_a_card_number_in_a_file_is_refused_and_kept_nowhere(world: World) -> None:
    bulk = await worked(world, HEADER + "bizz;;;;;;;;4111 1111 1111 1111\nbizz;;;;;;;;Van\n")
    assert (await outcomes(world, bulk))[0] == (2, "invalid", "reference", "looks-like-a-card-number")
    assert (await sends(world, plates(1), name="4111 1111 1111 1111")).json()["rule"] == "P6"
    kept = await world.backbone.database.rows("SELECT * FROM bulk_rows")
    assert "4111" not in str(kept) + str([recorded.data for recorded in log_of(world.backbone)])


async def test_h5_what_a_row_ordered_is_kept_no_longer_than_it_waits(world: World) -> None:
    await sent(world, FLEET)
    assert "AB12345" in str(await world.backbone.database.rows("SELECT ordered FROM bulk_rows"))
    await worker(world).work()
    kept = await world.backbone.database.rows("SELECT DISTINCT ordered FROM bulk_rows")
    assert kept == [{"ordered": None}]


async def test_an_eticket_by_hand_for_a_plate_of_a_file_is_refused_as_ever(world: World) -> None:
    await worked(world, FLEET)
    assert (await world.asks_to_order(ANNA, ETICKET)).json()["code"] == "plate-has-open-product"
