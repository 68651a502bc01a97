"""P8 as people see it: journeys of an account or a product, newest first, filtered, page by page; to each their own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.products.views import usage
from services.products.views.usage import Wanted
from shared.actor import Actor
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
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    name,
)
from tests.products.driven import ORESUND, STOREBAELT, Journey, drive, drive_much

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROAD = f"/accounts/{NORDLYS_ROAD}/usage"


async def shown(world: World, path: str, by: Actor = ANNA) -> list[dict[str, Any]]:
    answer = await world.asked_by(by)("GET", path)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def ids(world: World, path: str, by: Actor = ANNA) -> list[str]:
    return [journey["journey_id"] for journey in await shown(world, path, by)]


async def test_p8_a_journey_tells_its_price_its_product_when_and_where(world: World, database: str) -> None:
    van = await world.ordered({**PLATE_PAYMENT, "reference": "Van 12"})
    drive(database, [Journey("j-1", van)])
    assert await shown(world, ROAD) == [
        {
            "journey_id": "j-1",
            "at": "2026-03-02T13:00:00+01:00",
            "place": "Storebælt",
            "product_id": van,
            "kind": "number-plate-payment",
            "reference": "Van 12",
            "plate": "AB12345",
            "device_number": None,
            "payment": "invoice",
            "currency": "DKK",
            "net": "100.00",
            "vat": "25.00",
            "amount": "125.00",
        }
    ]


async def test_p8_usage_is_filtered_by_product_reference_place_and_way_of_paying(world: World, database: str) -> None:
    van, lorry = await world.ordered(BIZZ), await world.ordered({"kind": "bizz", "reference": "Lorry 7"})
    one = Journey("van", van)
    drive(
        database,
        [one, one.but("lorry", product_id=lorry), one.but("bridge", place=ORESUND), one.but("card", payment="card")],
    )
    assert set(await ids(world, ROAD)) == {"van", "lorry", "bridge", "card"}
    assert await ids(world, f"{ROAD}?product_id={lorry}") == ["lorry"]
    assert await ids(world, f"{ROAD}?reference=LORRY") == ["lorry"]
    assert await ids(world, f"{ROAD}?reference=%25") == []
    assert await ids(world, f"{ROAD}?place={ORESUND}") == ["bridge"]
    assert await ids(world, f"{ROAD}?payment=card") == ["card"]
    assert await ids(world, f"{ROAD}?payment=invoice&reference=van&place={STOREBAELT}") == ["van"]


async def test_p8_a_period_begins_and_ends_with_whole_days(world: World, database: str) -> None:
    drive(database, [Journey(f"day-{day}", at=NOON + timedelta(days=day)) for day in range(5)])
    assert await ids(world, f"{ROAD}?from=2026-03-03&to=2026-03-05") == ["day-3", "day-2", "day-1"]
    assert await ids(world, f"{ROAD}?from=2026-03-05") == ["day-4", "day-3"]
    assert await ids(world, f"{ROAD}?to=2026-03-02") == ["day-0"]
    assert await ids(world, f"{ROAD}?from=2026-03-05&to=2026-03-03") == []


async def pages(world: World, path: str, by: Actor = ANNA) -> list[list[str]]:
    found, after = [], ""
    while True:
        params = httpx.QueryParams({"after": after})
        answer = (await world.asked_by(by)("GET", f"{path}{'&' if '?' in path else '?'}{params}")).json()
        found.append([journey["journey_id"] for journey in answer["items"]])
        if (after := answer["next"]) is None:
            return found


async def test_p8_pages_are_newest_first_and_skip_and_repeat_nothing(world: World, database: str) -> None:
    """Also where many journeys were made at the very same moment."""
    drive(database, [Journey(f"j-{n:03}", at=NOON + timedelta(microseconds=n // 120)) for n in range(250)])
    found = await pages(world, ROAD)
    assert [len(page) for page in found] == [100, 100, 50]
    assert [one for page in found for one in page] == [f"j-{n:03}" for n in reversed(range(250))]


async def test_p8_what_arrives_meanwhile_moves_no_page(world: World, database: str) -> None:
    drive(database, [Journey(f"j-{n:03}", at=NOON + timedelta(minutes=n)) for n in range(150)])
    first = (await world.asked_by(ANNA)("GET", ROAD)).json()
    drive(database, [Journey("newer", at=NOON + timedelta(days=1)), Journey("late", at=NOON - timedelta(days=1))])
    rest = await ids(world, f"{ROAD}?{httpx.QueryParams({'after': first['next']})}")
    assert rest == [*(f"j-{n:03}" for n in reversed(range(50))), "late"]


async def test_p8_a_journeys_id_may_hold_any_visible_letters(world: World, database: str) -> None:
    drive(database, [Journey(f"Ø/{n:03} & 'x'.\"%", at=NOON) for n in range(101)])
    assert [len(page) for page in await pages(world, ROAD)] == [100, 1]


@pytest.mark.parametrize(
    "query",
    [
        "after=nonsense",
        "after=1",
        "after=99999999999999999.x",
        "after=1.%00",
        "product_id=bizz",
        "from=yesterday",
        "to=2026-02-30",
        "payment=cash",
        "place=",
    ],
)
async def test_what_cannot_be_asked_is_refused_as_not_valid(world: World, query: str) -> None:
    answer = await world.asked_by(ANNA)("GET", f"{ROAD}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


@pytest.mark.parametrize("query", ["from=0001-01-01&to=9999-12-31", "after=9999999999999999.x", "after=0.x"])
async def test_the_ends_of_time_can_be_asked_for(world: World, query: str) -> None:
    assert (await world.asked_by(ANNA)("GET", f"{ROAD}?{query}")).status_code == 200


async def test_a5_a6_an_accounts_usage_is_its_administrators_and_a_products_its_drivers_too(
    world: World, database: str
) -> None:
    van, lorry = await world.ordered(BIZZ), await world.ordered(BIZZ)
    drive(database, [Journey("van", van), Journey("lorry", lorry)])
    await world.drives(DORA, van)
    for who in (ANNA, METTE, SUSANNE):
        assert set(await ids(world, ROAD, who)) == {"van", "lorry"}
        assert await ids(world, f"/products/{lorry}/journeys", who) == ["lorry"]
    assert await ids(world, f"/products/{van}/journeys", DORA) == ["van"]
    for path in ("usage", "usage.csv", "payments", "invoice-usage.csv?month=2026-03"):
        answer = await world.asked_by(DORA)("GET", f"/accounts/{NORDLYS_ROAD}/{path}")
        assert (answer.status_code, answer.json()["rule"]) == (403, "A6"), path


OF_AN_ACCOUNT = ("usage", "usage.csv", "payments", "invoice-usage.csv?month=2026-03", "usage?reference=van")
OF_A_PRODUCT = ("journeys", "journeys.csv", "receipt?journey_id=quay", "receipt?journey_id=quay&as=pdf")


async def test_a13_other_companies_usage_is_answered_byte_for_byte_like_what_is_not_there(
    world: World, database: str
) -> None:
    quay, van = await world.ordered(BIZZ, HANS, HAVNEFART_MAIN), await world.ordered(BIZZ)
    drive(database, [Journey("quay", quay, HAVNEFART_MAIN, HAVNEFART, payment="card"), Journey("van", van)])
    await world.drives(DORA, van)
    paths = [
        *((f"/accounts/{{}}/{path}", HAVNEFART_MAIN, name("account", 99)) for path in OF_AN_ACCOUNT),
        *((f"/products/{{}}/{path}", quay, name("product", 99)) for path in OF_A_PRODUCT),
    ]
    for who in (ANNA, METTE, DORA):
        for path, theirs, nobodys in paths:
            answers = [await world.asked_by(who)("GET", path.format(one)) for one in (theirs, nobodys)]
            assert [answer.status_code for answer in answers] == [404, 404], path
            one, other = ({**answer.json(), "request_id": ""} for answer in answers)
            assert one == other
    assert await ids(world, f"/accounts/{HAVNEFART_MAIN}/usage", HANS) == ["quay"]


async def test_a13_a_filter_by_another_companys_product_shows_what_one_by_none_shows(
    world: World, database: str
) -> None:
    quay = await world.ordered(BIZZ, HANS, HAVNEFART_MAIN)
    drive(database, [Journey("quay", quay, HAVNEFART_MAIN, HAVNEFART), Journey("van")])
    for path in (ROAD, f"{ROAD}.csv"):
        one, other = [
            await world.asked_by(ANNA)("GET", f"{path}?product_id={each}") for each in (quay, name("product", 99))
        ]
        assert (one.status_code, one.content) == (200, other.content)
    assert await ids(world, f"{ROAD}?product_id={quay}") == []


async def test_p4_who_drove_a_product_that_is_closed_sees_its_journeys_no_more(world: World, database: str) -> None:
    van = await world.ordered(BIZZ)
    drive(database, [Journey("van", van)])
    await world.drives(DORA, van)
    await world.done(ANNA, "POST", f"/products/{van}/close", CONFIRMED)
    assert (await world.asked_by(DORA)("GET", f"/products/{van}/journeys")).status_code == 404
    assert await ids(world, f"/products/{van}/journeys") == ["van"]


async def test_a13_a_question_that_forgot_its_condition_shows_each_their_journeys_and_sums(
    world: World, database: str
) -> None:
    """Z-07: with our own checks taken away, the database shows everybody what is in their reach and no more."""
    van, quay = await world.ordered(BIZZ), await world.ordered(BIZZ, HANS, HAVNEFART_MAIN)
    drive(database, [Journey("van", van), Journey("lorry"), Journey("quay", quay, HAVNEFART_MAIN, HAVNEFART)])
    await world.drives(DORA, van)
    nobody = Actor("profile", name("profile", 99))
    for who, seen, accounts in (
        (ANNA, {"van", "lorry"}, {NORDLYS_ROAD}),
        (METTE, {"van", "lorry"}, {NORDLYS_ROAD}),
        (HANS, {"quay"}, {HAVNEFART_MAIN}),
        (DORA, {"van"}, set()),
        (SUSANNE, {"van", "lorry", "quay"}, {NORDLYS_ROAD, HAVNEFART_MAIN}),
        (nobody, set(), set()),
    ):
        asked = world.backbone.database.asked_by(who)
        assert {row["journey_id"] for row in await asked.rows("SELECT journey_id FROM journeys")} == seen
        assert {row["account_id"] for row in await asked.rows("SELECT account_id FROM payments")} == accounts


async def test_a13_a_page_asked_without_a_check_shows_what_is_in_reach(world: World, database: str) -> None:
    drive_much(database, 10, HAVNEFART_MAIN, HAVNEFART)
    theirs = Wanted(account_id=HAVNEFART_MAIN)
    assert await usage.page(world.backbone.database, ANNA, theirs) == []
    assert (await usage.lines(world.backbone.database, ANNA, theirs)).text == ""
    assert len(await usage.page(world.backbone.database, HANS, theirs)) == 10
