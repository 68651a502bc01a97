"""Which open product is made for this plate?

P2   A plate has at most one open number plate payment or eTicket, across all companies, under concurrency too.

The unique key on country and plate decides, in the commit of the order itself. A row carries its owner, so it is found
and freed with it when the product closes (P4).
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.products.domain.plates import PlateTaken
from services.products.events import ETicketOrdered, NumberPlatePaymentOrdered, ProductClosed
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class OpenProductByPlate:
    """One row a plate with an open product."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "open_product_by_plate": "CREATE TABLE IF NOT EXISTS open_product_by_plate "
        "(country text, plate text, product_id text NOT NULL UNIQUE, PRIMARY KEY (country, plate))"
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"open_product_by_plate_pkey": PlateTaken}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case (
                NumberPlatePaymentOrdered(product_id=product, country=country, plate=plate)
                | ETicketOrdered(product_id=product, country=country, plate=plate)
            ):
                yield Statement("INSERT INTO open_product_by_plate VALUES (%s, %s, %s)", (country, plate, product))
            case ProductClosed(product_id=product):
                yield Statement("DELETE FROM open_product_by_plate WHERE product_id = %s", (product,))
            case _:
                pass
