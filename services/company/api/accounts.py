"""HTTP of accounts and framework agreements."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from services.company.events import Payment
from services.company.use_cases.companies import CareOfCompanies
from services.company.views import accounts
from services.profiles.consequences import DryRun
from services.profiles.policy import (
    CREATE_SUB_ACCOUNT,
    END_ACCOUNT,
    END_FRAMEWORK_AGREEMENT,
    LIST_ACCOUNTS,
    READ_ACCOUNT,
    RENAME_ACCOUNT,
    asks,
)
from shared.http.door import Caller, Command, Door
from shared.http.fields import Confirmation, Form, Line, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

AccountId = Annotated[str, identifier_in_path("account")]
AgreementId = Annotated[str, identifier_in_path("agreement")]
After = Annotated[str, Query(max_length=80, pattern=r"^[0-9a-z-]*$", description="`next` of the last page.")]
OfCompany = Annotated[
    str | None, Query(pattern=r"^company-[0-9a-f]{32}$", description="Only accounts of this company.")
]

A_COMPANY = "company-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
AN_ACCOUNT = "account-0192f1c0a1b27c3d8e4f5a6b7c8d9e10"
AN_AGREEMENT = "agreement-0192f1c0a1b27c3d8e4f5a6b7c8d9e11"


class NameForm(Form):
    """The name of an account."""

    name: Line = Field(examples=["Nordlys Odense"])


class AgreementChanged(Answer):
    """The framework agreement that was changed."""

    agreement_id: str = Field(examples=[AN_AGREEMENT])


class AccountCreated(Answer):
    """The sub-account that was created."""

    account_id: str = Field(examples=[AN_ACCOUNT])
    customer_number: str = Field(examples=["1000003"])


class AccountChanged(Answer):
    """The account that was changed."""

    account_id: str = Field(examples=[AN_ACCOUNT])


class Account(Answer):
    """An account."""

    account_id: str = Field(examples=[AN_ACCOUNT])
    company_id: str = Field(examples=[A_COMPANY])
    customer_number: str = Field(examples=["1000001"])
    name: str = Field(examples=["Nordlys Transport"])
    payment: Payment = Field(examples=["invoice"])
    kind: Literal["account", "framework-account", "sub-account"] = Field(
        examples=["account"], description="What it is to the framework agreement; `account` where there is none."
    )
    agreement_id: str | None = Field(examples=[AN_AGREEMENT])
    ended_at: datetime | None = Field(examples=[None], description="When it ended; null while it is open.")


class AccountsPage(Answer):
    """A page of accounts; ask for the next one with `after=next`."""

    items: list[Account]
    next: str | None


def add(api: APIRouter, use: CareOfCompanies, door: Door) -> None:
    """What is done with accounts and framework agreements, and what is asked about accounts."""
    rehearsable = door.rehearsable(use.foresee)

    @api.get("/accounts", operation_id="listAccounts", **asks(LIST_ACCOUNTS), responses=QUERY)
    async def listed(
        caller: Annotated[Caller, Depends(door.caller)], company_id: OfCompany = None, after: After = ""
    ) -> AccountsPage:
        """List the accounts that one administers, of one company or of all (A13)."""
        found = await use.list_accounts(caller.actor, company_id, after)
        more = found[-1]["account_id"] if len(found) == accounts.PAGE else None
        return AccountsPage(items=[Account(**row) for row in found], next=more)

    @api.get("/accounts/{account_id}", operation_id="getAccount", **asks(READ_ACCOUNT), responses=QUERY)
    async def account(account_id: AccountId, caller: Annotated[Caller, Depends(door.caller)]) -> Account:
        """See one account within reach (A5, A13)."""
        return Account(**await use.see_account(account_id, caller.actor))

    @api.put(
        "/accounts/{account_id}/name",
        operation_id="renameAccount",
        **asks(RENAME_ACCOUNT),
        responses=COMMAND,
        response_model=AccountChanged,
    )
    async def rename(
        account_id: AccountId, form: NameForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Give an account another name; administrators only (C1, C2)."""
        return await command.run(lambda cause: use.rename_account(account_id, form.name, cause))

    @api.post(
        "/accounts/{account_id}/end",
        operation_id="endAccount",
        **asks(END_ACCOUNT),
        responses=COMMAND,
        response_model=AccountChanged | DryRun,
    )
    async def end(
        account_id: AccountId, form: Confirmation, command: Annotated[Command, Depends(rehearsable)]
    ) -> Response:
        """End an account: its products are closed and the grants on it end (A4, C5, C7)."""
        return await command.run(lambda cause: use.end_account(account_id, form.confirm, cause))

    @api.post(
        "/agreements/{agreement_id}/accounts",
        status_code=201,
        operation_id="createSubAccount",
        **asks(CREATE_SUB_ACCOUNT),
        responses=COMMAND,
        response_model=AccountCreated,
    )
    async def create(
        agreement_id: AgreementId, form: NameForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Create one more account in a framework agreement; main administrators and customer service (A4, C5)."""
        return await command.run(lambda cause: use.create_sub_account(agreement_id, form.name, cause), status=201)

    @api.post(
        "/agreements/{agreement_id}/end",
        operation_id="endFrameworkAgreement",
        **asks(END_FRAMEWORK_AGREEMENT),
        responses=COMMAND,
        response_model=AgreementChanged | DryRun,
    )
    async def end_agreement(
        agreement_id: AgreementId, form: Confirmation, command: Annotated[Command, Depends(rehearsable)]
    ) -> Response:
        """End a framework agreement: its main administrators' grants end, its accounts stay; customer service (C7)."""
        return await command.run(lambda cause: use.end_framework_agreement(agreement_id, form.confirm, cause))
