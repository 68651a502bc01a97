"""What the benchmarks append: an event of ordinary size, a view of one row a stream, a store on a fresh database."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, LiteralString

import psycopg

from deploy.local.postgres import Postgres
from shared import schema
from shared.actor import Actor
from shared.cause import Cause
from shared.clock import system_clock
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.events import Event, Plain, Pseudonym
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.recorder import OrderedRecorder, datastore
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Category, Streams
from shared.views import View
from shared.wall import Roles

CAUSE = Cause(Actor("staff", "staff-" + "0" * 32), "bench")


class Driven(Event, type="bench.driven.v1"):
    """A passage, about as large as our own events are."""

    car_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]
    place: Plain[str]
    number: Plain[int]


class Cars:
    """How often was each car driven?"""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "cars": "CREATE TABLE IF NOT EXISTS cars (car_id text PRIMARY KEY, driven int NOT NULL) WITH (fillfactor = 50)"
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        yield Statement(
            "INSERT INTO cars AS c VALUES (%s, 1) ON CONFLICT (car_id) DO UPDATE SET driven = c.driven + 1",
            (recorded.stream,),
        )


CARS: Category[int] = Category("car", 0, lambda driven, _event: driven + 1)


def driven(car: str, number: int) -> Driven:
    return Driven(
        car_id=car, account_id="account-" + "1" * 32, company_id="company-" + "2" * 32, place="Storebælt", number=number
    )


@dataclass
class Store:
    """An event store on a database of its own."""

    dsn: str
    recorder: OrderedRecorder
    writer: GroupCommit
    streams: Streams


@asynccontextmanager
async def store(postgres: Postgres, name: str, views: Sequence[View] = ()) -> AsyncIterator[Store]:
    dsn, owner = postgres.create_database(name)
    schema.migrate(owner, Roles.of(dsn), views)

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(dsn, autocommit=True, prepare_threshold=2)

    source = datastore(dsn, connections=8)
    recorder = OrderedRecorder(source)
    writer = GroupCommit(connect)
    await writer.start()
    try:
        yield Store(dsn, recorder, writer, Streams("bench", recorder, writer, views, system_clock))
    finally:
        await writer.stop()
        source.close()
