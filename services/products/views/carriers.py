"""Which product had this plate or this device at that time? (P7: a journey counts for what was open then.)

A plate may go from one customer to another (P2), so all who ever had it stay here, each with the time since when. A
bizz has its device from its dispatch on (P1). The times are those at which we recorded the order, the dispatch and the
closing.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.products.events import (
    BizzActivated,
    BizzDispatched,
    BizzOrdered,
    ETicketOrdered,
    NumberPlatePaymentOrdered,
    ProductClosed,
)
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class Carriers:
    """One row for each thing that a product is known by on the road; `closed_at` is null while it is open."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "carriers": """
            CREATE TABLE IF NOT EXISTS carriers (
                what text, since timestamptz, product_id text, account_id text NOT NULL, company_id text NOT NULL,
                active boolean NOT NULL, trips int, closed_at timestamptz, PRIMARY KEY (what, since, product_id));
            CREATE INDEX IF NOT EXISTS carriers_product ON carriers (product_id);"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case BizzOrdered() as ordered:
                yield _carries(recorded, ordered, ordered.product_id, active=False)
            case NumberPlatePaymentOrdered() as ordered:
                yield _carries(recorded, ordered, ordered.product_id)
                yield _carries(recorded, ordered, plate(ordered.country, ordered.plate))
            case ETicketOrdered(trips=trips) as ordered:
                yield _carries(recorded, ordered, ordered.product_id, trips=trips)
                yield _carries(recorded, ordered, plate(ordered.country, ordered.plate), trips=trips)
            case BizzDispatched(product_id=product, device_number=number):
                yield Statement(
                    "INSERT INTO carriers SELECT %s, %s, product_id, account_id, company_id, active, trips, closed_at "
                    "FROM carriers WHERE what = %s",
                    (device(number), recorded.time, product),
                )
            case BizzActivated(product_id=product):
                yield Statement("UPDATE carriers SET active = true WHERE product_id = %s", (product,))
            case ProductClosed(product_id=product):
                yield Statement("UPDATE carriers SET closed_at = %s WHERE product_id = %s", (recorded.time, product))
            case _:
                pass


def plate(country: str, number: str) -> str:
    """A plate as the thing that was seen; both in the form of `domain.plates`."""
    return f"plate {country} {number}"


def device(number: str) -> str:
    """A device as the thing that was seen."""
    return f"device {number}"


def _carries(
    recorded: Recorded,
    event: BizzOrdered | NumberPlatePaymentOrdered | ETicketOrdered,
    what: str,
    *,
    active: bool = True,
    trips: int | None = None,
) -> Statement:
    return Statement(
        "INSERT INTO carriers VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (what, recorded.time, event.product_id, event.account_id, event.company_id, active, trips),
    )
