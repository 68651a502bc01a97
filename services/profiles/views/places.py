"""What is this place, what does it lie in, and as of which versions is that known here?"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString

from shared.database import Database
from shared.ids import kind_of


@dataclass(frozen=True, slots=True)
class Place:
    """A company, an agreement, an account or a product, and what it lies in."""

    id: str
    company_id: str
    agreement_id: str | None = None
    account_id: str | None = None
    open: bool = True
    """Whether access to it may be granted: not to a product that is closed (A10)."""

    @property
    def kind(self) -> str:
        return kind_of(self.id)


_PLACE: dict[str, LiteralString] = {
    "company": "SELECT company_id FROM reach_accounts WHERE company_id = %s LIMIT 1",
    "agreement": "SELECT company_id, agreement_id FROM reach_accounts WHERE agreement_id = %s LIMIT 1",
    "account": "SELECT company_id, agreement_id, account_id FROM reach_accounts WHERE account_id = %s",
    "product": "SELECT p.company_id, a.agreement_id, p.account_id, p.open FROM reach_products p "
    "LEFT JOIN reach_accounts a USING (account_id) WHERE p.product_id = %s",
}


async def find(database: Database, place_id: str) -> Place | None:
    """A place by its id; None for one that does not exist, or is of another kind. Raises Unavailable."""
    query = _PLACE.get(kind_of(place_id))
    row = await database.row(query, (place_id,)) if query else None
    return Place(place_id, **row) if row else None


async def versions(database: Database, streams: Iterable[str]) -> dict[str, int]:
    """As of which version each stream has taken effect here, own or another service's; those that are known here."""
    rows = await database.rows(
        "SELECT s.stream, coalesce((SELECT max(originator_version) FROM events WHERE originator_id = s.stream), "
        "(SELECT version FROM inbox i WHERE i.stream = s.stream)) AS version "
        "FROM unnest(%s::text[]) AS s(stream) ORDER BY s.stream",
        (list(streams),),
    )
    return {row["stream"]: row["version"] for row in rows if row["version"] is not None}
