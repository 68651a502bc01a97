"""How does this account pay, and whose is it? (P3: eTickets are for companies that pay by invoice.)

A copy of what company says.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.company.events import AccountOpened, PaymentChanged
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class AccountPayment:
    """One row an account."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "account_payment": "CREATE TABLE IF NOT EXISTS account_payment "
        "(account_id text PRIMARY KEY, company_id text NOT NULL, payment text NOT NULL)"
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case AccountOpened(account_id=account, company_id=company, payment=payment):
                yield Statement("INSERT INTO account_payment VALUES (%s, %s, %s)", (account, company, payment))
            case PaymentChanged(company_id=company, payment=payment):
                yield Statement("UPDATE account_payment SET payment = %s WHERE company_id = %s", (payment, company))
            case _:
                pass


async def payment_of(database: Database, account_id: str) -> Row | None:
    """The account's company and payment, None for an account that this service has not heard of. Raises Unavailable."""
    return await database.row("SELECT company_id, payment FROM account_payment WHERE account_id = %s", (account_id,))
