"""P8 as files: the same journeys as on the pages, in one stable form, of any length, and whole or visibly not."""

import csv
import io
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.products.use_cases.usage import Usage
from services.products.views.usage import LINES, Wanted
from services.profiles.access import Access
from shared.actor import Actor
from shared.errors import NotFound
from tests.products.conftest import ANNA, BIZZ, DORA, HAVNEFART, HAVNEFART_MAIN, NORDLYS_ROAD, World
from tests.products.driven import Journey, drive, drive_much

ROAD = f"/accounts/{NORDLYS_ROAD}/usage.csv"
COLUMNS = "journey_id,at,place,product_id,kind,reference,plate,device_number,payment,currency,net,vat,amount"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def file(world: World, path: str = ROAD, by: Actor = ANNA) -> httpx.Response:
    answer = await world.asked_by(by)("GET", path)
    assert answer.status_code == 200, answer.text
    return answer


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_p8_the_file_has_a_line_a_journey_in_columns_that_never_change(world: World, database: str) -> None:
    van = await world.ordered({"kind": "bizz", "reference": 'Æblevogn, "den røde"'})
    drive(database, [Journey("j-1", van), Journey("j-2", van, at=NOON + timedelta(hours=1), payment="card")])
    answer = await file(world)
    shown = f'"Storebælt",{van},bizz,"Æblevogn, ""den røde""",,'
    assert answer.content.decode() == (
        f"{COLUMNS}\n"
        f'"j-2",2026-03-02T14:00:00+01:00,{shown},card,"DKK",100.00,25.00,125.00\n'
        f'"j-1",2026-03-02T13:00:00+01:00,{shown},invoice,"DKK",100.00,25.00,125.00\n'
    )


async def test_p8_a_file_is_utf_8_and_has_a_name(world: World) -> None:
    answer = await file(world)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="usage.csv"'
    named = await file(world, f"{ROAD}?from=2026-03-01&to=2026-03-31")
    assert named.headers["content-disposition"] == 'attachment; filename="usage-2026-03-01-2026-03-31.csv"'
    assert answer.text == COLUMNS + "\n"


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
async def test_p8_what_begins_like_a_formula_is_harmless_in_a_file(world: World, database: str, begins: str) -> None:
    evil = f'{begins}HYPERLINK("https://evil.example.com";"Bro")'
    drive(database, [Journey(f"{begins}1", place=evil, currency=begins)])
    (line,) = read((await file(world)).text)
    assert (line["journey_id"], line["place"], line["currency"]) == (f"'{begins}1", f"'{evil}", f"'{begins}")


async def test_p8_a_reference_that_begins_like_a_formula_is_harmless_and_a_negative_amount_stays_a_number(
    world: World, database: str
) -> None:
    van = await world.ordered({"kind": "bizz", "reference": "=1+1"})
    drive(database, [Journey("j-1", van).but("j-1", amount=-125, vat=-25)])
    (line,) = read((await file(world)).text)
    assert (line["reference"], line["net"], line["vat"], line["amount"]) == ("'=1+1", "-100.00", "-25.00", "-125.00")


async def test_p8_a_file_has_what_the_pages_with_the_same_filters_have(world: World, database: str) -> None:
    drive_much(database, 400)
    for query in ("", "?payment=card", "?place=Svinesund&from=2026-02-01&to=2026-07-31"):
        found: list[dict[str, str]] = []
        after: str | None = ""
        while after is not None:
            wanted = f"{query}{'&' if query else '?'}{httpx.QueryParams({'after': after})}"
            answer = (await world.asked_by(ANNA)("GET", f"/accounts/{NORDLYS_ROAD}/usage{wanted}")).json()
            found += [{name: value or "" for name, value in journey.items()} for journey in answer["items"]]
            after = answer["next"]
        assert read((await file(world, ROAD + query)).text) == found
        assert found


async def test_p8_a_file_of_several_pieces_skips_and_repeats_nothing(world: World, database: str) -> None:
    drive_much(database, 2 * LINES + 1)
    drive_much(database, 100, HAVNEFART_MAIN, HAVNEFART)
    lines = read((await file(world)).text)
    assert len({line["journey_id"] for line in lines}) == len(lines) == 2 * LINES + 1
    times = [datetime.fromisoformat(line["at"]) for line in lines]
    assert times == sorted(times, reverse=True)


async def test_p8_the_file_of_an_invoice_has_what_is_paid_by_invoice_in_its_month(world: World, database: str) -> None:
    one = Journey("in march")
    drive(
        database,
        [
            one,
            one.but("by card", payment="card"),
            one.but("first", at=datetime(2026, 2, 28, 23, tzinfo=UTC)),
            one.but("before", at=datetime(2026, 2, 28, 22, 59, 59, tzinfo=UTC)),
            one.but("last", at=datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC)),
            one.but("after", at=datetime(2026, 3, 31, 22, tzinfo=UTC)),
        ],
    )
    answer = await file(world, f"/accounts/{NORDLYS_ROAD}/invoice-usage.csv?month=2026-03")
    assert [line["journey_id"] for line in read(answer.text)] == ["last", "in march", "first"]
    assert 'filename="invoice-usage-2026-03-01-2026-03-31.csv"' in answer.headers["content-disposition"]
    refused = await world.asked_by(ANNA)("GET", f"/accounts/{NORDLYS_ROAD}/invoice-usage.csv?month=2026-13")
    assert refused.status_code == 422


async def test_a14_a_right_that_is_revoked_cuts_a_download_off(world: World, database: str) -> None:
    """What is cut off never looks like a file that has come to its end."""
    drive_much(database, 2 * LINES)
    pieces = await _usage(world).file(Wanted(account_id=NORDLYS_ROAD), ANNA)
    assert (await anext(pieces)).count("\n") == LINES + 1
    await world.administers_no_longer(ANNA)
    with pytest.raises(NotFound):
        await anext(pieces)


async def test_a6_the_file_of_one_product_is_its_drivers_too(world: World, database: str) -> None:
    van = await world.ordered(BIZZ)
    drive(database, [Journey("van", van), Journey("lorry")])
    await world.drives(DORA, van)
    answer = await file(world, f"/products/{van}/journeys.csv", DORA)
    assert [line["journey_id"] for line in read(answer.text)] == ["van"]
    assert answer.headers["content-disposition"] == 'attachment; filename="journeys.csv"'


async def test_p8_a_long_file_takes_no_more_memory_than_a_short_one(world: World, database: str) -> None:
    drive_much(database, 100_000)
    pieces = await _usage(world).file(Wanted(account_id=NORDLYS_ROAD), ANNA)
    tracemalloc.start()
    try:
        short, many = await _peak(pieces, 3), await _peak(pieces, 1000)
    finally:
        tracemalloc.stop()
    assert many < 1.2 * short + 1_000_000, (short, many)
    assert many < 10_000_000


async def _peak(pieces: AsyncIterator[str], most: int) -> int:
    tracemalloc.reset_peak()
    for _ in range(most):
        if await anext(pieces, None) is None:
            break
    return tracemalloc.get_traced_memory()[1]


def _usage(world: World) -> Usage:
    return Usage(world.backbone.database, Access(world.backbone.database))
