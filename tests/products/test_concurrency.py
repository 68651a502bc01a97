"""P1, P2, P4 with real concurrency: two replicas over one database. Views equal a fold of the log."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from services.products.views.bizz_by_device_number import BizzByDeviceNumber
from services.products.views.open_product_by_plate import OpenProductByPlate
from services.products.views.products import Products
from services.profiles.reach import Reach
from tests.feed import SUSANNE, running
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


async def _order(world: World, order: dict[str, Any], customer: int) -> httpx.Response:
    who, account = CUSTOMERS[customer]
    return await world.asks_to_order(who, order, account)


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
