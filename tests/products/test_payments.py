"""P8: what each account pays by month, by invoice or card; sums, pages and files of the same journeys agree."""

import asyncio
import csv
import io
import itertools
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.feed import SUSANNE
from tests.parts import owner_of
from tests.products.conftest import ANNA, HANS, HAVNEFART, HAVNEFART_MAIN, METTE, NORDLYS_ROAD, World, name
from tests.products.driven import Journey, counted, drive, drive_much

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
ROAD = f"/accounts/{NORDLYS_ROAD}/payments"
NUMBERS = itertools.count(1000)
"""Every example has an account and journeys of its own."""


async def sums(world: World, path: str = ROAD, by: Any = ANNA) -> list[dict[str, Any]]:
    answer = await world.asked_by(by)("GET", path)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def line(month: str, payment: str, currency: str, journeys: int, *amounts: str) -> dict[str, Any]:
    told = {"month": month, "payment": payment, "currency": currency, "journeys": journeys}
    return told | dict(zip(("net", "vat", "amount"), amounts, strict=True))


async def test_p8_payments_are_told_by_month_and_way_of_paying_with_vat_and_each_currency_for_itself(
    world: World, database: str
) -> None:
    one = Journey("j-1")
    drive(
        database,
        [
            one,
            one.but("j-2", amount=Decimal("0.10"), vat=Decimal("0.02")),
            one.but("j-3", amount=Decimal("0.20"), vat=Decimal("0.04")),
            one.but("j-4", payment="card"),
            one.but("j-5", currency="SEK"),
            one.but("j-6", at=datetime(2026, 4, 1, 12, tzinfo=UTC)),
        ],
    )
    assert await sums(world) == [
        line("2026-04", "invoice", "DKK", 1, "100.00", "25.00", "125.00"),
        line("2026-03", "invoice", "SEK", 1, "100.00", "25.00", "125.00"),
        line("2026-03", "invoice", "DKK", 3, "100.24", "25.06", "125.30"),
        line("2026-03", "card", "DKK", 1, "100.00", "25.00", "125.00"),
    ]


async def test_p8_payments_of_a_period_are_those_of_its_months(world: World, database: str) -> None:
    drive(database, [Journey(f"j-{n}", at=datetime(2026, n, 15, tzinfo=UTC)) for n in range(1, 13)])
    told = await sums(world, f"{ROAD}?from=2026-03-15&to=2026-05-01")
    assert [each["month"] for each in told] == ["2026-05", "2026-04", "2026-03"]


async def test_p8_pages_of_payments_skip_and_repeat_nothing(world: World, database: str) -> None:
    at = [datetime(year, month, 15, tzinfo=UTC) for year in range(2015, 2026) for month in range(1, 13)]
    drive(
        database,
        [Journey(f"{n}-{way}", at=day, payment=way) for n, day in enumerate(at) for way in ("card", "invoice")],
    )
    first = (await world.asked_by(ANNA)("GET", ROAD)).json()
    second = (await world.asked_by(ANNA)("GET", f"{ROAD}?after={first['next']}")).json()
    third = (await world.asked_by(ANNA)("GET", f"{ROAD}?after={second['next']}")).json()
    found = [(each["month"], each["payment"]) for page in (first, second, third) for each in page["items"]]
    wanted = [(f"{day:%Y-%m}", way) for day in reversed(at) for way in ("invoice", "card")]
    assert (found, third["next"]) == (wanted, None)


# The nights in which the clocks change, and the ends of their months --------------------------------------------------


async def test_p8_when_summer_time_begins_the_hour_that_is_not_there_is_skipped(world: World, database: str) -> None:
    one = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
    drive(database, [Journey("before", at=one), Journey("after", at=one + timedelta(seconds=1))])
    told = (await world.asked_by(ANNA)("GET", f"/accounts/{NORDLYS_ROAD}/usage")).json()["items"]
    assert [each["at"] for each in told] == ["2026-03-29T03:00:00+02:00", "2026-03-29T01:59:59+01:00"]


async def test_p8_when_summer_time_ends_the_hour_that_comes_twice_is_told_apart(world: World, database: str) -> None:
    one = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    drive(database, [Journey("first", at=one), Journey("second", at=one + timedelta(hours=1))])
    told = (await world.asked_by(ANNA)("GET", f"/accounts/{NORDLYS_ROAD}/usage")).json()["items"]
    assert [each["at"] for each in told] == ["2026-10-25T02:30:00+01:00", "2026-10-25T02:30:00+02:00"]
    assert [each["journey_id"] for each in told] == ["second", "first"]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
async def test_p8_a_day_has_as_many_hours_as_it_has_in_copenhagen(
    world: World, database: str, day: str, hours: int
) -> None:
    begins = datetime.fromisoformat(day).replace(tzinfo=COPENHAGEN).astimezone(UTC)
    drive(database, [Journey(f"hour {n}", at=begins + timedelta(hours=n)) for n in range(-1, hours + 1)])
    told = (await world.asked_by(ANNA)("GET", f"/accounts/{NORDLYS_ROAD}/usage?from={day}&to={day}")).json()["items"]
    assert [each["journey_id"] for each in told] == [f"hour {n}" for n in reversed(range(hours))]


