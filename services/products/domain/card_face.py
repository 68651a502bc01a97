"""A payment card as it is written on it, and how long it is good (P6)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from services.products.events import Brand
from shared.errors import Conflict, Invalid

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
MOST_YEARS = 20
"""No card is good for longer."""


class BrandUnknown(Invalid):
    """The brand is one of those that payment providers tell apart; `other` is one of them."""

    code = "card-brand-unknown"
    rule = "P6"


class LastFourMalformed(Invalid):
    """The last four digits of a card are four digits."""

    code = "card-last-four-malformed"
    rule = "P6"


class ExpiryMalformed(Invalid):
    """A card expires in a month from 1 to 12 of a year with four digits, at most 20 years from now."""

    code = "card-expiry-malformed"
    rule = "P6"


class CardHasExpired(Conflict):
    """This card has expired."""

    code = "card-expired"
    rule = "P6"


@dataclass(frozen=True, slots=True)
class Face:
    """What is known of a card, as it is written on it."""

    brand: str
    last_four: str
    month: int
    year: int


def good_until(month: int, year: int) -> datetime:
    """The first moment at which a card is not good any more: the month after begins in Copenhagen."""
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=COPENHAGEN).astimezone(UTC)


def must_be_usable(face: Face, now: datetime) -> None:
    """Raises BrandUnknown, LastFourMalformed, ExpiryMalformed, CardHasExpired."""
    if face.brand not in set(Brand):
        raise BrandUnknown
    if not re.fullmatch("[0-9]{4}", face.last_four):
        raise LastFourMalformed
    if not (1 <= face.month <= 12 and 1000 <= face.year <= now.year + MOST_YEARS):
        raise ExpiryMalformed
    must_not_have_expired(face, now)


def must_not_have_expired(face: Face, now: datetime) -> None:
    """Raises CardHasExpired."""
    if now >= good_until(face.month, face.year):
        raise CardHasExpired
