"""Reading the log: rows a second in the order of positions, raw and as typed events."""

import time

import psycopg
from eventsourcing.persistence import StoredEvent

from deploy.local.postgres import Postgres
from shared.clock import system_clock
from shared.envelope import Recorded, from_state, to_state
from shared.ids import new_id, uuid7
from tests.bench.figures import Figures
from tests.bench.sample import CAUSE, driven, store

EVENTS = 100_000
BATCH = 1000


async def measure(postgres: Postgres, figures: Figures) -> None:
    async with store(postgres, "log") as filled:
        fill(filled.dsn)
        began = time.perf_counter()
        out = "COPY (SELECT * FROM events ORDER BY notification_id) TO STDOUT (FORMAT BINARY)"
        with psycopg.connect(filled.dsn) as connection, connection.cursor().copy(out) as copy:
            for _ in copy:
                pass
        figures.rate("COPY out of PostgreSQL", EVENTS, time.perf_counter() - began)

        began, read = time.perf_counter(), 0
        while batch := filled.recorder.select_notifications(read, BATCH, inclusive_of_start=False):
            read = batch[-1].id
        figures.rate("log, as stored", EVENTS, time.perf_counter() - began, against=("COPY out of PostgreSQL",))

        began, read = time.perf_counter(), 0
        while batch := filled.recorder.select_notifications(read, BATCH, inclusive_of_start=False):
            read = batch[-1].id
            for stored in batch:
                from_state("bench", stored)
        figures.rate("log, as typed events", EVENTS, time.perf_counter() - began, against=("COPY out of PostgreSQL",))


def fill(dsn: str) -> None:
    """Put `EVENTS` events into the log, ten a stream."""
    into = "COPY events (originator_id, originator_version, topic, state) FROM STDIN"
    with psycopg.connect(dsn, autocommit=True) as connection, connection.cursor().copy(into) as copy:
        for first in range(0, EVENTS, 10):
            car = new_id("car")
            for number in range(1, 11):
                event = _stored(car, number, first + number)
                copy.write_row((event.originator_id, event.originator_version, event.topic, event.state))


def _stored(car: str, version: int, number: int) -> StoredEvent:
    event = driven(car, number)
    recorded = Recorded(
        id=uuid7().hex,
        source="bench",
        stream=car,
        version=version,
        position=0,
        time=system_clock(),
        actor=CAUSE.actor,
        grant=None,
        correlation="bench",
        causation=None,
        data=event,
    )
    return StoredEvent(car, version, event.type, to_state(recorded))
