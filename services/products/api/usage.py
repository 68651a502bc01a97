"""HTTP of usage: journeys as pages and as files, what they come to by month, receipts."""

import asyncio
import calendar
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from services.products.adapters import receipts
from services.products.api.products import A_PRODUCT, AccountId, ProductId
from services.products.events import ProductKind
from services.products.use_cases.usage import Usage
from services.products.views import payments, usage
from services.products.views.usage import Wanted
from services.profiles.policy import READ_JOURNEYS, READ_PAYMENTS, READ_USAGE, asks
from shared.http.door import Caller, Door
from shared.http.fields import NUMBER_OF_ITS_OWN, Line
from shared.http.openapi import QUERY, Answer

_JOURNEY = r"[^\x00-\x1f\x7f]{1,200}"
OfProduct = Annotated[str | None, Query(pattern=r"^product-[0-9a-f]{32}$", description="Only of this product.")]
OfReference = Annotated[Line | None, Query(description="Only of products with this in their reference (P5).")]
AtPlace = Annotated[Line | None, Query(description="Only at this place, written as journeys show it.")]
By = Annotated[Literal["invoice", "card"] | None, Query(description="Only what is paid like this.")]
From = Annotated[date | None, Query(alias="from", description="The first day, in Copenhagen.")]
To = Annotated[date | None, Query(description="The last day, in Copenhagen; it is included.")]
After = Annotated[
    str,
    NUMBER_OF_ITS_OWN,
    Query(max_length=250, pattern=rf"^([0-9]{{1,16}}\.{_JOURNEY})?$", description="`next` of the last page."),
]
AfterSum = Annotated[
    str,
    Query(
        max_length=40,
        pattern=r"^([12][0-9]{3}-(0[1-9]|1[0-2])\.(invoice|card)\.[ -~]{1,10})?$",
        description="`next` of the last page.",
    ),
]
Month = Annotated[str, Query(pattern=r"^[12][0-9]{3}-(0[1-9]|1[0-2])$", description="Such as 2026-03.")]
OfJourney = Annotated[
    str, NUMBER_OF_ITS_OWN, Query(max_length=200, pattern=rf"^{_JOURNEY}$", description="The journey it is for.")
]
As = Annotated[Literal["html", "pdf"], Query(alias="as", description="A page, or a PDF.")]
InLanguage = Annotated[Literal["da", "en"], Query(description="Danish or English.")]


def _of_account(
    *,
    account_id: AccountId,
    product_id: OfProduct = None,
    reference: OfReference = None,
    place: AtPlace = None,
    payment: By = None,
    first: From = None,
    to: To = None,
) -> Wanted:
    return Wanted(account_id, product_id, reference, place, payment, first, to)


def _of_product(
    *, product_id: ProductId, place: AtPlace = None, payment: By = None, first: From = None, to: To = None
) -> Wanted:
    return Wanted(None, product_id, None, place, payment, first, to)


OfAccount = Annotated[Wanted, Depends(_of_account)]
OfTheProduct = Annotated[Wanted, Depends(_of_product)]
MONEY: Any = {"examples": ["195.00"], "description": "With two decimals and a point."}


class Journey(Answer):
    """One journey: when and where, with which product, and what it cost."""

    journey_id: str = Field(examples=["sb-2026-000001"])
    at: str = Field(examples=["2026-03-29T03:05:00+02:00"], description="On the clocks of Copenhagen.")
    place: str = Field(examples=["Storebælt"])
    product_id: str = Field(examples=[A_PRODUCT])
    kind: ProductKind | None = Field(examples=["bizz"])
    reference: str | None = Field(examples=["Van 12"], description="As it is now.")
    plate: str | None = Field(examples=["AB12345"])
    device_number: str | None = Field(examples=["9208000000000001"])
    payment: Literal["invoice", "card"] = Field(examples=["invoice"])
    currency: str = Field(examples=["DKK"])
    net: Decimal = Field(**MONEY)
    vat: Decimal = Field(**MONEY)
    amount: Decimal = Field(**MONEY)


class JourneysPage(Answer):
    """A page of journeys, newest first; ask for the next one with `after=next`."""

    items: list[Journey]
    next: str | None


class Sum(Answer):
    """What the journeys of one month come to that were paid in one way and currency."""

    month: str = Field(examples=["2026-03"], description="In Copenhagen.")
    payment: Literal["invoice", "card"] = Field(examples=["invoice"])
    currency: str = Field(examples=["DKK"])
    journeys: int = Field(examples=[31])
    net: Decimal = Field(**MONEY)
    vat: Decimal = Field(**MONEY)
    amount: Decimal = Field(**MONEY)


class PaymentsPage(Answer):
    """A page of sums, the newest month first; ask for the next one with `after=next`."""

    items: list[Sum]
    next: str | None


class Csv(StreamingResponse):
    """A file of any length, sent as it is made."""

    media_type = "text/csv"


