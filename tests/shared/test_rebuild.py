"""Views are rebuilt beside the live ones and are then what the logs say; nobody has to stop for it."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString

import psycopg
import pytest
from eventsourcing.persistence import Notification

from shared import rebuild as rebuilding
from shared.broker import Topic, ensure_topics, producer
from shared.dead_letters import Letter
from shared.envelope import Recorded, to_state, wire
from shared.errors import Refusal
from shared.events import Event, Plain, Pseudonym
from shared.eventstore.statement import Statement
from shared.foreign_log import Topics
from shared.ids import uuid7
from shared.inbox import Inbox
from shared.rebuild import Progress, RebuildFailed, Sources, difference, rebuild
from shared.settings import KafkaSettings
from shared.views import View
from shared.wall import Roles
from tests.parts import owner_of
from tests.shared.shop import ANNA, PRODUCT, Notebook, Plates, PlateTaken, Shop, close, note, open_shop, order


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


@pytest.fixture
async def quay(database: str) -> AsyncIterator[Quay]:
    async with open_shop(database, [*VIEWS, *COPIES]) as shop:
        inbox = Inbox(follows={"ship"}, copies=COPIES, reactions={}, connect=shop.connect, writer=shop.writer)
        yield Quay(shop, inbox, Harbour())
        inbox.close()


async def test_a_rebuild_from_zero_equals_the_live_views(quay: Quay) -> None:
    await quay.a_little_history()
    assert await difference(quay.sources) == []


async def test_every_kind_of_difference_is_told(quay: Quay) -> None:
    await quay.a_little_history()
    with quay.shop.connect() as connection:
        connection.execute("UPDATE notebook SET said = 'sold washed painted'")
        connection.execute("DELETE FROM ships WHERE ship_id = 'ship-2'")
        connection.execute("INSERT INTO plates VALUES ('XY99', 'product-9')")
    assert sorted(await difference(quay.sources)) == [
        'notebook: only live: {"said": "sold washed painted", "product_id": "product-0"}',
        'notebook: only rebuilt: {"said": "washed painted sold", "product_id": "product-0"}',
        'plates: only live: {"plate": "XY99", "product_id": "product-9"}',
        'ships: only rebuilt: {"names": "Hamlet", "ship_id": "ship-2"}',
    ]


async def test_a_rebuild_puts_right_what_was_wrong_and_leaves_nothing_beside(quay: Quay) -> None:
    await quay.a_little_history()
    with quay.shop.connect() as connection:
        connection.execute("DELETE FROM plates")
        connection.execute("UPDATE ships SET names = 'Titanic'")
    assert await rebuild(quay.sources) == ["notebook", "plates", "ships"]
    assert await difference(quay.sources) == []
    assert quay.rows("ships") == [("ship-1", "Aurora Tycho"), ("ship-2", "Hamlet")]
    assert quay.shop.query("SELECT 1 FROM pg_namespace WHERE nspname = 'rebuild'") == []


async def test_only_the_view_that_was_asked_for_changes_places(quay: Quay) -> None:
    await quay.a_little_history()
    before = quay.identities()
    assert await rebuild(quay.sources, VIEWS[1]) == ["notebook"]
    after = quay.identities()
    assert {name for name in before if before[name] != after[name]} == {"notebook"}


async def test_refusals_and_guards_hold_on_the_new_tables(quay: Quay) -> None:
    await quay.a_little_history()
    await rebuild(quay.sources)
    with pytest.raises(PlateTaken):
        await quay.shop.streams.change(PRODUCT, "product-7", order("product-7", "AB10"), ANNA)
    known = ANNA.guarded_by(Statement("SELECT plate_must_be_known(%s)", ("AB10",)))
    await quay.shop.streams.change(PRODUCT, "product-8", order("product-8", "AB18"), known)
    unknown = ANNA.guarded_by(Statement("SELECT plate_must_be_known(%s)", ("ZZ00",)))
    with pytest.raises(Exception, match="plate_must_be_known"):
        await quay.shop.streams.change(PRODUCT, "product-9", order("product-9", "AB19"), unknown)
    assert await difference(quay.sources) == []


async def test_writers_go_on_while_views_are_rebuilt_and_nothing_is_lost_or_twice_there(quay: Quay) -> None:
    await quay.a_little_history()
    stop, written = asyncio.Event(), {f"product-{n}": 0 for n in range(10, 14)}

    async def write(product: str) -> None:
        while not stop.is_set():
            await quay.shop.streams.change(PRODUCT, product, note(product, str(written[product])), ANNA)
            written[product] += 1

    async def hear() -> None:
        while not stop.is_set():
            await quay.inbox.take_letters(quay.harbour.says("ship-1", "Tycho", "Brahe"))
            await asyncio.sleep(0.01)

    at_work = [asyncio.create_task(write(product)) for product in written] + [asyncio.create_task(hear())]
    try:
        for _ in range(3):
            await rebuild(quay.sources)
    finally:
        stop.set()
        await asyncio.gather(*at_work)
    assert min(written.values()) > 10
    notebook = dict(quay.shop.query("SELECT product_id, said FROM notebook"))
    assert all(notebook[product].split() == [str(n) for n in range(count)] for product, count in written.items())
    assert await difference(quay.sources) == []


async def test_what_the_inbox_has_not_taken_yet_takes_effect_once(quay: Quay) -> None:
    await quay.a_little_history()
    early = quay.harbour.says("ship-1", "Kattegat")
    await rebuild(quay.sources)
    assert quay.rows("ships")[0] == ("ship-1", "Aurora Tycho")
    await quay.inbox.take_letters(early)
    assert quay.rows("ships")[0] == ("ship-1", "Aurora Tycho Kattegat")
    assert await difference(quay.sources) == []


async def test_a_topic_that_gives_records_twice_and_early_does_no_harm(quay: Quay) -> None:
    await quay.a_little_history()
    quay.harbour.said = [*reversed(quay.harbour.said), *quay.harbour.said]
    assert await difference(quay.sources) == []


async def test_a_long_reader_delays_the_swap_and_not_the_writers(quay: Quay) -> None:
    await quay.a_little_history()
    with psycopg.connect(quay.shop.dsn) as reader:
        reader.execute("SELECT * FROM plates").fetchall()
        rebuilding_now = asyncio.create_task(rebuild(quay.sources))
        for text in "abc":
            await asyncio.sleep(0.5)
            await asyncio.wait_for(
                quay.shop.streams.change(PRODUCT, "product-1", note("product-1", text), ANNA), timeout=5
            )
        assert not rebuilding_now.done()
    assert await rebuilding_now == ["notebook", "plates", "ships"]
    assert dict(quay.shop.query("SELECT product_id, said FROM notebook"))["product-1"] == "a b c"
    assert await difference(quay.sources) == []


async def test_progress_is_told_up_to_the_end(quay: Quay) -> None:
    await quay.a_little_history()
    told: list[Progress] = []
    await rebuild(quay.sources, told=told.append)
    assert told[-1].position == told[-1].newest == 7
    assert told[-1].records == 3


async def test_two_rebuilds_of_one_service_do_not_meet(quay: Quay) -> None:
    await quay.a_little_history()
    with quay.shop.connect() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (rebuilding.REBUILD_LOCK,))
        with pytest.raises(RebuildFailed, match="already"):
            await rebuild(quay.sources)


async def test_a_history_that_cannot_be_read_leaves_the_live_views_as_they_were(quay: Quay) -> None:
    await quay.a_little_history()
    before = (quay.rows("plates"), quay.identities())
    with quay.shop.connect() as connection:
        connection.execute(
            "INSERT INTO events (originator_id, originator_version, topic, state) "
            "SELECT 'product-5', 1, 'shop.product-lost.v1', state FROM events LIMIT 1"
        )
    with pytest.raises(RebuildFailed, match=r"shop\.product-lost\.v1"):
        await rebuild(quay.sources)
    assert (quay.rows("plates"), quay.identities()) == before
    assert quay.shop.query("SELECT 1 FROM pg_namespace WHERE nspname = 'rebuild'") == []


async def test_a_topic_that_lacks_what_the_inbox_has_taken_is_not_believed(
    quay: Quay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "TRIES", 2)
    await quay.a_little_history()
    quay.harbour.said.pop()
    with pytest.raises(RebuildFailed, match="incomplete"):
        await rebuild(quay.sources)
    assert quay.rows("ships") == [("ship-1", "Aurora Tycho"), ("ship-2", "Hamlet")]


async def test_topics_are_read_whole_and_then_only_what_is_new(kafka: KafkaSettings, topic_prefix: str) -> None:
    topic = Topic(f"{topic_prefix}harbour")
    await ensure_topics([topic], kafka)
    letters = Harbour().says("ship-1", *map(str, range(30)))
    sender, topics = producer(kafka), Topics([topic], kafka)
    await sender.start()
    try:
        assert [batch async for batch in topics.read()] == []
        for part in (letters[:20], letters[20:]):
            for letter in part:
                await sender.send_and_wait(topic.name, letter.value, key=b"ship-1", headers=list(letter.headers))
            read = [letter.value async for batch in topics.read() for letter in batch]
            assert read == [letter.value for letter in part]
    finally:
        await sender.stop()
        await topics.close()
