"""What customer service does about parked journeys: sees them, has them tried again, says whose they are (P7)."""

from functools import partial

from services.products.adapters import parked_journeys
from services.products.adapters.journey_feed import Malformed, read
from services.products.adapters.journeys import counts_one_more
from services.products.adapters.parked_journeys import Wanted
from services.products.domain import journeys as rules
from services.products.domain.journeys import Attribution, Journey, JourneyCannotBeAttributed
from services.products.events import ParkedJourneysRedriven
from services.products.use_cases.journeys import WhenDriven
from services.products.views import products
from services.profiles import policy
from services.profiles.access import Access
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.database import Database, Row
from shared.errors import NotFound
from shared.eventstore.streams import Category, Streams
from shared.ids import new_id

ATTRIBUTIONS = Category("parked", Attribution(), rules.evolve)


class CareOfParkedJourneys:
    """Customer service's part in P7."""

    def __init__(self, streams: Streams, database: Database, may: Access, driven: WhenDriven) -> None:
        """`driven` is told of journeys that count for eTickets (P3)."""
        self._streams = streams
        self._database = database
        self._access = may
        self._driven = driven

    async def list_parked(self, wanted: Wanted, actor: Actor) -> list[Row]:
        """A page of what is parked. Raises NotFound, NotPermitted."""
        await self._access.require(actor, policy.LIST_PARKED_JOURNEYS)
        return await parked_journeys.parked(self._database, actor, wanted)

    async def redrive(self, wanted: Wanted, cause: Cause) -> Written:
        """Have parked journeys tried again, moments later. Raises NotFound, NotPermitted."""
        permit = await self._access.require(cause.actor, policy.REDRIVE_JOURNEYS)
        if wanted.parked_id and await parked_journeys.one(self._database, wanted.parked_id) is None:
            raise NotFound
        redrive_id = new_id("redrive")
        asked = ParkedJourneysRedriven(
            redrive_id=redrive_id, parked_id=wanted.parked_id, reason=wanted.reason, operator=wanted.operator
        )
        return await self._streams.record(redrive_id, asked, permit.covers(cause).answering(redrive_id=redrive_id))

    async def attribute(self, parked_id: str, product_id: str, cause: Cause) -> Written:
        """Say which product a parked journey was driven with; it counts from now on.

        Raises NotFound, NotPermitted, JourneyCannotBeAttributed, JourneyIsParkedNoMore.
        """
        permit = await self._access.require(cause.actor, policy.ATTRIBUTE_JOURNEY)
        product = await products.one(self._database, product_id)
        if product is None:
            raise NotFound
        journey = await self._parked(parked_id)
        to = {name: product[name] for name in ("product_id", "account_id", "company_id")}
        decide = partial(rules.attribute, journey=journey, parked_id=parked_id, **to)
        cause = permit.covers(cause).answering(parked_id=parked_id, product_id=product_id)
        counted = cause.ensuring(lambda said: [counts_one_more(journey)] if said and journey else [])
        written = await self._streams.change(ATTRIBUTIONS, parked_id, decide, counted)
        if product["kind"] == "eticket" and journey:
            await self._driven(product_id, journey.id)
        return written

    async def _parked(self, parked_id: str) -> Journey | None:
        parked = await parked_journeys.one(self._database, parked_id)
        if parked is None:
            return None
        raw, reason = parked
        says = read(raw).says
        if reason == "contradiction" or isinstance(says, Malformed):
            raise JourneyCannotBeAttributed
        return says