def add(api: APIRouter, use: Usage, door: Door) -> None:
    """The operations on usage."""
    _of_accounts(api, use, door)
    _of_products(api, use, door)
    _payments(api, use, door)


def _of_accounts(api: APIRouter, use: Usage, door: Door) -> None:
    @api.get("/accounts/{account_id}/usage", operation_id="listUsage", **asks(READ_USAGE), responses=QUERY)
    async def listed(
        asked: OfAccount, caller: Annotated[Caller, Depends(door.caller)], after: After = ""
    ) -> JourneysPage:
        """See what was driven on an account, newest first; administrators and customer service (A5, P8)."""
        return await _page(use, asked, after, caller)

    @api.get(
        "/accounts/{account_id}/usage.csv",
        operation_id="downloadUsage",
        **asks(READ_USAGE, streamed=True),
        responses=QUERY,
        response_class=Csv,
    )
    async def file(asked: OfAccount, caller: Annotated[Caller, Depends(door.caller)]) -> Response:
        """Download the same as CSV, all of it (P8)."""
        return _csv(await use.file(asked, caller.actor), "usage", asked)


def _of_products(api: APIRouter, use: Usage, door: Door) -> None:
    @api.get("/products/{product_id}/journeys", operation_id="listJourneys", **asks(READ_JOURNEYS), responses=QUERY)
    async def listed(
        asked: OfTheProduct, caller: Annotated[Caller, Depends(door.caller)], after: After = ""
    ) -> JourneysPage:
        """See a product's journeys, newest first; whoever has access to it may (A6, P8)."""
        return await _page(use, asked, after, caller)

    @api.get(
        "/products/{product_id}/journeys.csv",
        operation_id="downloadJourneys",
        **asks(READ_JOURNEYS, streamed=True),
        responses=QUERY,
        response_class=Csv,
    )
    async def file(asked: OfTheProduct, caller: Annotated[Caller, Depends(door.caller)]) -> Response:
        """Download the same as CSV, all of it (A6, P8)."""
        return _csv(await use.file(asked, caller.actor), "journeys", asked)

    @api.get(
        "/products/{product_id}/receipt",
        operation_id="getReceipt",
        **asks(READ_JOURNEYS),
        responses={**QUERY, 200: {"content": {"text/html": {}, "application/pdf": {}}, "description": "The receipt."}},
        response_class=Response,
    )
    async def receipt(
        product_id: ProductId,
        journey_id: OfJourney,
        caller: Annotated[Caller, Depends(door.caller)],
        form: As = "html",
        language: InLanguage = "da",
    ) -> Response:
        """The receipt of a journey that was paid by card, with its VAT (A6, P8)."""
        journey = await use.receipt(product_id, journey_id, caller.actor)
        if form == "html":
            return Response(receipts.page(journey, language), media_type="text/html")
        made = await asyncio.to_thread(receipts.pdf, journey, language)
        return Response(made, media_type="application/pdf", headers=_named("receipt.pdf"))


def _payments(api: APIRouter, use: Usage, door: Door) -> None:
    @api.get("/accounts/{account_id}/payments", operation_id="listPayments", **asks(READ_PAYMENTS), responses=QUERY)
    async def listed(
        account_id: AccountId,
        caller: Annotated[Caller, Depends(door.caller)],
        first: From = None,
        to: To = None,
        after: AfterSum = "",
    ) -> PaymentsPage:
        """See what an account pays by month, by invoice or card, with VAT; of whole months (A5, P8)."""
        cursor = payments.Cursor.read(after) if after else None
        rows = await use.payments(payments.Wanted(account_id, first, to, cursor), caller.actor)
        return PaymentsPage(items=[Sum(**row) for row in rows], next=payments.next_after(rows))

    @api.get(
        "/accounts/{account_id}/invoice-usage.csv",
        operation_id="downloadInvoiceUsage",
        **asks(READ_PAYMENTS, streamed=True),
        responses=QUERY,
        response_class=Csv,
    )
    async def file(account_id: AccountId, month: Month, caller: Annotated[Caller, Depends(door.caller)]) -> Response:
        """Download the journeys behind an account's invoice of a month, as CSV (A5, P8)."""
        first, last = _days_of(month)
        asked = Wanted(account_id=account_id, payment="invoice", first=first, last=last)
        return _csv(await use.invoiced(account_id, asked, caller.actor), "invoice-usage", asked)


async def _page(use: Usage, asked: Wanted, after: str, caller: Caller) -> JourneysPage:
    rows = await use.page(usage.going_on(asked, usage.Cursor.read(after)) if after else asked, caller.actor)
    return JourneysPage(items=[Journey(**row) for row in rows], next=usage.next_after(rows))


def _csv(pieces: AsyncIterator[str], name: str, asked: Wanted) -> Response:
    days = [f"{day}" for day in (asked.first, asked.last) if day is not None]
    return Csv(pieces, headers=_named("-".join([name, *days]) + ".csv"))


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _days_of(month: str) -> tuple[date, date]:
    first = date.fromisoformat(f"{month}-01")
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])
