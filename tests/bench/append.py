"""Appends a second, with 1, 4 and 16 writers: ours, the library's default recorder, and the floor.

The floor is PostgreSQL's own `pgbench` inserting one row of the same size and committing: no order, no conflict check.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder

from deploy.local.postgres import Postgres
from deploy.local.postgres_home import find_binaries
from shared.eventstore.group_commit import Unit
from shared.eventstore.recorder import datastore
from shared.ids import new_id
from tests.bench.figures import Figures
from tests.bench.sample import CARS, CAUSE, Cars, Store, driven, store

Write = Callable[[str, int], Awaitable[object]]

WRITERS = (1, 4, 16)
SECONDS = 3.0
STATE = b"x" * 420


async def measure(postgres: Postgres, figures: Figures) -> None:
    sys.setswitchinterval(0.0005)
    for writers in WRITERS:
        _floor(postgres, figures, writers)
        _library(postgres, figures, writers)
        against = (f"pgbench insert, {writers}", f"library recorder, {writers}")
        async with store(postgres, f"append{writers}") as plain:
            await _rate(figures, f"append, {writers}", writers, _appending(plain), against)
        async with store(postgres, f"change{writers}", (Cars(),)) as viewed:
            await _rate(figures, f"change with a view, {writers}", writers, _changing(viewed), against)


async def _rate(
    figures: Figures,
    name: str,
    writers: int,
    write: Write,
    against: tuple[str, ...],
) -> None:
    """Each writer has a stream of its own for ten events, then the next one."""
    done, until = 0, time.perf_counter() + SECONDS

    async def writer() -> None:
        nonlocal done
        while time.perf_counter() < until:
            car = new_id("car")
            for number in range(1, 11):
                await write(car, number)
                done += 1

    began = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(writers)))
    figures.rate(name, done, time.perf_counter() - began, against=against)


def _appending(store: Store) -> Write:
    return lambda car, number: store.writer.commit(Unit(events=[StoredEvent(car, number, "bench.driven.v1", STATE)]))


def _changing(store: Store) -> Write:
    return lambda car, number: store.streams.change(CARS, car, lambda _: [driven(car, number)], CAUSE)


def _library(postgres: Postgres, figures: Figures, writers: int) -> None:
    """`insert_events` of the library's own recorder, from as many threads."""
    source = datastore(postgres.create_database(f"library{writers}").owner, connections=writers)
    recorder = PostgresApplicationRecorder(source)
    recorder.create_table()
    done, until = [0] * writers, time.perf_counter() + SECONDS

    def writer(mine: int) -> None:
        while time.perf_counter() < until:
            car = new_id("car")
            for number in range(1, 11):
                recorder.insert_events([StoredEvent(car, number, "bench.driven.v1", STATE)])
                done[mine] += 1

    began = time.perf_counter()
    threads = [threading.Thread(target=writer, args=(n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    figures.rate(f"library recorder, {writers}", sum(done), time.perf_counter() - began)
    source.close()


def _floor(postgres: Postgres, figures: Figures, writers: int) -> None:
    dsn = postgres.create_database(f"floor{writers}").owner
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE floor (id bigserial PRIMARY KEY, state bytea)")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"INSERT INTO floor (state) VALUES ('\\x{STATE.hex()}');\n")
        script.flush()
        pgbench = find_binaries() / "pgbench"
        if not Path(pgbench).exists():
            figures.note("pgbench", "not among these binaries")
            return
        command = [str(pgbench), "-n", "-M", "prepared", "-c", str(writers), "-j", "2", "-T", str(int(SECONDS))]
        done = subprocess.run([*command, "-f", script.name, dsn], capture_output=True, text=True, check=True)
    processed = re.search(r"number of transactions actually processed: (\d+)", done.stdout)
    assert processed is not None
    figures.rate(f"pgbench insert, {writers}", int(processed[1]), SECONDS)
