"""A company with its accounts and its framework agreement.

How these end: `ending`. What is changed directly (C2): `direct_changes`; by request (C3, C4): `change_requests`.

C5   A framework agreement always has at least one sub-account; sub-accounts are created in it.
C6   A company is registered with its first account and that account's first administrator; a framework agreement is
     opened with its first main administrator. A CVR number is registered once (kept by a view with a unique key).
C7   What has ended stays as it is; a company whose agreement ended may get another one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, assert_never

from services.company.domain.contact_details import NAME, ContactDetails, contact_details, details_in, email
from services.company.domain.cvr import cvr_number
from services.company.events import (
    AccountAdministratorNamed,
    AccountEnded,
    AccountOpened,
    AccountRenamed,
    ChangeRequestApproved,
    ChangeRequestDeclined,
    ChangeRequested,
    ChangeRequestWithdrawn,
    CompanyEvent,
    CompanyRegistered,
    ContactDetailsChanged,
    CvrChanged,
    FrameworkAgreementEnded,
    FrameworkAgreementOpened,
    InvoiceFormat,
    InvoiceFormatChanged,
    LegalNameChanged,
    MainAdministratorNamed,
    Payment,
    PaymentChanged,
)
from shared.errors import Conflict, NotFound
from shared.free_text import line

Outcome = Literal["approved", "declined", "withdrawn"]

NUMBER = 20
"""The most characters of a customer number."""


class CompanyAlreadyRegistered(Conflict):
    """This company is already registered, with another CVR number or another first account."""

    code = "company-already-registered"
    rule = "C6"


class FrameworkAgreementExists(Conflict):
    """The company already has a framework agreement."""

    code = "framework-agreement-exists"
    rule = "C6"


class AccountHasEnded(Conflict):
    """This account has ended."""

    code = "account-ended"
    rule = "C7"


class AgreementHasEnded(Conflict):
    """This framework agreement has ended."""

    code = "agreement-ended"
    rule = "C7"


@dataclass(frozen=True, slots=True)
class Company:
    """What the rules ask of a company; `Company()` is one that is not registered yet."""

    id: str = ""
    cvr: str = ""
    legal_name: str = ""
    payment: Payment = "invoice"
    invoice_format: InvoiceFormat = "pdf"
    ean: str | None = None
    contact: ContactDetails | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)
    """The name of each account by its id, in the order they were opened; those that ended, too."""
    ended_accounts: frozenset[str] = frozenset()
    agreement_id: str | None = None
    framework_account_id: str | None = None
    ended_agreements: frozenset[str] = frozenset()
    requests: Mapping[str, ChangeRequested] = field(default_factory=dict)
    """What was asked of customer service, by the id of the request."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """What became of those that are no longer open."""

    @property
    def open_accounts(self) -> tuple[str, ...]:
        """The accounts that have not ended, in the order they were opened."""
        return tuple(account for account in self.accounts if account not in self.ended_accounts)


def evolve(company: Company, event: CompanyEvent) -> Company:
    """The company after one more event of its history."""
    match event:
        case CompanyRegistered():
            return replace(
                company,
                id=event.company_id,
                cvr=event.cvr,
                legal_name=event.legal_name,
                payment=event.payment,
                contact=details_in(event),
            )
        case AccountOpened(account_id=account, name=name) | AccountRenamed(account_id=account, name=name):
            return replace(company, accounts={**company.accounts, account: name})
        case FrameworkAgreementOpened(agreement_id=agreement, framework_account_id=account):
            return replace(company, agreement_id=agreement, framework_account_id=account)
        case ContactDetailsChanged():
            return replace(company, contact=details_in(event))
        case AccountEnded(account_id=account):
            return replace(company, ended_accounts=company.ended_accounts | {account})
        case FrameworkAgreementEnded(agreement_id=agreement):
            ended = company.ended_agreements | {agreement}
            return replace(company, agreement_id=None, framework_account_id=None, ended_agreements=ended)
        case ChangeRequested(change_request_id=request):
            return replace(company, requests={**company.requests, request: event})
        case ChangeRequestApproved(change_request_id=request):
            return replace(company, outcomes={**company.outcomes, request: "approved"})
        case ChangeRequestDeclined(change_request_id=request):
            return replace(company, outcomes={**company.outcomes, request: "declined"})
        case ChangeRequestWithdrawn(change_request_id=request):
            return replace(company, outcomes={**company.outcomes, request: "withdrawn"})
        case LegalNameChanged(legal_name=name):
            return replace(company, legal_name=name)
        case CvrChanged(cvr=cvr):
            return replace(company, cvr=cvr)
        case InvoiceFormatChanged(invoice_format=form, ean=ean):
            return replace(company, invoice_format=form, ean=ean)
        case PaymentChanged(payment=payment):
            return replace(company, payment=payment)
        case AccountAdministratorNamed() | MainAdministratorNamed():
            return company
        case _:
            assert_never(event)


def register_company(
    company: Company,
    *,
    company_id: str,
    account_id: str,
    cvr: str,
    legal_name: str,
    payment: Payment,
    contact_person: str,
    contact_email: str,
    phone: str | None,
    postal_address: str | None,
    invoice_email: str | None,
    customer_number: str,
    account_name: str,
    administrator_email: str,
    administrator_name: str,
) -> list[CompanyEvent]:
    """Register a company with its first account and that account's first administrator (C6).

    Raises CvrMalformed, EmailMalformed, TextMalformed, LooksLikeACardNumber, CompanyAlreadyRegistered.
    """
    cvr = cvr_number(cvr)
    if company.id:
        return _already_registered(company, cvr, account_id)
    details = contact_details(contact_person, contact_email, phone, postal_address, invoice_email)
    return [
        CompanyRegistered(
            company_id=company_id, cvr=cvr, legal_name=line(legal_name, most=NAME), payment=payment, **asdict(details)
        ),
        AccountOpened(
            company_id=company_id,
            account_id=account_id,
            customer_number=line(customer_number, most=NUMBER),
            name=line(account_name, most=NAME),
            payment=payment,
            agreement_id=None,
        ),
        AccountAdministratorNamed(
            company_id=company_id,
            account_id=account_id,
            email=email(administrator_email),
            name=line(administrator_name, most=NAME),
        ),
    ]


def open_framework_agreement(
    company: Company,
    *,
    agreement_id: str,
    framework_account_id: str,
    customer_number: str,
    main_administrator_email: str,
    main_administrator_name: str,
) -> list[CompanyEvent]:
    """Open the company's framework agreement with its first main administrator (C6).

    Every open account of the company becomes a sub-account, so there is at least one (C5); the framework account is
    new and carries the company's own name.
    Raises NotFound, FrameworkAgreementExists, AgreementHasEnded, EmailMalformed, TextMalformed.
    """
    must_be_registered(company)
    if company.agreement_id == agreement_id:
        return []
    if company.agreement_id is not None:
        raise FrameworkAgreementExists
    if agreement_id in company.ended_agreements:
        raise AgreementHasEnded
    return [
        FrameworkAgreementOpened(
            company_id=company.id,
            agreement_id=agreement_id,
            framework_account_id=framework_account_id,
            sub_account_ids=company.open_accounts,
        ),
        _account_in_agreement(company, agreement_id, framework_account_id, customer_number, company.legal_name),
        MainAdministratorNamed(
            company_id=company.id,
            agreement_id=agreement_id,
            email=email(main_administrator_email),
            name=line(main_administrator_name, most=NAME),
        ),
    ]


def create_sub_account(
    company: Company, *, agreement_id: str, account_id: str, customer_number: str, name: str
) -> list[CompanyEvent]:
    """Open one more sub-account (C5). Raises NotFound, AgreementHasEnded, AccountHasEnded, TextMalformed."""
    must_be_registered(company)
    if company.agreement_id != agreement_id:
        raise AgreementHasEnded if agreement_id in company.ended_agreements else NotFound
    if account_id in company.ended_accounts:
        raise AccountHasEnded
    if account_id in company.accounts:
        return []
    return [_account_in_agreement(company, agreement_id, account_id, customer_number, name)]


def must_be_registered(company: Company) -> None:
    """Raises NotFound."""
    # The plain NotFound: what does not exist answers exactly like what is out of reach (A13).
    if not company.id:
        raise NotFound


def _already_registered(company: Company, cvr: str, account_id: str) -> list[CompanyEvent]:
    if company.cvr == cvr and account_id in company.accounts:
        return []
    raise CompanyAlreadyRegistered


def _account_in_agreement(
    company: Company, agreement_id: str, account_id: str, customer_number: str, name: str
) -> AccountOpened:
    return AccountOpened(
        company_id=company.id,
        account_id=account_id,
        customer_number=line(customer_number, most=NUMBER),
        name=line(name, most=NAME),
        payment=company.payment,
        agreement_id=agreement_id,
    )
