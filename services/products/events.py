"""What products says: the life of one bizz, number plate payment or eTicket, from its order to its closing.

The stream of an event is its product (`product-…`).
"""

from datetime import datetime
from typing import Literal

from shared.events import Event, Personal, Plain, Pseudonym
from shared.refusals import RefusedAttempt

ProductKind = Literal["bizz", "number-plate-payment", "eticket"]


ParkedReason = Literal["unknown", "not-active", "closed", "used-up", "contradiction", "malformed"]
"""Why a journey does not count, or not yet; `domain.journeys` says what each means."""


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


class ProductClosed(Event, type="products.product-closed.v1"):
    """A product was closed: at once here, at the partners by the time given (P4)."""

    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    closed_at_partners_by: Plain[datetime]


class JourneysTakenIn(Event, type="products.journeys-taken-in.v1"):
    """How many journeys of the operators' feed count by now, and how many were ever parked (P7).

    `fingerprint` is the sum of the fingerprints of all that count: one that was altered or removed since is noticed.
    """

    intake_id: Pseudonym[str]
    counted: Plain[int]
    parked: Plain[int]
    fingerprint: Plain[str]


class JourneyAttributed(Event, type="products.journey-attributed.v1"):
    """Somebody of customer service said which product a parked journey was driven with; it counts now (P7)."""

    parked_id: Pseudonym[str]
    journey_id: Plain[str]
    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]
    place: Plain[str]
    at: Plain[datetime]
    amount: Plain[str]
    vat: Plain[str]
    currency: Plain[str]


class ParkedJourneysRedriven(Event, type="products.parked-journeys-redriven.v1"):
    """Somebody of customer service had parked journeys tried again: one of them, or all that the filters name (P7)."""

    redrive_id: Pseudonym[str]
    parked_id: Pseudonym[str | None]
    reason: Plain[ParkedReason | None]
    operator: Plain[str | None]


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
    | ProductClosed
)
