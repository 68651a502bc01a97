"""Taking in what operators say was driven, and following up what could not be attributed at once.

P7   Journeys arrive at least once, out of order, in bulk; each counts once. What is parked is tried again as soon as a
     product is ordered, dispatched or taken into use that it may belong to, or customer service asks for it.
P3   Whoever counts trips is told of each journey that counts for an eTicket, and once more of all after a crash.
H1   The history holds how many journeys count, not each of them; what people do about one is an event of its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from aiokafka import ConsumerRecord
from psycopg import Connection

from services.products.adapters import journey_intake, journeys, parked_journeys
from services.products.adapters.journey_feed import Coming, Malformed, as_refused, read
from services.products.adapters.journey_intake import Batch, Trip
from services.products.adapters.journeys import Taken
from services.products.adapters.parked_journeys import Parked, Wanted
from services.products.domain import intake
from services.products.domain.intake import Tally
from services.products.events import (
    BizzActivated,
    BizzDispatched,
    BizzOrdered,
    ETicketOrdered,
    NumberPlatePaymentOrdered,
    ParkedJourneysRedriven,
)
from services.products.views import carriers
from shared.actor import Actor
from shared.cause import Cause
from shared.clock import Clock
from shared.envelope import Recorded, from_state
from shared.errors import Refusal, Unavailable
from shared.eventstore.recorder import OrderedRecorder
from shared.eventstore.streams import Category, Streams
from shared.ids import uuid7
from shared.inbox_store import InboxStore
from shared.logs import log

INTAKE = Category("intake", Tally(), intake.evolve)
OURSELVES: Final = Actor("system", "products")

MOST_AT_ONCE = 4000
"""The most records of one transaction."""
AGAIN_AT_ONCE = 500
FOLLOW_SECONDS = 0.5
SAY_SECONDS = 60.0
TELL_SECONDS = 5.0

WhenDriven = Callable[[str, str], Awaitable[object]]
"""Told the eTicket and the journey that counts for it (P3); may be told again, and changes nothing then."""


class IntakeOfJourneys:
    """Takes in journeys and keeps trying what is parked; several replicas may at once."""

    def __init__(
        self,
        *,
        streams: Streams,
        recorder: OrderedRecorder,
        connect: Callable[[], Connection[Any]],
        clock: Clock,
        driven: WhenDriven,
    ) -> None:
        """`driven` is told of journeys that count for eTickets."""
        self._streams = streams
        self._recorder = recorder
        self._taking, self._following = InboxStore(connect), InboxStore(connect)
        self._one_at_a_time = asyncio.Lock()
        self._clock = clock
        self._driven = driven
        self._since_told, self._told_at = Taken(), 0.0

    # What comes -------------------------------------------------------------------------------------------------------

    async def take_records(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        """Take in a batch as it comes from the broker; comes back when all of it counts or is parked."""
        raws = [record.value or b"" for record in records]
        self._tell(await self.take([read(raw) for raw in raws], records[0].topic))

    async def take(self, coming: Sequence[Coming], came_from: str) -> Taken:
        """Take in a batch in one transaction; waits while the database is out of reach.

        A record that the database refuses whatever we do is parked like a malformed one, and the others go on.
        """
        async with self._one_at_a_time:
            batch = await self._taken(coming, came_from)
        await self._tell_of(batch.trips)
        return batch.taken

    async def _taken(self, coming: Sequence[Coming], came_from: str) -> Batch:
        try:
            return await self._taking.done(lambda connection: journey_intake.take(connection, coming, came_from))
        except Exception as failure:  # whatever it is: the one record is parked, the others go on
            if len(coming) > 1:
                halves = coming[: len(coming) // 2], coming[len(coming) // 2 :]
                first, second = [await self._taken(half, came_from) for half in halves]
                return Batch(first.taken + second.taken, [*first.trips, *second.trips])
            if isinstance(coming[0].says, Malformed):
                raise
            return await self._taken([as_refused(coming[0], type(failure).__name__)], came_from)

    def _tell(self, taken: Taken) -> None:
        """Say in the log how it goes, now and then."""
        self._since_told += taken
        if time.monotonic() - self._told_at > TELL_SECONDS:
            told = self._since_told
            log.info("journeys taken in", counted=told.counted, parked=told.parked, repeated=told.repeated)
            self._since_told, self._told_at = Taken(), time.monotonic()

    # What is parked ---------------------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Try what is parked again whenever the service's own log says something that may change it; for ever."""
        try:
            await self._tell_of(await self._following.done(journeys.trips_of_open_etickets))
            while True:
                if not await self.follow_once():
                    await asyncio.sleep(FOLLOW_SECONDS)
        finally:
            self.close()

    async def follow_once(self) -> bool:
        """Heed what the log says since the last time; whether there was anything.

        An order that commits while its journey is being parked is not missed: the event is seen here only after its
        commit, and looking for what is parked takes turns with parking.
        """
        after = await self._following.done(parked_journeys.followed_to)
        stored = await asyncio.to_thread(
            self._recorder.select_notifications, after, AGAIN_AT_ONCE, inclusive_of_start=False
        )
        said = [from_state(OURSELVES.id, each) for each in stored]
        if things := sorted({thing for recorded in said for thing in _may_carry(recorded)}):
            await self._try_again(
                lambda connection, at: parked_journeys.some_of_things(connection, things, at, AGAIN_AT_ONCE)
            )
        for recorded in said:
            if isinstance(asked := recorded.data, ParkedJourneysRedriven):
                await self.redrive(Wanted(asked.reason, asked.operator, parked_id=asked.parked_id))
        if stored:
            await self._following.done(lambda connection: parked_journeys.follow_to(connection, stored[-1].id))
        return bool(stored)

    async def redrive(self, wanted: Wanted) -> Taken:
        """Try parked journeys again, in the order in which they were parked."""

        def some(connection: Connection[Any], after: int) -> list[Parked]:
            return parked_journeys.some_of(connection, wanted.after_number(after), AGAIN_AT_ONCE)

        return await self._try_again(some)

    async def _try_again(self, some: Callable[[Connection[Any], int], list[Parked]]) -> Taken:
        taken, after = Taken(), 0
        while True:
            batch, last = await self._following.done(partial(_again, some=some, after=after))
            await self._tell_of(batch.trips)
            taken += batch.taken
            if last is None:
                return taken
            after = last

    async def _tell_of(self, trips: Sequence[Trip]) -> None:
        for product, journey in trips:
            try:
                await self._driven(product, journey)
            except Unavailable:
                raise
            except Refusal as refused:
                log.warning("trip not counted", product=product, journey=journey, code=refused.code)

    # What is said of it -----------------------------------------------------------------------------------------------

    async def keep_saying(self) -> None:
        """Say once a minute how many journeys count, if some came (H1); for ever."""
        while True:
            await asyncio.sleep(SAY_SECONDS)
            await self.say()

    async def say(self) -> None:
        """Say how many journeys count, in the stream of the day. Raises Unavailable."""
        now = await self._following.done(journeys.tally)
        intake_id = f"intake-{self._clock():%Y%m%d}".replace("-", "-" + "0" * 24)
        decide = partial(intake.say, now=now, intake_id=intake_id)
        await self._streams.change(INTAKE, intake_id, decide, Cause(OURSELVES, uuid7().hex))

    def close(self) -> None:
        """Close the connections."""
        self._taking.close()
        self._following.close()


def _again(
    connection: Connection[Any], *, some: Callable[[Connection[Any], int], list[Parked]], after: int
) -> tuple[Batch, int | None]:
    with connection.transaction():
        journeys.take_turn(connection)
        parked = some(connection, after)
        batch = journey_intake.take_again(connection, parked) if parked else Batch(Taken())
        return batch, parked[-1].number if parked else None


def _may_carry(recorded: Recorded) -> Sequence[str]:
    """What parked journeys may have seen or wait for that can count since this was said."""
    match recorded.data:
        case BizzOrdered(product_id=product) | BizzActivated(product_id=product):
            return (product,)
        case BizzDispatched(product_id=product, device_number=number):
            return product, carriers.device(number)
        case (
            NumberPlatePaymentOrdered(product_id=product, country=country, plate=plate)
            | ETicketOrdered(product_id=product, country=country, plate=plate)
        ):
            return product, carriers.plate(country, plate)
        case _:
            return ()
