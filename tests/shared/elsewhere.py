"""Another service, as its subscribers see it: events numbered by stream, in the form in which they arrive."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiokafka import ConsumerRecord
from eventsourcing.persistence import Notification

from shared.actor import Actor
from shared.cause import Cause
from shared.dead_letters import Letter
from shared.envelope import Recorded, to_state, wire
from shared.events import Event
from shared.inbox import Inbox
from tests.shared.shop import PRODUCT, NoteAdded, Notebook, ProductOrdered, Shop, note

BO = Actor("profile", "profile-bo")


@dataclass
class Elsewhere:
    """Numbers what happens there."""

    versions: Counter[str] = field(default_factory=Counter)
    positions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def says(self, *events: Event) -> list[Letter]:
        """These happened there; each belongs to the stream of its product."""
        return [self._letter(event) for event in events]

    def notes(self, product_id: str, *texts: str) -> list[Letter]:
        """Somebody noted these on a product."""
        return self.says(*(NoteAdded(product_id=product_id, note=text) for text in texts))

    def ordered(self, product_id: str) -> list[Letter]:
        """A product was ordered."""
        return self.says(ProductOrdered(product_id=product_id, plate="DK12345"))

    def _letter(self, event: Event) -> Letter:
        stream: str = event.product_id  # type: ignore[attr-defined]  # all events of the little service have one
        self.versions[stream] += 1
        position = next(self.positions)
        recorded = Recorded(
            id=f"event-{position}",
            source="elsewhere",
            stream=stream,
            version=self.versions[stream],
            position=position,
            time=datetime(2026, 3, 1, tzinfo=UTC),
            actor=BO,
            grant="main-administrator:agreement-1",
            correlation=f"request-{position}",
            causation=None,
            data=event,
        )
        stored = Notification(stream, recorded.version, event.type, to_state(recorded), id=position)
        headers, value = wire("elsewhere", stored)
        return Letter("elsewhere.events", 0, position, headers, value)


def record(letter: Letter) -> ConsumerRecord[bytes, bytes]:
    """The letter as the Kafka client hands it over."""
    return ConsumerRecord(
        letter.topic, letter.partition, letter.offset, 0, 0, b"key", letter.value, None, 3, 1, tuple(letter.headers)
    )


class Echo:
    """A reaction: whenever a product is ordered elsewhere, a note is made here, once, in a stream of its own."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.called = 0

    async def __call__(self, recorded: Recorded, cause: Cause) -> None:
        self.called += 1
        stream = f"echo-{recorded.stream}"
        await self._shop.streams.change(PRODUCT, stream, note(stream, f"v{recorded.version}"), cause)


@contextmanager
def inbox_of(shop: Shop, echo: Echo | None = None, *, pause: float = 0.001) -> Iterator[Inbox]:
    """The inbox of one replica: it copies notes and echoes orders."""
    inbox = Inbox(
        follows=["product"],
        copies=[Notebook()],
        reactions={ProductOrdered: echo or Echo(shop)},
        connect=shop.connect,
        writer=shop.writer,
        pause_seconds=pause,
    )
    yield inbox
    inbox.close()


def said(shop: Shop, product_id: str) -> str | None:
    """What the copied view holds about a product."""
    rows = shop.query("SELECT said FROM notebook WHERE product_id = %s", (product_id,))
    return str(rows[0][0]) if rows else None


def versions(shop: Shop) -> dict[str, int]:
    """How far the inbox is with each stream."""
    return {str(row[0]): int(row[1]) for row in shop.query("SELECT stream, version FROM inbox")}


def parked(shop: Shop) -> Sequence[tuple[str | None, int | None, str]]:
    """Stream, version and reason of every dead letter."""
    rows = shop.query("SELECT stream, version, reason FROM dead_letters ORDER BY stream, version")
    return [(row[0], row[1], row[2]) for row in rows]
