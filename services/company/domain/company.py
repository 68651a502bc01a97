"""A company with its accounts and its framework agreement. How these end: `ending`.

C2   Contact details and account names are changed directly; the rest is not.
C5   A framework agreement always has at least one sub-account; sub-accounts are created in it.
C6   A company is registered with its first account and that account's first administrator; a framework agreement is
     opened with its first main administrator. A CVR number is registered once (kept by a view with a unique key).
C7   What has ended stays as it is; a company whose agreement ended may get another one.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, assert_never

from services.company.events import (
    AccountAdministratorNamed,
    AccountEnded,
    AccountOpened,
    AccountRenamed,
    CompanyEvent,
    CompanyRegistered,
    ContactDetailsChanged,
    FrameworkAgreementEnded,
    FrameworkAgreementOpened,
    MainAdministratorNamed,
)
from shared.email_address import normalised
from shared.errors import Conflict, Invalid, NotFound
from shared.free_text import line, optional_line

Payment = Literal["invoice", "card"]

NAME, ADDRESS, PHONE, NUMBER = 120, 200, 30, 20
"""The most characters of a name, a postal address, a telephone number, a customer number."""


class CvrMalformed(Invalid):
    """A CVR number is eight digits."""

    code = "cvr-malformed"
    rule = "C6"


class CvrAlreadyRegistered(Conflict):
    """A company with this CVR number is already registered."""

    code = "cvr-already-registered"
    rule = "C6"


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
class ContactDetails:
    """What C2 lets administrators change directly, as a whole."""

    contact_person: str
    contact_email: str
    phone: str | None
    postal_address: str | None
    invoice_email: str | None


@dataclass(frozen=True, slots=True)
class Company:
    """What the rules ask of a company; `Company()` is one that is not registered yet."""

    id: str = ""
    cvr: str = ""
    legal_name: str = ""
    payment: Payment = "invoice"
    contact: ContactDetails | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)
    """The name of each account by its id, in the order they were opened; those that ended, too."""
    ended_accounts: frozenset[str] = frozenset()
    agreement_id: str | None = None
    framework_account_id: str | None = None
    ended_agreements: frozenset[str] = frozenset()

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
                contact=_details_in(event),
            )
        case AccountOpened(account_id=account, name=name) | AccountRenamed(account_id=account, name=name):
            return replace(company, accounts={**company.accounts, account: name})
        case FrameworkAgreementOpened(agreement_id=agreement, framework_account_id=account):
            return replace(company, agreement_id=agreement, framework_account_id=account)
        case ContactDetailsChanged():
            return replace(company, contact=_details_in(event))
        case AccountEnded(account_id=account):
            return replace(company, ended_accounts=company.ended_accounts | {account})
        case FrameworkAgreementEnded(agreement_id=agreement):
            ended = company.ended_agreements | {agreement}
            return replace(company, agreement_id=None, framework_account_id=None, ended_agreements=ended)
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
    cvr = _cvr(cvr)
    if company.id:
        return _already_registered(company, cvr, account_id)
    details = _details(contact_person, contact_email, phone, postal_address, invoice_email)
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
            email=_email(administrator_email),
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
    _must_be_registered(company)
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
            email=_email(main_administrator_email),
            name=line(main_administrator_name, most=NAME),
        ),
    ]


def create_sub_account(
    company: Company, *, agreement_id: str, account_id: str, customer_number: str, name: str
) -> list[CompanyEvent]:
    """Open one more sub-account (C5). Raises NotFound, AgreementHasEnded, AccountHasEnded, TextMalformed."""
    _must_be_registered(company)
    if company.agreement_id != agreement_id:
        raise AgreementHasEnded if agreement_id in company.ended_agreements else NotFound
    if account_id in company.ended_accounts:
        raise AccountHasEnded
    if account_id in company.accounts:
        return []
    return [_account_in_agreement(company, agreement_id, account_id, customer_number, name)]


def change_contact_details(
    company: Company,
    *,
    contact_person: str,
    contact_email: str,
    phone: str | None,
    postal_address: str | None,
    invoice_email: str | None,
) -> list[CompanyEvent]:
    """Change what may be changed directly, all of it at once (C2). Raises NotFound, EmailMalformed, TextMalformed."""
    _must_be_registered(company)
    details = _details(contact_person, contact_email, phone, postal_address, invoice_email)
    if details == company.contact:
        return []
    return [ContactDetailsChanged(company_id=company.id, **asdict(details))]


def rename_account(company: Company, *, account_id: str, name: str) -> list[CompanyEvent]:
    """Give an account another name (C2). Raises NotFound, AccountHasEnded, TextMalformed."""
    _must_be_registered(company)
    if account_id not in company.accounts:
        raise NotFound
    if account_id in company.ended_accounts:
        raise AccountHasEnded
    name = line(name, most=NAME)
    if company.accounts[account_id] == name:
        return []
    return [AccountRenamed(company_id=company.id, account_id=account_id, name=name)]


def _must_be_registered(company: Company) -> None:
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


def _details(
    contact_person: str, contact_email: str, phone: str | None, postal_address: str | None, invoice_email: str | None
) -> ContactDetails:
    return ContactDetails(
        contact_person=line(contact_person, most=NAME),
        contact_email=_email(contact_email),
        phone=optional_line(phone, most=PHONE),
        postal_address=optional_line(postal_address, most=ADDRESS),
        invoice_email=_email(invoice_email) if invoice_email else None,
    )


def _details_in(event: CompanyRegistered | ContactDetailsChanged) -> ContactDetails:
    return ContactDetails(
        contact_person=event.contact_person,
        contact_email=event.contact_email,
        phone=event.phone,
        postal_address=event.postal_address,
        invoice_email=event.invoice_email,
    )


def _cvr(text: str) -> str:
    # Eight digits and no more: the authority issues numbers that fail modulus 11.
    cvr = text.strip()
    if not re.fullmatch("[0-9]{8}", cvr):
        raise CvrMalformed
    return cvr


def _email(text: str) -> str:
    """The address as it was written: what cannot be an address is refused here, where somebody can correct it."""
    normalised(text)
    return text.strip()
