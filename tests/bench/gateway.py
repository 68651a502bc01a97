"""Commands and questions a second through the gateway, with every process of the system on this one machine."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx

from deploy.demo.day import Day
from deploy.local.postgres import Postgres
from deploy.local.world import free_ports, running
from deploy.sample import STAFF
from tests.bench.figures import Figures

TASKS = (1, 16)
SECONDS = 5.0


async def measure(_postgres: Postgres, figures: Figures) -> None:
    with tempfile.TemporaryDirectory(prefix="selfservice-bench-world-") as name:
        folder = Path(name)
        os.environ["REQUESTS_PER_SECOND"] = "100000"  # the limit is not what is measured here
        with running(folder, ports=free_ports()) as state:
            add_staff(folder)
            await _ask(state.parts["gateway"].url, figures)


async def _ask(url: str, figures: Figures) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        day = Day(http, STAFF[0], lambda _line: None)
        await day.customer_service_registers_two_companies()
        await day.administrators_order_products()
        account, bizz = day.cast.ids["nordlys account"], day.cast.ids["bizz"]
        orders = f"/accounts/{account}/products"
        for tasks in TASKS:
            await rate(
                figures, f"orders, {tasks}", tasks, lambda: day.anna.ask("POST", orders, {"kind": "bizz"}, expect=201)
            )
            await rate(
                figures, f"questions, {tasks}", tasks, lambda: day.anna.ask("GET", f"/products/{bizz}", expect=200)
            )


async def rate(
    figures: Figures,
    name: str,
    tasks: int,
    ask: Callable[[], Awaitable[object]],
    *,
    seconds: float = SECONDS,
    against: tuple[str, ...] = (),
) -> None:
    """How often a second so many tasks get an answer, each asking again at once, and how long one waits for it."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def one() -> None:
        while (began := time.perf_counter()) < until:
            await ask()
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(tasks)))
    figures.rate(name, len(took), time.perf_counter() - began, against=against)
    figures.note(f"{name}: p50, p99", centiles(took))


def centiles(took: Sequence[float]) -> str:
    """The median of these seconds and what one in a hundred exceeds, as is printed."""
    found = statistics.quantiles(took, n=100)
    return f"{found[49] * 1000:.1f} ms, {found[98] * 1000:.1f} ms"


def add_staff(folder: Path) -> None:
    """The first member of customer service, added by the command line."""
    command = [
        sys.executable,
        "-m",
        "deploy.cli",
        "staff",
        "add",
        STAFF[0],
        "--name",
        STAFF[1],
        "--folder",
        str(folder),
    ]
    subprocess.run(command, check=True, capture_output=True)
