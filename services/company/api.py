"""HTTP of company: request in, one use case, answer out. Decides nothing."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from services.company.domain.company import ContactDetails
from services.company.use_cases import NewCompany, Person, UseCases
from services.company.views import accounts, companies
from services.profiles.policy import (
    CHANGE_COMPANY,
    CREATE_SUB_ACCOUNT,
    END_ACCOUNT,
    END_FRAMEWORK_AGREEMENT,
    LIST_ACCOUNTS,
    LIST_COMPANIES,
    OPEN_FRAMEWORK_AGREEMENT,
    READ_ACCOUNT,
    READ_COMPANY,
    REGISTER_COMPANY,
    RENAME_ACCOUNT,
    asks,
)
from shared.http.door import Caller, Command, Door
from shared.http.fields import Form, Line, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

CompanyId = Annotated[str, identifier_in_path("company")]
AccountId = Annotated[str, identifier_in_path("account")]
AgreementId = Annotated[str, identifier_in_path("agreement")]
After = Annotated[str, Query(max_length=80, pattern=r"^[0-9a-z-]*$", description="`next` of the last page.")]
OfCompany = Annotated[
    str | None, Query(pattern=r"^company-[0-9a-f]{32}$", description="Only accounts of this company.")
]

A_COMPANY = "company-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
AN_ACCOUNT = "account-0192f1c0a1b27c3d8e4f5a6b7c8d9e10"
AN_AGREEMENT = "agreement-0192f1c0a1b27c3d8e4f5a6b7c8d9e11"
Email = Annotated[Line, Field(max_length=254)]
Payment = Literal["invoice", "card"]


class PersonForm(Form):
    """Somebody who gets an invitation by e-mail."""

    email: Email = Field(examples=["anna@nordlys.example.com"])
    name: Line = Field(examples=["Anna Lund"])


class ContactForm(Form):
    """What may be changed directly of a company, all of it (C2); what is left out is taken away."""

    contact_person: Line = Field(examples=["Nora Nord"])
    contact_email: Email = Field(examples=["office@nordlys.example.com"])
    phone: Line | None = Field(default=None, examples=["+45 11 22 33 44"])
    postal_address: Line | None = Field(default=None, examples=["Nordhavnsvej 1, 2150 Nordhavn"])
    invoice_email: Email | None = Field(default=None, examples=["invoice@nordlys.example.com"])

    def details(self) -> ContactDetails:
        return ContactDetails(
            self.contact_person, self.contact_email, self.phone, self.postal_address, self.invoice_email
        )


class NewCompanyForm(ContactForm):
    """A company with its first account and that account's first administrator (C6)."""

    cvr: Line = Field(examples=["12345678"], description="Eight digits.")
    legal_name: Line = Field(examples=["Nordlys Transport ApS"])
    payment: Payment = Field(examples=["invoice"])
    account_name: Line = Field(examples=["Nordlys Transport"])
    administrator: PersonForm


class FrameworkAgreementForm(Form):
    """A framework agreement over all accounts of the company, with its first main administrator (C6)."""

    main_administrator: PersonForm


class NameForm(Form):
    """The name of an account."""

    name: Line = Field(examples=["Nordlys Odense"])


class Confirmation(Form):
    """What cannot be undone must be confirmed."""

    confirm: bool = Field(examples=[True])


class Registered(Answer):
    """The company that was registered, and its first account."""

    company_id: str = Field(examples=[A_COMPANY])
    account_id: str = Field(examples=[AN_ACCOUNT])
    customer_number: str = Field(examples=["1000001"])


class AgreementOpened(Answer):
    """The framework agreement that was opened, and its framework account."""

    agreement_id: str = Field(examples=[AN_AGREEMENT])
    framework_account_id: str = Field(examples=[AN_ACCOUNT])
    customer_number: str = Field(examples=["1000002"])


class AgreementChanged(Answer):
    """The framework agreement that was changed."""

    agreement_id: str = Field(examples=[AN_AGREEMENT])


class AccountCreated(Answer):
    """The sub-account that was created."""

    account_id: str = Field(examples=[AN_ACCOUNT])
    customer_number: str = Field(examples=["1000003"])


class CompanyChanged(Answer):
    """The company that was changed."""

    company_id: str = Field(examples=[A_COMPANY])


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


