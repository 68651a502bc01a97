"""Which products are in my reach, and what is known of one? (P5: found by their reference, too.)

A list is in the order of the products' ids, and a page goes on behind the last id of the one before: whatever is
ordered, changed or closed between two pages, nothing that was there and still fits is left out or shown twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, LiteralString

from services.products.domain import plates
from services.products.events import (
    BizzActivated,
    BizzDispatched,
    BizzOrdered,
    ETicketOrdered,
    NumberPlatePaymentOrdered,
    ProductClosed,
    ProductKind,
    ReferenceChanged,
    TripDriven,
    VehicleDescribed,
)
from services.profiles.reach import ASKER_IS_STAFF
from shared.actor import Actor
from shared.database import Asked, Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement
from shared.free_text import folded

PAGE = 100
"""The most products on one page."""


class Products:
    """One row a product, open or closed. What is made for a plate is active from its order on."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "products": """
            CREATE TABLE IF NOT EXISTS products (
                product_id text PRIMARY KEY, account_id text NOT NULL, company_id text NOT NULL, kind text NOT NULL,
                state text NOT NULL, reference text, searched text NOT NULL, ordered_at timestamptz NOT NULL,
                country text, plate text, usable_at_storebaelt_from timestamptz, usable_elsewhere_from timestamptz,
                vin text, trips int, trips_left int, device_number text,
                make text, model text, vehicle_type text, vehicle_plate text, vehicle_searched text,
                closed_at timestamptz, closed_at_partners_by timestamptz);
            CREATE INDEX IF NOT EXISTS products_account ON products (account_id, product_id);
            CREATE INDEX IF NOT EXISTS products_plate ON products (plate);
            CREATE INDEX IF NOT EXISTS products_vehicle_plate ON products (vehicle_plate);
            CREATE INDEX IF NOT EXISTS products_device_number ON products (device_number)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "products": f"""{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())
            OR product_id IN (SELECT asker_products())"""
    }

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case BizzOrdered() as ordered:
                yield _ordered(recorded, ordered, "bizz", "ordered")
            case NumberPlatePaymentOrdered() as ordered:
                yield _ordered(recorded, ordered, "number-plate-payment", "active")
                yield _made_for_a_plate(ordered)
            case ETicketOrdered(product_id=product, vin=vin, trips=trips, vehicle_type=vehicle_type) as ordered:
                yield _ordered(recorded, ordered, "eticket", "active")
                yield _made_for_a_plate(ordered)
                yield Statement(
                    "UPDATE products SET vin = %s, trips = %s, trips_left = %s, vehicle_type = %s "
                    "WHERE product_id = %s",
                    (vin, trips, trips, vehicle_type, product),
                )
            case BizzDispatched(product_id=product, device_number=number):
                yield Statement(
                    "UPDATE products SET state = 'dispatched', device_number = %s WHERE product_id = %s",
                    (number, product),
                )
            case BizzActivated(product_id=product):
                yield Statement("UPDATE products SET state = 'active' WHERE product_id = %s", (product,))
            case ReferenceChanged(product_id=product, reference=reference):
                yield Statement(
                    "UPDATE products SET reference = %s, searched = %s WHERE product_id = %s",
                    (reference, folded(reference), product),
                )
            case VehicleDescribed(product_id=product, make=make, model=model, vehicle_type=vehicle_type, plate=plate):
                yield Statement(
                    "UPDATE products SET make = %s, model = %s, vehicle_type = %s, vehicle_plate = %s, "
                    "vehicle_searched = %s WHERE product_id = %s",
                    (make, model, vehicle_type, plate, folded(f"{make or ''} {model or ''}"), product),
                )
            case TripDriven(product_id=product, trips_left=left):
                yield Statement("UPDATE products SET trips_left = %s WHERE product_id = %s", (left, product))
            case ProductClosed(product_id=product, closed_at_partners_by=by):
                yield Statement(
                    "UPDATE products SET state = 'closed', closed_at = %s, closed_at_partners_by = %s "
                    "WHERE product_id = %s",
                    (recorded.time, by, product),
                )
            case _:
                pass


def _ordered(
    recorded: Recorded, event: BizzOrdered | NumberPlatePaymentOrdered | ETicketOrdered, kind: ProductKind, state: str
) -> Statement:
    return Statement(
        "INSERT INTO products (product_id, account_id, company_id, kind, state, reference, searched, ordered_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            event.product_id,
            event.account_id,
            event.company_id,
            kind,
            state,
            event.reference,
            folded(event.reference),
            recorded.time,
        ),
    )


