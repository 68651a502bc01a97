"""What a page of usage costs stays flat: it reads what is on it, however many journeys of others are stored."""

from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
import pytest

from services.products.views import payments, usage
from services.products.views.usage import Cursor, Wanted
from shared.actor import Actor
from shared.wall import SAY_WHO_ASKS, as_reader
from tests.feed import SUSANNE
from tests.parts import owner_of
from tests.products.conftest import ANNA, DORA, METTE, NORDLYS_ROAD, World, name
from tests.products.driven import drive_much

OWN, FEW, MANY = 3_000, 10_000, 200_000
OTHERS = name("account", 50)


@pytest.fixture
async def driven(world: World, database: str) -> str:
    """Nordlys' own journeys and others'; Dora drives one of the products. Answers that product."""
    drive_much(database, OWN)
    drive_much(database, FEW, OTHERS)
    with psycopg.connect(owner_of(database), autocommit=True) as owner:
        owner.execute("ANALYZE journeys")
        row = owner.execute("SELECT min(product_id) FROM journeys WHERE account_id = %s", (NORDLYS_ROAD,)).fetchone()
    assert row is not None
    await world.drives(DORA, str(row[0]))
    return str(row[0])


def questions(product: str) -> Iterator[tuple[Actor, Wanted]]:
    """The first page and one in the middle, of an account and of a product; as whoever may ask."""
    middle = Cursor.read("1780000000000000.j")
    for who in (ANNA, METTE, SUSANNE):
        yield who, Wanted(account_id=NORDLYS_ROAD)
        yield who, Wanted(account_id=NORDLYS_ROAD, after=middle)
    for who in (DORA, SUSANNE):
        yield who, Wanted(product_id=product)
        yield who, Wanted(product_id=product, after=middle)


NARROWED = (
    Wanted(account_id=NORDLYS_ROAD, place="Svinesund", payment="card"),
    Wanted(account_id=NORDLYS_ROAD, place="Nowhere"),
    Wanted(account_id=NORDLYS_ROAD, product_id=name("product", 99)),
    Wanted(account_id=NORDLYS_ROAD, reference="van"),
)
"""Where what is asked for is rare, or is not there at all."""


def cost(database: str, who: Actor, sql: str, asked: dict[str, Any], mode: str) -> tuple[int, set[str], int]:
    """Rows of the busiest step, tables read from end to end, and pages of the database that were looked at."""
    with psycopg.connect(as_reader(database)) as reader:
        reader.execute(SAY_WHO_ASKS, (str(who),))
        reader.execute(f"SET LOCAL plan_cache_mode = {mode}")
        row = reader.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", asked).fetchone()
    assert row is not None
    top = row[0][0]["Plan"]
    steps = _steps(top)
    rows = [(step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"] for step in steps]
    whole = {step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"}
    return round(max(rows)), whole, top["Shared Hit Blocks"] + top["Shared Read Blocks"]


def _steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(step for part in plan.get("Plans", ()) for step in _steps(part))]


def costs(database: str, asked: Iterable[tuple[Actor, Wanted]]) -> list[tuple[int, set[str], int]]:
    """Of every question; the modes are how the first and how a prepared one is planned."""
    return [
        cost(database, who, usage._page(wanted) + usage._ROWS, usage._asked(wanted, usage.PAGE), mode)
        for mode in ("force_custom_plan", "force_generic_plan")
        for who, wanted in asked
    ]


async def test_p8_a_page_costs_the_same_however_many_journeys_of_others_are_stored(driven: str, database: str) -> None:
    few = costs(database, [*questions(driven)])
    drive_much(database, MANY, name("account", 51))
    with psycopg.connect(owner_of(database), autocommit=True) as owner:
        owner.execute("ANALYZE journeys")
    for (rows, whole, pages), (_, _, before) in zip(costs(database, [*questions(driven)]), few, strict=True):
        assert ("journeys" in whole, rows <= 2 * usage.PAGE) == (False, True)
        assert pages <= 1.2 * before, (pages, before)
    for rows, whole, _ in costs(database, [(ANNA, wanted) for wanted in NARROWED]):
        assert ("journeys" in whole, rows <= OWN) == (False, True), "no further than its own account"


async def test_p8_a_months_sum_is_looked_up_and_not_added_up(driven: str, database: str) -> None:
    asked = {"account": NORDLYS_ROAD, "first": None, "last": None, "month": None, "payment": "", "currency": ""}
    for mode in ("force_custom_plan", "force_generic_plan"):
        rows, whole, _ = cost(database, ANNA, payments._SUMS, {**asked, "limit": payments.PAGE}, mode)
        assert (rows <= payments.PAGE, "journeys" in whole) == (True, False)
