"""What people may do with payment cards, of an account and of one product: may they ask → decide → append.

A5, A6, P6: who may is asked of the one policy, of the account or the product that the cards are of. A card that the
account does not have answers like one that does not exist, to whoever reaches the account; it is known to them (A13).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.products.adapters import card_tokens
from services.products.domain import card as rules
from services.products.domain.card import TOLD_BEFORE, Cards, cards_id_of, evolve
from services.products.domain.card_face import Face
from services.products.domain.product import ProductIsClosed
from services.products.events import CardEvent
from services.products.views import cards, products
from services.products.views.account_payment import payment_of
from services.profiles import policy
from services.profiles.access import Access
from services.profiles.policy import Operation
from services.profiles.reach import account_must_be_open
from shared.actor import Actor
from shared.cause import Cause, Ensure, Written
from shared.clock import Clock
from shared.database import Database, Row
from shared.errors import Invalid
from shared.eventstore.streams import Category, Change, Streams
from shared.free_text import must_not_hold_a_card_number
from shared.ids import new_id

CARDS = Category("cards", Cards(), evolve)
PRODUCTS = Actor("system", "products")
AT_ONCE = 200
_TOKEN = re.compile(r"[!-~]{8,200}", re.ASCII)


class CardTokenMalformed(Invalid):
    """A payment provider's token is 8 to 200 printable ASCII characters without spaces."""

    code = "card-token-malformed"
    rule = "P6"


@dataclass(frozen=True, slots=True)
class NewCard:
    """A card as the payment provider told it."""

    token: str = field(repr=False)
    face: Face