def _made_for_a_plate(event: NumberPlatePaymentOrdered | ETicketOrdered) -> Statement:
    return Statement(
        "UPDATE products SET country = %s, plate = %s, usable_at_storebaelt_from = %s, usable_elsewhere_from = %s "
        "WHERE product_id = %s",
        (
            event.country,
            event.plate,
            event.usable_at_storebaelt_from,
            event.usable_elsewhere_from,
            event.product_id,
        ),
    )


State = Literal["ordered", "dispatched", "active", "closed"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which products a list is asked for; what is None does not matter."""

    account_id: str | None = None
    kind: ProductKind | None = None
    reference: str | None = None
    """A part of the reference, in capital letters or not."""
    state: State | Literal["open"] | None = None
    """What is not closed is open."""
    country: str | None = None
    plate: str | None = None
    """The plate that a product is made for, or that of the car that its bizz sits in, however it is written."""
    device_number: str | None = None
    text: str | None = None
    """A part of anything that is known of a product or its vehicle."""
    after: str = ""
    """The id of the last product of the page before."""


_COLUMNS: LiteralString = """
    p.product_id, p.account_id, p.company_id, p.kind, p.state, p.reference, p.ordered_at, p.country, p.plate,
    p.usable_at_storebaelt_from, p.usable_elsewhere_from, p.vin, p.trips, p.trips_left, p.device_number,
    jsonb_build_object('make', p.make, 'model', p.model, 'vehicle_type', p.vehicle_type, 'plate', p.vehicle_plate)
        AS vehicle, p.closed_at, p.closed_at_partners_by"""
_TEXT: LiteralString = """(strpos(p.searched, %(text)s) > 0
    OR strpos(p.vehicle_searched, %(text)s) > 0
    OR strpos(concat_ws(' ', p.plate, p.vehicle_plate, p.vin, p.device_number), nullif(%(text_compared)s, '')) > 0)"""
_CONDITIONS: Mapping[str, LiteralString] = {
    "account_id": "p.account_id = %(account_id)s",
    "kind": "p.kind = %(kind)s",
    "reference": "strpos(p.searched, %(reference)s) > 0",
    "state": "CASE %(state)s WHEN 'open' THEN p.state <> 'closed' ELSE p.state = %(state)s END",
    "country": "p.country = %(country)s",
    "plate": "(p.plate = %(plate)s OR p.vehicle_plate = %(plate)s)",
    "device_number": "p.device_number = %(device_number)s",
    "text": _TEXT,
}
"""What each wish asks of a product. Only those that were wished for are asked, so that an index can answer."""

# Of an account that is administered every product, of product access its own while it is open (A5, A6, P4).
_IN_REACH: LiteralString = f"""
    WITH reached AS (
        SELECT product_id FROM products JOIN administered_accounts(%(who)s) USING (account_id)
        UNION SELECT product_id FROM accessed_products(%(who)s))
    SELECT {_COLUMNS} FROM products p JOIN reached USING (product_id)"""
_ALL: LiteralString = f"SELECT {_COLUMNS} FROM products p"


async def in_reach(database: Database, actor: Actor, wanted: Wanted, *, staff: bool) -> list[Row]:
    """A page of the products in the actor's reach, in the order of their ids. Raises Unavailable."""
    asked: dict[str, Any] = {
        **{name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None},
        "who": actor.id,
        "after": wanted.after,
        "reference": folded(wanted.reference),
        "country": (wanted.country or "").upper(),
        "plate": plates.compared(wanted.plate or ""),
        "text": folded(wanted.text),
        "text_compared": plates.compared(wanted.text or ""),
        "limit": PAGE,
    }
    wishes = [condition for name, condition in _CONDITIONS.items() if getattr(wanted, name) is not None]
    where: LiteralString = " AND ".join(["p.product_id > %(after)s", *wishes])
    which = _ALL if staff else _IN_REACH
    return await database.asked_by(actor).rows(f"{which} WHERE {where} ORDER BY p.product_id LIMIT %(limit)s", asked)


async def one(database: Database | Asked, product_id: str) -> Row | None:
    """What is known of a product: here, or to one person. Raises Unavailable."""
    return await database.row(f"SELECT {_COLUMNS} FROM products p WHERE p.product_id = %s", (product_id,))
