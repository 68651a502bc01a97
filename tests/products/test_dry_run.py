"""P4 as a dry run: what would come of closing a product, here and in profiles, told to whoever could close it."""

from typing import Any

from services.profiles.events import AccountAdministratorGranted
from tests.feed import SUSANNE
from tests.products.conftest import (
    ANNA,
    BIZZ,
    CONFIRMED,
    DORA,
    HANS,
    HAVNEFART,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
)
from tests.rebuilt import tables_of


def everything_in(world: World) -> dict[str, list[str]]:
    tables = ["events", "idempotency", "products", "open_product_by_plate", "reach_products", "reach_grants"]
    return tables_of(world.backbone, tables)


async def test_p4_a_product_that_would_close_is_announced_with_every_access_to_it(world: World) -> None:
    plate, other = await world.ordered(PLATE_PAYMENT), await world.ordered(BIZZ)
    await world.drives(DORA, plate)
    await world.drives(HANS, plate)
    await world.drives(METTE, other)
    before = everything_in(world)
    answer = await world.asked_by(ANNA)("POST", f"/products/{plate}/close?dry-run=true", CONFIRMED)
    ended = [
        {"profile_id": who.id, "kind": "product-access", "id": plate, "because": "product-closed"}
        for who in sorted((DORA, HANS), key=lambda who: who.id)
    ]
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "dry_run": True,
            "events": [{"type": "products.product-closed.v1", "about": [plate, NORDLYS_ROAD]}],
            "begins": [],
            "ends": {"accesses": ended, "products": [plate], "sessions": 0},
            "elsewhere": [{"service": "profiles", "type": "profiles.product-access-revoked.v1", "times": 2}],
            "mails": 0,
        },
    )
    assert everything_in(world) == before
    assert (await world.seen(plate))["state"] == "active"


async def test_p2_the_plate_of_a_product_that_would_close_is_not_free(world: World) -> None:
    plate = await world.ordered(PLATE_PAYMENT)
    await world.asked_by(ANNA)("POST", f"/products/{plate}/close?dry-run=true", CONFIRMED)
    taken = await world.asks_to_order(HANS, PLATE_PAYMENT, HAVNEFART_MAIN)
    assert taken.json()["code"] == "plate-has-open-product"


async def test_a13_a_dry_run_says_nothing_of_what_else_a_person_reaches(world: World) -> None:
    """Whether this access is the last thing that Dora has would tell of her grants elsewhere."""
    plate = await world.ordered(PLATE_PAYMENT)
    await world.drives(DORA, plate)
    alone = await world.asked_by(ANNA)("POST", f"/products/{plate}/close?dry-run=true", CONFIRMED)
    elsewhere = AccountAdministratorGranted(profile_id=DORA.id, account_id=HAVNEFART_MAIN, company_id=HAVNEFART)
    await world.feed.given(elsewhere)
    again = await world.asked_by(ANNA)("POST", f"/products/{plate}/close?dry-run=true", CONFIRMED)
    assert alone.json() == again.json()


async def test_h1_a_dry_run_of_closing_is_refused_as_closing_would_be_and_is_no_attempt(world: World) -> None:
    bizz, theirs = await world.ordered(BIZZ), await world.ordered(BIZZ, HANS, HAVNEFART_MAIN)
    await world.drives(DORA, bizz, NORDLYS_ROAD, NORDLYS)
    unconfirmed: dict[str, Any] = {"confirm": False}
    for by, product, body, status in (
        (DORA, bizz, CONFIRMED, 403),
        (SUSANNE, bizz, CONFIRMED, 403),
        (ANNA, theirs, CONFIRMED, 404),
        (ANNA, bizz, unconfirmed, 422),
    ):
        before = everything_in(world)
        rehearsed = await world.asked_by(by)("POST", f"/products/{product}/close?dry-run=true", body)
        assert everything_in(world) == before
        real = await world.asked_by(by)("POST", f"/products/{product}/close", body)
        assert (rehearsed.status_code, real.status_code) == (status, status)
        assert rehearsed.json() | {"request_id": ""} == real.json() | {"request_id": ""}


async def test_p4_nothing_would_come_of_closing_a_product_that_is_closed(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.done(ANNA, "POST", f"/products/{bizz}/close", CONFIRMED)
    answer = await world.asked_by(ANNA)("POST", f"/products/{bizz}/close?dry-run=true", CONFIRMED)
    assert (answer.status_code, answer.json()["events"], answer.json()["ends"]["products"]) == (200, [], [])
