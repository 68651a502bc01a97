"""What administrators change directly: contact details, as a whole, and the names of accounts (C2)."""

from dataclasses import asdict

from services.company.domain.company import AccountHasEnded, Company, must_be_registered
from services.company.domain.contact_details import NAME, contact_details
from services.company.events import AccountRenamed, CompanyEvent, ContactDetailsChanged
from shared.errors import NotFound
from shared.free_text import line


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
    must_be_registered(company)
    details = contact_details(contact_person, contact_email, phone, postal_address, invoice_email)
    if details == company.contact:
        return []
    return [ContactDetailsChanged(company_id=company.id, **asdict(details))]


def rename_account(company: Company, *, account_id: str, name: str) -> list[CompanyEvent]:
    """Give an account another name (C2). Raises NotFound, AccountHasEnded, TextMalformed."""
    must_be_registered(company)
    if account_id not in company.accounts:
        raise NotFound
    if account_id in company.ended_accounts:
        raise AccountHasEnded
    name = line(name, most=NAME)
    if company.accounts[account_id] == name:
        return []
    return [AccountRenamed(company_id=company.id, account_id=account_id, name=name)]
