"""What one more journey and a page of usage cost with few and many stored, and how fast a file of them is made."""

import resource
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, LiteralString

import orjson
import psycopg

from deploy.local.postgres import Postgres
from services.products.adapters.journey_feed import read
from services.products.adapters.journey_intake import take
from services.products.adapters.journeys import Journeys
from services.products.adapters.parked_journeys import ParkedJourneys
from services.products.adapters.payments import Payments
from services.products.use_cases.journeys import MOST_AT_ONCE
from services.products.use_cases.usage import Usage
from services.products.views import payments
from services.products.views.account_payment import AccountPayment
from services.products.views.cards import PaymentCards
from services.products.views.carriers import Carriers
from services.products.views.products import Products
from services.products.views.usage import Wanted
from services.profiles.access import Access
from services.profiles.reach import Reach
from shared import schema
from shared.actor import Actor
from shared.database import Database
from shared.wall import Roles
from tests.bench.figures import Figures
from tests.bench.journeys import driven, products_in_use

SIZES: tuple[int, ...] = (10_000, 1_000_000, 10_000_000)
OWN, LARGEST = 5_000, 1_000_000
"""Journeys of the account whose pages are looked at, and of each other one at most."""
ANNA = Actor("profile", "profile-" + "1" * 32)
ACCOUNT, COMPANY = "account-" + "1" * 32, "company-" + "1" * 32
TIMES: Final = 200
BATCHES, BATCH, ACCOUNTS = 40, 1000, 2000
TAKEN: Final = 40_000

STORED: LiteralString = """
    INSERT INTO journeys (
        journey_id, product_id, account_id, company_id, place, at, amount, vat, currency, payment)
    SELECT %(name)s || n, 'product-' || md5(%(name)s || n %% %(products)s), %(account)s, %(company)s,
           (ARRAY['Storebælt', 'Øresundsbron', 'Svinesund'])[1 + floor(random() * 3)],
           timestamptz '2026-01-01 00:00:00+01' + random() * interval '300 days',
           100 + floor(random() * 500), 20, 'DKK', CASE WHEN random() < 0.1 THEN 'card' ELSE 'invoice' END
    FROM generate_series(1, %(number)s) n"""
WITHOUT_INDEXES: LiteralString = """
    ALTER TABLE journeys DISABLE TRIGGER payments_take_in;
    DROP INDEX journeys_of_account, journeys_of_product"""
SUMS: LiteralString = """
    INSERT INTO payments
    SELECT account_id, date_trunc('month', at AT TIME ZONE 'Europe/Copenhagen')::date, payment, currency,
           count(*), sum(amount), sum(vat) FROM journeys GROUP BY 1, 2, 3, 4;
    ALTER TABLE journeys ENABLE TRIGGER payments_take_in"""
GRANTED: LiteralString = """
    INSERT INTO reach_accounts SELECT DISTINCT account_id, company_id, NULL, true FROM payments CROSS JOIN
        (VALUES (%(company)s)) AS of (company_id);
    INSERT INTO reach_grants
    SELECT %(who)s, 'account-administrator', account_id, account_id, company_id, 1 FROM reach_accounts"""
BARE: LiteralString = (
    "COPY (SELECT * FROM journeys WHERE account_id = %s ORDER BY at DESC, journey_id DESC) TO STDOUT CSV"
)


async def measure(postgres: Postgres, figures: Figures) -> None:
    for size in SIZES:
        async with stored(postgres, size) as (usage, owner):
            await _pages(usage, figures, size)
            _taken_in(owner, figures, size)
            if size == LARGEST:
                await _file(usage, owner, figures)
    _sums(postgres, figures)


@asynccontextmanager
async def stored(postgres: Postgres, size: int) -> AsyncIterator[tuple[Usage, str]]:
    """A database with so many journeys, a few thousand of them in our account."""
    dsn, owner = postgres.create_database(f"usage_{size}")
    _made(dsn, owner)
    with _filling(owner) as connection:
        for number, start in enumerate(range(0, size - OWN, LARGEST)):
            _store(connection, min(LARGEST, size - OWN - start) if size != LARGEST else LARGEST, _account(number))
        _store(connection, OWN, ACCOUNT)
    database = Database(dsn)
    await database.open()
    try:
        yield Usage(database, Access(database)), owner
    finally:
        await database.close()


def _account(number: int) -> str:
    return f"account-{number + 100:032x}"