@pytest.mark.parametrize(
    ("last_second", "month", "following"),
    [
        ("2026-02-28T22:59:59", "2026-02", "2026-03"),
        ("2026-03-31T21:59:59", "2026-03", "2026-04"),
        ("2026-09-30T21:59:59", "2026-09", "2026-10"),
        ("2026-10-31T22:59:59", "2026-10", "2026-11"),
        ("2025-12-31T22:59:59", "2025-12", "2026-01"),
    ],
)
async def test_p8_a_month_ends_at_midnight_in_copenhagen(
    world: World, database: str, last_second: str, month: str, following: str
) -> None:
    at = datetime.fromisoformat(last_second).replace(tzinfo=UTC)
    drive(database, [Journey("last", at=at), Journey("next", at=at + timedelta(seconds=1))])
    assert [each["month"] for each in await sums(world)] == [following, month]


# Whatever was driven --------------------------------------------------------------------------------------------------

MONEY = st.decimals(min_value="-9999.99", max_value="9999.99", places=2)
MOMENTS = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 (made aware)
    st.sampled_from([datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]),
    st.sampled_from([datetime(2026, 3, 31, 22, tzinfo=UTC), datetime(2026, 10, 31, 22, 30, tzinfo=UTC)]),
)
DRIVEN = st.lists(
    st.tuples(MOMENTS, MONEY, MONEY, st.sampled_from(["DKK", "SEK"]), st.sampled_from(["card", "invoice"])), max_size=30
)
Sums = dict[tuple[str, str, str], tuple[int, Decimal, Decimal]]


def summed(journeys: list[dict[str, str]]) -> Sums:
    """The sums of what was told of journeys: by the month on the clocks of Copenhagen that stands in it."""
    found: dict[tuple[str, str, str], tuple[int, Decimal, Decimal]] = defaultdict(lambda: (0, Decimal(0), Decimal(0)))
    for each in journeys:
        key = each["at"][:7], each["payment"], each["currency"]
        number, net, amount = found[key]
        assert Decimal(each["net"]) + Decimal(each["vat"]) == Decimal(each["amount"])
        found[key] = number + 1, net + Decimal(each["net"]), amount + Decimal(each["amount"])
    return dict(found)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(driven=DRIVEN, batch=st.integers(1, 7))
async def test_p8_the_sums_are_those_of_the_pages_and_of_the_file_whatever_was_driven(
    world: World, database: str, driven: list[tuple[datetime, Decimal, Decimal, str, str]], batch: int
) -> None:
    example = next(NUMBERS)
    account = name("account", example)
    journeys = [
        Journey(f"{example}-{n}", account_id=account, at=at, amount=amount, vat=vat, currency=currency, payment=way)
        for n, (at, amount, vat, currency, way) in enumerate(driven)
    ]
    for start in range(0, len(journeys), batch):
        drive(database, journeys[start : start + batch])
    asked = world.asked_by(SUSANNE)
    pages = (await asked("GET", f"/accounts/{account}/usage")).json()["items"]
    file = (await asked("GET", f"/accounts/{account}/usage.csv")).text
    told = await sums(world, f"/accounts/{account}/payments", SUSANNE)
    totals = {
        (each["month"], each["payment"], each["currency"]): (
            each["journeys"],
            Decimal(each["net"]),
            Decimal(each["amount"]),
        )
        for each in told
    }
    assert totals == summed(pages) == summed(list(csv.DictReader(io.StringIO(file, newline=""))))
    months = {f"{one.at.astimezone(COPENHAGEN):%Y-%m}" for one in journeys}
    assert {month for month, *_ in totals} == months


async def test_p8_a_journey_that_came_before_is_not_summed_again(world: World, database: str) -> None:
    drive(database, [Journey("j-1")])
    with psycopg.connect(owner_of(database)) as owner:
        owner.execute("INSERT INTO journeys SELECT * FROM journeys ON CONFLICT DO NOTHING")
    assert await sums(world) == [line("2026-03", "invoice", "DKK", 1, "100.00", "25.00", "125.00")]


async def test_p8_sums_hold_when_several_add_journeys_of_one_account_at_the_same_moment(
    world: World, database: str
) -> None:
    writers = (asyncio.to_thread(drive_much, database, 200, first=1 + 200 * n) for n in range(10))
    await asyncio.gather(*writers)
    told = await sums(world)
    assert sum(each["journeys"] for each in told) == 2000
    amount = counted(database, "SELECT sum(amount * 100) FROM journeys")
    assert sum(Decimal(each["amount"]) for each in told) * 100 == amount


async def test_a5_a13_each_administrator_is_told_their_own_accounts_sums(world: World, database: str) -> None:
    drive_much(database, 50)
    drive_much(database, 30, HAVNEFART_MAIN, HAVNEFART)
    for who in (ANNA, METTE, SUSANNE):
        assert sum(each["journeys"] for each in await sums(world, by=who)) == 50
    assert sum(each["journeys"] for each in await sums(world, f"/accounts/{HAVNEFART_MAIN}/payments", HANS)) == 30
    assert (await world.asked_by(HANS)("GET", ROAD)).status_code == 404
