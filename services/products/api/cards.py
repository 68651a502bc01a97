"""HTTP of payment cards, of an account and of one product. What goes in as a token never comes out again."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, SecretStr
from starlette.responses import Response

from services.products.api.products import AccountId, After, ProductId
from services.products.domain.card_face import Face
from services.products.use_cases.cards import CareOfCards, NewCard
from services.products.views import cards
from services.profiles.policy import (
    ADD_CARD,
    CHOOSE_CARD,
    LINK_CARD,
    LIST_CARDS,
    READ_CARD,
    REMOVE_CARD,
    REPLACE_CARD,
    asks,
)
from shared.http.door import Caller, Command, Door
from shared.http.fields import Form, Line, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

CardId = Annotated[str, identifier_in_path("card")]
A_CARD = "card-0192f1c0a1b27c3d8e4f5a6b7c8d9e12"
BRAND, LAST_FOUR, MONTH, YEAR = (Field(examples=[example]) for example in ("visa", "4242", 4, 2027))


class CardForm(Form):
    """A payment card as the payment provider told it; never its number (P6)."""

    token: SecretStr = Field(
        max_length=200, examples=["card_tok_0001"], description="The payment provider's token. It is never answered."
    )
    brand: Line = BRAND
    last_four: Line = LAST_FOUR
    expiry_month: int = MONTH
    expiry_year: int = YEAR

    def told(self) -> NewCard:
        face = Face(self.brand, self.last_four, self.expiry_month, self.expiry_year)
        return NewCard(self.token.get_secret_value(), face)


class CardChanged(Answer):
    """The payment card that was added, chosen or removed, or that took the place of another one."""

    card_id: str = Field(examples=[A_CARD])


class PaymentCard(Answer):
    """A payment card."""

    card_id: str = Field(examples=[A_CARD])
    product_id: str | None = Field(
        examples=[None], description="The one product that is charged to it; null for a card of the whole account."
    )
    brand: str = BRAND
    last_four: str = LAST_FOUR
    expiry_month: int = MONTH
    expiry_year: int = YEAR
    good_until: datetime = Field(examples=["2027-04-30T22:00:00Z"], description="The end of its month in Copenhagen.")
    charged: bool = Field(examples=[True], description="Whether it is the one that the account is charged to.")
    added_at: datetime = Field(examples=["2026-03-02T12:00:00Z"])


class LinkedCard(Answer):
    """The payment card that is linked to a product; null where what is driven with it is charged to the account's."""

    card: PaymentCard | None


class PaymentCards(Answer):
    """A page of an account's payment cards, the oldest first; ask for the next one with `after=next`."""

    items: list[PaymentCard]
    next: str | None


def add(api: APIRouter, use: CareOfCards, door: Door) -> None:
    """The operations on payment cards."""
    _listing_and_adding(api, use, door)
    _of_products(api, use, door)
    _changes(api, use, door)


def _listing_and_adding(api: APIRouter, use: CareOfCards, door: Door) -> None:
    @api.get("/accounts/{account_id}/cards", operation_id="listPaymentCards", **asks(LIST_CARDS), responses=QUERY)
    async def listed(
        account_id: AccountId, caller: Annotated[Caller, Depends(door.caller)], after: After = ""
    ) -> PaymentCards:
        """List the payment cards of an account and of its products; administrators and customer service (A5, P6)."""
        found = await use.list_cards(account_id, caller.actor, after)
        more = found[-1]["card_id"] if len(found) == cards.PAGE else None
        return PaymentCards(items=[PaymentCard(**row) for row in found], next=more)

    @api.post(
        "/accounts/{account_id}/cards",
        status_code=201,
        operation_id="addPaymentCard",
        **asks(ADD_CARD),
        responses=COMMAND,
        response_model=CardChanged,
    )
    async def added(
        account_id: AccountId, form: CardForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Add a payment card to an account that pays by card; the first one is charged (P6)."""
        return await command.run(lambda cause: use.add(account_id, form.told(), cause), status=201)


def _of_products(api: APIRouter, use: CareOfCards, door: Door) -> None:
    @api.get("/products/{product_id}/card", operation_id="getProductCard", **asks(READ_CARD), responses=QUERY)
    async def linked(product_id: ProductId, caller: Annotated[Caller, Depends(door.caller)]) -> LinkedCard:
        """See the payment card that is linked to a product; whoever has access to it may (A6)."""
        found = await use.card_of(product_id, caller.actor)
        return LinkedCard(card=PaymentCard(**found) if found else None)

    @api.put(
        "/products/{product_id}/card",
        operation_id="linkPaymentCard",
        **asks(LINK_CARD),
        responses=COMMAND,
        response_model=CardChanged,
    )
    async def link(
        product_id: ProductId, form: CardForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Link a payment card to a product, or replace the one that is; whoever has access to it may (A6, P6)."""
        return await command.run(lambda cause: use.link(product_id, form.told(), cause))


def _changes(api: APIRouter, use: CareOfCards, door: Door) -> None:
    @api.post(
        "/accounts/{account_id}/cards/{card_id}/replace",
        status_code=201,
        operation_id="replacePaymentCard",
        **asks(REPLACE_CARD),
        responses=COMMAND,
        response_model=CardChanged,
    )
    async def replaced(
        account_id: AccountId, card_id: CardId, form: CardForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Put a new payment card in the place of one, charged if that was (P6)."""
        return await command.run(lambda cause: use.replace(account_id, card_id, form.told(), cause), status=201)

    @api.post(
        "/accounts/{account_id}/cards/{card_id}/choose",
        operation_id="choosePaymentCard",
        **asks(CHOOSE_CARD),
        responses=COMMAND,
        response_model=CardChanged,
    )
    async def chosen(
        account_id: AccountId, card_id: CardId, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Make a payment card the one that is charged (P6)."""
        return await command.run(lambda cause: use.choose(account_id, card_id, cause))

    @api.post(
        "/accounts/{account_id}/cards/{card_id}/remove",
        operation_id="removePaymentCard",
        **asks(REMOVE_CARD),
        responses=COMMAND,
        response_model=CardChanged,
    )
    async def removed(
        account_id: AccountId, card_id: CardId, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Remove a payment card; the one that is charged only when it is the last (P6)."""
        return await command.run(lambda cause: use.remove(account_id, card_id, cause))
