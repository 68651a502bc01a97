"""Journeys as operators tell of them, and what became of them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg

from services.products.adapters.journey_feed import read
from services.products.adapters.journeys import Taken
from services.products.service import ProductsService, assemble
from shared.actor import Actor
from tests.feed import SUSANNE, Feed, running, settings_for
from tests.parts import owner_of
from tests.products.conftest import DEVICE, World, the_companies

FEED = "selfservice.journeys.feed"
SOON = timedelta(seconds=1)


def told(number: int | str, seen: dict[str, str], when: datetime | None = None, **other: Any) -> bytes:
    """A record of Storebælt; what is not said is as always, its price is invented."""
    record = {
        "record": "journey.v1",
        "id": f"STB-{number}",
        "operator": "storebaelt",
        "place": "Storebælt",
        "at": (when or datetime.now(UTC) + SOON).isoformat(),
        "seen": seen,
        "amount": "285.00",
        "vat": "57.00",
        "currency": "DKK",
    }
    return json.dumps({**record, **other}).encode()


BY_PLATE = {"country": "DK", "plate": "ab 12-345"}
BY_DEVICE = {"device": DEVICE["device_number"]}


class Road:
    """One replica of products, with its intake."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.service: ProductsService = assemble(settings_for(dsn))
        self.world = World(self.service.backbone, self.service.app, Feed(self.service.backbone))
        self.intake = self.service.use.journeys

    async def driven(self, *records: bytes, came_from: str = FEED) -> Taken:
        """These records came, in one batch."""
        return await self.intake.take([read(raw) for raw in records], came_from)

    async def followed(self) -> None:
        """Everything that the log says has been heeded."""
        while await self.intake.follow_once():
            pass

    async def bizz_in_use(self) -> str:
        """A bizz of Nordlys with its device."""
        bizz = await self.world.ordered({"kind": "bizz", "reference": None})
        await self.world.done(SUSANNE, "POST", f"/products/{bizz}/dispatch", DEVICE)
        await self.world.done(SUSANNE, "POST", f"/products/{bizz}/activate")
        return bizz

    async def closed(self, product: str, by: Actor) -> None:
        await self.world.done(by, "POST", f"/products/{product}/close", {"confirm": True})

    def counted(self) -> dict[str, str]:
        """The journeys that count, each with its product."""
        return dict(self.rows("SELECT journey_id, product_id FROM journeys ORDER BY journey_id"))

    def parked(self) -> dict[str, str]:
        """The journeys that are parked, each with the reason."""
        return dict(self.rows("SELECT coalesce(journey_id, ''), reason FROM parked_journeys ORDER BY number"))

    def table(self) -> bytes:
        """The journeys that count, byte for byte."""
        with psycopg.connect(self.dsn) as connection:
            into = "COPY (SELECT * FROM journeys ORDER BY journey_id) TO STDOUT"
            with connection.cursor().copy(into) as copy:
                return b"".join(bytes(part) for part in copy)

    def as_owner(self) -> psycopg.Connection[Any]:
        """A connection of whoever may do everything here."""
        return psycopg.connect(owner_of(self.dsn))

    def begin_anew(self) -> None:
        """As if no journey had ever come."""
        with self.as_owner() as owner:
            owner.execute("ALTER TABLE journeys DISABLE TRIGGER USER")
            owner.execute("TRUNCATE journeys, parked_journeys")
            owner.execute("ALTER TABLE journeys ENABLE TRIGGER USER")
            owner.execute("UPDATE journey_tally SET counted = 0, parked = 0, fingerprint = 0")

    def tally(self) -> tuple[int, int, int]:
        """How many count and were parked, and the sum of what counts."""
        return tuple(self.rows("SELECT counted, parked, fingerprint::text::numeric FROM journey_tally")[0])

    def rows(self, sql: LiteralString) -> list[Any]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(sql).fetchall()

    async def parked_list(self, query: str = "", by: Actor = SUSANNE) -> Any:
        answer = await self.world.asked_by(by)("GET", f"/parked-journeys{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def on_the_road(dsn: str) -> AsyncIterator[Road]:
    """Products with both companies, whose intake is asked by the test alone."""
    one = Road(dsn)
    async with running(one.service.backbone):
        await one.world.feed.given_the_house()
        await one.world.feed.given(*the_companies())
        yield one
        one.intake.close()
