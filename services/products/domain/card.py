"""The payment cards of one account, and which of them is charged. All cards of an account are one stream, so that
two people at once cannot charge two cards.

P6   A payment card is kept as the payment provider's token, brand, last four digits and expiry, where the company pays
     by card. The token stands in no event: `adapters/card_tokens.py` keeps it.
     *Decision:* the first card is charged, and of several cards the one that somebody chose. Replacing a card keeps its
     part. The card that is charged is removed only when it is the last one: else choose another first.
     *Decision:* a card is good to the end of its month in Copenhagen. Of a card that is charged it is said once that it
     ends within 30 days, and once that it has ended.
C7   An account that ends keeps no card.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, assert_never
from zoneinfo import ZoneInfo

from services.products.events import (
    CardEvent,
    CardRemoval,
    PaymentCardAdded,
    PaymentCardChosen,
    PaymentCardExpired,
    PaymentCardExpiring,
    PaymentCardRemoved,
    PaymentCardReplaced,
)
from shared.errors import Conflict, Invalid, NotFound

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
TOLD_BEFORE = timedelta(days=30)
MOST_CARDS = 10
MOST_YEARS = 20
"""No card is good for longer."""


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


class TooManyCards(Conflict):
    """An account has at most 10 payment cards; remove one first."""

    code = "too-many-cards"
    rule = "P6"


class CardIsCharged(Conflict):
    """This card is the one that is charged; choose another first, or replace it."""

    code = "card-is-charged"
    rule = "P6"


class PaysByInvoice(Conflict):
    """This account is paid by invoice, and has no payment cards."""

    code = "account-pays-by-invoice"
    rule = "P6"


Payment = Literal["invoice", "card"]


@dataclass(frozen=True, slots=True)
class Face:
    """What is known of a card, as it is written on it."""

    brand: str
    last_four: str
    month: int
    year: int


@dataclass(frozen=True, slots=True)
class Card:
    """A card of the account, and what was said of its expiry."""

    face: Face
    said_to_expire: bool = False
    said_to_have_expired: bool = False


@dataclass(frozen=True, slots=True)
class Cards:
    """What the rules ask of an account's cards; `Cards()` is an account that never had one."""

    id: str = ""
    account_id: str = ""
    kept: Mapping[str, Card] = field(default_factory=dict)
    charged: str | None = None


def cards_id_of(account_id: str) -> str:
    """The stream of an account's cards."""
    return f"cards-{account_id.rpartition('-')[2]}"


def good_until(month: int, year: int) -> datetime:
    """The first moment at which a card is not good any more: the month after begins in Copenhagen."""
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=COPENHAGEN).astimezone(UTC)


def evolve(cards: Cards, event: CardEvent) -> Cards:
    """The cards after one more event of their history."""
    match event:
        case PaymentCardAdded(cards_id=cards_id, account_id=account, card_id=card):
            return replace(cards, id=cards_id, account_id=account, kept={**cards.kept, card: Card(_face(event))})
        case PaymentCardReplaced(card_id=old, new_card_id=new):
            kept = {**_without(cards, old), new: Card(_face(event))}
            return replace(cards, kept=kept, charged=new if cards.charged == old else cards.charged)
        case PaymentCardChosen(card_id=card):
            return replace(cards, charged=card)
        case PaymentCardRemoved(card_id=card):
            return replace(cards, kept=_without(cards, card), charged=None if cards.charged == card else cards.charged)
        case PaymentCardExpiring(card_id=card):
            return _said(cards, card, replace(cards.kept[card], said_to_expire=True))
        case PaymentCardExpired(card_id=card):
            return _said(cards, card, replace(cards.kept[card], said_to_have_expired=True))
        case _:
            assert_never(event)


def add_card(
    cards: Cards, *, card_id: str, account_id: str, company_id: str, payment: Payment, face: Face, now: datetime
) -> list[CardEvent]:
    """Add a card to an account that pays by card; the first one is charged (P6).

    Raises PaysByInvoice, BrandUnknown, LastFourMalformed, ExpiryMalformed, CardHasExpired, TooManyCards.
    """
    if card_id in cards.kept:
        return []
    _must_be_paid_by_card(payment)
    _must_be_usable(face, now)
    if len(cards.kept) >= MOST_CARDS:
        raise TooManyCards
    cards_id = cards_id_of(account_id)
    added = PaymentCardAdded(
        cards_id=cards_id, account_id=account_id, company_id=company_id, card_id=card_id, **_written(face)
    )
    chosen = PaymentCardChosen(cards_id=cards_id, account_id=account_id, card_id=card_id)
    return [added] if cards.charged else [added, chosen]


