"""Which accounts are in my reach, and what is known of one?"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.company.events import (
    AccountEnded,
    AccountOpened,
    AccountRenamed,
    FrameworkAgreementEnded,
    FrameworkAgreementOpened,
    PaymentChanged,
)
from services.profiles.reach import ASKER_IS_STAFF
from shared.actor import Actor
from shared.database import Asked, Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

PAGE = 100
"""The most accounts on one page."""


class Accounts:
    """One row an account, also one that has ended; it stays visible to whoever administers its agreement."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "accounts": """
            CREATE TABLE IF NOT EXISTS accounts (
                account_id text PRIMARY KEY, company_id text NOT NULL, customer_number text NOT NULL,
                name text NOT NULL, payment text NOT NULL, agreement_id text, ended_at timestamptz);
            CREATE INDEX IF NOT EXISTS accounts_company ON accounts (company_id);
            CREATE INDEX IF NOT EXISTS accounts_number ON accounts (customer_number)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "accounts": f"{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())"
    }

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case AccountOpened() as opened:
                yield Statement(
                    "INSERT INTO accounts VALUES (%s, %s, %s, %s, %s, %s)",
                    (
                        opened.account_id,
                        opened.company_id,
                        opened.customer_number,
                        opened.name,
                        opened.payment,
                        opened.agreement_id,
                    ),
                )
            case FrameworkAgreementOpened(agreement_id=agreement, sub_account_ids=members):
                sql: LiteralString = "UPDATE accounts SET agreement_id = %s WHERE account_id = ANY(%s)"
                yield Statement(sql, (agreement, list(members)))
            case AccountEnded(account_id=account):
                yield Statement("UPDATE accounts SET ended_at = %s WHERE account_id = %s", (recorded.time, account))
            case FrameworkAgreementEnded(agreement_id=agreement):
                yield Statement("UPDATE accounts SET agreement_id = NULL WHERE agreement_id = %s", (agreement,))
            case AccountRenamed(account_id=account, name=name):
                yield Statement("UPDATE accounts SET name = %s WHERE account_id = %s", (name, account))
            case PaymentChanged(company_id=company, payment=payment):
                yield Statement("UPDATE accounts SET payment = %s WHERE company_id = %s", (payment, company))
            case _:
                pass


_ACCOUNTS: LiteralString = """
    SELECT a.*, CASE WHEN a.agreement_id IS NULL THEN 'account'
                     WHEN a.account_id = c.framework_account_id THEN 'framework-account'
                     ELSE 'sub-account' END AS kind
    FROM accounts a JOIN companies c USING (company_id)"""
_PAGE: LiteralString = (
    "a.account_id > %(after)s AND (%(company)s::text IS NULL OR a.company_id = %(company)s) "
    "ORDER BY a.account_id LIMIT %(limit)s"
)
_MINE: LiteralString = "a.account_id IN (SELECT account_id FROM administered_accounts(%(who)s))"
_IN_REACH: LiteralString = f"{_ACCOUNTS} WHERE {_MINE} AND {_PAGE}"
_ALL: LiteralString = f"{_ACCOUNTS} WHERE {_PAGE}"


async def in_reach(
    database: Database, actor: Actor, *, staff: bool, company: str | None = None, after: str = ""
) -> list[Row]:
    """A page of the accounts that the actor administers, of one company or of all, in the order of their ids."""
    asked = {"who": actor.id, "company": company, "after": after, "limit": PAGE}
    return await database.asked_by(actor).rows(_ALL if staff else _IN_REACH, asked)


async def one(database: Database | Asked, account_id: str) -> Row | None:
    """What is known of an account: here, or to one person. Raises Unavailable."""
    return await database.row(f"{_ACCOUNTS} WHERE a.account_id = %s", (account_id,))
