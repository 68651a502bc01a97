"""What products says: the life of one bizz, number plate payment or eTicket, from its order to its closing.

The stream of an event is its product (`product-…`), or the bulk order (`bulk-…`) that a file of orders is.
"""

from datetime import datetime
from typing import Literal

from shared.events import Event, Personal, Plain, Pseudonym
from shared.refusals import RefusedAttempt

ProductKind = Literal["bizz", "number-plate-payment", "eticket"]


class BizzOrdered(Event, type="products.bizz-ordered.v1"):
    """A bizz was ordered on an account; it has no device yet (P1)."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]
    reference: Plain[str | None]


class NumberPlatePaymentOrdered(Event, type="products.number-plate-payment-ordered.v1"):
    """A number plate payment was made for a plate, usable from the two times given (P2)."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]
    country: Plain[str]
    plate: Personal[str]
    usable_at_storebaelt_from: Plain[datetime]
    usable_elsewhere_from: Plain[datetime]
    reference: Plain[str | None]


class ETicketOrdered(Event, type="products.eticket-ordered.v1"):
    """An eTicket was ordered by a company that pays by invoice, with both confirmations given (P3)."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]
    country: Plain[str]
    plate: Personal[str]
    vin: Personal[str]
    vehicle_type: Plain[str]
    trips: Plain[int]
    usable_at_storebaelt_from: Plain[datetime]
    usable_elsewhere_from: Plain[datetime]
    reference: Plain[str | None]


class BizzDispatched(Event, type="products.bizz-dispatched.v1"):
    """A bizz went out with its device number (P1)."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    device_number: Plain[str]


class BizzActivated(Event, type="products.bizz-activated.v1"):
    """A dispatched bizz is in use (P1)."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]


class ReferenceChanged(Event, type="products.reference-changed.v1"):
    """The customer's own name of a product changed (P5)."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    reference: Plain[str | None]


class VehicleDescribed(Event, type="products.vehicle-described.v1"):
    """The vehicle information of a product was brought up to date (A7); `plate` only for a bizz."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    make: Plain[str | None]
    model: Plain[str | None]
    vehicle_type: Plain[str | None]
    plate: Personal[str | None]


class TripDriven(Event, type="products.trip-driven.v1"):
    """A journey used up one of an eTicket's trips (P3); after its last one the eTicket is closed in the same commit."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    journey_id: Pseudonym[str]
    trips_left: Plain[int]


class ProductClosed(Event, type="products.product-closed.v1"):
    """A product was closed: at once here, at the partners by the time given (P4)."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    closed_at_partners_by: Plain[datetime]


class BulkOrderReceived(Event, type="products.bulk-order-received.v1"):
    """A file of orders was sent for an account; what its rows order follows as events of the products."""

    bulk_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]
    mode: Plain[Literal["per-row", "all-or-nothing"]]
    name: Plain[str | None]
    rows: Plain[int]


class BulkOrderFinished(Event, type="products.bulk-order-finished.v1"):
    """Every row of a file of orders was worked through; so many have each outcome."""

    bulk_id: Pseudonym[str]
    account_id: Pseudonym[str]
    done: Plain[int]
    refused: Plain[int]
    invalid: Plain[int]
    not_ordered: Plain[int]


class AttemptRefused(RefusedAttempt, type="products.attempt-refused.v1"):
    """A rule of products refused an attempt (H1)."""


ProductEvent = (
    BizzOrdered
    | NumberPlatePaymentOrdered
    | ETicketOrdered
    | BizzDispatched
    | BizzActivated
    | ReferenceChanged
    | VehicleDescribed
    | TripDriven
    | ProductClosed
)

BulkOrderEvent = BulkOrderReceived | BulkOrderFinished
