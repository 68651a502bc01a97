"""Which companies are in my reach, which of them has this name or number, and what is known of one?"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.company.events import (
    CompanyRegistered,
    ContactDetailsChanged,
    CvrChanged,
    FrameworkAgreementEnded,
    FrameworkAgreementOpened,
    InvoiceFormatChanged,
    LegalNameChanged,
    PaymentChanged,
)
from services.profiles.reach import ASKER_IS_STAFF
from shared.actor import Actor
from shared.database import Asked, Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement
from shared.free_text import folded

PAGE = 100
"""The most companies on one page."""


class Companies:
    """One row a company."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "companies": """
            CREATE TABLE IF NOT EXISTS companies (
                company_id text PRIMARY KEY, cvr text NOT NULL, legal_name text NOT NULL, searched text NOT NULL,
                payment text NOT NULL, contact_person text NOT NULL, contact_email text NOT NULL, phone text,
                postal_address text, invoice_email text, agreement_id text UNIQUE, framework_account_id text,
                invoice_format text NOT NULL DEFAULT 'pdf', ean text)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "companies": f"{ASKER_IS_STAFF} OR company_id IN (SELECT asker_companies())"
    }

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case CompanyRegistered(company_id=company, cvr=cvr, legal_name=legal_name, payment=payment) as said:
                yield Statement(
                    "INSERT INTO companies VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (company, cvr, legal_name, folded(legal_name), payment, *_contact(said)),
                )
            case ContactDetailsChanged(company_id=company) as said:
                yield Statement(
                    "UPDATE companies SET contact_person = %s, contact_email = %s, phone = %s, postal_address = %s, "
                    "invoice_email = %s WHERE company_id = %s",
                    (*_contact(said), company),
                )
            case FrameworkAgreementOpened(company_id=company, agreement_id=agreement, framework_account_id=account):
                yield Statement(
                    "UPDATE companies SET agreement_id = %s, framework_account_id = %s WHERE company_id = %s",
                    (agreement, account, company),
                )
            case FrameworkAgreementEnded(company_id=company):
                yield Statement(
                    "UPDATE companies SET agreement_id = NULL, framework_account_id = NULL WHERE company_id = %s",
                    (company,),
                )
            case LegalNameChanged(company_id=company, legal_name=name):
                sql: LiteralString = "UPDATE companies SET legal_name = %s, searched = %s WHERE company_id = %s"
                yield Statement(sql, (name, folded(name), company))
            case CvrChanged(company_id=company, cvr=cvr):
                yield Statement("UPDATE companies SET cvr = %s WHERE company_id = %s", (cvr, company))
            case InvoiceFormatChanged(company_id=company, invoice_format=form, ean=ean):
                sql = "UPDATE companies SET invoice_format = %s, ean = %s WHERE company_id = %s"
                yield Statement(sql, (form, ean, company))
            case PaymentChanged(company_id=company, payment=payment):
                yield Statement("UPDATE companies SET payment = %s WHERE company_id = %s", (payment, company))
            case _:
                pass


def _contact(said: CompanyRegistered | ContactDetailsChanged) -> tuple[str | None, ...]:
    return said.contact_person, said.contact_email, said.phone, said.postal_address, said.invoice_email


_MINE: LiteralString = """c.company_id IN (
        SELECT r.company_id FROM reach_accounts r JOIN administered_accounts(%(who)s) USING (account_id))"""
# The number of an account out of reach finds nothing, or it would tell whose it is (A13).
_MY_NUMBERS: LiteralString = "AND a.account_id IN (SELECT account_id FROM administered_accounts(%(who)s))"


def _page(mine: LiteralString, my_numbers: LiteralString) -> LiteralString:
    return f"""
    SELECT c.* FROM companies c WHERE {mine} AND c.company_id > %(after)s
      AND (%(search)s = '' OR strpos(c.searched, %(search)s) > 0 OR c.cvr = %(search)s OR c.company_id IN (
          SELECT a.company_id FROM accounts a WHERE a.customer_number = %(search)s {my_numbers}))
    ORDER BY c.company_id LIMIT %(limit)s"""


_IN_REACH: LiteralString = _page(_MINE, _MY_NUMBERS)
_ALL: LiteralString = _page("true", "")


async def in_reach(
    database: Database, actor: Actor, *, staff: bool, search: str | None = None, after: str = ""
) -> list[Row]:
    """A page of companies with an account that the actor administers, in the order of their ids.

    `search` narrows it to those with this in their name, or with this CVR number or customer number.
    """
    asked = {"who": actor.id, "search": folded(search), "after": after, "limit": PAGE}
    return await database.asked_by(actor).rows(_ALL if staff else _IN_REACH, asked)


async def one(database: Database | Asked, company_id: str) -> Row | None:
    """What is known of a company: here, or to one person. Raises Unavailable."""
    return await database.row("SELECT * FROM companies WHERE company_id = %s", (company_id,))


async def with_agreement(database: Database, agreement_id: str) -> str | None:
    """The company of a framework agreement, also of one that has ended. Raises Unavailable."""
    row = await database.row("SELECT company_id FROM reach_agreements WHERE agreement_id = %s", (agreement_id,))
    return row["company_id"] if row else None
