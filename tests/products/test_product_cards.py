"""A6, P6: the payment card of one product, linked by whoever has access to it, is charged before all others."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from services.products.events import PaymentCardExpiring, PaymentCardRemoved
from services.products.use_cases.cards import CareOfCards
from services.profiles.access import Access
from shared.actor import Actor
from tests.feed import SUSANNE, log_of, running
from tests.products.conftest import (
    ANNA,
    BIZZ,
    CONFIRMED,
    DORA,
    ETICKET,
    HANS,
    HAVNEFART,
    HAVNEFART_MAIN,
    PLATE_PAYMENT,
    World,
    replica,
)
from tests.products.driving import BY_PLATE, Road, on_the_road, told
from tests.products.test_receipts import lines

CARDS = f"/accounts/{HAVNEFART_MAIN}/cards"
LATER = datetime.now(UTC).year + 1


def card(token: str, **other: Any) -> dict[str, Any]:
    return {"token": token, "brand": "visa", "last_four": "4242", "expiry_month": 12, "expiry_year": LATER, **other}


@pytest.fixture
async def van(world: World) -> str:
    """A plate payment of Havnefart, which pays by card; Dora drives it."""
    product = await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)
    await world.drives(DORA, product, HAVNEFART_MAIN, HAVNEFART)
    return product


@pytest.fixture
async def road(database: str) -> AsyncIterator[Road]:
    """Products with both companies, whose intake is asked by the test alone."""
    async with on_the_road(database) as one:
        yield one


async def linked(world: World, product: str, told_of: dict[str, Any], by: Actor = DORA) -> str:
    answer = await world.asked_by(by)("PUT", f"/products/{product}/card", told_of)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["card_id"])


async def kept(world: World, by: Actor = HANS) -> list[tuple[str, str | None, bool]]:
    """The cards of the account: which, of which product, and whether the account is charged to it."""
    answer = await world.asked_by(by)("GET", CARDS)
    return [(each["card_id"], each["product_id"], each["charged"]) for each in answer.json()["items"]]


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a6_a_driver_links_the_payment_card_of_their_product_sees_it_and_replaces_it(
    world: World, van: str
) -> None:
    assert (await world.asked_by(DORA)("GET", f"/products/{van}/card")).json() == {"card": None}
    first = await linked(world, van, card("tok_first_0001"))
    shown = (await world.asked_by(DORA)("GET", f"/products/{van}/card")).json()["card"]
    assert (shown["card_id"], shown["product_id"], shown["charged"]) == (first, van, False)
    second = await linked(world, van, card("tok_second_002", last_four="0002"))
    assert await kept(world) == [(second, van, False)]
    assert world.types_in_log()[-2:] == ["payment-card-added", "payment-card-replaced"]


async def test_a6_administrators_and_customer_service_may_too_and_nobody_else(world: World, van: str) -> None:
    for who in (HANS, SUSANNE):
        await linked(world, van, card(f"tok_of_{who.id}"), by=who)
    for method, body in (("GET", None), ("PUT", card("tok_of_anna_1"))):
        answer = await world.asked_by(ANNA)(method, f"/products/{van}/card", body)
        assert code_of(answer) == (404, "not-found")


async def test_a6_whoever_has_access_to_a_product_sees_no_other_card_of_the_account(world: World, van: str) -> None:
    await world.asked_by(HANS)("POST", CARDS, card("tok_of_account"))
    other = await world.ordered(BIZZ, HANS, HAVNEFART_MAIN)
    await linked(world, other, card("tok_of_other_1"), by=HANS)
    await linked(world, van, card("tok_of_van_001"))
    assert (await world.asked_by(DORA)("GET", CARDS)).status_code == 403
    assert (await world.asked_by(DORA)("GET", f"/products/{other}/card")).status_code == 404
    rows = await world.backbone.database.asked_by(DORA).rows("SELECT product_id FROM payment_cards")
    assert [row["product_id"] for row in rows] == [van]


async def test_a14_who_has_access_no_longer_links_nothing(world: World, van: str) -> None:
    await world.drives_no_longer(DORA, van)
    answer = await world.asked_by(DORA)("PUT", f"/products/{van}/card", card("tok_too_late_1"))
    assert answer.status_code == 404
    assert await kept(world) == []


async def test_p6_a_card_is_linked_only_where_the_company_pays_by_card_and_to_what_is_open(
    world: World, van: str
) -> None:
    by_invoice = await world.ordered(ETICKET)
    answer = await world.asked_by(ANNA)("PUT", f"/products/{by_invoice}/card", card("tok_by_invoice"))
    assert code_of(answer) == (409, "account-pays-by-invoice")
    await world.done(HANS, "POST", f"/products/{van}/close", CONFIRMED)
    answer = await world.asked_by(HANS)("PUT", f"/products/{van}/card", card("tok_closed_001"))
    assert code_of(answer) == (409, "product-closed")


async def test_p6_the_card_of_one_product_is_never_the_accounts_and_takes_none_of_its_ten_places(
    world: World, van: str
) -> None:
    of_van = await linked(world, van, card("tok_of_van_001"))
    for number in range(10):
        answer = await world.asked_by(HANS)("POST", CARDS, card(f"tok_account_{number}"))
        assert answer.status_code == 201, answer.text
    assert [charged for *_, charged in await kept(world)].count(True) == 1
    assert (of_van, van, False) in await kept(world)
    answer = await world.asked_by(HANS)("POST", f"{CARDS}/{of_van}/choose")
    assert code_of(answer) == (409, "card-is-of-one-product")


async def test_a5_an_administrator_removes_the_card_of_a_product_and_replaces_it_in_its_place(
    world: World, van: str
) -> None:
    of_van = await linked(world, van, card("tok_of_van_001"))
    replaced = await world.asked_by(HANS)("POST", f"{CARDS}/{of_van}/replace", card("tok_of_van_002"))
    assert await kept(world) == [(replaced.json()["card_id"], van, False)]
    with world.backbone.connect() as connection:
        assert connection.execute("SELECT kept_for, token FROM card_tokens").fetchall() == [(van, "tok_of_van_002")]
    await world.done(HANS, "POST", f"{CARDS}/{replaced.json()['card_id']}/remove")
    assert await kept(world) == []
    assert isinstance(list(log_of(world.backbone))[-1].data, PaymentCardRemoved)


async def test_a6_linked_at_the_same_moment_on_two_replicas_a_product_has_one_card(
    world: World, van: str, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *(
                (world, other)[number % 2].asked_by(DORA)("PUT", f"/products/{van}/card", card(f"tok_race_{number:04}"))
                for number in range(20)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    assert [product for _, product, _ in await kept(world)] == [van]
    with world.backbone.connect() as connection:
        assert connection.execute("SELECT count(*) FROM card_tokens").fetchone() == (1,)


async def test_p6_it_is_said_once_of_a_products_card_that_it_expires(world: World, van: str) -> None:
    now = datetime.now(UTC)
    await linked(world, van, card("tok_of_van_001", expiry_month=now.month, expiry_year=now.year))
    backbone = world.backbone
    care = CareOfCards(backbone.streams, backbone.database, Access(backbone.database), backbone.clock)
    before = len(list(log_of(backbone)))
    for _ in range(2):
        await care.tell_of_expiry()
    said = [recorded.data for recorded in list(log_of(backbone))[before:]]
    assert [(type(event), getattr(event, "product_id", None)) for event in said] == [(PaymentCardExpiring, van)]


async def test_a6_what_is_driven_is_charged_to_the_products_card_else_to_the_accounts_and_the_receipt_says_so(
    road: Road,
) -> None:
    world = road.world
    van = await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)
    other = await world.ordered({**PLATE_PAYMENT, "plate": "CD67890"}, HANS, HAVNEFART_MAIN)
    await world.drives(DORA, van, HAVNEFART_MAIN, HAVNEFART)
    await world.asked_by(HANS)("POST", CARDS, card("tok_of_account", brand="dankort", last_four="0001"))
    await linked(world, van, card("tok_of_van_001"))
    await road.driven(told(1, BY_PLATE), told(2, {"country": "DK", "plate": "CD 67890"}))
    await linked(world, van, card("tok_of_van_002", brand="jcb", last_four="0002"))
    await road.driven(told(3, BY_PLATE))
    said = {}
    for number, product in ((1, van), (2, other), (3, van)):
        path = f"/products/{product}/receipt?journey_id=STB-{number}&language=en"
        said[number] = lines((await world.asked_by(HANS)("GET", path)).text)["Paid by"]
    assert said == {1: "Visa ending in 4242", 2: "Dankort ending in 0001", 3: "JCB ending in 0002"}
    drivers = await world.asked_by(DORA)("GET", f"/products/{van}/receipt?journey_id=STB-1&language=en")
    assert lines(drivers.text)["Paid by"] == "Visa ending in 4242"


async def test_p6_a_journey_that_somebody_attributes_by_hand_is_charged_to_a_card_too(road: Road) -> None:
    world = road.world
    van = await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)
    of_van = await linked(world, van, card("tok_of_van_001"), by=HANS)
    await road.driven(told(1, {"country": "SE", "plate": "XYZ123"}))
    (parked,) = (await road.parked_list())["items"]
    await world.done(SUSANNE, "POST", f"/parked-journeys/{parked['parked_id']}/attribute", {"product_id": van})
    assert road.rows("SELECT payment, card_id FROM journeys") == [("card", of_van)]


async def test_p3_an_eticket_is_used_up_and_closed_by_the_journeys_that_are_taken_in(road: Road) -> None:
    ticket = await road.world.ordered(ETICKET)
    by_plate = {"country": "SE", "plate": "ABC 123"}
    first, second, third = (told(number, by_plate) for number in (1, 2, 3))
    await road.driven(first)
    assert (await road.world.seen(ticket))["trips_left"] == 1
    await road.driven(first, second, third)
    shown = await road.world.seen(ticket)
    assert (shown["trips_left"], shown["state"]) == (0, "closed")
    assert road.counted() == {"STB-1": ticket, "STB-2": ticket}
    assert road.parked() == {"STB-3": "used-up"}
    assert road.world.types_in_log() == ["eticket-ordered", "trip-driven", "trip-driven", "product-closed"]
