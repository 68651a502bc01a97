"""P7: customer service sees what is parked, has it tried again, and says which product a journey was driven with."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from services.products.adapters.parked_journeys import PAGE
from services.products.events import JourneyAttributed
from tests.feed import SUSANNE, log_of
from tests.products.conftest import ANNA, DORA, ETICKET, METTE, PLATE_PAYMENT
from tests.products.driving import BY_DEVICE, BY_PLATE, Road, on_the_road, told

A_PARKED = "parked-" + "0" * 32


@pytest.fixture
async def road(database: str) -> AsyncIterator[Road]:
    """Products with both companies, whose intake is asked by the test alone."""
    async with on_the_road(database) as one:
        yield one


async def attributing(road: Road, parked: str, product: str, key: str | None = None) -> Any:
    path, body = f"/parked-journeys/{parked}/attribute", {"product_id": product}
    if key is None:
        return await road.world.asked_by(SUSANNE)("POST", path, body)
    return await road.world.asked_by(SUSANNE)("POST", path, body, idempotency_key=key)


async def only_parked(road: Road) -> str:
    (item,) = (await road.parked_list())["items"]
    return str(item["parked_id"])


async def test_p7_a_parked_journey_is_shown_with_all_that_is_known_of_it(road: Road) -> None:
    record = told(1, BY_PLATE, datetime(2026, 3, 2, 12, 5, tzinfo=UTC))
    await road.driven(record, came_from="march.csv")
    (item,) = (await road.parked_list())["items"]
    assert item | {"parked_id": "", "parked_at": ""} == {
        "parked_id": "",
        "reason": "unknown",
        "detail": "",
        "journey_id": "STB-1",
        "operator": "storebaelt",
        "place": "Storebælt",
        "at": "2026-03-02T12:05:00Z",
        "seen": "plate DK AB12345",
        "amount": "285.00",
        "vat": "57.00",
        "currency": "DKK",
        "product_id": None,
        "came_from": "march.csv",
        "parked_at": "",
        "record": record.decode(),
    }


async def test_p7_the_list_is_filtered_and_its_pages_stay_while_more_is_parked(road: Road) -> None:
    at = datetime(2026, 3, 2, 12, 5, tzinfo=UTC)
    await road.driven(*(told(number, BY_PLATE, at) for number in range(PAGE + 5)))
    await road.driven(told("x", BY_DEVICE, operator="oresund"), b"not a record")
    first = await road.parked_list()
    await road.driven(*(told(f"later-{number}", BY_PLATE) for number in range(3)))
    second = await road.parked_list(f"?after={first['next']}")
    shown = [item["journey_id"] for item in (*first["items"], *second["items"])]
    numbered = [f"STB-{number}" for number in range(PAGE + 5)]
    assert shown == [*numbered, "STB-x", None, *(f"STB-later-{number}" for number in range(3))]
    assert second["next"] is None

    async def found(query: str) -> list[str | None]:
        return [item["journey_id"] for item in (await road.parked_list(query))["items"]]

    assert await found("?operator=oresund") == ["STB-x"]
    assert await found("?reason=malformed") == [None]
    assert await found("?journey_id=STB-7") == ["STB-7"]
    assert await found(f"?seen={quote('device 9208000000000001')}") == ["STB-x"]
    assert await found("?until=2026-03-02T12:05:00Z") == []
    assert len(await found("?until=2026-03-02T12:05:01Z&since=2026-03-02T12:05:00Z")) == PAGE


async def test_p7_only_customer_service_sees_and_touches_what_is_parked(road: Road) -> None:
    plate = await road.world.ordered(PLATE_PAYMENT)
    await road.world.drives(DORA, plate)
    await road.driven(told(1, BY_DEVICE))
    parked = await only_parked(road)
    for who in (ANNA, METTE, DORA):
        asking = road.world.asked_by(who)
        answers = [
            await asking("GET", "/parked-journeys"),
            await asking("POST", "/parked-journeys/redrive", {}),
            await asking("POST", f"/parked-journeys/{parked}/attribute", {"product_id": plate}),
        ]
        assert [answer.status_code for answer in answers] == [403] * 3
    assert road.counted() == {}


async def test_p7_a_journey_that_somebody_attributes_counts_even_for_a_closed_product(road: Road) -> None:
    plate = await road.world.ordered(PLATE_PAYMENT)
    await road.closed(plate, ANNA)
    record = told(1, BY_PLATE)
    await road.driven(record)
    parked = await only_parked(road)
    answer = await attributing(road, parked, plate)
    assert (answer.status_code, answer.json()) == (200, {"parked_id": parked, "product_id": plate})
    assert (road.counted(), road.parked()) == ({"STB-1": plate}, {})
    assert (await road.driven(record)).repeated == 1
    assert road.parked() == {}
    assert road.tally()[0] == 1


async def test_h1_an_attribution_is_an_event_with_who_and_what(road: Road) -> None:
    plate = await road.world.ordered(PLATE_PAYMENT)
    await road.driven(told(1, BY_DEVICE))
    parked = await only_parked(road)
    await attributing(road, parked, plate)
    (recorded,) = [r for r in log_of(road.service.backbone) if isinstance(r.data, JourneyAttributed)]
    assert (recorded.stream, recorded.actor, recorded.grant) == (parked, SUSANNE, "customer-service")
    assert recorded.data.model_dump().items() >= {"journey_id": "STB-1", "product_id": plate}.items()


async def test_p7_attributing_again_changes_nothing_and_to_another_product_is_refused(road: Road) -> None:
    plate, other = await road.world.ordered(PLATE_PAYMENT), await road.world.ordered(ETICKET)
    await road.driven(told(1, BY_DEVICE))
    parked = await only_parked(road)
    answers = [
        *[await attributing(road, parked, plate, key="one") for _ in range(2)],
        await attributing(road, parked, plate),
        await attributing(road, parked, other),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 409]
    assert answers[-1].json()["code"] == "journey-is-parked-no-more"
    assert road.counted() == {"STB-1": plate}


async def test_p7_two_who_attribute_at_once_make_it_count_once(road: Road) -> None:
    plate, other = await road.world.ordered(PLATE_PAYMENT), await road.world.ordered(ETICKET)
    await road.driven(told(1, BY_DEVICE))
    parked = await only_parked(road)
    answers = await asyncio.gather(*(attributing(road, parked, to) for to in (plate, other) * 3))
    assert sorted({answer.status_code for answer in answers}) == [200, 409]
    assert len(road.counted()) == 1
    assert road.tally()[0] == 1


async def test_p7_what_is_malformed_or_contradicts_cannot_be_attributed(road: Road) -> None:
    plate = await road.world.ordered(PLATE_PAYMENT)
    await road.driven(b"not a record", told(1, BY_PLATE), told(1, BY_PLATE, amount="1.00", vat="0.20"))
    malformed, contradiction = (item["parked_id"] for item in (await road.parked_list())["items"])
    answers = [await attributing(road, each, plate) for each in (malformed, contradiction, A_PARKED)]
    assert [answer.json()["code"] for answer in answers] == [
        "journey-cannot-be-attributed",
        "journey-cannot-be-attributed",
        "not-found",
    ]
    assert len(road.parked()) == 2


async def test_p7_a_product_that_does_not_exist_gets_no_journey(road: Road) -> None:
    await road.driven(told(1, BY_DEVICE))
    answer = await attributing(road, await only_parked(road), "product-" + "f" * 32)
    assert (answer.status_code, road.counted()) == (404, {})


async def test_p7_customer_service_has_parked_journeys_tried_again(road: Road) -> None:
    """What they waited for was mended past our log: only whoever asks knows of it."""
    await road.driven(told(1, BY_PLATE, datetime(2026, 3, 2, tzinfo=UTC)), told(2, BY_DEVICE), b"not a record")
    plate = await road.world.ordered(PLATE_PAYMENT)
    await road.followed()
    with road.as_owner() as owner:
        owner.execute("UPDATE carriers SET since = '2026-01-01'")
    asking = road.world.asked_by(SUSANNE)
    assert (await asking("POST", "/parked-journeys/redrive", {"operator": "oresund"})).status_code == 202
    await road.followed()
    assert road.counted() == {}
    assert (await asking("POST", "/parked-journeys/redrive", {"parked_id": A_PARKED})).status_code == 404
    assert (await asking("POST", "/parked-journeys/redrive", {"reason": "unknown"})).status_code == 202
    await road.followed()
    assert (road.counted(), road.parked()) == ({"STB-1": plate}, {"STB-2": "unknown", "": "malformed"})


async def test_p7_bad_input_about_parked_journeys_is_refused_clearly(road: Road) -> None:
    asking = road.world.asked_by(SUSANNE)
    answers = [
        await asking("GET", "/parked-journeys?after=x"),
        await asking("GET", "/parked-journeys?reason=lost"),
        await asking("GET", "/parked-journeys?since=yesterday"),
        await asking("GET", "/parked-journeys?seen=%00"),
        await asking("POST", "/parked-journeys/redrive", {"reason": "lost"}),
        await asking("POST", f"/parked-journeys/{A_PARKED}/attribute", {"product_id": 7}),
        await asking("POST", "/parked-journeys/parked-7/attribute", {"product_id": "product-" + "f" * 32}),
    ]
    assert [answer.status_code for answer in answers] == [422] * 6 + [404]
