"""The little service as it stands at a harbour: it takes in what another service says of ships, and is rebuilt."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString

from eventsourcing.persistence import Notification

from shared.dead_letters import Letter
from shared.envelope import Recorded, to_state, wire
from shared.errors import Refusal
from shared.events import Event, Plain, Pseudonym
from shared.eventstore.statement import Statement
from shared.ids import uuid7
from shared.inbox import Inbox
from shared.rebuild import Sources
from shared.views import View
from shared.wall import Roles
from tests.parts import owner_of
from tests.shared.shop import ANNA, PRODUCT, Notebook, Plates, Shop, close, note, order


class ShipNamed(Event, type="harbour.ship-named.v1"):
    """Another service says: a ship has this name from now on."""

    ship_id: Pseudonym[str]
    name: Plain[str]


class Ships:
    """What is the ship called, and what was it called before? A copy of another service's facts, in order."""

    tables: Mapping[str, LiteralString] = {
        "ships": "CREATE TABLE IF NOT EXISTS ships (ship_id text PRIMARY KEY, names text NOT NULL)"
    }
    refusals: Mapping[str, type[Refusal]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case ShipNamed(ship_id=ship, name=name):
                yield Statement(
                    "INSERT INTO ships AS s VALUES (%s, %s) "
                    "ON CONFLICT (ship_id) DO UPDATE SET names = s.names || ' ' || excluded.names",
                    (ship, name),
                )


class OpenPlates:
    """A guard in the database, over the table of another view."""

    tables: Mapping[str, LiteralString] = {
        "plate_must_be_known": """
            CREATE OR REPLACE FUNCTION plate_must_be_known(asked text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                PERFORM 1 FROM plates WHERE plate = asked;
                IF NOT FOUND THEN
                    RAISE check_violation USING CONSTRAINT = 'plate_must_be_known';
                END IF;
            END $$"""
    }
    refusals: Mapping[str, type[Refusal]] = {}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


@dataclass
class Harbour:
    """What the other service said, as its topic gives it."""

    said: list[Letter] = field(default_factory=list)
    read_up_to: int = 0

    def says(self, ship: str, *names: str) -> list[Letter]:
        new: list[Letter] = []
        for name in names:
            version = 1 + sum(letter.stream == ship for letter in [*self.said, *new])
            new.append(_letter(ship, version, len(self.said) + len(new) + 1, name))
        self.said += new
        return new

    async def read(self) -> AsyncIterator[Sequence[Letter]]:
        end = len(self.said)
        while self.read_up_to < end:
            batch = self.said[self.read_up_to : self.read_up_to + 3]
            self.read_up_to += len(batch)
            yield batch

    async def close(self) -> None:
        self.read_up_to = 0


def _letter(ship: str, version: int, position: int, name: str) -> Letter:
    event = ShipNamed(ship_id=ship, name=name)
    recorded = Recorded(
        id=uuid7().hex,
        source="harbour",
        stream=ship,
        version=version,
        position=position,
        time=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
        actor=ANNA.actor,
        grant=None,
        correlation="given",
        causation=None,
        data=event,
    )
    stored = Notification(ship, version, event.type, to_state(recorded), id=position)
    headers, value = wire("harbour", stored)
    return Letter("harbour", 0, position, headers, value, ship, version)


VIEWS: tuple[View, ...] = (Plates(), Notebook(), OpenPlates())
COPIES: tuple[View, ...] = (Ships(),)


@dataclass
class Quay:
    """The little service with a copy of what the harbour says."""

    shop: Shop
    inbox: Inbox
    harbour: Harbour

    @property
    def sources(self) -> Sources:
        return Sources(
            source="shop",
            owner=owner_of(self.shop.dsn),
            roles=Roles.of(self.shop.dsn),
            recorder=self.shop.recorder,
            views=VIEWS,
            copies=COPIES,
            follows={"ship"},
            foreign=self.harbour,
        )

    async def a_little_history(self) -> None:
        for number in range(3):
            await self.shop.streams.change(
                PRODUCT, f"product-{number}", order(f"product-{number}", f"AB1{number}"), ANNA
            )
        for text in ("washed", "painted", "sold"):
            await self.shop.streams.change(PRODUCT, "product-0", note("product-0", text), ANNA)
        await self.shop.streams.change(PRODUCT, "product-2", close("product-2"), ANNA)
        await self.inbox.take_letters(
            [*self.harbour.says("ship-1", "Aurora", "Tycho"), *self.harbour.says("ship-2", "Hamlet")]
        )

    def rows(self, table: LiteralString) -> list[tuple[object, ...]]:
        return sorted(self.shop.query(f"SELECT * FROM {table}"))

    def identities(self) -> dict[str, int]:
        """Which table it is that now has the name."""
        return dict(
            self.shop.query("SELECT relname, oid FROM pg_class WHERE relname IN ('plates', 'notebook', 'ships')")
        )
