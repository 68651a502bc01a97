"""What company says: companies, their accounts and framework agreements, and whom customer service named to run them.

The stream of an event is its company (`company-…`), so a reader sees one company's facts in the order they happened.
"""

from typing import Literal

from shared.events import Event, Personal, Plain, Pseudonym
from shared.refusals import RefusedAttempt

Payment = Literal["invoice", "card"]
InvoiceFormat = Literal["pdf", "ean"]
ChangeKind = Literal["legal-name", "cvr", "invoice-format", "payment"]
"""What customer service has to agree to before it changes (C3)."""


class CompanyRegistered(Event, type="company.company-registered.v1"):
    """Customer service registered a company (C6); its CVR number is registered once."""

    company_id: Pseudonym[str]
    cvr: Plain[str]
    legal_name: Plain[str]
    payment: Plain[Payment]
    contact_person: Personal[str]
    contact_email: Personal[str]
    phone: Personal[str | None]
    postal_address: Personal[str | None]
    invoice_email: Personal[str | None]


class AccountOpened(Event, type="company.account-opened.v1"):
    """An account exists: the company's first one, a framework account or a sub-account (C5, C6)."""

    company_id: Pseudonym[str]
    account_id: Pseudonym[str]
    customer_number: Plain[str]
    name: Plain[str]
    payment: Plain[Payment]
    agreement_id: Pseudonym[str | None]


class FrameworkAgreementOpened(Event, type="company.framework-agreement-opened.v1"):
    """Customer service opened a framework agreement; the accounts named here are its sub-accounts from now on (C5)."""

    company_id: Pseudonym[str]
    agreement_id: Pseudonym[str]
    framework_account_id: Pseudonym[str]
    sub_account_ids: Pseudonym[tuple[str, ...]]


class AccountAdministratorNamed(Event, type="company.account-administrator-named.v1"):
    """Customer service named the first administrator of an account (C6)."""

    company_id: Pseudonym[str]
    account_id: Pseudonym[str]
    email: Personal[str]
    name: Personal[str]


class MainAdministratorNamed(Event, type="company.main-administrator-named.v1"):
    """Customer service named the first main administrator of a framework agreement (C6)."""

    company_id: Pseudonym[str]
    agreement_id: Pseudonym[str]
    email: Personal[str]
    name: Personal[str]


class ContactDetailsChanged(Event, type="company.contact-details-changed.v1"):
    """An administrator changed what may be changed directly (C2); the event carries all of it as it is now."""

    company_id: Pseudonym[str]
    contact_person: Personal[str]
    contact_email: Personal[str]
    phone: Personal[str | None]
    postal_address: Personal[str | None]
    invoice_email: Personal[str | None]


class AccountRenamed(Event, type="company.account-renamed.v1"):
    """An administrator gave an account another name (C2)."""

    company_id: Pseudonym[str]
    account_id: Pseudonym[str]
    name: Plain[str]


class AccountEnded(Event, type="company.account-ended.v1"):
    """An account is no more: its products are closed and the grants on it end (C7)."""

    company_id: Pseudonym[str]
    account_id: Pseudonym[str]


class FrameworkAgreementEnded(Event, type="company.framework-agreement-ended.v1"):
    """Customer service ended a framework agreement; the accounts named here were in it and stay, outside any (C7)."""

    company_id: Pseudonym[str]
    agreement_id: Pseudonym[str]
    account_ids: Pseudonym[tuple[str, ...]]


class ChangeRequested(Event, type="company.change-requested.v1"):
    """An administrator asked customer service for a change (C3); it is open until one of the three below."""

    company_id: Pseudonym[str]
    change_request_id: Pseudonym[str]
    kind: Plain[ChangeKind]
    to: Plain[str]
    """What it is to be: the name, the number, `pdf` or `ean`, `invoice` or `card`."""
    ean: Plain[str | None]
    """Where the invoice format is to be `ean`."""
    expected_yearly_usage_dkk: Plain[int | None]
    """Where the company is to pay by invoice (C4)."""
    requested_by: Pseudonym[str]


class ChangeRequestApproved(Event, type="company.change-request-approved.v1"):
    """Customer service agreed (C3); the change itself is the next event."""

    company_id: Pseudonym[str]
    change_request_id: Pseudonym[str]
    kind: Plain[ChangeKind]
    requested_by: Pseudonym[str]


class ChangeRequestDeclined(Event, type="company.change-request-declined.v1"):
    """Customer service did not agree, and says why (C3)."""

    company_id: Pseudonym[str]
    change_request_id: Pseudonym[str]
    kind: Plain[ChangeKind]
    requested_by: Pseudonym[str]
    reason: Personal[str]


class ChangeRequestWithdrawn(Event, type="company.change-request-withdrawn.v1"):
    """An administrator took a request back that was open (C3)."""

    company_id: Pseudonym[str]
    change_request_id: Pseudonym[str]
    kind: Plain[ChangeKind]
    requested_by: Pseudonym[str]


class LegalNameChanged(Event, type="company.legal-name-changed.v1"):
    """The company is called otherwise now, as was requested (C3)."""

    company_id: Pseudonym[str]
    legal_name: Plain[str]


class CvrChanged(Event, type="company.cvr-changed.v1"):
    """The company has another CVR number, as was requested (C3); the one before is free (C6)."""

    company_id: Pseudonym[str]
    cvr: Plain[str]


class InvoiceFormatChanged(Event, type="company.invoice-format-changed.v1"):
    """Invoices come as PDF, or to an EAN number, as was requested (C3)."""

    company_id: Pseudonym[str]
    invoice_format: Plain[InvoiceFormat]
    ean: Plain[str | None]


class PaymentChanged(Event, type="company.payment-changed.v1"):
    """All accounts of the company pay by invoice, or by card, from now on, as was requested (C3, C4)."""

    company_id: Pseudonym[str]
    payment: Plain[Payment]


class AttemptRefused(RefusedAttempt, type="company.attempt-refused.v1"):
    """A rule of company refused an attempt (H1)."""


CompanyEvent = (
    CompanyRegistered
    | AccountOpened
    | FrameworkAgreementOpened
    | AccountAdministratorNamed
    | MainAdministratorNamed
    | ContactDetailsChanged
    | AccountRenamed
    | AccountEnded
    | FrameworkAgreementEnded
    | ChangeRequested
    | ChangeRequestApproved
    | ChangeRequestDeclined
    | ChangeRequestWithdrawn
    | LegalNameChanged
    | CvrChanged
    | InvoiceFormatChanged
    | PaymentChanged
)
