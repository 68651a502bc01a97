"""What a decision about access costs: in a service and through the gateway, among a thousand and a million grants."""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import psycopg

from deploy.demo.day import Day
from deploy.local.postgres import Postgres
from deploy.local.world import World, free_ports, running
from deploy.sample import STAFF
from services.profiles.access import Access
from services.profiles.policy import CLOSE_PRODUCT
from services.profiles.reach import Reach
from shared import schema
from shared.actor import Actor
from shared.database import Database
from shared.wall import Roles
from tests.bench.figures import Figures
from tests.bench.gateway import add_staff

SIZES = (1_000, 1_000_000)
"""Grants in the copy that the service decides from."""
A_COMPANY = 20
"""Grants of one company: 2 administrators of each of 2 accounts, a main administrator, the rest drivers."""
ASKING = 16
SECONDS = 4.0
ROUNDS = 3
"""The sizes take turns, and the best round of each counts: what else the machine does is not what is measured."""


async def measure(postgres: Postgres, figures: Figures) -> None:
    databases = {size: _filled(postgres, size) for size in SIZES}
    await _in_a_service(databases, figures)
    await _through_the_gateway(figures)


def _filled(postgres: Postgres, grants: int) -> str:
    dsn, owner = postgres.create_database(f"decisions_{grants}")
    schema.migrate(owner, Roles.of(dsn), [Reach()])
    with psycopg.connect(owner, autocommit=True) as connection:
        _fill(connection, grants)
    return dsn


def _fill(connection: psycopg.Connection, grants: int) -> None:
    """Companies of twenty grants each, as the reach of a service keeps them."""
    connection.execute(_FILL.replace(b"{companies}", str(grants // A_COMPANY).encode()))


_FILL = b"""
    CREATE FUNCTION pg_temp.named(kind text, number int) RETURNS text LANGUAGE sql IMMUTABLE
        AS $$ SELECT kind || '-' || lpad(to_hex(number), 32, '0') $$;
    INSERT INTO reach_accounts (account_id, company_id, agreement_id, open)
        SELECT pg_temp.named('account', 2 * c + a), pg_temp.named('company', c), pg_temp.named('agreement', c), true
        FROM generate_series(1, {companies}) c, generate_series(0, 1) a;
    INSERT INTO reach_products (product_id, account_id, company_id, open)
        SELECT pg_temp.named('product', 16 * c + p), pg_temp.named('account', 2 * c + p % 2),
               pg_temp.named('company', c), true
        FROM generate_series(1, {companies}) c, generate_series(0, 14) p;
    INSERT INTO reach_grants (profile_id, kind, target_id, account_id, company_id, stream_version)
        SELECT pg_temp.named('profile', 32 * c), 'main-administrator', pg_temp.named('agreement', c), NULL,
               pg_temp.named('company', c), 1
        FROM generate_series(1, {companies}) c
        UNION ALL
        SELECT pg_temp.named('profile', 32 * c + 1 + n), 'account-administrator',
               pg_temp.named('account', 2 * c + n % 2), pg_temp.named('account', 2 * c + n % 2),
               pg_temp.named('company', c), 1
        FROM generate_series(1, {companies}) c, generate_series(0, 3) n
        UNION ALL
        SELECT pg_temp.named('profile', 32 * c + 5 + n), 'product-access', pg_temp.named('product', 16 * c + n),
               pg_temp.named('account', 2 * c + n % 2), pg_temp.named('company', c), 1
        FROM generate_series(1, {companies}) c, generate_series(0, 14) n;
    ANALYZE reach_accounts, reach_products, reach_grants;
"""
"""Of company c: main administrator 32c, account administrators 32c + 1…4, drivers 32c + 5…19, products 16c…16c + 14."""


async def _in_a_service(databases: dict[int, str], figures: Figures) -> None:
    opened = {size: Database(dsn) for size, dsn in databases.items()}
    for database in opened.values():
        await database.open()
    kinds: dict[str, int] = {"main administrator": 0, "account administrator": 1}
    for who, number in kinds.items():
        rates = dict.fromkeys(SIZES, 0.0)
        for _ in range(ROUNDS):
            for size, database in opened.items():
                rates[size] = max(rates[size], await _decisions(Access(database), size, number))
        small, large = SIZES
        figures.rate(f"{who}, {small:,} grants", int(rates[small]), 1)
        figures.rate(f"{who}, {large:,} grants", int(rates[large]), 1, against=(f"{who}, {small:,} grants",))
    for database in opened.values():
        await database.close()


async def _decisions(access: Access, grants: int, number: int) -> float:
    """Decisions a second: may this administrator close this product? Each about another company."""
    companies, done = grants // A_COMPANY, 0
    until = time.perf_counter() + SECONDS / 2

    async def one(first: int) -> None:
        nonlocal done
        company = first
        while time.perf_counter() < until:
            company = (company * 7919 + 1) % companies + 1
            actor = Actor("profile", f"profile-{company * 32 + number:032x}")
            await access.require(actor, CLOSE_PRODUCT, f"product-{company * 16:032x}")
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(one(task * 101 + 1) for task in range(ASKING)))
    return done / (time.perf_counter() - began)


async def _through_the_gateway(figures: Figures) -> None:
    with tempfile.TemporaryDirectory(prefix="selfservice-bench-world-") as name:
        folder = Path(name)
        os.environ["REQUESTS_PER_SECOND"] = "100000"  # the limit is not what is measured here
        with running(folder, ports=free_ports()) as state:
            add_staff(folder)
            async with httpx.AsyncClient(base_url=state.parts["gateway"].url, timeout=30) as http:
                day = Day(http, STAFF[0], lambda _line: None)
                await day.customer_service_registers_two_companies()
                await day.administrators_order_products()
                bizz = f"/products/{day.cast.ids['bizz']}"
                for number, size in enumerate(SIZES):
                    with psycopg.connect(_database_of("products", folder), autocommit=True) as connection:
                        _fill(connection, size)
                    rate = max([await _rate(lambda: day.anna.ask("GET", bizz, expect=200)) for _ in range(ROUNDS)])
                    before = f"gateway, {SIZES[0]:,} grants"
                    figures.rate(f"gateway, {size:,} grants", int(rate), 1, against=(before,) if number else ())
                    with psycopg.connect(_database_of("products", folder), autocommit=True) as connection:
                        _empty(connection)


def _database_of(service: str, folder: Path) -> str:
    return World.found_in(folder).environment_of(service)["DATABASE_URL"]


def _empty(connection: psycopg.Connection) -> None:
    """Takes away what `_fill` put in; real identifiers begin with a time and not with zeros."""
    for table, column in (("grants", "profile_id"), ("products", "product_id"), ("accounts", "account_id")):
        connection.execute(f"DELETE FROM reach_{table} WHERE {column} LIKE '%-00000000%'".encode())


async def _rate(ask: Callable[[], Awaitable[object]]) -> float:
    done, until = 0, time.perf_counter() + SECONDS

    async def one() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await ask()
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(ASKING)))
    return done / (time.perf_counter() - began)
