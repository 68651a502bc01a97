"""Every command is repeatable with its key, and nothing that is sent breaks the service."""

from typing import Any

from shared.actor import Actor
from tests.bad_input import RAW, must_be_a_problem, raw_status, wrong_bodies, wrong_ids
from tests.feed import SUSANNE
from tests.products.conftest import ANNA, BIZZ, CONFIRMED, DEVICE, ETICKET, NORDLYS_ROAD, PLATE_PAYMENT, World

ORDERS = f"/accounts/{NORDLYS_ROAD}/products"
VEHICLE = {"make": "Volvo", "model": "FH16", "vehicle_type": "lorry", "plate": "CD67890"}
COMMANDS: tuple[tuple[Actor, str, str, Any, Any], ...] = (
    (ANNA, "POST", ORDERS, BIZZ, {**BIZZ, "reference": "Van 13"}),
    (ANNA, "POST", ORDERS, PLATE_PAYMENT, {**PLATE_PAYMENT, "plate": "CD67890"}),
    (ANNA, "POST", ORDERS, ETICKET, {**ETICKET, "trips": 1}),
    (ANNA, "PUT", "/products/{bizz}/reference", {"reference": "Van 14"}, {"reference": None}),
    (ANNA, "PUT", "/products/{bizz}/vehicle", VEHICLE, {}),
    (SUSANNE, "POST", "/products/{bizz}/dispatch", DEVICE, {"device_number": "9208000000000002"}),
    (SUSANNE, "POST", "/products/{bizz}/activate", None, {}),
    (ANNA, "POST", "/products/{bizz}/close", CONFIRMED, {"confirm": False}),
)
"""Every command of products, in an order in which each can be done: by whom, what, and with another body."""
OPTIONAL = ("make", "model", "vehicle_type", "plate")


async def test_the_same_key_and_body_get_the_same_answer_and_are_done_once(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    for number, (who, method, path, body, other) in enumerate(COMMANDS):
        ask, at, key = world.asked_by(who), path.format(bizz=bizz), f"monday-{number}"
        first = await ask(method, at, body, idempotency_key=key)
        assert first.is_success, first.text
        done = world.types_in_log()
        again = await ask(method, at, body, idempotency_key=key)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers["Seen"] == first.headers["Seen"]
        assert world.types_in_log() == done
        reused = await ask(method, at, other, idempotency_key=key)
        must_be_a_problem(reused, 409)
        assert reused.json()["code"] == "idempotency-key-reused"


async def test_a_refused_command_with_a_key_is_refused_alike_even_when_it_could_be_done_now(world: World) -> None:
    product = await world.ordered(PLATE_PAYMENT)
    ask = world.asked_by(ANNA)
    first = await ask("POST", ORDERS, PLATE_PAYMENT, idempotency_key="monday-1")
    must_be_a_problem(first, 409)
    await world.done(ANNA, "POST", f"/products/{product}/close", CONFIRMED)
    assert (await ask("POST", ORDERS, PLATE_PAYMENT, idempotency_key="monday-1")).json() == first.json()
    assert (await ask("POST", ORDERS, PLATE_PAYMENT, idempotency_key="monday-2")).status_code == 201


async def test_a_body_that_cannot_be_read_is_a_problem_and_changes_nothing(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    before = world.types_in_log()
    for who, method, path, body, _ in COMMANDS:
        for sent, raw in RAW.items() if body else ():
            answer = await world.asked_by(who)(method, path.format(bizz=bizz), content=raw)
            must_be_a_problem(answer, *raw_status(raw), sent=f"{path}: {sent}")
    assert world.types_in_log() == before


async def test_a_field_that_is_wrong_missing_or_unknown_is_a_problem_and_changes_nothing(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    before = world.types_in_log()
    for who, method, path, body, _ in COMMANDS:
        optional = OPTIONAL if path.endswith("vehicle") else ("reference",) if path == ORDERS else ()
        for sent, wrong in wrong_bodies(body, optional) if body else ():
            answer = await world.asked_by(who)(method, path.format(bizz=bizz), wrong)
            must_be_a_problem(answer, 400, 422, sent=f"{path}: {sent}")
    assert world.types_in_log() == before


async def test_an_order_for_no_kind_of_product_is_a_problem(world: World) -> None:
    for order in (
        {"kind": "ferry"},
        {"kind": None},
        {"kind": ["bizz"]},
        {"reference": "Van 12"},
        {**BIZZ, "plate": "A1"},
    ):
        must_be_a_problem(await world.asks_to_order(ANNA, order), 422, sent=str(order))


async def test_a_body_where_none_is_asked_for_does_no_harm(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.done(SUSANNE, "POST", f"/products/{bizz}/dispatch", DEVICE)
    for raw in RAW.values():
        answer = await world.asked_by(SUSANNE)("POST", f"/products/{bizz}/activate", content=raw)
        assert answer.status_code in {200, 413}, answer.text


async def test_an_identifier_that_is_none_answers_like_a_thing_that_does_not_exist(world: World) -> None:
    for method, path, body, kind in (
        ("POST", "/accounts/{}/products", BIZZ, "account"),
        ("GET", "/products/{}", None, "product"),
        ("PUT", "/products/{}/reference", {"reference": "Van 12"}, "product"),
        ("PUT", "/products/{}/vehicle", VEHICLE, "product"),
        ("POST", "/products/{}/close", CONFIRMED, "product"),
        ("POST", "/products/{}/dispatch", DEVICE, "product"),
    ):
        for wrong in wrong_ids(kind):
            for who in (ANNA, SUSANNE):
                answer = await world.asked_by(who)(method, path.format(wrong), body)
                must_be_a_problem(answer, 404, sent=f"{method} {path} {wrong[:80]}")


async def test_wrong_queries_are_problems(world: World) -> None:
    ask = world.asked_by(ANNA)
    for query in (
        "after=%00",
        "after=A",
        "account_id=1",
        "kind=ferry",
        "reference=",
        "reference=%00",
        "reference=" + "x" * 201,
    ):
        must_be_a_problem(await ask("GET", f"/products?{query}"), 422, sent=query)
    for query in ("reference=%ff", "reference=%27%3B--", "reference=%25", "unknown=1"):
        assert (await ask("GET", f"/products?{query}")).status_code == 200, query
