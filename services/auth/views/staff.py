"""Which member of customer service logs in with this e-mail address?"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.auth.domain.staff import StaffAddressTaken
from services.auth.events import StaffAdded
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class StaffByAddress:
    """One row a person; the unique key lets an address be added once, on however many replicas."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "staff": """
            CREATE TABLE IF NOT EXISTS staff (
                staff_id text PRIMARY KEY, email text NOT NULL, name text NOT NULL,
                address text NOT NULL CONSTRAINT staff_address UNIQUE)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"staff_address": StaffAddressTaken}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case StaffAdded(staff_id=staff, email=email, name=name, address=address):
                yield Statement(
                    "INSERT INTO staff (staff_id, email, name, address) VALUES (%s, %s, %s, %s)",
                    (staff, email, name, address),
                )
            case _:
                pass


async def by_address(database: Database, address: str) -> Row | None:
    """`staff_id`, `email` and `name` of whoever has the normalised address. Raises Unavailable."""
    return await database.row("SELECT staff_id, email, name FROM staff WHERE address = %s", (address,))


async def by_id(database: Database, staff_id: str) -> Row | None:
    """`email`, `address` and `name` of one person, or None. Raises Unavailable."""
    return await database.row("SELECT email, address, name FROM staff WHERE staff_id = %s", (staff_id,))
