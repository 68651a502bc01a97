"""Whose profile is this e-mail address? (A9: an address has one profile.)"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.profiles.events import EmailChanged, ProfileCancelled, ProfileCreated
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Conflict, Refusal
from shared.eventstore.statement import Statement


class AddressTaken(Conflict):
    """Another profile has got this address at the same moment."""

    code = "address-taken"
    rule = "A9"


class ProfileByEmail:
    """One row an address in use; the unique key is what keeps A9."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "profile_by_email": "CREATE TABLE IF NOT EXISTS profile_by_email "
        "(address text PRIMARY KEY, profile_id text NOT NULL UNIQUE)"
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"profile_by_email_pkey": AddressTaken}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case ProfileCreated(profile_id=profile, address=address):
                yield Statement("INSERT INTO profile_by_email VALUES (%s, %s)", (address, profile))
            case EmailChanged(profile_id=profile, address=address):
                yield Statement("UPDATE profile_by_email SET address = %s WHERE profile_id = %s", (address, profile))
            case ProfileCancelled(profile_id=profile):
                yield Statement("DELETE FROM profile_by_email WHERE profile_id = %s", (profile,))
            case _:
                pass


async def profile_of(database: Database, address: str) -> str | None:
    """The profile of a normalised address, if it has one. Raises Unavailable."""
    row = await database.row("SELECT profile_id FROM profile_by_email WHERE address = %s", (address,))
    return row["profile_id"] if row else None
