"""Ordering a product: what each kind asks for.

P1   A bizz is ordered first and gets its device later.
P2   A number plate payment is usable after 20 minutes at Storebælt and 24 hours elsewhere; so is an eTicket.
P3   An eTicket is for companies that pay by invoice, for 1 or 2 trips, with both confirmations given.
"""

from datetime import datetime, timedelta
from typing import Literal

from services.products.domain import plates
from services.products.domain.product import Product, ProductIsClosed, as_reference, plate_key
from services.products.domain.vehicles import vehicle_type as as_vehicle_type
from services.products.domain.vehicles import vin as as_vin
from services.products.events import (
    BizzOrdered,
    ETicketOrdered,
    NumberPlatePaymentOrdered,
    ProductEvent,
    ProductKind,
)
from shared.errors import Conflict, Invalid

Payment = Literal["invoice", "card"]

USABLE_AT_STOREBAELT_AFTER = timedelta(minutes=20)
USABLE_ELSEWHERE_AFTER = timedelta(hours=24)


class ProductAlreadyOrdered(Conflict):
    """This product was already ordered, and as something else."""

    code = "product-already-ordered"


class ETicketNeedsInvoice(Conflict):
    """An eTicket is for companies that pay by invoice."""

    code = "eticket-needs-invoice"
    rule = "P3"


class ETicketNotConfirmed(Invalid):
    """Confirm both that the details are right and that the eTicket may be used at every partner."""

    code = "eticket-not-confirmed"
    rule = "P3"


class TripsOutOfRange(Invalid):
    """An eTicket is for one or two trips."""

    code = "trips-out-of-range"
    rule = "P3"


def order_bizz(
    product: Product, *, product_id: str, account_id: str, company_id: str, reference: str | None
) -> list[ProductEvent]:
    """Order a bizz (P1). Raises ProductAlreadyOrdered, ProductIsClosed, TextMalformed, LooksLikeACardNumber."""
    if _already_ordered(product, account_id, "bizz", None):
        return []
    return [
        BizzOrdered(
            product_id=product_id, account_id=account_id, company_id=company_id, reference=as_reference(reference)
        )
    ]


def order_number_plate_payment(
    product: Product,
    *,
    product_id: str,
    account_id: str,
    company_id: str,
    country: str,
    plate: str,
    reference: str | None,
    now: datetime,
) -> list[ProductEvent]:
    """Make a number plate payment, usable from the times of P2.

    Raises CountryUnknown, PlateMalformed, ProductAlreadyOrdered, ProductIsClosed, TextMalformed, LooksLikeACardNumber.
    """
    country = plates.country_code(country)
    plate = plates.plate_of(country, plate)
    if _already_ordered(product, account_id, "number-plate-payment", plate_key(country, plate)):
        return []
    return [
        NumberPlatePaymentOrdered(
            product_id=product_id,
            account_id=account_id,
            company_id=company_id,
            country=country,
            plate=plate,
            usable_at_storebaelt_from=now + USABLE_AT_STOREBAELT_AFTER,
            usable_elsewhere_from=now + USABLE_ELSEWHERE_AFTER,
            reference=as_reference(reference),
        )
    ]


def order_eticket(
    product: Product,
    *,
    product_id: str,
    account_id: str,
    company_id: str,
    payment: Payment,
    country: str,
    plate: str,
    vin: str,
    vehicle_type: str,
    trips: int,
    details_are_right: bool,
    may_be_used_everywhere: bool,
    reference: str | None,
    now: datetime,
) -> list[ProductEvent]:
    """Order an eTicket for an account that is paid as `payment` says (P3), usable from the times of P2.

    Raises ETicketNeedsInvoice, ETicketNotConfirmed, TripsOutOfRange, VinMalformed, VehicleTypeUnknown, and what a
    number plate payment raises.
    """
    country = plates.country_code(country)
    plate = plates.plate_of(country, plate)
    if _already_ordered(product, account_id, "eticket", plate_key(country, plate)):
        return []
    if payment != "invoice":
        raise ETicketNeedsInvoice
    if not (details_are_right and may_be_used_everywhere):
        raise ETicketNotConfirmed
    if trips not in (1, 2):
        raise TripsOutOfRange
    return [
        ETicketOrdered(
            product_id=product_id,
            account_id=account_id,
            company_id=company_id,
            country=country,
            plate=plate,
            vin=as_vin(vin),
            vehicle_type=as_vehicle_type(vehicle_type),
            trips=trips,
            usable_at_storebaelt_from=now + USABLE_AT_STOREBAELT_AFTER,
            usable_elsewhere_from=now + USABLE_ELSEWHERE_AFTER,
            reference=as_reference(reference),
        )
    ]


def _already_ordered(product: Product, account_id: str, kind: ProductKind, plate: str | None) -> bool:
    if not product.id:
        return False
    if product.closed:
        raise ProductIsClosed
    if (product.account_id, product.kind, product.plate) != (account_id, kind, plate):
        raise ProductAlreadyOrdered
    return True
