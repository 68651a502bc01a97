"""HTTP of bulk orders: a file of orders sent, and what became of it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from services.products.adapters.bulk_orders import BULK_ORDERS_PAGE, PAGE, Outcome
from services.products.api.products import A_PRODUCT, AN_ACCOUNT, AccountId, After
from services.products.domain.bulk_order import COLUMNS, MOST_AT_ONCE, MOST_ROWS, Mode
from services.products.use_cases.bulk import BulkOrdering, OrderFile
from services.profiles.policy import ORDER_PRODUCT, READ_BULK_ORDER, asks
from shared.http.door import Caller, Command, Door
from shared.http.fields import Form, Line, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

BulkId = Annotated[str, identifier_in_path("bulk")]
OfOutcome = Annotated[Outcome | None, Query(description="Only rows with this outcome.")]
AfterLine = Annotated[str, Query(pattern="^[0-9]{0,6}$", description="`next` of the last page.")]

A_BULK_ORDER = "bulk-0192f1c0a1b27c3d8e4f5a6b7c8d9e12"
A_FILE = "a2luZDtjb3VudHJ5O3BsYXRlCm51bWJlci1wbGF0ZS1wYXltZW50O0RLO0FCIDEyIDM0NQo="
MODE = Field(
    examples=["per-row"],
    description=f"Each row by itself, or all of them in one moment or none; then at most {MOST_AT_ONCE}.",
)


class OrderFileForm(Form):
    """A file of orders."""

    file: str = Field(
        examples=[A_FILE],
        description=f"The bytes of a CSV file (UTF-8, `,` or `;`, at most {MOST_ROWS} rows) in base64. Its first line "
        f"names the columns, some of {', '.join(COLUMNS)}.",
    )
    mode: Mode = MODE
    name: Line | None = Field(
        default=None,
        examples=["March"],
        description="Files of one name order the same row once, and so do files without a name.",
    )


class Sent(Answer):
    """The bulk order that the file is from now on."""

    bulk_id: str = Field(examples=[A_BULK_ORDER])


class BulkOrder(Answer):
    """A bulk order, and how many of its rows have each outcome so far."""

    bulk_id: str = Field(examples=[A_BULK_ORDER])
    account_id: str = Field(examples=[AN_ACCOUNT])
    mode: Mode = MODE
    name: str | None = Field(examples=["March"])
    received_at: datetime = Field(examples=["2026-03-02T12:00:00Z"])
    finished_at: datetime | None = Field(examples=["2026-03-02T12:00:01Z"])
    rows: int = Field(examples=[120])
    waiting: int = Field(examples=[0], description="Not worked through yet.")
    done: int = Field(examples=[118], description="Ordered, by this file or by one before it.")
    refused: int = Field(examples=[1], description="A rule refused them.")
    invalid: int = Field(examples=[1], description="They are no orders.")
    not_ordered: int = Field(examples=[0], description="Nothing speaks against them, but against others of the file.")


class BulkOrdersPage(Answer):
    """Bulk orders, the latest first; ask for the next page with `after=next`."""

    items: list[BulkOrder]
    next: str | None


class BulkRow(Answer):
    """What became of a row of the file."""

    line: int = Field(examples=[2], description="The line of the file that the row ends on; the first one is 1.")
    outcome: Outcome = Field(examples=["done"])
    product_id: str | None = Field(examples=[A_PRODUCT], description="What is ordered by it.")
    column: str | None = Field(examples=[None], description="Of an invalid one: the column that says so.")
    code: str | None = Field(examples=[None], description="Why it is not ordered, as a problem would say it.")
    rule: str | None = Field(examples=[None])
    detail: str | None = Field(examples=[None])


class BulkRowsPage(Answer):
    """Rows in the order of the file; ask for the next page with `after=next`."""

    items: list[BulkRow]
    next: str | None


def add(api: APIRouter, use: BulkOrdering, door: Door) -> None:
    """The operations on bulk orders."""

    @api.post(
        "/accounts/{account_id}/bulk-orders",
        status_code=202,
        operation_id="orderInBulk",
        **asks(ORDER_PRODUCT),
        responses=COMMAND,
        response_model=Sent,
    )
    async def send(
        account_id: AccountId, form: OrderFileForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Send a file of orders; it is worked through in the background, and sent again it repeats nothing (P1-P5)."""
        file = OrderFile(form.file, form.mode, form.name)
        return await command.run(lambda cause: use.receive(account_id, file, cause), status=202)

    @api.get(
        "/accounts/{account_id}/bulk-orders", operation_id="listBulkOrders", **asks(READ_BULK_ORDER), responses=QUERY
    )
    async def listed(
        account_id: AccountId, caller: Annotated[Caller, Depends(door.caller)], after: After = ""
    ) -> BulkOrdersPage:
        """List the bulk orders of an account, the latest first (A5)."""
        found = await use.of_account(account_id, after, caller.actor)
        more = found[-1]["bulk_id"] if len(found) == BULK_ORDERS_PAGE else None
        return BulkOrdersPage(items=[BulkOrder(**row) for row in found], next=more)

    @api.get("/bulk-orders/{bulk_id}", operation_id="getBulkOrder", **asks(READ_BULK_ORDER), responses=QUERY)
    async def bulk_order(bulk_id: BulkId, caller: Annotated[Caller, Depends(door.caller)]) -> BulkOrder:
        """See how far a bulk order is (A5)."""
        return BulkOrder(**await use.see(bulk_id, caller.actor))

    @api.get("/bulk-orders/{bulk_id}/rows", operation_id="listBulkOrderRows", **asks(READ_BULK_ORDER), responses=QUERY)
    async def rows(
        bulk_id: BulkId,
        caller: Annotated[Caller, Depends(door.caller)],
        outcome: OfOutcome = None,
        after: AfterLine = "",
    ) -> BulkRowsPage:
        """See what became of each row of a bulk order (A5)."""
        found = await use.rows(bulk_id, outcome, int(after or 0), caller.actor)
        more = str(found[-1]["line"]) if len(found) == PAGE else None
        return BulkRowsPage(items=[BulkRow(**row) for row in found], next=more)
