"""What is this company, account or product called? For mails that say to what somebody was invited (L4)."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.company.events import AccountOpened, AccountRenamed, CompanyRegistered, LegalNameChanged
from services.products.events import BizzOrdered, ETicketOrdered, NumberPlatePaymentOrdered, ReferenceChanged
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

_KEEP: LiteralString = (
    "INSERT INTO names (id, kind, name) VALUES (%s, %s, %s) "
    "ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, name = excluded.name"
)


class Names:
    """One row a company, account or product: what it is, and its name or the customer's own reference for it."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "names": "CREATE TABLE IF NOT EXISTS names (id text PRIMARY KEY, kind text NOT NULL, name text)"
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case (
                CompanyRegistered(company_id=company, legal_name=name)
                | LegalNameChanged(company_id=company, legal_name=name)
            ):
                yield Statement(_KEEP, (company, "company", name))
            case AccountOpened(account_id=account, name=name):
                yield Statement(_KEEP, (account, "account", name))
            case AccountRenamed(account_id=account, name=name):
                yield Statement(_KEEP, (account, "account", name))
            case BizzOrdered(product_id=product, reference=reference):
                yield Statement(_KEEP, (product, "bizz", reference))
            case NumberPlatePaymentOrdered(product_id=product, reference=reference):
                yield Statement(_KEEP, (product, "number plate payment", reference))
            case ETicketOrdered(product_id=product, reference=reference):
                yield Statement(_KEEP, (product, "eTicket", reference))
            case ReferenceChanged(product_id=product, reference=reference):
                yield Statement("UPDATE names SET name = %s WHERE id = %s", (reference, product))
            case _:
                pass


async def named(database: Database, *ids: str) -> dict[str, tuple[str, str | None]]:
    """Kind and name of each of these that auth has heard of. Raises Unavailable."""
    rows = await database.rows("SELECT id, kind, name FROM names WHERE id = ANY(%s)", (list(ids),))
    return {row["id"]: (row["kind"], row["name"]) for row in rows}
