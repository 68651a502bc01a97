"""What is left on this account? (C7: once the account has ended, no open product and no payment card.)"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal, Unavailable
from shared.eventstore.statement import Statement


class OrderedMeanwhile(Unavailable):
    """Something was ordered on the account, or a card added, while everything was closed; ask again."""

    code = "ordered-meanwhile"


class OpenOnAccount:
    """A check over what `products` and `payment_cards` keep; it has no table of its own."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "nothing_is_left_on": """
            CREATE OR REPLACE FUNCTION nothing_is_left_on(account text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT 1 FROM products WHERE account_id = account AND state <> 'closed')
                    OR EXISTS (SELECT 1 FROM payment_cards WHERE account_id = account AND removed_at IS NULL) THEN
                    RAISE check_violation USING CONSTRAINT = 'something_is_left', MESSAGE = 'ordered meanwhile';
                END IF;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"something_is_left": OrderedMeanwhile}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


def nothing_is_left(account_id: str) -> Statement:
    """What must hold once everything on an account was closed: nothing was ordered or added in between."""
    return Statement("SELECT nothing_is_left_on(%s)", (account_id,))


async def open_on(database: Database, account_id: str, *, most: int) -> list[str]:
    """Some open products of an account. Raises Unavailable."""
    rows = await database.rows(
        "SELECT product_id FROM products WHERE account_id = %s AND state <> 'closed' ORDER BY product_id LIMIT %s",
        (account_id, most),
    )
    return [row["product_id"] for row in rows]
