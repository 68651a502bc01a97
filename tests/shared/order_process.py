"""One process of the order test: `python -m tests.shared.order_process DSN NAME…`, a thread for each name.

Writers append in one way each (a name is `KIND-NUMBER`); a reader prints what it reads, as JSON, when all is over.
It says "ready", and goes on until the time that it is told then.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import psycopg
from eventsourcing.persistence import StoredEvent

from shared.eventstore.recorder import OrderedRecorder, datastore
from shared.eventstore.statement import Statement
from tests.shared.shop import ANNA, PRODUCT, NoteAdded, PlateTaken, note, open_shop

CHANCE = random.Random(20260301)  # noqa: S311 (pauses)
INSERT = "INSERT INTO events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)"
STATE = (
    b'{"id":"raw","time":"2026-03-01T12:00:00Z","actor":"system:raw","grant":null,"correlation":"raw",'
    b'"causation":null,"data":{"product_id":"product-raw","note":"raw"}}'
)


def replica(name: str, end: float, dsn: str) -> None:
    """Eight tasks on streams that all replicas share; every fourth command is refused at its commit."""
    taken = Statement("INSERT INTO plates SELECT plate, 'again' FROM plates")
    refused = ANNA.ensuring(lambda _events: [taken])

    async def work() -> None:
        async with open_shop(dsn, migrates=False) as shop:

            async def one(task: int) -> None:
                number = 0
                while time.time() < end:
                    number += 1
                    stream = f"shared-{(number + task) % 4}"
                    text = note(stream, f"{name}{task}-{number}")
                    try:
                        await shop.streams.change(PRODUCT, stream, text, ANNA if number % 4 else refused)
                    except PlateTaken:
                        continue

            await asyncio.gather(*(one(task) for task in range(8)))

    asyncio.run(work())


def library(name: str, end: float, dsn: str) -> None:
    """The library's own way in."""
    store = datastore(dsn, connections=1)
    recorder = OrderedRecorder(store)
    version = 0
    while time.time() < end:
        version += 1
        recorder.insert_events([StoredEvent(name, version, NoteAdded.type, STATE)])
    store.close()


def slow(name: str, end: float, dsn: str) -> None:
    """Raw SQL that takes its time before and after the insert."""
    with psycopg.connect(dsn) as connection:
        version = 0
        while time.time() < end:
            version += 1
            connection.execute("SELECT 1")
            time.sleep(CHANCE.uniform(0, 0.004))
            connection.execute(INSERT, (name, version, NoteAdded.type, STATE))
            time.sleep(CHANCE.uniform(0, 0.004))
            connection.commit()


def failing(name: str, end: float, dsn: str) -> None:
    """Raw SQL that inserts several and takes most of them back: every one burns a position."""
    with psycopg.connect(dsn) as connection:
        version = 0
        while time.time() < end:
            for ahead in (1, 2, 3):
                connection.execute(INSERT, (name, version + ahead, NoteAdded.type, STATE))
            time.sleep(CHANCE.uniform(0, 0.004))
            if CHANCE.random() < 0.7:
                connection.rollback()
            else:
                version += 3
                connection.commit()


READ: dict[str, list[tuple[int, str, int]]] = {}


def reader(name: str, end: float, dsn: str) -> None:
    """Reads `position > last`, a few at a time, and a while longer than the others write."""
    store = datastore(dsn, connections=1)
    recorder = OrderedRecorder(store)
    rows = READ.setdefault(name, [(0, "", 0)])
    while time.time() < end + 1.0:
        found = recorder.select_notifications(rows[-1][0], 50, inclusive_of_start=False)
        rows += [(event.id, str(event.originator_id), event.originator_version) for event in found]
    store.close()


KINDS: Mapping[str, Callable[[str, float, str], None]] = {
    work.__name__: work for work in (replica, library, slow, failing, reader)
}


def main(dsn: str, names: list[str]) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    end = float(sys.stdin.readline())
    with ThreadPoolExecutor(len(names)) as threads:
        for running in [threads.submit(KINDS[name.split("-")[0]], name, end, dsn) for name in names]:
            running.result()
    json.dump([rows[1:] for rows in READ.values()], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
