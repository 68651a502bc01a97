"""Journeys: which of them count, and for which product.

P3   An eTicket is good for its trips and no more.
P7   Each journey counts once, by the feed's own id, whatever order records come in and however often. It counts for the
     product that was open *when it was driven*: a record may come long after that product closed, and after its plate
     went to another customer. What cannot be attributed is kept aside with the reason, never dropped. A second record
     that says something else under the same id contradicts the first one and does not count.

Why a journey is parked:

unknown        no product had this plate, this device or this id then, nor before
not-active     the bizz with this device was not taken into use yet
closed         the product that had it last was closed when the journey was driven
used-up        all trips of the eTicket are driven
contradiction  another record with the same id said something else before
malformed      the record is not what the contract says
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from services.products.events import JourneyAttributed, ParkedReason
from shared.errors import Conflict, NotFound


class JourneyCannotBeAttributed(Conflict):
    """This record is malformed, or contradicts one that came before it: it cannot count for any product."""

    code = "journey-cannot-be-attributed"
    rule = "P7"


class JourneyIsParkedNoMore(Conflict):
    """This journey counts by now, or was taken from what is parked in another way."""

    code = "journey-is-parked-no-more"
    rule = "P7"


@dataclass(frozen=True, slots=True)
class Journey:
    """What a record of the feed says."""

    id: str
    operator: str
    place: str
    at: datetime
    what: str
    """What was seen: `device 9208…`, `plate DK AB12345` or a product's id."""
    amount: str
    vat: str
    currency: str
    fingerprint: bytes
    """Of all that it says: two records with the same id are the same one if they have the same fingerprint."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """The product that last came to what was seen, by the time of the journey."""

    product_id: str
    account_id: str
    company_id: str
    payment: str
    card_id: str | None
    """The card that it is charged to, if it is paid by card and there is one."""
    closed_at: datetime | None
    active: bool
    trips_left: int | None
    """None for what is not an eTicket."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a journey is judged."""

    counted: bytes | None
    """The fingerprint of the record with this id that counts."""
    parked: bytes | None
    """The fingerprint of the record with this id that is parked and may come to count."""
    carrier: Carrier | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one record: it counts for a carrier, is parked with a reason, or (neither) was here before."""

    journey: Journey
    carrier: Carrier | None = None
    reason: ParkedReason | None = None

    @property
    def counts(self) -> bool:
        return self.carrier is not None and self.reason is None


def judged(coming: Iterable[tuple[Journey, Facts]], *, again: bool = False) -> Iterator[Verdict]:
    """What becomes of each record of a batch, one after the other; `again` judges what is parked already."""
    before: dict[str, bytes] = {}
    driven: dict[str, int] = {}
    for journey, facts in coming:
        known = before.get(journey.id) or facts.counted or _rival(journey, facts, again=again)
        verdict = _judged(journey, known, _after(facts.carrier, driven))
        before[journey.id] = known or journey.fingerprint
        if verdict.counts and verdict.carrier:
            driven[verdict.carrier.product_id] = driven.get(verdict.carrier.product_id, 0) + 1
        yield verdict


def _rival(journey: Journey, facts: Facts, *, again: bool) -> bytes | None:
    """What is parked under this id; a record that is judged again is not its own rival."""
    return None if again and facts.parked == journey.fingerprint else facts.parked


def _after(carrier: Carrier | None, driven: dict[str, int]) -> Carrier | None:
    """The carrier after the journeys of this very batch."""
    if carrier is None or carrier.trips_left is None:
        return carrier
    return replace(carrier, trips_left=carrier.trips_left - driven.get(carrier.product_id, 0))


def _judged(journey: Journey, known: bytes | None, carrier: Carrier | None) -> Verdict:
    if known is not None:
        return Verdict(journey, reason=None if known == journey.fingerprint else "contradiction")
    return Verdict(journey, carrier, _why_not(journey, carrier))


def _why_not(journey: Journey, carrier: Carrier | None) -> ParkedReason | None:
    if carrier is None:
        return "unknown"
    if carrier.trips_left is not None and carrier.trips_left <= 0:
        return "used-up"  # the last trip closed it; who looks into it is better told why
    if carrier.closed_at is not None and carrier.closed_at <= journey.at:
        return "closed"
    return None if carrier.active else "not-active"


@dataclass(frozen=True, slots=True)
class Attribution:
    """The product that somebody attributed a parked journey to."""

    product_id: str | None = None


def evolve(_before: Attribution, event: JourneyAttributed) -> Attribution:
    """What was said of a parked journey."""
    match event:
        case JourneyAttributed(product_id=product):
            return Attribution(product)
        case _:
            assert_never(event)


def attribute(
    attributed: Attribution,
    journey: Journey | None,
    *,
    parked_id: str,
    product_id: str,
    account_id: str,
    company_id: str,
) -> list[JourneyAttributed]:
    """Attribute a parked journey to a product, open or closed: somebody has looked and answers for it.

    `journey` is None when no such record is parked. Raises NotFound, JourneyIsParkedNoMore.
    """
    if attributed.product_id == product_id:
        return []
    if attributed.product_id is not None:
        raise JourneyIsParkedNoMore
    if journey is None:
        raise NotFound
    return [
        JourneyAttributed(
            parked_id=parked_id,
            journey_id=journey.id,
            product_id=product_id,
            account_id=account_id,
            company_id=company_id,
            place=journey.place,
            at=journey.at,
            amount=journey.amount,
            vat=journey.vat,
            currency=journey.currency,
        )
    ]
