"""Is this product open, so that access to it may be granted? (A10; P4 ends access when it closes.)"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Conflict, Refusal
from shared.eventstore.statement import Statement


class ProductIsClosed(Conflict):
    """This product is closed."""

    code = "product-closed"
    rule = "P4"


class OpenProducts:
    """A check over the copy of products that `reach` keeps; it has no table of its own."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "product_must_be_open": """
            CREATE OR REPLACE FUNCTION product_must_be_open(product text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM 1 FROM reach_products WHERE product_id = product AND open;
                IF NOT FOUND THEN
                    RAISE check_violation USING CONSTRAINT = 'product_must_be_open', MESSAGE = 'closed meanwhile';
                END IF;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"product_must_be_open": ProductIsClosed}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


def must_be_open(product_id: str) -> Statement:
    """A guard: the product is still open at the commit of the grant."""
    return Statement("SELECT product_must_be_open(%s)", (product_id,))


async def where_is(database: Database, product_id: str) -> Row | None:
    """The account and the company of a product, and whether it is open. Raises Unavailable."""
    return await database.row(
        "SELECT account_id, company_id, open FROM reach_products WHERE product_id = %s", (product_id,)
    )
