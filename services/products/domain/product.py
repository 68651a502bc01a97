"""A product: one bizz, one number plate payment or one eTicket, on exactly one account. How one is ordered: `ordering`.

A7   The plate of a number plate payment or an eTicket is the product; only a bizz carries a plate that may change.
P1   A bizz is ordered, then dispatched with its device number, then active.
P3   An eTicket is used up when its trips are driven, each journey counted once: then it is closed like any other (P4),
     so its plate is free again (P2) and access to it ends (A8).
P4   Closing is confirmed, takes effect at once here and within 24 hours at partners. A closed product stays as it is.
P5   Every product may carry a reference, a name of the customer's own.
"""

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from services.products.domain import plates
from services.products.domain.devices import device_number as as_device_number
from services.products.domain.vehicles import Vehicle
from services.products.domain.vehicles import vehicle_type as as_vehicle_type
from services.products.events import (
    BizzActivated,
    BizzDispatched,
    BizzOrdered,
    ETicketOrdered,
    NumberPlatePaymentOrdered,
    ProductClosed,
    ProductEvent,
    ProductKind,
    ReferenceChanged,
    TripDriven,
    VehicleDescribed,
)
from shared.errors import Conflict, Invalid, NotFound
from shared.free_text import optional_line

CLOSED_AT_PARTNERS_WITHIN = timedelta(hours=24)
REFERENCE, MAKE_OR_MODEL = 60, 60
"""The most characters of a reference, and of a make or a model."""


class ProductIsClosed(Conflict):
    """The product is closed; order a new one instead."""

    code = "product-closed"
    rule = "P4"


class ClosingNotConfirmed(Invalid):
    """Closing a product must be confirmed."""

    code = "closing-not-confirmed"
    rule = "P4"


class NotABizz(Conflict):
    """Only a bizz has a device."""

    code = "not-a-bizz"
    rule = "P1"


class BizzHasAnotherDevice(Conflict):
    """This bizz was already dispatched with another device number."""

    code = "bizz-has-another-device"
    rule = "P1"


class BizzNotDispatched(Conflict):
    """A bizz becomes active after it was dispatched."""

    code = "bizz-not-dispatched"
    rule = "P1"


class NotAnETicket(Conflict):
    """Only an eTicket has trips."""

    code = "not-an-eticket"
    rule = "P3"


class PlateIsTheProduct(Conflict):
    """The plate of a number plate payment or an eTicket cannot be changed: close it and order a new one."""

    code = "plate-is-the-product"
    rule = "A7"


@dataclass(frozen=True, slots=True)
class Product:
    """What the rules ask of a product; `Product()` is one that nobody ordered yet."""

    id: str = ""
    account_id: str = ""
    kind: ProductKind | None = None
    plate: str | None = None
    """Country and plate that the product is made for; None for a bizz."""
    device_number: str | None = None
    active: bool = False
    reference: str | None = None
    vehicle: Vehicle = field(default_factory=Vehicle)
    trips_left: int = 0
    driven: frozenset[str] = frozenset()
    """The journeys that used up trips: each of them may be told of again, and counts once."""
    closed: bool = False


def evolve(product: Product, event: ProductEvent) -> Product:
    """The product after one more event of its history."""
    match event:
        case BizzOrdered():
            return replace(_ordered(product, event), kind="bizz")
        case NumberPlatePaymentOrdered():
            return replace(
                _ordered(product, event), kind="number-plate-payment", plate=plate_key(event.country, event.plate)
            )
        case ETicketOrdered():
            vehicle = Vehicle(vehicle_type=event.vehicle_type)
            plate = plate_key(event.country, event.plate)
            ticket = replace(_ordered(product, event), kind="eticket", plate=plate, vehicle=vehicle)
            return replace(ticket, trips_left=event.trips)
        case BizzDispatched(device_number=number):
            return replace(product, device_number=number)
        case BizzActivated():
            return replace(product, active=True)
        case ReferenceChanged(reference=reference):
            return replace(product, reference=reference)
        case VehicleDescribed(make=make, model=model, vehicle_type=kind, plate=sits_in):
            return replace(product, vehicle=Vehicle(make, model, kind, sits_in))
        case TripDriven(journey_id=journey, trips_left=left):
            return replace(product, driven=product.driven | {journey}, trips_left=left)
        case ProductClosed():
            return replace(product, closed=True)
        case _:
            assert_never(event)


