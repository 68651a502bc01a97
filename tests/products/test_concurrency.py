"""P1, P2 with real concurrency: two replicas over one database. P2 holds in the log itself; views equal its fold."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from services.products.events import ETicketOrdered, NumberPlatePaymentOrdered, ProductClosed
from services.products.views.bizz_by_device_number import BizzByDeviceNumber
from services.products.views.open_product_by_plate import OpenProductByPlate
from services.products.views.products import Products
from services.profiles.reach import Reach
from shared.envelope import Recorded
from tests.feed import SUSANNE, log_of, running
from tests.products.conftest import (
    ANNA,
    BIZZ,
    CONFIRMED,
    DEVICE,
    ETICKET,
    HANS,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    replica,
    the_companies,
)
from tests.rebuilt import rebuild, tables_of

AT_ONCE = 40
CUSTOMERS = ((ANNA, NORDLYS_ROAD), (METTE, NORDLYS_HARBOUR), (HANS, HAVNEFART_MAIN))


async def test_p2_of_many_orders_for_one_plate_on_two_replicas_exactly_one_succeeds(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *(
                (world, other)[n % 2].asks_to_order(CUSTOMERS[n % 3][0], PLATE_PAYMENT, CUSTOMERS[n % 3][1])
                for n in range(AT_ONCE)
            )
        )
    outcomes = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert outcomes == {(201, None): 1, (409, "plate-has-open-product"): AT_ONCE - 1}
    assert Counter(world.types_in_log()) == {"number-plate-payment-ordered": 1, "attempt-refused": AT_ONCE - 1}


async def test_p1_of_many_bizz_dispatched_with_one_device_number_on_two_replicas_exactly_one_has_it(
    world: World, database: str
) -> None:
    several = [await world.ordered(BIZZ) for _ in range(10)]
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *(
                (world, other)[n % 2].asked_by(SUSANNE)("POST", f"/products/{bizz}/dispatch", DEVICE)
                for n, bizz in enumerate(several)
            )
        )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    assert world.types_in_log().count("bizz-dispatched") == 1


async def test_p4_a_product_closed_on_two_replicas_at_once_is_closed_once(world: World, database: str) -> None:
    product = await world.ordered(PLATE_PAYMENT)
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *((world, other)[n % 2].asked_by(ANNA)("POST", f"/products/{product}/close", CONFIRMED) for n in range(10))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert world.types_in_log().count("product-closed") == 1


@dataclass(frozen=True)
class Step:
    """One command of a random history: an order for a plate, or the closing of what was ordered first for it."""

    replica: int
    customer: int
    plate: int
    act: str


STEPS = st.builds(
    Step,
    replica=st.integers(0, 1),
    customer=st.integers(0, 2),
    plate=st.integers(0, 2),
    act=st.sampled_from(["plate payment", "eticket", "close"]),
)
ROUNDS = st.lists(st.lists(STEPS, min_size=1, max_size=5), min_size=1, max_size=5)


def test_p2_holds_in_the_log_for_random_commands_of_several_companies_racing_on_two_replicas(database: str) -> None:
    replicas = replica(database), replica(database)
    games = 0

    @settings(max_examples=25, deadline=None)
    @given(ROUNDS)
    def play(rounds: list[list[Step]]) -> None:
        nonlocal games
        games += 1
        runner.run(_played(replicas, rounds, plates=[f"G{games}P{number}" for number in range(3)]))
        assert _open_plates(log_of(replicas[0].backbone)) == _plates_in_the_view(replicas[0])

    with asyncio.Runner() as runner:
        runner.run(_opened(replicas))
        try:
            play()
            types = Counter(replicas[0].types_in_log())
        finally:
            for each in replicas:
                runner.run(each.backbone.close_store())
    assert min(types["product-closed"], types["eticket-ordered"], types["attempt-refused"]) > 0


async def _opened(replicas: tuple[World, World]) -> None:
    for each in replicas:
        await each.backbone.open_store()
    await replicas[0].feed.given_the_house()
    await replicas[0].feed.given(*the_companies())


async def _played(replicas: tuple[World, World], rounds: list[list[Step]], plates: list[str]) -> None:
    """Each round's commands at once; every answer is a yes or a rule's no."""
    ordered: dict[str, list[tuple[str, int]]] = {plate: [] for plate in plates}
    for steps in rounds:
        answers = await asyncio.gather(*(_done(replicas[s.replica], s, plates[s.plate], ordered) for s in steps))
        for step, answer in zip(steps, answers, strict=True):
            if answer is None:
                continue
            assert answer.status_code in {200, 201, 409}, answer.text
            if answer.status_code == 201:
                ordered[plates[step.plate]].append((answer.json()["product_id"], step.customer))


async def _done(
    world: World, step: Step, plate: str, ordered: dict[str, list[tuple[str, int]]]
) -> httpx.Response | None:
    if step.act != "close":
        order = PLATE_PAYMENT if step.act == "plate payment" else {**ETICKET, "country": "DK"}
        return await _order(world, {**order, "plate": plate}, step.customer)
    if not ordered[plate]:
        return None
    product, owner = ordered[plate][-1]
    return await world.asked_by(CUSTOMERS[owner][0])("POST", f"/products/{product}/close", CONFIRMED)


async def _order(world: World, order: dict[str, Any], customer: int) -> httpx.Response:
    who, account = CUSTOMERS[customer]
    return await world.asks_to_order(who, order, account)


def _open_plates(history: Iterable[Recorded]) -> dict[str, str]:
    """Fold the log: the open product of each plate; fails where a plate would have two."""
    opened: dict[str, str] = {}
    for recorded in history:
        match recorded.data:
            case NumberPlatePaymentOrdered() | ETicketOrdered() as ordered:
                plate = f"{ordered.country} {ordered.plate}"
                assert plate not in opened, f"{plate} has two open products at position {recorded.position}"
                opened[plate] = ordered.product_id
            case ProductClosed(product_id=product):
                opened = {plate: open_ for plate, open_ in opened.items() if open_ != product}
            case _:
                pass
    return opened


def _plates_in_the_view(world: World) -> dict[str, str]:
    with world.backbone.connect() as connection:
        rows = connection.execute("SELECT country || ' ' || plate, product_id FROM open_product_by_plate")
        return dict(rows.fetchall())


async def test_views_equal_a_fold_of_the_log(world: World, new_database: Callable[[], str]) -> None:
    bizz, plate_payment, _ = (
        await world.ordered(BIZZ),
        await world.ordered(PLATE_PAYMENT),
        await world.ordered(ETICKET),
    )
    await world.done(ANNA, "POST", f"/products/{plate_payment}/close", CONFIRMED)
    await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)
    await world.done(SUSANNE, "POST", f"/products/{bizz}/dispatch", DEVICE)
    await world.done(SUSANNE, "POST", f"/products/{bizz}/activate")
    await world.done(ANNA, "PUT", f"/products/{bizz}/vehicle", {"make": "Volvo", "plate": "CD67890"})
    await world.done(ANNA, "PUT", f"/products/{bizz}/reference", {"reference": "Ærø 7"})
    views = (Reach(), OpenProductByPlate(), BizzByDeviceNumber(), Products())
    fresh = replica(new_database()).backbone
    rebuild(world.backbone, views, fresh)
    tables = ("open_product_by_plate", "bizz_by_device_number", "products", "reach_products")
    assert tables_of(fresh, tables) == tables_of(world.backbone, tables)
    assert all(tables_of(fresh, tables).values())
