"""What people may do with products: may they ask → decide → append.

A5, A6, P1: who may order, change, close, dispatch and activate is asked of the one policy (`services.profiles.policy`),
within reach only. What is missing answers like what is out of reach, to everybody (A13).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from services.products.adapters import card_tokens
from services.products.domain import ordering
from services.products.domain import product as rules
from services.products.domain.product import Product, evolve
from services.products.domain.vehicles import Vehicle
from services.products.events import ProductEvent
from services.products.use_cases.cards import removing_all_of
from services.products.views import products
from services.products.views.account_payment import payment_of
from services.products.views.open_on_account import nothing_is_left, open_on
from services.products.views.products import Wanted
from services.profiles import policy
from services.profiles.access import Access
from services.profiles.consequences import DryRun, foresee
from services.profiles.policy import Operation
from services.profiles.reach import account_must_be_open
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database, Row
from shared.errors import NotFound
from shared.events import Event
from shared.eventstore.streams import Category, Change, Streams
from shared.ids import new_id

PRODUCTS = Category("product", Product(), evolve)

AT_ONCE = 200
"""The most products that are closed in one commit: others want to write meanwhile."""


@dataclass(frozen=True, slots=True)
class ETicket:
    """What an eTicket is ordered with (P3)."""

    country: str
    plate: str
    vin: str
    vehicle_type: str
    trips: int
    details_are_right: bool
    may_be_used_everywhere: bool
    reference: str | None


class CareOfProducts:
    """Ordering products, changing and closing them, finding them."""

    def __init__(self, streams: Streams, database: Database, may: Access, clock: Clock) -> None:
        self._streams = streams
        self._database = database
        self._access = may
        self._clock = clock

    # Ordering ---------------------------------------------------------------------------------------------------------

    async def ordering(self, account_id: str, cause: Cause) -> tuple[Row, Cause]:
        """The account that an order is for, and the cause it is made under. Raises NotFound, NotPermitted."""
        account = await payment_of(self._database, account_id) or {}
        permit = await self._access.require(cause.actor, policy.ORDER_PRODUCT, account_id, exists=bool(account))
        cause = permit.covers(cause).guarded_by(account_must_be_open(account_id))
        return {**account, "account_id": account_id}, cause

    async def order_bizz(self, account_id: str, reference: str | None, cause: Cause) -> Written:
        """Order a bizz on an account (P1).

        Raises NotFound, NotPermitted, AccountHasEnded, TextMalformed, LooksLikeACardNumber.
        """
        account, cause = await self.ordering(account_id, cause)
        return await self._order(account, partial(ordering.order_bizz, reference=reference), cause)

    async def order_number_plate_payment(
        self, account_id: str, country: str, plate: str, reference: str | None, cause: Cause
    ) -> Written:
        """Make a number plate payment on an account (P2).

        Raises NotFound, NotPermitted, AccountHasEnded, PlateTaken, CountryUnknown, PlateMalformed, TextMalformed,
        LooksLikeACardNumber.
        """
        account, cause = await self.ordering(account_id, cause)
        decide = partial(
            ordering.order_number_plate_payment, country=country, plate=plate, reference=reference, now=self._clock()
        )
        return await self._order(account, decide, cause)

    async def order_eticket(self, account_id: str, ticket: ETicket, cause: Cause) -> Written:
        """Order an eTicket on an account (P3).

        Raises ETicketNeedsInvoice, ETicketNotConfirmed, TripsOutOfRange, VinMalformed, VehicleTypeUnknown, and what a
        number plate payment raises.
        """
        account, cause = await self.ordering(account_id, cause)
        decide = partial(ordering.order_eticket, payment=account["payment"], **asdict(ticket), now=self._clock())
        return await self._order(account, decide, cause)

    # What is done to a product ----------------------------------------------------------------------------------------

    async def change_reference(self, product_id: str, reference: str | None, cause: Cause) -> Written:
        """Give a product another reference, or none (P5).

        Raises NotFound, NotPermitted, ProductIsClosed, TextMalformed, LooksLikeACardNumber.
        """
        decide = partial(rules.change_reference, reference=reference)
        return await self._change(policy.CHANGE_REFERENCE, product_id, decide, cause)

    async def describe_vehicle(self, product_id: str, vehicle: Vehicle, cause: Cause) -> Written:
        """Bring the vehicle information up to date (A6, A7).

        Raises NotFound, NotPermitted, ProductIsClosed, PlateIsTheProduct, PlateMalformed, VehicleTypeUnknown,
        TextMalformed, LooksLikeACardNumber.
        """
        decide = partial(rules.describe_vehicle, **asdict(vehicle))
        return await self._change(policy.DESCRIBE_VEHICLE, product_id, decide, cause)

    async def close_product(self, product_id: str, confirmed: bool, cause: Cause) -> Written:
        """Close a product; its plate is free again (P2, P4). Raises NotFound, NotPermitted, ClosingNotConfirmed."""
        decide = partial(rules.close_product, confirmed=confirmed, now=self._clock())
        return await self._change(policy.CLOSE_PRODUCT, product_id, decide, cause)

    async def dispatch_bizz(self, product_id: str, device_number: str, cause: Cause) -> Written:
        """Send a bizz out with its device (P1).

        Raises NotFound, NotPermitted, DeviceNumberTaken, DeviceNumberMalformed, BizzHasAnotherDevice, NotABizz,
        ProductIsClosed.
        """
        decide = partial(rules.dispatch_bizz, device_number=device_number)
        return await self._change(policy.DISPATCH_BIZZ, product_id, decide, cause)

    async def activate_bizz(self, product_id: str, cause: Cause) -> Written:
        """Take a bizz into use (P1). Raises NotFound, NotPermitted, BizzNotDispatched, NotABizz, ProductIsClosed."""
        return await self._change(policy.ACTIVATE_BIZZ, product_id, rules.activate_bizz, cause)

    # What follows from journeys ---------------------------------------------------------------------------------------

    async def use_trip(self, product_id: str, journey_id: str, cause: Cause) -> Written:
        """A journey that counts was driven on an eTicket; told of again, it changes nothing (P3, P7).

        Nobody may be asked for this: whoever takes in the journeys calls it. Raises NotFound, NotAnETicket,
        ProductIsClosed; what is refused is kept aside with the refusal's code.
        """
        decide = partial(rules.use_trip, journey_id=journey_id, now=self._clock())
        return await self._streams.change(PRODUCTS, product_id, decide, cause.answering(product_id=product_id))

    # What follows from other services ---------------------------------------------------------------------------------

    async def close_everything_on(self, account_id: str, cause: Cause) -> Written:
        """An account ended: its products are closed and its cards removed, in a last commit that leaves none (C7).

        Of very many some are closed in commits before it. Raises OrderedMeanwhile.
        """
        while len(still := await open_on(self._database, account_id, most=AT_ONCE)) == AT_ONCE:
            await self._streams.change_all(self._closing(still), cause.on_the_way())
        cause = cause.ensuring(lambda _: [nothing_is_left(account_id)], card_tokens.forgotten)
        return await self._streams.change_all([*self._closing(still), removing_all_of(account_id)], cause)

    # Questions --------------------------------------------------------------------------------------------------------

    async def list_products(self, wanted: Wanted, actor: Actor) -> list[Row]:
        """A page of the products in reach; all of them for customer service (A13)."""
        return await products.in_reach(self._database, actor, wanted, staff=await self._access.is_staff(actor))

    async def see(self, product_id: str, actor: Actor) -> Row:
        """One product in reach. Raises NotFound."""
        await self._access.require(actor, policy.READ_PRODUCT, product_id)
        product = await products.one(self._database.asked_by(actor), product_id)
        if product is None:
            raise NotFound
        return product

    async def foresee(self, events: Sequence[Event], actor: Actor) -> DryRun:
        """What would come of these events in every service, within the actor's reach. Raises Unavailable."""
        return await foresee(self._database, events, actor)

    # ------------------------------------------------------------------------------------------------------------------

    def _closing(self, product_ids: Sequence[str]) -> Sequence[Change[Product]]:
        decide = partial(rules.close_product, confirmed=True, now=self._clock())
        return [Change(PRODUCTS, product_id, decide) for product_id in product_ids]

    async def _order(self, account: Row, decide: "_Decide", cause: Cause) -> Written:
        product_id = new_id("product")
        here = partial(
            decide, product_id=product_id, account_id=account["account_id"], company_id=account["company_id"]
        )
        return await self._streams.change(PRODUCTS, product_id, here, cause.answering(product_id=product_id))

    async def _change(self, operation: Operation, product_id: str, decide: "_Decide", cause: Cause) -> Written:
        known = await products.one(self._database, product_id) is not None
        permit = await self._access.require(cause.actor, operation, product_id, exists=known)
        told = permit.covers(cause).answering(product_id=product_id)
        return await self._streams.change(PRODUCTS, product_id, decide, told)


_Decide = Callable[..., Sequence[ProductEvent]]
