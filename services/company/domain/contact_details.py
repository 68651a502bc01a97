"""Contact details: what an administrator changes directly, as a whole (C2)."""

from dataclasses import dataclass

from services.company.events import CompanyRegistered, ContactDetailsChanged
from shared.email_address import normalised
from shared.free_text import line, optional_line

NAME, ADDRESS, PHONE = 120, 200, 30
"""The most characters of a name, a postal address, a telephone number."""


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """What C2 lets administrators change directly, as a whole."""

    contact_person: str
    contact_email: str
    phone: str | None
    postal_address: str | None
    invoice_email: str | None


def contact_details(
    contact_person: str, contact_email: str, phone: str | None, postal_address: str | None, invoice_email: str | None
) -> ContactDetails:
    """The details as they are kept. Raises EmailMalformed, TextMalformed, LooksLikeACardNumber."""
    return ContactDetails(
        contact_person=line(contact_person, most=NAME),
        contact_email=email(contact_email),
        phone=optional_line(phone, most=PHONE),
        postal_address=optional_line(postal_address, most=ADDRESS),
        invoice_email=email(invoice_email) if invoice_email else None,
    )


def details_in(event: CompanyRegistered | ContactDetailsChanged) -> ContactDetails:
    """The details that an event carries."""
    return ContactDetails(
        contact_person=event.contact_person,
        contact_email=event.contact_email,
        phone=event.phone,
        postal_address=event.postal_address,
        invoice_email=event.invoice_email,
    )


def email(text: str) -> str:
    """The address as it was written: what cannot be an address is refused here, where somebody can correct it."""
    normalised(text)
    return text.strip()
