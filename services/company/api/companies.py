"""HTTP of companies: registered, changed directly, found."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from services.company.api.accounts import A_COMPANY, AN_ACCOUNT, AN_AGREEMENT, Account, After
from services.company.domain.contact_details import ContactDetails
from services.company.domain.cvr import CvrWarning
from services.company.events import InvoiceFormat, Payment
from services.company.use_cases.companies import CareOfCompanies, NewCompany, Person
from services.company.views import companies
from services.profiles.policy import (
    CHANGE_COMPANY,
    LIST_COMPANIES,
    OPEN_FRAMEWORK_AGREEMENT,
    READ_COMPANY,
    REGISTER_COMPANY,
    asks,
)
from shared.http.door import Caller, Command, Door
from shared.http.fields import Form, Line, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

CompanyId = Annotated[str, identifier_in_path("company")]
Email = Annotated[Line, Field(max_length=254)]
Searched = Annotated[
    Line | None,
    Query(description="Only companies with this in their name, or with this CVR number or customer number."),
]

CVR = Field(examples=["12345678"], description="Eight digits.")
WARNINGS = Field(
    examples=[[]], description="What to look at once more: a number that fails modulus 11 may be mistyped."
)


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

    cvr: Line = CVR
    legal_name: Line = Field(examples=["Nordlys Transport ApS"])
    payment: Payment = Field(examples=["invoice"])
    account_name: Line = Field(examples=["Nordlys Transport"])
    administrator: PersonForm


class FrameworkAgreementForm(Form):
    """A framework agreement over all accounts of the company, with its first main administrator (C6)."""

    main_administrator: PersonForm


class Registered(Answer):
    """The company that was registered, and its first account."""

    company_id: str = Field(examples=[A_COMPANY])
    account_id: str = Field(examples=[AN_ACCOUNT])
    customer_number: str = Field(examples=["1000001"])
    warnings: list[CvrWarning] = WARNINGS


class AgreementOpened(Answer):
    """The framework agreement that was opened, and its framework account."""

    agreement_id: str = Field(examples=[AN_AGREEMENT])
    framework_account_id: str = Field(examples=[AN_ACCOUNT])
    customer_number: str = Field(examples=["1000002"])


class CompanyChanged(Answer):
    """The company that was changed."""

    company_id: str = Field(examples=[A_COMPANY])


class Company(Answer):
    """A company in the list."""

    company_id: str = Field(examples=[A_COMPANY])
    cvr: str = Field(examples=["12345678"])
    legal_name: str = Field(examples=["Nordlys Transport ApS"])
    payment: Payment = Field(examples=["invoice"])
    agreement_id: str | None = Field(examples=[AN_AGREEMENT])


class CompanyDetails(Company):
    """A company with its contact details and its accounts within the asker's reach."""

    invoice_format: InvoiceFormat = Field(examples=["ean"])
    ean: str | None = Field(examples=["5790000000005"])
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


def add(api: APIRouter, use: CareOfCompanies, door: Door) -> None:
    """What is done with companies, and what is asked about them."""

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
    async def listed(
        caller: Annotated[Caller, Depends(door.caller)], search: Searched = None, after: After = ""
    ) -> CompaniesPage:
        """List the companies within reach: those with an account that one administers (A13)."""
        found = await use.list_companies(caller.actor, search, after)
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
