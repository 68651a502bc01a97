"""What products says: the life of one bizz, number plate payment or eTicket, from its order to its closing, and the
payment cards of each account.

The stream of an event is its product (`product-…`), the bulk order (`bulk-…`) that a file of orders is, or all the
payment cards of one account (`cards-…`).
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from shared.events import Event, Personal, Plain, Pseudonym
from shared.refusals import RefusedAttempt

ProductKind = Literal["bizz", "number-plate-payment", "eticket"]


ParkedReason = Literal["unknown", "not-active", "closed", "used-up", "contradiction", "malformed"]
"""Why a journey does not count, or not yet; `domain.journeys` says what each means."""


class Brand(StrEnum):
    """The brands that payment providers tell apart."""

    DANKORT = "dankort"
    VISA_DANKORT = "visa-dankort"
    VISA = "visa"
    MASTERCARD = "mastercard"
    MAESTRO = "maestro"
    AMERICAN_EXPRESS = "american-express"
    DINERS_CLUB = "diners-club"
    JCB = "jcb"
    UNIONPAY = "unionpay"
    OTHER = "other"

    @property
    def called(self) -> str:
        """As it is written on receipts and in mails."""
        return "JCB" if self is Brand.JCB else self.value.replace("-", " ").title()


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


CardRemoval = Literal["removed", "account-ended"]


class PaymentCardAdded(Event, type="products.payment-card-added.v1"):
    """A payment card was added to an account, or linked to one of its products (P6, A6).

    The payment provider's token of it stands in no event.
    """

    cards_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]
    product_id: Pseudonym[str | None] = None
    """The one product that is charged to it; None for a card of the whole account."""
    card_id: Pseudonym[str]
    brand: Plain[str]
    last_four: Personal[str]
    expiry_month: Personal[int]
    expiry_year: Personal[int]


class PaymentCardReplaced(Event, type="products.payment-card-replaced.v1"):
    """A new payment card took the place of another one, which is kept no longer (P6)."""

    cards_id: Pseudonym[str]
    account_id: Pseudonym[str]
    card_id: Pseudonym[str]
    """The one before."""
    new_card_id: Pseudonym[str]
    brand: Plain[str]
    last_four: Personal[str]
    expiry_month: Personal[int]
    expiry_year: Personal[int]


class PaymentCardChosen(Event, type="products.payment-card-chosen.v1"):
    """From now on this payment card of the account is charged, and no other (P6)."""

    cards_id: Pseudonym[str]
    account_id: Pseudonym[str]
    card_id: Pseudonym[str]


class PaymentCardRemoved(Event, type="products.payment-card-removed.v1"):
    """A payment card is kept no longer, nor is its token (P6, C7)."""

    cards_id: Pseudonym[str]
    account_id: Pseudonym[str]
    card_id: Pseudonym[str]
    because: Plain[CardRemoval]


class CardExpiry(Event):
    """What is said of a card that ends; of which of the two kinds, its event says."""

    cards_id: Pseudonym[str]
    account_id: Pseudonym[str]
    product_id: Pseudonym[str | None] = None
    card_id: Pseudonym[str]
    brand: Plain[str]
    last_four: Personal[str]
    expiry_month: Personal[int]
    expiry_year: Personal[int]
    good_until: Plain[datetime]


class PaymentCardExpiring(CardExpiry, type="products.payment-card-expiring.v1"):
    """The payment card that an account or one product is charged to expires within 30 days; said once (P6)."""


class PaymentCardExpired(CardExpiry, type="products.payment-card-expired.v1"):
    """The payment card that an account or one product is charged to has expired; said once (P6)."""


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
    | TripDriven
    | ProductClosed
)

BulkOrderEvent = BulkOrderReceived | BulkOrderFinished
CardEvent = (
    PaymentCardAdded
    | PaymentCardReplaced
    | PaymentCardChosen
    | PaymentCardRemoved
    | PaymentCardExpiring
    | PaymentCardExpired
)
