"""A bulk order: a file of orders that was sent for one account, worked through row by row or all at once.

P1, P2, P3, P5   A row is asked the same rules as an order that is made by hand; what they refuse is said of its column.
P6   Nothing of a row that is wrong is kept.

*Decision.* A row is known by what it orders, by its account, by the name that its file was given, and by how many rows
like it stand before it. So what a file holds again is the same order again, also among corrected rows, in another
sequence or another spelling. Whoever wants the same once more gives the file another name.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, assert_never

from services.products.domain import ordering
from services.products.domain.ordering import ETicketNotConfirmed, Payment, TripsOutOfRange
from services.products.domain.plates import CountryUnknown, PlateMalformed
from services.products.domain.product import Product
from services.products.domain.vehicles import VehicleTypeUnknown, VinMalformed
from services.products.events import BulkOrderEvent, BulkOrderFinished, BulkOrderReceived, ProductEvent, ProductKind
from shared.errors import Invalid, Refusal
from shared.free_text import optional_line

Mode = Literal["per-row", "all-or-nothing"]
MOST_ROWS: Final = 2000
MOST_AT_ONCE: Final = 200
"""The most rows of a file that is ordered whole or not at all: others want to write meanwhile."""
NAME: Final = 60
_OF_A_PLATE = ("country", "plate")
_CONFIRMATIONS = ("details_are_right", "may_be_used_everywhere")
_COLUMNS_OF: Mapping[ProductKind, tuple[str, ...]] = {
    "bizz": (),
    "number-plate-payment": _OF_A_PLATE,
    "eticket": (*_OF_A_PLATE, "vin", "vehicle_type", "trips", *_CONFIRMATIONS),
}
COLUMNS: Final = ("kind", *_COLUMNS_OF["eticket"], "reference")
SURPLUS: Final = ""
"""In the place of a column: what stands behind the last of them."""

Cells = Mapping[str, str]
"""A row of a file: what stands in each of its columns."""
Identity = tuple[str | int | bool | None, ...]
"""By what a row is known."""

_COLUMN_REFUSED_BY: Mapping[type[Refusal], str] = {
    CountryUnknown: "country",
    PlateMalformed: "plate",
    VinMalformed: "vin",
    VehicleTypeUnknown: "vehicle_type",
    TripsOutOfRange: "trips",
}
_YES = frozenset({"yes", "y", "true", "1", "x", "ja", "j"})


class FileTooLong(Invalid):
    """There are more orders in the file than are taken at once."""

    code = "file-too-long"


class KindUnknown(Invalid):
    """The kind is bizz, number-plate-payment or eticket."""

    code = "kind-unknown"


class CellNotForKind(Invalid):
    """This column is not for a product of this kind; leave it empty."""

    code = "cell-not-for-kind"


class RowTooLong(Invalid):
    """The row has more cells than there are columns."""

    code = "row-too-long"


# A row --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    """What a row orders; what its kind does not have is empty."""

    kind: ProductKind
    reference: str | None = None
    country: str = ""
    plate: str = ""
    vin: str = ""
    vehicle_type: str = ""
    trips: int = 0
    details_are_right: bool = False
    may_be_used_everywhere: bool = False

    def decide(self, product: Product, *, payment: Payment, now: datetime, **place: Any) -> list[ProductEvent]:
        """Order it at a `place` (product_id, account_id, company_id). Raises what an order by hand raises."""
        asked = {name: getattr(self, name) for name in (*_COLUMNS_OF[self.kind], "reference")}
        match self.kind:
            case "bizz":
                return ordering.order_bizz(product, **place, **asked)
            case "number-plate-payment":
                return ordering.order_number_plate_payment(product, now=now, **place, **asked)
            case "eticket":
                return ordering.order_eticket(product, payment=payment, now=now, **place, **asked)
            case _:
                assert_never(self.kind)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a row is no order, and the column that says so; no column for what stands behind the last."""

    column: str | None
    refusal: Invalid


