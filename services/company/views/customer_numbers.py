"""Whose is this customer number, and which is the next one that nobody has?

Numbers come from a sequence, so those who ask at the same moment get different ones; some are never used. The sequence
is no part of the history: where it begins again (views rebuilt from the log), numbers in use are passed over, and the
unique key has the last word.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.company.events import AccountOpened
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Conflict, Refusal, Unavailable
from shared.eventstore.statement import Statement


class CustomerNumberTaken(Conflict):
    """Another account was given this customer number at the same moment."""

    code = "customer-number-taken"


class CustomerNumbers:
    """One row an account; every account has a customer number of its own."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "customer_numbers": """
            CREATE TABLE IF NOT EXISTS customer_numbers (number text PRIMARY KEY, account_id text NOT NULL UNIQUE);
            CREATE SEQUENCE IF NOT EXISTS customer_number START 1000001;
            CREATE OR REPLACE FUNCTION next_customer_number() RETURNS text LANGUAGE plpgsql AS $$
            DECLARE
                drawn text;
            BEGIN
                LOOP
                    drawn := nextval('customer_number')::text;
                    EXIT WHEN NOT EXISTS (SELECT 1 FROM customer_numbers WHERE number = drawn);
                END LOOP;
                RETURN drawn;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"customer_numbers_pkey": CustomerNumberTaken}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case AccountOpened(account_id=account, customer_number=number):
                yield Statement("INSERT INTO customer_numbers VALUES (%s, %s)", (number, account))
            case _:
                pass


async def next_number(database: Database) -> str:
    """A customer number that no account has. Raises Unavailable."""
    row = await database.row("SELECT next_customer_number() AS number")
    if row is None:
        raise Unavailable
    return str(row["number"])