def dispatch_bizz(product: Product, *, device_number: str) -> list[ProductEvent]:
    """Send a bizz out with its device (P1).

    Raises NotFound, ProductIsClosed, NotABizz, DeviceNumberMalformed, BizzHasAnotherDevice.
    """
    _must_be_an_open_bizz(product)
    number = as_device_number(device_number)
    if product.device_number == number:
        return []
    if product.device_number is not None:
        raise BizzHasAnotherDevice
    return [BizzDispatched(product_id=product.id, account_id=product.account_id, device_number=number)]


def activate_bizz(product: Product) -> list[ProductEvent]:
    """Take a dispatched bizz into use (P1). Raises NotFound, ProductIsClosed, NotABizz, BizzNotDispatched."""
    _must_be_an_open_bizz(product)
    if product.active:
        return []
    if product.device_number is None:
        raise BizzNotDispatched
    return [BizzActivated(product_id=product.id, account_id=product.account_id)]


def change_reference(product: Product, *, reference: str | None) -> list[ProductEvent]:
    """Give a product another reference, or none (P5).

    Raises NotFound, ProductIsClosed, TextMalformed, LooksLikeACardNumber.
    """
    _must_be_open(product)
    reference = as_reference(reference)
    if product.reference == reference:
        return []
    return [ReferenceChanged(product_id=product.id, account_id=product.account_id, reference=reference)]


def describe_vehicle(
    product: Product, *, make: str | None, model: str | None, vehicle_type: str | None, plate: str | None
) -> list[ProductEvent]:
    """Bring the vehicle information up to date, all of it at once (A7); an eTicket keeps the type it needs (P3).

    Raises NotFound, ProductIsClosed, PlateIsTheProduct, PlateMalformed, VehicleTypeUnknown, TextMalformed,
    LooksLikeACardNumber.
    """
    _must_be_open(product)
    if plate and product.kind != "bizz":
        raise PlateIsTheProduct
    vehicle = Vehicle(
        make=optional_line(make, most=MAKE_OR_MODEL),
        model=optional_line(model, most=MAKE_OR_MODEL),
        vehicle_type=as_vehicle_type(vehicle_type) if vehicle_type else _type_it_needs(product),
        plate=plates.normalised(plate) if plate else None,
    )
    if vehicle == product.vehicle:
        return []
    return [VehicleDescribed(product_id=product.id, account_id=product.account_id, **asdict(vehicle))]


def _type_it_needs(product: Product) -> str | None:
    return product.vehicle.vehicle_type if product.kind == "eticket" else None


def close_product(product: Product, *, confirmed: bool, now: datetime) -> list[ProductEvent]:
    """Close a product: at once here, at the partners within 24 hours (P4). Raises NotFound, ClosingNotConfirmed."""
    _must_exist(product)
    if product.closed:
        return []
    if not confirmed:
        raise ClosingNotConfirmed
    return [_closed(product, now)]


def use_trip(product: Product, *, journey_id: str, now: datetime) -> list[ProductEvent]:
    """A journey was driven on an eTicket: one trip less, and after the last one it is closed (P3, P4).

    Raises NotFound, NotAnETicket, ProductIsClosed.
    """
    _must_exist(product)
    if product.kind != "eticket":
        raise NotAnETicket
    if journey_id in product.driven:
        return []
    _must_be_open(product)
    left = product.trips_left - 1
    driven = TripDriven(product_id=product.id, account_id=product.account_id, journey_id=journey_id, trips_left=left)
    return [driven, _closed(product, now)] if left == 0 else [driven]


def _closed(product: Product, now: datetime) -> ProductClosed:
    return ProductClosed(
        product_id=product.id, account_id=product.account_id, closed_at_partners_by=now + CLOSED_AT_PARTNERS_WITHIN
    )


def as_reference(text: str | None) -> str | None:
    """The reference as it is kept (P5), None when it is blank. Raises TextMalformed, LooksLikeACardNumber."""
    return optional_line(text, most=REFERENCE)


def plate_key(country: str, plate: str) -> str:
    """A plate as the thing a product is made for (P2); both in the form of `plates`."""
    return f"{country} {plate}"


def _must_exist(product: Product) -> None:
    # The plain NotFound: what does not exist answers exactly like what is out of reach (A13).
    if not product.id:
        raise NotFound


def _must_be_open(product: Product) -> None:
    _must_exist(product)
    if product.closed:
        raise ProductIsClosed


def _must_be_an_open_bizz(product: Product) -> None:
    _must_be_open(product)
    if product.kind != "bizz":
        raise NotABizz


def _ordered(product: Product, event: BizzOrdered | NumberPlatePaymentOrdered | ETicketOrdered) -> Product:
    return replace(product, id=event.product_id, account_id=event.account_id, reference=event.reference)