def order_of(cells: Cells) -> Order | Wrong:
    """What a row orders, in the form that rules compare and keep, or what is wrong with it."""
    kind = next((kind for kind in _COLUMNS_OF if kind == cells["kind"].casefold()), None)
    if kind is None:
        return Wrong("kind", KindUnknown())
    if cells[SURPLUS]:
        return Wrong(None, RowTooLong())
    expected = {"kind", "reference", SURPLUS, *_COLUMNS_OF[kind]}
    if surplus := next((column for column in COLUMNS if cells.get(column) and column not in expected), None):
        return Wrong(surplus, CellNotForKind())
    return _as_rules_keep_it(Order(kind=kind, **{name: _value(cells, name) for name in COLUMNS[1:]}))


def _value(cells: Cells, column: str) -> Any:
    cell = cells.get(column, "")
    if column in _CONFIRMATIONS:
        return cell.casefold() in _YES
    if column == "trips":
        return int(cell) if cell in {"1", "2"} else 0
    return cell


def _as_rules_keep_it(order: Order) -> Order | Wrong:
    nowhere = {"product_id": "", "account_id": "", "company_id": ""}
    try:
        (ordered,) = order.decide(Product(), payment="invoice", now=datetime.min.replace(tzinfo=UTC), **nowhere)
    except Invalid as refusal:
        return Wrong(_column(order, refusal), refusal)
    kept = ("reference", "country", "plate", "vin", "vehicle_type")
    return replace(order, **{name: getattr(ordered, name) for name in kept if hasattr(ordered, name)})


def _column(order: Order, refusal: Invalid) -> str:
    if isinstance(refusal, ETicketNotConfirmed):
        return next(name for name in _CONFIRMATIONS if not getattr(order, name))
    return _COLUMN_REFUSED_BY.get(type(refusal), "reference")


def identities(orders: Iterable[Order], *, account_id: str, name: str | None) -> list[Identity]:
    """By what each of a file's orders is known."""
    before: Counter[Order] = Counter()
    found: list[Identity] = []
    for order in orders:
        found.append((account_id, name, *astuple(order), before[order]))
        before[order] += 1
    return found


# The whole file -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """What the rules ask of a bulk order; `BulkOrder()` is one that nobody sent yet."""

    id: str = ""
    account_id: str = ""
    finished: bool = False


def evolve(bulk: BulkOrder, event: BulkOrderEvent) -> BulkOrder:
    """The bulk order after one more event of its history."""
    match event:
        case BulkOrderReceived():
            return replace(bulk, id=event.bulk_id, account_id=event.account_id)
        case BulkOrderFinished():
            return replace(bulk, finished=True)
        case _:
            assert_never(event)


def receive(
    bulk: BulkOrder, *, bulk_id: str, account_id: str, company_id: str, mode: Mode, name: str | None, rows: int
) -> list[BulkOrderEvent]:
    """Take in a file with so many rows. Raises FileTooLong."""
    if bulk.id:
        return []
    if mode == "all-or-nothing" and rows > MOST_AT_ONCE:
        raise FileTooLong("A file that is ordered whole or not at all has fewer rows.", most=MOST_AT_ONCE)
    return [
        BulkOrderReceived(
            bulk_id=bulk_id, account_id=account_id, company_id=company_id, mode=mode, name=name, rows=rows
        )
    ]


def finish(bulk: BulkOrder, *, done: int, refused: int, invalid: int, not_ordered: int) -> list[BulkOrderEvent]:
    """Every row was worked through, with these outcomes."""
    if bulk.finished:
        return []
    return [
        BulkOrderFinished(
            bulk_id=bulk.id,
            account_id=bulk.account_id,
            done=done,
            refused=refused,
            invalid=invalid,
            not_ordered=not_ordered,
        )
    ]


def as_name(text: str | None) -> str | None:
    """The name of a file as it is kept, None when it is blank. Raises TextMalformed, LooksLikeACardNumber."""
    return optional_line(text, most=NAME)