class CareOfCards:
    """Adding, linking, replacing, choosing and removing payment cards, seeing them, telling of their end."""

    def __init__(self, streams: Streams, database: Database, may: Access, clock: Clock) -> None:
        self._streams = streams
        self._database = database
        self._access = may
        self._clock = clock

    async def add(self, account_id: str, new: NewCard, cause: Cause) -> Written:
        """Add a card to an account that pays by card; the first one is charged.

        Raises NotFound, NotPermitted, AccountHasEnded, PaysByInvoice, CardTokenMalformed, LooksLikeACardNumber,
        CardKeptAlready, TooManyCards, and what is wrong with the card.
        """
        account, cause = await self._at(policy.ADD_CARD, account_id, cause)
        decide = partial(rules.add_card, account_id=account_id, company_id=account["company_id"])
        return await self._keeping(account, account_id, new, decide, cause)

    async def link(self, product_id: str, new: NewCard, cause: Cause) -> Written:
        """Link a card to a product, in the place of the one that it may have (A6).

        Raises ProductIsClosed, and what adding a card to the account raises.
        """
        product = await products.one(self._database, product_id) or {}
        permit = await self._access.require(cause.actor, policy.LINK_CARD, product_id, exists=bool(product))
        if product["closed_at"] is not None:
            raise ProductIsClosed
        of = {"account_id": product["account_id"], "company_id": product["company_id"]}
        account = {**of, **(await payment_of(self._database, product["account_id"]) or {})}
        cause = permit.covers(cause).guarded_by(account_must_be_open(product["account_id"]))
        decide = partial(rules.link_card, **of, product_id=product_id)
        return await self._keeping(account, product_id, new, decide, cause)

    async def replace(self, account_id: str, before: str, new: NewCard, cause: Cause) -> Written:
        """Put a new card in the place of one, whose token is gone. Raises as `add` does."""
        account, cause = await self._at(policy.REPLACE_CARD, account_id, cause)
        kept_for = await cards.product_of(self._database, before) or account_id

        def decide(now_kept: Cards, *, card_id: str, **told: Any) -> Sequence[CardEvent]:
            return rules.replace_card(now_kept, card_id=before, new_card_id=card_id, **told)

        return await self._keeping(account, kept_for, new, decide, cause)

    async def choose(self, account_id: str, card_id: str, cause: Cause) -> Written:
        """Make a card the one that is charged.

        Raises NotFound, NotPermitted, CardIsOfOneProduct, PaysByInvoice, CardHasExpired.
        """
        account, cause = await self._at(policy.CHOOSE_CARD, account_id, cause)
        decide = partial(rules.choose_card, card_id=card_id, payment=account["payment"], now=self._clock())
        cause = cause.guarded_by(cards.account_must_pay_by_card(account_id))
        return await self._change(account_id, decide, cause.answering(card_id=card_id))

    async def remove(self, account_id: str, card_id: str, cause: Cause) -> Written:
        """Remove a card, and its token. Raises NotFound, NotPermitted, CardIsCharged."""
        _, cause = await self._at(policy.REMOVE_CARD, account_id, cause)
        decide = partial(rules.remove_card, card_id=card_id)
        return await self._change(account_id, decide, cause.answering(card_id=card_id))

    async def list_cards(self, account_id: str, actor: Actor, after: str = "") -> list[Row]:
        """A page of the cards of an account in reach, none of their tokens. Raises NotFound, NotPermitted."""
        known = await payment_of(self._database, account_id) is not None
        await self._access.require(actor, policy.LIST_CARDS, account_id, exists=known)
        return await cards.cards_of(self._database, actor, account_id, after)

    async def card_of(self, product_id: str, actor: Actor) -> Row | None:
        """The card that is linked to a product in reach, if one is. Raises NotFound, NotPermitted."""
        await self._access.require(actor, policy.READ_CARD, product_id)
        return await cards.card_of(self._database, actor, product_id)

    # What nobody asks for ---------------------------------------------------------------------------------------------

    async def tell_of_expiry(self) -> None:
        """Say of charged cards that they expire or have, once on however many replicas. Raises Unavailable."""
        now = self._clock()
        for cards_id in await cards.with_something_to_say(self._database, now, TOLD_BEFORE, most=AT_ONCE):
            decide = partial(rules.tell_of_expiry, now=now)
            await self._streams.change(CARDS, cards_id, decide, Cause(PRODUCTS, cards_id))

    # ------------------------------------------------------------------------------------------------------------------

    async def _at(self, operation: Operation, account_id: str, cause: Cause) -> tuple[Row, Cause]:
        """The account, and the cause that its cards are changed under. Raises NotFound, NotPermitted."""
        account = await payment_of(self._database, account_id) or {}
        permit = await self._access.require(cause.actor, operation, account_id, exists=bool(account))
        cause = permit.covers(cause).guarded_by(account_must_be_open(account_id))
        return {**account, "account_id": account_id}, cause

    async def _keeping(self, account: Row, kept_for: str, new: NewCard, decide: "_Decide", cause: Cause) -> Written:
        """A card comes, with its token: in one commit, or not at all."""
        must_not_hold_a_card_number(new.token)
        if not _TOKEN.fullmatch(new.token):
            raise CardTokenMalformed
        account_id, card_id = account["account_id"], new_id("card")
        here = partial(decide, payment=account["payment"], face=new.face, now=self._clock(), card_id=card_id)
        cause = cause.guarded_by(cards.account_must_pay_by_card(account_id)).answering(card_id=card_id)
        keep = card_tokens.keep(card_id, kept_for, new.token)
        return await self._change(account_id, here, cause, lambda _: [keep])

    async def _change(self, account_id: str, decide: "_Decide", cause: Cause, *ensures: Ensure) -> Written:
        cause = cause.ensuring(card_tokens.forgotten, *ensures)
        return await self._streams.change(CARDS, cards_id_of(account_id), decide, cause)


def removing_all_of(account_id: str) -> Change[Cards]:
    """An account ended: none of its cards is kept (C7); `card_tokens.forgotten` belongs into the same commit."""
    return Change(CARDS, cards_id_of(account_id), rules.remove_all)


_Decide = Callable[..., Sequence[CardEvent]]
