"""The payment cards of one account, and which of them is charged. All cards of an account are one stream, so that
two people at once cannot charge two cards.

A6   Whoever has access to a product links a card to it, and replaces that: what is driven with this product is charged
     to this card, all else to the account's.
P6   A payment card is kept as the payment provider's token, brand, last four digits and expiry, where the company pays
     by card. The token stands in no event: `adapters/card_tokens.py` keeps it.
     *Decision:* the first card is charged, and of several cards the one that somebody chose. Replacing a card keeps its
     part. The card that is charged is removed only when it is the last one: else choose another first. A product's
     own card is no other product's, and stays when it is closed: journeys come later than that.
     *Decision:* a card is good to the end of its month in Copenhagen. Of a card that anything is charged to it is said
     once that it ends within 30 days, and once that it has ended.
C7   An account that ends keeps no card.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, assert_never

from services.products.domain.card_face import Face, good_until, must_be_usable, must_not_have_expired
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
from shared.errors import Conflict, NotFound

TOLD_BEFORE = timedelta(days=30)
MOST_CARDS = 10


class TooManyCards(Conflict):
    """An account has at most 10 payment cards, beside those of single products; remove one first."""

    code = "too-many-cards"
    rule = "P6"


class CardIsCharged(Conflict):
    """This card is the one that is charged; choose another first, or replace it."""

    code = "card-is-charged"
    rule = "P6"


class CardIsOfOneProduct(Conflict):
    """This card is linked to one product; add it to the account to have it charged for the others."""

    code = "card-is-of-one-product"
    rule = "P6"


class PaysByInvoice(Conflict):
    """This account is paid by invoice, and has no payment cards."""

    code = "account-pays-by-invoice"
    rule = "P6"


Payment = Literal["invoice", "card"]


@dataclass(frozen=True, slots=True)
class Card:
    """A card of the account, or of one of its products, and what was said of its expiry."""

    face: Face
    product_id: str | None = None
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


def evolve(cards: Cards, event: CardEvent) -> Cards:
    """The cards after one more event of their history."""
    match event:
        case PaymentCardAdded(cards_id=cards_id, account_id=account, product_id=product, card_id=card):
            kept = {**cards.kept, card: Card(_face(event), product)}
            return replace(cards, id=cards_id, account_id=account, kept=kept)
        case PaymentCardReplaced(card_id=old, new_card_id=new):
            kept = {**_without(cards, old), new: Card(_face(event), cards.kept[old].product_id)}
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
    must_be_usable(face, now)
    if len(_of_account(cards)) >= MOST_CARDS:
        raise TooManyCards
    added = _added(account_id, company_id, card_id, face)
    chosen = PaymentCardChosen(cards_id=added.cards_id, account_id=account_id, card_id=card_id)
    return [added] if cards.charged else [added, chosen]


def link_card(
    cards: Cards,
    *,
    card_id: str,
    account_id: str,
    company_id: str,
    product_id: str,
    payment: Payment,
    face: Face,
    now: datetime,
) -> list[CardEvent]:
    """Link a card to a product, in the place of the one that it may have (A6).

    Raises PaysByInvoice, BrandUnknown, LastFourMalformed, ExpiryMalformed, CardHasExpired.
    """
    for before, card in cards.kept.items():
        if card.product_id == product_id and before != card_id:
            return replace_card(cards, card_id=before, new_card_id=card_id, payment=payment, face=face, now=now)
    if card_id in cards.kept:
        return []
    _must_be_paid_by_card(payment)
    must_be_usable(face, now)
    return [_added(account_id, company_id, card_id, face, product_id)]


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
    must_be_usable(face, now)
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
    """Make a card the one that the account is charged to (P6).

    Raises NotFound, CardIsOfOneProduct, PaysByInvoice, CardHasExpired.
    """
    card = _card(cards, card_id)
    if cards.charged == card_id:
        return []
    if card.product_id is not None:
        raise CardIsOfOneProduct
    _must_be_paid_by_card(payment)
    must_not_have_expired(card.face, now)
    return [PaymentCardChosen(cards_id=cards.id, account_id=cards.account_id, card_id=card_id)]


def remove_card(cards: Cards, *, card_id: str) -> list[CardEvent]:
    """Remove a card (P6). Raises NotFound, CardIsCharged."""
    _card(cards, card_id)
    if cards.charged == card_id and len(_of_account(cards)) > 1:
        raise CardIsCharged
    return [_removed(cards, card_id, "removed")]


def remove_all(cards: Cards) -> list[CardEvent]:
    """The account ended: none of its cards is kept (C7)."""
    return [_removed(cards, card_id, "account-ended") for card_id in cards.kept]


def tell_of_expiry(cards: Cards, *, now: datetime) -> list[CardEvent]:
    """Say of the cards that anything is charged to that they expire, and that they have, each once (P6)."""
    return [
        event
        for card_id, card in cards.kept.items()
        if card_id == cards.charged or card.product_id is not None
        for event in _expiry(cards, card_id, card, now)
    ]


def _expiry(cards: Cards, card_id: str, card: Card, now: datetime) -> Iterator[CardEvent]:
    until = good_until(card.face.month, card.face.year)
    whose: dict[str, Any] = {"cards_id": cards.id, "account_id": cards.account_id, "product_id": card.product_id}
    about = {**whose, "card_id": card_id, **_written(card.face), "good_until": until}
    if now >= until and not card.said_to_have_expired:
        yield PaymentCardExpired(**about)
    elif until > now >= until - TOLD_BEFORE and not card.said_to_expire:
        yield PaymentCardExpiring(**about)


def _added(
    account_id: str, company_id: str, card_id: str, face: Face, product_id: str | None = None
) -> PaymentCardAdded:
    return PaymentCardAdded(
        cards_id=cards_id_of(account_id),
        account_id=account_id,
        company_id=company_id,
        product_id=product_id,
        card_id=card_id,
        **_written(face),
    )


def _of_account(cards: Cards) -> list[str]:
    """Those that are not of a single product."""
    return [card_id for card_id, card in cards.kept.items() if card.product_id is None]


def _card(cards: Cards, card_id: str) -> Card:
    if (card := cards.kept.get(card_id)) is None:
        raise NotFound
    return card


def _must_be_paid_by_card(payment: Payment) -> None:
    if payment != "card":
        raise PaysByInvoice


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
