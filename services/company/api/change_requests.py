"""HTTP of change requests: asked for by administrators, decided by customer service."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query
from pydantic import Field
from starlette.responses import Response

from services.company.api.accounts import A_COMPANY, After, OfCompany
from services.company.api.companies import CVR, WARNINGS, CompanyId
from services.company.domain.change_requests import Wish
from services.company.domain.cvr import CvrWarning, warnings_about
from services.company.events import ChangeKind, InvoiceFormat, Payment
from services.company.use_cases.change_requests import ChangeRequests
from services.company.views import change_requests
from services.company.views.change_requests import State, Wanted
from services.profiles.policy import (
    DECIDE_CHANGE_REQUEST,
    LIST_CHANGE_REQUESTS,
    READ_CHANGE_REQUEST,
    REQUEST_CHANGE,
    WITHDRAW_CHANGE_REQUEST,
    asks,
)
from shared.database import Row
from shared.http.door import Caller, Command, Door
from shared.http.fields import NUMBER_OF_ITS_OWN, Form, Line, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

RequestId = Annotated[str, identifier_in_path("change-request")]
InState = Annotated[State | None, Query(description="Only requests in this state.")]

A_REQUEST = "change-request-0192f1c0a1b27c3d8e4f5a6b7c8d9e12"
A_PROFILE = "profile-0192f1c0a1b27c3d8e4f5a6b7c8d9e13"


class LegalNameForm(Form):
    """Another legal name."""

    kind: Literal["legal-name"]
    legal_name: Line = Field(examples=["Nordlys Logistik ApS"])

    def wish(self) -> Wish:
        return Wish(self.kind, self.legal_name)


class CvrForm(Form):
    """Another CVR number."""

    kind: Literal["cvr"]
    cvr: Line = CVR

    def wish(self) -> Wish:
        return Wish(self.kind, self.cvr)


class InvoiceFormatForm(Form):
    """Invoices as PDF, or to an EAN number."""

    kind: Literal["invoice-format"]
    invoice_format: InvoiceFormat = Field(examples=["ean"])
    ean: Annotated[Line | None, NUMBER_OF_ITS_OWN] = Field(
        default=None, examples=["5790000000005"], description="13 digits; only for `ean`."
    )

    def wish(self) -> Wish:
        return Wish(self.kind, self.invoice_format, ean=self.ean)


class PaymentForm(Form):
    """From card to invoice or back."""

    kind: Literal["payment"]
    payment: Payment = Field(examples=["invoice"])
    expected_yearly_usage_dkk: int | None = Field(
        default=None, ge=0, le=10**12, examples=[36000], description="In whole DKK; needed to pay by invoice (C4)."
    )

    def wish(self) -> Wish:
        return Wish(self.kind, self.payment, expected_yearly_usage_dkk=self.expected_yearly_usage_dkk)


ChangeForm = Annotated[
    LegalNameForm | CvrForm | InvoiceFormatForm | PaymentForm,
    Body(
        discriminator="kind",
        openapi_examples={
            "legal-name": {"value": {"kind": "legal-name", "legal_name": "Nordlys Logistik ApS"}},
            "cvr": {"value": {"kind": "cvr", "cvr": "12345678"}},
            "invoice-format": {
                "value": {"kind": "invoice-format", "invoice_format": "ean", "ean": "5790000000005"},
            },
            "payment": {
                "value": {"kind": "payment", "payment": "invoice", "expected_yearly_usage_dkk": 36000},
            },
        },
    ),
]


class ReasonForm(Form):
    """Why a request is declined; whoever asked reads it."""

    reason: Line = Field(examples=["The register of companies has another name."])


class ChangeAsked(Answer):
    """The request that is open now."""

    change_request_id: str = Field(examples=[A_REQUEST])
    warnings: list[CvrWarning] = WARNINGS


class ChangeRequestChanged(Answer):
    """The request that was approved, declined or withdrawn."""

    change_request_id: str = Field(examples=[A_REQUEST])


class ChangeRequest(Answer):
    """A request: what is to change, what it is to be, and what became of it."""

    change_request_id: str = Field(examples=[A_REQUEST])
    company_id: str = Field(examples=[A_COMPANY])
    kind: ChangeKind = Field(examples=["cvr"])
    to: str = Field(examples=["12345678"])
    ean: str | None = Field(examples=[None])
    expected_yearly_usage_dkk: int | None = Field(examples=[None])
    state: State = Field(examples=["open"])
    reason: str | None = Field(examples=[None], description="Why it was declined.")
    requested_by: str | None = Field(examples=[A_PROFILE], description="Null for whoever does not see that person.")
    requested_at: datetime
    closed_at: datetime | None

    warnings: list[CvrWarning] = WARNINGS


class ChangeRequestsPage(Answer):
    """A page of requests, the oldest first; ask for the next one with `after=next`."""

    items: list[ChangeRequest]
    next: str | None


def add(api: APIRouter, use: ChangeRequests, door: Door) -> None:
    """What is done with change requests, and what is asked about them."""

    @api.post(
        "/companies/{company_id}/change-requests",
        status_code=201,
        operation_id="requestChange",
        **asks(REQUEST_CHANGE),
        responses=COMMAND,
        response_model=ChangeAsked,
    )
    async def request(
        company_id: CompanyId, form: ChangeForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Ask customer service for a change; administrators only, one open request of a kind (C1, C3, C4)."""
        return await command.run(lambda cause: use.request(company_id, form.wish(), cause), status=201)

    @api.get("/change-requests", operation_id="listChangeRequests", **asks(LIST_CHANGE_REQUESTS), responses=QUERY)
    async def listed(
        caller: Annotated[Caller, Depends(door.caller)],
        company_id: OfCompany = None,
        state: InState = None,
        after: After = "",
    ) -> ChangeRequestsPage:
        """List the change requests of companies within reach, the oldest first (C3, A13)."""
        found = await use.list_requests(caller.actor, Wanted(company_id, state, after))
        more = found[-1]["change_request_id"] if len(found) == change_requests.PAGE else None
        return ChangeRequestsPage(items=[_shown(row) for row in found], next=more)

    @api.get(
        "/change-requests/{change_request_id}",
        operation_id="getChangeRequest",
        **asks(READ_CHANGE_REQUEST),
        responses=QUERY,
    )
    async def seen(change_request_id: RequestId, caller: Annotated[Caller, Depends(door.caller)]) -> ChangeRequest:
        """See one change request within reach, and what became of it (C3, A13)."""
        return _shown(await use.see_request(change_request_id, caller.actor))

    @api.post(
        "/change-requests/{change_request_id}/approve",
        operation_id="approveChangeRequest",
        **asks(DECIDE_CHANGE_REQUEST),
        responses=COMMAND,
        response_model=ChangeRequestChanged,
    )
    async def approve(change_request_id: RequestId, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Approve a change request: what was asked for is changed; customer service only (C3, C6)."""
        return await command.run(lambda cause: use.approve(change_request_id, cause))

    @api.post(
        "/change-requests/{change_request_id}/decline",
        operation_id="declineChangeRequest",
        **asks(DECIDE_CHANGE_REQUEST),
        responses=COMMAND,
        response_model=ChangeRequestChanged,
    )
    async def decline(
        change_request_id: RequestId, form: ReasonForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Decline a change request and say why; customer service only (C3)."""
        return await command.run(lambda cause: use.decline(change_request_id, form.reason, cause))

    @api.post(
        "/change-requests/{change_request_id}/withdraw",
        operation_id="withdrawChangeRequest",
        **asks(WITHDRAW_CHANGE_REQUEST),
        responses=COMMAND,
        response_model=ChangeRequestChanged,
    )
    async def withdraw(change_request_id: RequestId, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Withdraw a change request that is open; administrators only (C3)."""
        return await command.run(lambda cause: use.withdraw(change_request_id, cause))


def _shown(row: Row) -> ChangeRequest:
    return ChangeRequest(**row, warnings=warnings_about(row["to"]) if row["kind"] == "cvr" else [])