class Company(Answer):
    """A company in the list."""

    company_id: str = Field(examples=[A_COMPANY])
    cvr: str = Field(examples=["12345678"])
    legal_name: str = Field(examples=["Nordlys Transport ApS"])
    payment: Payment = Field(examples=["invoice"])
    agreement_id: str | None = Field(examples=[AN_AGREEMENT])


class CompanyDetails(Company):
    """A company with its contact details and its accounts within the asker's reach."""

    contact_person: str = Field(examples=["Nora Nord"])
    contact_email: str = Field(examples=["office@nordlys.example.com"])
    phone: str | None = Field(examples=["+45 11 22 33 44"])
    postal_address: str | None = Field(examples=["Nordhavnsvej 1, 2150 Nordhavn"])
    invoice_email: str | None = Field(examples=["invoice@nordlys.example.com"])
    accounts: list[Account] = Field(description="The first page of them; the rest with `GET /accounts?company_id=…`.")


class CompaniesPage(Answer):
    """A page of companies; ask for the next one with `after=next`."""

    items: list[Company]
    next: str | None


class AccountsPage(Answer):
    """A page of accounts; ask for the next one with `after=next`."""

    items: list[Account]
    next: str | None


def routes(use: UseCases, door: Door) -> APIRouter:
    """The operations of company."""
    api = APIRouter(tags=["company"])
    _companies(api, use, door)
    _accounts(api, use, door)
    return api


def _companies(api: APIRouter, use: UseCases, door: Door) -> None:
    @api.post(
        "/companies",
        status_code=201,
        operation_id="registerCompany",
        **asks(REGISTER_COMPANY),
        responses=COMMAND,
        response_model=Registered,
    )
    async def register(form: NewCompanyForm, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Register a company with its first account and its first account administrator; customer service only (C6)."""
        new = NewCompany(
            cvr=form.cvr,
            legal_name=form.legal_name,
            payment=form.payment,
            contact=form.details(),
            account_name=form.account_name,
            administrator=Person(form.administrator.email, form.administrator.name),
        )
        return await command.run(lambda cause: use.register_company(new, cause), status=201)

    @api.get("/companies", operation_id="listCompanies", **asks(LIST_COMPANIES), responses=QUERY)
    async def listed(caller: Annotated[Caller, Depends(door.caller)], after: After = "") -> CompaniesPage:
        """List the companies within reach: those with an account that one administers (A13)."""
        found = await use.list_companies(caller.actor, after)
        more = found[-1]["company_id"] if len(found) == companies.PAGE else None
        return CompaniesPage(items=[Company(**row) for row in found], next=more)

    @api.get("/companies/{company_id}", operation_id="getCompany", **asks(READ_COMPANY), responses=QUERY)
    async def company(company_id: CompanyId, caller: Annotated[Caller, Depends(door.caller)]) -> CompanyDetails:
        """See one company within reach, with its accounts within reach (A5, A13)."""
        return CompanyDetails(**await use.see_company(company_id, caller.actor))

    @api.put(
        "/companies/{company_id}/contact-details",
        operation_id="changeContactDetails",
        **asks(CHANGE_COMPANY),
        responses=COMMAND,
        response_model=CompanyChanged,
    )
    async def change(
        company_id: CompanyId, form: ContactForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Change a company's contact details, all of them at once; administrators only (C1, C2)."""
        return await command.run(lambda cause: use.change_contact_details(company_id, form.details(), cause))

    @api.post(
        "/companies/{company_id}/framework-agreement",
        status_code=201,
        operation_id="openFrameworkAgreement",
        **asks(OPEN_FRAMEWORK_AGREEMENT),
        responses=COMMAND,
        response_model=AgreementOpened,
    )
    async def agree(
        company_id: CompanyId, form: FrameworkAgreementForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Open a company's framework agreement with its first main administrator; customer service only (C5, C6)."""
        named = Person(form.main_administrator.email, form.main_administrator.name)
        return await command.run(lambda cause: use.open_framework_agreement(company_id, named, cause), status=201)


def _accounts(api: APIRouter, use: UseCases, door: Door) -> None:
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
        response_model=AccountChanged,
    )
    async def end(
        account_id: AccountId, form: Confirmation, command: Annotated[Command, Depends(door.command)]
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
        response_model=AgreementChanged,
    )
    async def end_agreement(
        agreement_id: AgreementId, form: Confirmation, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """End a framework agreement: its main administrators' grants end, its accounts stay; customer service (C7)."""
        return await command.run(lambda cause: use.end_framework_agreement(agreement_id, form.confirm, cause))