def _made(dsn: str, owner: str) -> None:
    schema.migrate(
        owner,
        Roles.of(dsn),
        (Reach(), Products(), AccountPayment(), Carriers(), PaymentCards(), Journeys(), Payments(), ParkedJourneys()),
    )


@contextmanager
def _filling(owner: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """As fast as it goes: indexes and sums are made at the end."""
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("SELECT setseed(0.2026)")
        connection.execute(WITHOUT_INDEXES)
        yield connection
        connection.execute(Journeys.tables["journeys"])
        connection.execute(SUMS)
        with psycopg.ClientCursor(connection) as cursor:
            cursor.execute(GRANTED, {"who": ANNA.id, "company": COMPANY})
        connection.execute("VACUUM ANALYZE")


def _store(connection: psycopg.Connection[tuple[object, ...]], number: int, account: str) -> None:
    products = max(1, number // 250)
    asked = {"name": f"{account[-6:]}-", "account": account, "company": COMPANY, "number": number}
    connection.execute(STORED, {**asked, "products": products})


def _taken_in(owner: str, figures: Figures, size: int) -> None:
    """What one more journey costs: judged, counted and added to the sums, in batches as they come from the feed."""
    products_in_use(owner)
    coming = [read(orjson.dumps(record)) for record in driven(TAKEN)]
    with psycopg.connect(owner) as connection:
        began = time.perf_counter()
        for start in range(0, TAKEN, MOST_AT_ONCE):
            take(connection, coming[start : start + MOST_AT_ONCE], "bench")
            connection.commit()
        took = time.perf_counter() - began
    against = () if size == SIZES[0] else (f"one more journey, {SIZES[0]:,}",)
    figures.rate(f"one more journey, {size:,}", TAKEN, took, against=against)


async def _pages(usage: Usage, figures: Figures, size: int) -> None:
    questions: dict[str, Callable[[], Awaitable[object]]] = {
        "page of an account": lambda: usage.page(Wanted(account_id=ACCOUNT), ANNA),
        "its months": lambda: usage.payments(payments.Wanted(ACCOUNT), ANNA),
    }
    for name, ask in questions.items():
        against = () if size == SIZES[0] else (f"{name}, {SIZES[0]:,}",)
        figures.rate(f"{name}, {size:,}", 1, await _median(ask), against=against)


async def _median(ask: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took[TIMES // 10 :])


async def _file(usage: Usage, owner: str, figures: Figures) -> None:
    large = _account(0)
    began, bare = time.perf_counter(), 0
    with psycopg.connect(owner) as connection, connection.cursor() as cursor, cursor.copy(BARE, (large,)) as copy:
        for _ in copy:
            bare += 1
    figures.rate("COPY, rows", bare, time.perf_counter() - began)
    began, lines, most = time.perf_counter(), 0, _most_memory()
    async for piece in await usage.file(Wanted(account_id=large), ANNA):
        lines += piece.count("\n")
    figures.rate("CSV, rows", lines - 1, time.perf_counter() - began, against=("COPY, rows",))
    figures.note("CSV, memory grown by", f"{_most_memory() - most:,} KiB")


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _sums(postgres: Postgres, figures: Figures) -> None:
    """What keeping the sums costs whoever adds journeys, where nearly every one is of another account."""
    dsn, owner = postgres.create_database("usage_sums")
    _made(dsn, owner)
    with psycopg.connect(owner, autocommit=True) as connection:
        for name, sums in (("added without sums", "DISABLE"), ("added with sums", "ENABLE")):
            connection.execute(f"ALTER TABLE journeys {sums} TRIGGER payments_take_in")
            began = time.perf_counter()
            for batch in range(BATCHES):
                connection.execute(ADDED, {"name": f"{sums}-{batch}-", "accounts": ACCOUNTS, "number": BATCH})
            against = () if sums == "DISABLE" else ("added without sums",)
            figures.rate(name, BATCHES * BATCH, time.perf_counter() - began, against=against)


ADDED: LiteralString = """
    INSERT INTO journeys (
        journey_id, product_id, account_id, company_id, place, at, amount, vat, currency, payment)
    SELECT %(name)s || n, 'product-' || md5(n::text),
           'account-' || md5((floor(random() * %(accounts)s))::text), 'company', 'Storebælt',
           timestamptz '2026-03-01 00:00:00+01' + random() * interval '20 days', 125, 25, 'DKK', 'invoice'
    FROM generate_series(1, %(number)s) n"""
