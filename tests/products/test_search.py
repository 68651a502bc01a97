"""P5, A13: products are listed and found, page by page, and nobody finds what is not in their reach."""

from typing import Any
from urllib.parse import urlencode

import pytest

from services.products.views import products
from shared.actor import Actor
from tests.feed import SUSANNE
from tests.products.conftest import (
    ANNA,
    BIZZ,
    CONFIRMED,
    DEVICE,
    DORA,
    ETICKET,
    HANS,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
)


async def found(world: World, by: Actor, **wanted: str) -> list[str]:
    return await world.listed(by, "?" + urlencode(wanted))


@pytest.fixture
async def fleet(world: World) -> dict[str, str]:
    """One of each kind on Nordlys' road account, one closed; one on its harbour account, one of Havnefart."""
    made = {
        "bizz": await world.ordered(BIZZ),
        "plate": await world.ordered({**PLATE_PAYMENT, "reference": "Ærø"}),
        "ticket": await world.ordered(ETICKET),
        "closed": await world.ordered({**PLATE_PAYMENT, "plate": "ZZ 99 999"}),
        "harbour": await world.ordered({**BIZZ, "reference": "Crane"}, METTE, NORDLYS_HARBOUR),
        "quay": await world.ordered({**BIZZ, "reference": "Van 12"}, HANS, HAVNEFART_MAIN),
    }
    await world.done(SUSANNE, "POST", f"/products/{made['bizz']}/dispatch", DEVICE)
    vehicle = {"make": "Škoda", "model": "FH16", "plate": "cd 67 890"}
    await world.done(ANNA, "PUT", f"/products/{made['bizz']}/vehicle", vehicle)
    await world.done(ANNA, "POST", f"/products/{made['closed']}/close", CONFIRMED)
    return made


async def test_p5_products_are_found_by_every_filter_and_by_several_at_once(
    world: World, fleet: dict[str, str]
) -> None:
    wishes: list[tuple[dict[str, str], list[str]]] = [
        ({}, ["bizz", "plate", "ticket", "closed", "harbour"]),
        ({"account_id": NORDLYS_HARBOUR}, ["harbour"]),
        ({"kind": "bizz"}, ["bizz", "harbour"]),
        ({"state": "open"}, ["bizz", "plate", "ticket", "harbour"]),
        ({"state": "closed"}, ["closed"]),
        ({"state": "dispatched"}, ["bizz"]),
        ({"state": "ordered"}, ["harbour"]),
        ({"country": "se"}, ["ticket"]),
        ({"plate": "ab-12 345"}, ["plate"]),
        ({"plate": "CD67890"}, ["bizz"]),
        ({"plate": "AB1234"}, []),
        ({"country": "SE", "plate": "AB12345"}, []),
        ({"device_number": DEVICE["device_number"]}, ["bizz"]),
        ({"device_number": "9208"}, []),
        ({"reference": "ÆR"}, ["plate"]),
        ({"kind": "bizz", "state": "open", "account_id": NORDLYS_ROAD, "reference": "van"}, ["bizz"]),
        ({"kind": "eticket", "state": "closed"}, []),
    ]
    for wished, names in wishes:
        assert await found(world, METTE, **wished) == sorted(fleet[name] for name in names), wished


async def test_p5_a_text_is_looked_for_in_all_that_is_known_of_a_product(world: World, fleet: dict[str, str]) -> None:
    for text, names in (
        ("van", ["bizz"]),
        ("12 34", ["plate"]),
        ("fh1", ["bizz"]),
        ("ŠKODA", ["bizz"]),
        ("67-89", ["bizz"]),
        ("wvwzzz1", ["ticket"]),
        ("9208000", ["bizz"]),
        ("-", []),
        ("%", []),
        ("_", []),
        ("' OR true --", []),
    ):
        assert await found(world, METTE, text=text) == sorted(fleet[name] for name in names), text


async def test_a13_no_filter_finds_what_is_out_of_reach(world: World, fleet: dict[str, str]) -> None:
    await world.drives(DORA, fleet["bizz"])
    every_filter: list[dict[str, str]] = [
        {"account_id": HAVNEFART_MAIN},
        {"reference": "van"},
        {"text": "van"},
        {"kind": "bizz"},
        {"state": "open"},
        {"plate": "AB12345"},
        {"country": "DK"},
    ]
    for wished in every_filter:
        assert fleet["quay"] not in await found(world, METTE, **wished), wished
        assert set(await found(world, HANS, **wished)) <= {fleet["quay"]}, wished
        assert set(await found(world, DORA, **wished)) <= {fleet["bizz"]}, wished
    assert await found(world, SUSANNE, reference="van") == sorted((fleet["bizz"], fleet["quay"]))


async def test_p5_a_filter_that_cannot_be_is_refused(world: World) -> None:
    for wrong in ({"state": "gone"}, {"country": "DNK"}, {"kind": "boat"}, {"plate": ""}, {"text": "x" * 201}):
        answer = await world.asked_by(ANNA)("GET", "/products?" + urlencode(wrong))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request"), wrong


async def test_p5_pages_leave_out_nothing_and_repeat_nothing_whatever_is_ordered_and_closed_between_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "PAGE", 2)
    there = [await world.ordered(BIZZ) for _ in range(5)]
    shown: list[str] = []
    page: dict[str, Any] = {"next": ""}
    pages = 0
    while page["next"] is not None:
        pages += 1
        page = (await world.asked_by(ANNA)("GET", f"/products?kind=bizz&after={page['next']}")).json()
        shown += [product["product_id"] for product in page["items"]]
        await world.ordered({**PLATE_PAYMENT, "plate": f"P {pages}"})
        if pages == 1:
            await world.done(ANNA, "POST", f"/products/{shown[0]}/close", CONFIRMED)
            later = await world.ordered(BIZZ)
    assert shown == [*sorted(there), later]


async def test_p2_times_are_answered_in_utc(world: World) -> None:
    shown = await world.seen(await world.ordered(PLATE_PAYMENT))
    for moment in ("ordered_at", "usable_at_storebaelt_from", "usable_elsewhere_from"):
        assert shown[moment].endswith("Z"), moment
