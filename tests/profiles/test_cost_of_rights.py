"""What a page of rights costs stays flat: it reads what is on it, however many grants there are."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import psycopg
import pytest

from services.profiles import access
from services.profiles.views import reached, who_can, within_reach
from shared.actor import Actor
from shared.database import Row
from tests.feed import running
from tests.parts import owner_of
from tests.profiles.conftest import NORDLYS, NORDLYS_ROAD, World, replica

MANY = 40_000
TABLES = {"reach_grants", "grant_origins", "reach_products", "reach_accounts", "people"}


def _id(kind: str, number: str) -> str:
    return f"'{kind}-' || md5(({number})::text)"


# A driver for each of many products, ten products an account, ten accounts an agreement; and one account that half of
# all people administer.
FILL = f"""
    INSERT INTO reach_accounts
    SELECT {_id("account", "n")}, {_id("company", "n / 10")}, {_id("agreement", "n / 10")}, true
    FROM generate_series(1, {MANY // 10}) n;
    INSERT INTO reach_products
    SELECT {_id("product", "n")}, {_id("account", "n / 10 + 1")}, {_id("company", "n / 100")}, true
    FROM generate_series(1, {MANY}) n;
    INSERT INTO people (profile_id, email, name, created_at, searched_name, searched_email)
    SELECT {_id("profile", "n")}, n || '@nordlys.example.com', 'Erik', now(), 'erik', n || '@nordlys.example.com'
    FROM generate_series(1, {MANY}) n;
    INSERT INTO reach_grants
    SELECT {_id("profile", "n")}, 'product-access', {_id("product", "n")},
           {_id("account", "n / 10 + 1")}, {_id("company", "n / 100")}, 2 FROM generate_series(1, {MANY}) n
    UNION ALL
    SELECT {_id("profile", "n")}, 'account-administrator', {_id("account", "n")},
           {_id("account", "n")}, {_id("company", "n / 10")}, 3 FROM generate_series(1, {MANY // 10}) n
    UNION ALL
    SELECT {_id("profile", "n")}, 'main-administrator', {_id("agreement", "n / 10")}, NULL,
           {_id("company", "n / 10")}, 4 FROM generate_series(1, {MANY // 10}) n
    UNION ALL
    SELECT {_id("profile", "n")}, 'account-administrator', '{NORDLYS_ROAD}', '{NORDLYS_ROAD}', '{NORDLYS}', 5
    FROM generate_series(1, {MANY // 2}) n;
    INSERT INTO grant_origins
    SELECT profile_id, kind, target_id, account_id, company_id, md5(profile_id), stream_version, now(),
           'staff:staff-1', 'customer-service' FROM reach_grants;
    ANALYZE reach_accounts, reach_products, reach_grants, grant_origins, people"""
METTE = f"""
    SELECT {_id("profile", "77")} AS id, {_id("profile", "77")} AS person, {_id("agreement", "7")} AS agreement,
           {_id("company", "7")} AS company, {_id("account", "77")} AS account, {_id("product", "770")} AS product"""
DECISIONS = [*access._HELD.items(), *access._HELD_IN_SIGHT.items()]


@pytest.fixture
async def many(database: str) -> AsyncIterator[World]:
    """Tens of thousands of people with grants."""
    one = replica(database)
    async with running(one.backbone):
        with psycopg.connect(owner_of(database)) as owner:
            owner.execute(FILL)
        yield one


def plan_of(connection: psycopg.Connection[Any], query: str, asked: dict[str, Any]) -> tuple[int, set[str]]:
    """How many rows the database went through in its busiest step, and which tables it read from end to end."""
    row = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", asked).fetchone()
    assert row is not None
    steps = _steps(row[0][0]["Plan"])
    rows = [(step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"] for step in steps]
    return round(max(rows)), {step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"}


def _steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(step for part in plan.get("Plans", ()) for step in _steps(part))]


def questions(mette: Row) -> list[tuple[str, dict[str, Any]]]:
    """Every kind of page, the first and one in the middle."""
    administrators = ["main-administrator", "account-administrator"]
    crowded = {"kinds": ["account-administrator"], "targets": [NORDLYS_ROAD], "below": None}
    agreement = {"kinds": ["main-administrator"], "targets": [mette["agreement"]], "below": mette["agreement"]}
    return [
        (who_can._OF_GRANTS, {**crowded, "after": ""}),
        (who_can._OF_GRANTS, {**crowded, "after": "profile-7"}),
        (who_can._OF_GRANTS, {**agreement, "after": ""}),
        (who_can._OF_COMPANY, {"company": mette["company"], "kinds": administrators, "after": ""}),
        (reached._REACHED, {"who": mette["id"], "account": "", "thing": ""}),
        (reached._REACHED, {"who": mette["id"], "account": "account-7", "thing": "product-7"}),
        (within_reach._SEEN, {"ids": [mette["id"], mette["agreement"], NORDLYS_ROAD]}),
        *((query, {"who": mette["id"], "target": mette[on]}) for on, query in DECISIONS if on in mette),
    ]


async def test_a_page_and_a_decision_read_what_they_tell_of_and_not_every_grant(many: World) -> None:
    mette = (await many.backbone.database.rows(METTE))[0]
    with many.backbone.connect() as connection:
        for mode, seer in product(("force_custom_plan", "force_generic_plan"), (None, mette["id"])):
            connection.execute(f"SET plan_cache_mode = {mode}")
            for query, asked in questions(mette):
                rows, read_whole = plan_of(connection, query, {**asked, "seer": seer, "limit": 101})
                assert read_whole & TABLES == set(), (query, asked)
                assert rows < 2_000, (rows, query, asked)


async def test_of_a_crowded_company_and_account_customer_service_gets_page_after_page(many: World) -> None:
    database, administrators = many.backbone.database, ["account-administrator"]
    with many.backbone.connect() as connection:
        asked = {"company": NORDLYS, "kinds": administrators, "after": "profile-7", "seer": None, "limit": 101}
        rows, read_whole = plan_of(connection, who_can._OF_COMPANY, asked)
    assert (read_whole & TABLES, rows < 2_000) == (set(), True)
    first = await who_can.holders_in(database, NORDLYS, administrators, in_sight_of=None, after="", limit=100)
    of_account = await who_can.holders(
        database, [(administrators[0], NORDLYS_ROAD)], below=None, in_sight_of=None, after="", limit=100
    )
    assert first == of_account
    assert len(first) == 100
    mette = (await database.rows(METTE))[0]
    lines = await reached.reached_by(
        database, mette["id"], in_sight_of=Actor("profile", mette["id"]), after=reached.Cursor(), limit=100
    )
    assert [line["what"] for line in lines][:2] == ["agreement", "account"]
    assert len(lines) == 100
