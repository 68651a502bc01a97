"""What a question about the past costs with a history of HISTORY events, and with one ten times as long."""

import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

import psycopg

from deploy.local.postgres import Postgres
from deploy.sample_history import DAYS, SINCE, SampleHistory
from deploy.sample_history_load import load
from deploy.sample_spans_load import fill_spans
from services.audit.adapters.leaves import Leaves
from services.audit.views import access_then, differences, state_then
from services.audit.views.history import History
from services.audit.views.spans import Spans
from services.profiles.reach import Reach
from shared import schema
from shared.actor import Actor
from shared.database import Database
from shared.wall import Roles
from tests.bench.figures import Figures

SHORT: Final = int(os.environ.get("HISTORY", "20000"))
SIZES: Final = (SHORT, 10 * SHORT)
TIMES: Final = 200
SUSANNE = Actor("staff", "staff-" + "0" * 31 + "5")
REACH: LiteralString = """
    INSERT INTO reach_staff VALUES (%(staff)s);
    INSERT INTO reach_accounts
    SELECT place_id, company_id, (SELECT min(agreement_id) FROM agreement_spans m WHERE m.account_id = p.place_id), true
    FROM place_spans p WHERE kind = 'account';
    INSERT INTO reach_products
    SELECT place_id, account_id, company_id, until = 'infinity' FROM place_spans WHERE kind = 'product';
    INSERT INTO reach_grants
    SELECT profile_id, kind, target_id, account_id, company_id, made_at_version FROM grant_spans
    WHERE until = 'infinity'"""
WHOLE: LiteralString = "COPY (SELECT * FROM history) TO STDOUT"
SOME: LiteralString = "SELECT place_id FROM place_spans WHERE kind = 'product' ORDER BY md5(place_id) LIMIT %s"
PEOPLE: LiteralString = "SELECT profile_id FROM grant_spans GROUP BY 1 ORDER BY md5(profile_id) LIMIT %s"
ADMINISTRATORS: LiteralString = """
    SELECT profile_id FROM grant_spans WHERE kind = 'account-administrator' AND until = 'infinity'
    ORDER BY profile_id LIMIT 1"""


@dataclass(frozen=True)
class Asked:
    """What one question is about."""

    product: str
    person: str
    moment: datetime


@dataclass(frozen=True)
class Sample:
    """A history with its spans, and what is asked of it."""

    database: Database
    asked: list[Asked]
    administrator: Actor


async def measure(postgres: Postgres, figures: Figures) -> None:
    for size in SIZES:
        async with sample(postgres, size, figures) as of:
            await _questions(of, figures, size)
            await _two_months(of, figures, size)


@asynccontextmanager
async def sample(postgres: Postgres, size: int, figures: Figures) -> AsyncIterator[Sample]:
    """A database of audit with a sample history of this length."""
    dsn, owner = postgres.create_database(f"asof_{size}")
    schema.migrate(owner, Roles.of(dsn), (Reach(), History("audit"), Spans(), Leaves()))
    began = time.perf_counter()
    for _ in load(owner, SampleHistory(2026, size).events()):
        pass
    figures.rate(f"loaded, {size:,}", size, time.perf_counter() - began)
    _read_whole(owner, figures, size)
    began = time.perf_counter()
    fill_spans(owner)
    figures.rate(f"spans of it, events, {size:,}", size, time.perf_counter() - began)
    with psycopg.connect(owner, autocommit=True) as connection:
        with psycopg.ClientCursor(connection) as cursor:
            cursor.execute(REACH, {"staff": SUSANNE.id})
        connection.execute("ANALYZE")
        products = [row[0] for row in connection.execute(SOME, (TIMES,))]
        people = [row[0] for row in connection.execute(PEOPLE, (TIMES,))]
        administrators = [row[0] for row in connection.execute(ADMINISTRATORS)]
    chance = random.Random(7)  # noqa: S311 (the same moments each time)
    moments = [SINCE + timedelta(days=chance.uniform(30, DAYS)) for _ in range(TIMES)]
    asked = [Asked(*each) for each in zip(products, people, moments, strict=True)]
    database = Database(dsn)
    await database.open()
    try:
        yield Sample(database, asked, Actor("profile", administrators[0]))
    finally:
        await database.close()


def _read_whole(owner: str, figures: Figures, size: int) -> None:
    """The floor of whoever would fold the history for an answer: to read it at all."""
    began = time.perf_counter()
    with psycopg.connect(owner) as connection, connection.cursor() as cursor, cursor.copy(WHOLE) as copy:
        for _ in copy:
            pass
    took = time.perf_counter() - began
    figures.rate(f"history by COPY, events, {size:,}", size, took)
    figures.note(f"history by COPY, {size:,}, all of it", f"{took * 1000:,.0f} ms")


async def _questions(of: Sample, figures: Figures, size: int) -> None:
    """Each of the same questions twice: the first time from wherever the rows lie, the second time from memory."""
    staff, administrator = of.database.asked_by(SUSANNE), of.database.asked_by(of.administrator)
    nowhere = ("", "")
    questions: dict[str, Callable[[Asked], Awaitable[Any]]] = {
        "who could reach a product": lambda asked: access_then.who_reached(
            staff, asked.product, asked.moment, after=nowhere, limit=100
        ),
        "what a person could reach": lambda asked: access_then.reached_by(
            staff, asked.person, asked.moment, after=nowhere, limit=100
        ),
        "page of all grants": lambda asked: access_then.held_by_all(
            staff, asked.moment, staff=True, after=(asked.person, ""), limit=100
        ),
        "page of an administrator's": lambda asked: access_then.held_by_all(
            administrator, asked.moment, staff=False, after=nowhere, limit=100
        ),
        "what a product was": lambda asked: state_then.state_of(staff, asked.product, asked.moment, seen_by=None),
    }
    for name, ask in questions.items():
        cold, warm = await _took(of, ask), await _took(of, ask)
        against = () if size == SIZES[0] else (f"{name}, {SIZES[0]:,}",)
        figures.rate(f"{name}, {size:,}", 1, statistics.median(warm), against=against)
        slowest = f"{statistics.quantiles(cold, n=100)[98] * 1000:.1f} ms"
        figures.note(f"{name}, {size:,}, asked for the first time, 99 of 100 within", slowest)


async def _took(of: Sample, ask: Callable[[Asked], Awaitable[Any]]) -> list[float]:
    took = []
    for asked in of.asked:
        began = time.perf_counter()
        await ask(asked)
        took.append(time.perf_counter() - began)
    return took


async def _two_months(of: Sample, figures: Figures, size: int) -> None:
    """Everything that differs between the same day of two months, a year into the history, page after page."""
    between = (SINCE + timedelta(days=365), SINCE + timedelta(days=396))
    database, lines = of.database.asked_by(SUSANNE), 0
    after, began, first = differences.Cursor(), time.perf_counter(), 0.0
    while rows := await differences.differences(database, between, of=None, staff=True, after=after, limit=1000):
        first = first or time.perf_counter() - began
        lines, after = lines + len(rows), differences.Cursor.behind(rows[-1])
    took = time.perf_counter() - began
    against = () if size == SIZES[0] else (f"two months compared, lines, {SIZES[0]:,}",)
    figures.rate(f"two months compared, lines, {size:,}", lines, took, against=against)
    figures.note(f"two months compared, {size:,}, all of it", f"{took * 1000:,.0f} ms for {lines:,} differences")
    figures.note(f"two months compared, {size:,}, its first 1,000 lines", f"{first * 1000:,.0f} ms")
