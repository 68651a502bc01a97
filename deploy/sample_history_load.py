"""A sample history into the database of an audit service: as if all of it had come by its topics, only faster."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import LiteralString

import psycopg

from services.audit.about import about, people, places
from shared.envelope import Recorded

AT_ONCE = 10_000
HISTORY = (
    *("event_id", "number", "service", "stream", "version", "position", "type", "time", "at", "actor", '"grant"'),
    *("correlation", "causation", "about", "places", "people", "data"),
)


def load(owner: str, events: Iterable[Recorded]) -> Iterator[int]:
    """Write the events, in the order of their times, into an empty history; answers how many are in, again and again.

    `owner` is the address of the database as whoever owns its tables. Leaves are made of them by whoever seals.
    """
    coming, done = iter(events), 0
    with psycopg.connect(owner) as connection:
        _wall(connection, "NO FORCE")  # COPY is not to be had where rows have policies
        while some := list(islice(coming, AT_ONCE)):
            _copy(connection, some, done)
            connection.commit()
            done += len(some)
            yield done
        _wall(connection, "FORCE")
        connection.execute("SELECT setval(pg_get_serial_sequence('history', 'number'), %s)", (max(done, 1),))
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE history, history_about, unsealed")


def _wall(connection: psycopg.Connection[tuple[object, ...]], how: LiteralString) -> None:
    for table in ("history", "history_about", "unsealed"):
        connection.execute(f"ALTER TABLE {table} {how} ROW LEVEL SECURITY")


def _copy(connection: psycopg.Connection[tuple[object, ...]], some: list[Recorded], done: int) -> None:
    with connection.cursor() as cursor:
        subjects = [about(recorded) for recorded in some]
        with cursor.copy(f"COPY history ({', '.join(HISTORY)}) FROM STDIN") as copy:
            for number, (recorded, named) in enumerate(zip(some, subjects, strict=True), start=done + 1):
                copy.write_row(_row(recorded, number, named))
        with cursor.copy("COPY history_about FROM STDIN") as copy:
            for recorded, named in zip(some, subjects, strict=True):
                for entity in named:
                    copy.write_row((entity, recorded.time, recorded.id))
        with cursor.copy("COPY unsealed FROM STDIN") as copy:
            for number, recorded in enumerate(some, start=done + 1):
                copy.write_row((number, recorded.id))


def _row(recorded: Recorded, number: int, named: list[str]) -> tuple[object, ...]:
    return (
        *(recorded.id, number, recorded.source, recorded.stream, recorded.version, recorded.position, recorded.type),
        *(recorded.time, recorded.time, str(recorded.actor), recorded.grant, recorded.correlation, recorded.causation),
        *(named, places(recorded), people(recorded), recorded.data.to_json().decode()),
    )