def replace_card(
    cards: Cards, *, card_id: str, new_card_id: str, payment: Payment, face: Face, now: datetime
) -> list[CardEvent]:
    """Put a new card in the place of one, charged if that was (P6).

    Raises NotFound, and what adding a card raises.
    """
    if new_card_id in cards.kept:
        return []
    _card(cards, card_id)
    _must_be_paid_by_card(payment)
    _must_be_usable(face, now)
    return [
        PaymentCardReplaced(
            cards_id=cards.id,
            account_id=cards.account_id,
            card_id=card_id,
            new_card_id=new_card_id,
            **_written(face),
        )
    ]


def choose_card(cards: Cards, *, card_id: str, payment: Payment, now: datetime) -> list[CardEvent]:
    """Make a card the one that is charged (P6). Raises NotFound, PaysByInvoice, CardHasExpired."""
    card = _card(cards, card_id)
    if cards.charged == card_id:
        return []
    _must_be_paid_by_card(payment)
    _must_not_have_expired(card.face, now)
    return [PaymentCardChosen(cards_id=cards.id, account_id=cards.account_id, card_id=card_id)]


def remove_card(cards: Cards, *, card_id: str) -> list[CardEvent]:
    """Remove a card (P6). Raises NotFound, CardIsCharged."""
    _card(cards, card_id)
    if cards.charged == card_id and len(cards.kept) > 1:
        raise CardIsCharged
    return [_removed(cards, card_id, "removed")]


def remove_all(cards: Cards) -> list[CardEvent]:
    """The account ended: none of its cards is kept (C7)."""
    return [_removed(cards, card_id, "account-ended") for card_id in cards.kept]


def tell_of_expiry(cards: Cards, *, now: datetime) -> list[CardEvent]:
    """Say of the card that is charged that it expires, and that it has, each once (P6)."""
    if cards.charged is None:
        return []
    card = cards.kept[cards.charged]
    until = good_until(card.face.month, card.face.year)
    about = {"cards_id": cards.id, "account_id": cards.account_id, "card_id": cards.charged, **_written(card.face)}
    if now >= until:
        return [] if card.said_to_have_expired else [PaymentCardExpired(**about, good_until=until)]
    if now >= until - TOLD_BEFORE and not card.said_to_expire:
        return [PaymentCardExpiring(**about, good_until=until)]
    return []


def _card(cards: Cards, card_id: str) -> Card:
    if (card := cards.kept.get(card_id)) is None:
        raise NotFound
    return card


def _must_be_paid_by_card(payment: Payment) -> None:
    if payment != "card":
        raise PaysByInvoice


def _must_be_usable(face: Face, now: datetime) -> None:
    if face.brand not in set(Brand):
        raise BrandUnknown
    if not re.fullmatch("[0-9]{4}", face.last_four):
        raise LastFourMalformed
    if not (1 <= face.month <= 12 and 1000 <= face.year <= now.year + MOST_YEARS):
        raise ExpiryMalformed
    _must_not_have_expired(face, now)


def _must_not_have_expired(face: Face, now: datetime) -> None:
    if now >= good_until(face.month, face.year):
        raise CardHasExpired


def _removed(cards: Cards, card_id: str, because: CardRemoval) -> PaymentCardRemoved:
    return PaymentCardRemoved(cards_id=cards.id, account_id=cards.account_id, card_id=card_id, because=because)


def _without(cards: Cards, card_id: str) -> dict[str, Card]:
    return {each: card for each, card in cards.kept.items() if each != card_id}


def _said(cards: Cards, card_id: str, card: Card) -> Cards:
    return replace(cards, kept={**cards.kept, card_id: card})


def _face(event: PaymentCardAdded | PaymentCardReplaced) -> Face:
    return Face(event.brand, event.last_four, event.expiry_month, event.expiry_year)


def _written(face: Face) -> dict[str, Any]:
    return {
        "brand": str(face.brand),
        "last_four": face.last_four,
        "expiry_month": face.month,
        "expiry_year": face.year,
    }
