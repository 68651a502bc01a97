"""A little service to test the mechanism with: products that are ordered, noted upon and closed, and two views."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg
from psycopg import Connection

from shared import schema
from shared.actor import Actor
from shared.cause import Cause
from shared.clock import system_clock
from shared.envelope import Recorded, from_state
from shared.errors import Conflict, Refusal
from shared.events import Event, Personal, Plain, Pseudonym
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.recorder import OrderedRecorder, datastore
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Category, Streams
from shared.views import View
from shared.wall import Roles
from tests.parts import owner_of

ANNA = Cause(Actor("profile", "profile-anna"), "request-1")


class ProductOrdered(Event, type="shop.product-ordered.v1"):
    """A plate payment was ordered."""

    product_id: Pseudonym[str]
    plate: Personal[str]


class NoteAdded(Event, type="shop.note-added.v1"):
    """Somebody noted something on a product."""

    product_id: Pseudonym[str]
    note: Plain[str]


class ProductClosed(Event, type="shop.product-closed.v1"):
    """The product is closed; its plate is free again."""

    product_id: Pseudonym[str]


@dataclass(frozen=True)
class Product:
    """What a decision about a product asks."""

    plate: str | None = None
    notes: int = 0
    closed: bool = False


def evolve(product: Product, event: Event) -> Product:
    match event:
        case ProductOrdered():
            return replace(product, plate=event.plate)
        case NoteAdded():
            return replace(product, notes=product.notes + 1)
        case ProductClosed():
            return replace(product, closed=True)
    raise AssertionError(event)


PRODUCT = Category("product", Product(), evolve)


class PlateTaken(Conflict):
    """Another open product has this number plate."""

    code = "plate-taken"


class ProductIsClosed(Conflict):
    """The product is closed."""

    code = "product-is-closed"


class Plates:
    """Which open product has which number plate? At most one (it may refuse)."""

    tables: Mapping[str, LiteralString] = {
        "plates": "CREATE TABLE IF NOT EXISTS plates (plate text CONSTRAINT one_product_a_plate PRIMARY KEY, "
        "product_id text NOT NULL)"
    }
    refusals: Mapping[str, type[Refusal]] = {"one_product_a_plate": PlateTaken}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case ProductOrdered(product_id=product, plate=plate):
                yield Statement("INSERT INTO plates VALUES (%s, %s)", (plate, product))
            case ProductClosed(product_id=product):
                yield Statement("DELETE FROM plates WHERE product_id = %s", (product,))


class Notebook:
    """What was said about a product, in which order? It shows every event that is lost, twice there or out of order."""

    tables: Mapping[str, LiteralString] = {
        "notebook": "CREATE TABLE IF NOT EXISTS notebook (product_id text PRIMARY KEY, said text NOT NULL)"
    }
    refusals: Mapping[str, type[Refusal]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case NoteAdded(product_id=product, note=note):
                yield Statement(
                    "INSERT INTO notebook AS n VALUES (%s, %s) "
                    "ON CONFLICT (product_id) DO UPDATE SET said = n.said || ' ' || excluded.said",
                    (product, note),
                )


def order(product_id: str, plate: str) -> Any:
    """Decide: order it, once."""
    return lambda product: [] if product.plate == plate else [ProductOrdered(product_id=product_id, plate=plate)]


def note(product_id: str, text: str) -> Any:
    """Decide: note something, refused once the product is closed."""

    def decide(product: Product) -> Sequence[Event]:
        if product.closed:
            raise ProductIsClosed
        return [NoteAdded(product_id=product_id, note=text)]

    return decide


def close(product_id: str) -> Any:
    """Decide: close it, once."""
    return lambda product: [] if product.closed else [ProductClosed(product_id=product_id)]


def connect_to(dsn: str) -> Connection[Any]:
    """A connection as a service's writer has it."""
    return psycopg.connect(dsn, autocommit=True, prepare_threshold=2, options="-c lock_timeout=10s")


@dataclass
class Shop:
    """One replica of the little service: its own connections on a database that others may share."""

    dsn: str
    recorder: OrderedRecorder
    writer: GroupCommit
    streams: Streams

    def connect(self) -> Connection[Any]:
        return connect_to(self.dsn)

    def as_owner(self) -> Connection[Any]:
        """A connection of whoever owns the database, which no service ever is."""
        return connect_to(owner_of(self.dsn))

    def query(self, sql: LiteralString, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the database directly."""
        with self.connect() as connection:
            return connection.execute(sql, params).fetchall()

    def log(self) -> list[Recorded]:
        """The whole log in the order of its positions."""
        return [from_state("shop", stored) for stored in self.recorder.select_notifications(1, 1_000_000)]

    def notes_of(self, product_id: str) -> list[str]:
        """The notes in the log of one product."""
        return [r.data.note for r in self.log() if isinstance(r.data, NoteAdded) and r.stream == product_id]


@asynccontextmanager
async def open_shop(dsn: str, views: Sequence[View] | None = None, *, migrates: bool = True) -> AsyncIterator[Shop]:
    """One replica, open; the views change in its commits (both, unless others are named).

    One that does not migrate knows no more than the address of the service's own role.
    """
    everything: list[View] = [Plates(), Notebook()]
    inline = everything if views is None else views
    if migrates:
        schema.migrate(owner_of(dsn), Roles.of(dsn), [*everything, *inline])
    store = datastore(dsn, connections=4)
    recorder = OrderedRecorder(store)
    writer = GroupCommit(lambda: connect_to(dsn))
    await writer.start()
    try:
        yield Shop(dsn, recorder, writer, Streams("shop", recorder, writer, inline, system_clock))
    finally:
        await writer.stop()
        store.close()


def raw_event(stream: str, text: str = "raw") -> tuple[str, bytes]:
    """Name and stored form of a note, for whoever writes past `streams`."""
    head = b'{"id":"e","time":"2026-03-01T12:00:00Z","actor":"system:x","grant":null,"correlation":"c","causation":null'
    event = NoteAdded(product_id=stream, note=text)
    return event.type, head + b',"data":' + event.to_json() + b"}"
