"""Whole logins a second through the gateway: ask for a code, read it in the mail, give it back, ask for something.

Every process of the system, its databases and the mail server are on this one machine. An order is one command, so that
its rate, measured in the same run, says how much of a login is ours.
"""

import itertools
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx

from deploy.demo.day import Day
from deploy.demo.person import Person
from deploy.local.postgres import Postgres
from deploy.local.world import free_ports, running
from deploy.sample import STAFF
from tests.bench.figures import Figures
from tests.bench.gateway import add_staff, centiles, rate

TASKS = (1, 16)
SECONDS = 10.0
PEOPLE = 240
"""They take turns: nobody comes to more than five sessions, and what making room for a sixth costs is not in it."""
LIMITS = {
    "REQUESTS_PER_SECOND": "100000",
    "LOGIN_CODES_PER_MINUTE": "100000",
    "LOGIN_TRIES_PER_MINUTE": "100000",
    "LIMITS": '{"codes_an_hour_of_a_client": 100000}',
}
"""All people of the benchmark come from one network address; what is left are limits of each of them."""

T = TypeVar("T")
Took = dict[str, list[float]]


async def measure(_postgres: Postgres, figures: Figures) -> None:
    os.environ |= LIMITS
    with tempfile.TemporaryDirectory(prefix="selfservice-bench-world-") as name:
        folder = Path(name)
        with running(folder, ports=free_ports()) as state:
            add_staff(folder)
            async with httpx.AsyncClient(base_url=state.parts["gateway"].url, timeout=30) as http:
                await _log_in_and_order(http, figures)


async def _log_in_and_order(http: httpx.AsyncClient, figures: Figures) -> None:
    day = Day(http, STAFF[0], lambda _line: None)
    await day.customer_service_registers_two_companies()
    await day.administrators_order_products()
    people = itertools.cycle([await _invited(day, number) for number in range(PEOPLE)])
    orders = f"/accounts/{day.cast.ids['nordlys account']}/products"
    for tasks in TASKS:
        took: Took = defaultdict(list)
        compared = f"orders, {tasks}"
        await rate(figures, compared, tasks, lambda: day.anna.ask("POST", orders, {"kind": "bizz"}, expect=201))
        logs_in = partial(_logs_in, http, people, took)
        await rate(figures, f"logins, {tasks}", tasks, logs_in, seconds=SECONDS, against=(compared,))
        for step, seconds in took.items():
            figures.note(f"logins, {tasks}: {step}: p50, p99", centiles(seconds))


async def _invited(day: Day, number: int) -> str:
    """One more account administrator of Nordlys."""
    email = f"person{number}@nordlys.example.com"
    grants = [{"kind": "account-administrator", "id": day.cast.ids["nordlys account"]}]
    await day.staff.ask("POST", "/profiles", {"email": email, "name": "Anna Aas", "grants": grants}, expect=201)
    return email


async def _logs_in(http: httpx.AsyncClient, people: Iterator[str], took: Took) -> None:
    person = Person(http, next(people))
    before = {mail["id"] for mail in await person.mails()}
    asked = person.ask("POST", "/login/codes", {"email": person.email}, expect=202)
    await _timed(took["asks for a code"], asked)
    code = await _timed(took["has it in the mail"], person.code_mailed(before))
    await _timed(took["gives it back"], person.ask("POST", "/login/sessions", {"code": code}, expect=201))
    await _timed(took["first question"], person.ask("GET", "/products", expect=200))


async def _timed(times: list[float], doing: Awaitable[T]) -> T:
    began = time.perf_counter()
    done = await doing
    times.append(time.perf_counter() - began)
    return done
