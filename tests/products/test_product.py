"""The rules of a product, read aloud; given = events."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial, reduce
from zoneinfo import ZoneInfo

import pytest

from services.products.domain.devices import DeviceNumberMalformed
from services.products.domain.ordering import (
    ETicketNeedsInvoice,
    ETicketNotConfirmed,
    ProductAlreadyOrdered,
    TripsOutOfRange,
    order_bizz,
    order_eticket,
    order_number_plate_payment,
)
from services.products.domain.plates import CountryUnknown, PlateMalformed
from services.products.domain.product import (
    BizzHasAnotherDevice,
    BizzNotDispatched,
    ClosingNotConfirmed,
    NotABizz,
    PlateIsTheProduct,
    Product,
    ProductIsClosed,
    activate_bizz,
    change_reference,
    close_product,
    describe_vehicle,
    dispatch_bizz,
    evolve,
)
from services.products.domain.vehicles import VehicleTypeUnknown, VinMalformed
from services.products.events import (
    BizzActivated,
    BizzDispatched,
    BizzOrdered,
    ETicketOrdered,
    NumberPlatePaymentOrdered,
    ProductClosed,
    ProductEvent,
    ReferenceChanged,
    VehicleDescribed,
)
from shared.errors import NotFound
from shared.free_text import LooksLikeACardNumber, TextMalformed

NOON = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
IN_20_MINUTES = datetime(2025, 3, 1, 12, 20, tzinfo=UTC)
IN_24_HOURS = datetime(2025, 3, 2, 12, 0, tzinfo=UTC)
PRODUCT, ACCOUNT, NORDLYS, DEVICE = "product-1", "account-1", "company-1", "9208000000000001"

BIZZ = BizzOrdered(product_id=PRODUCT, account_id=ACCOUNT, company_id=NORDLYS, reference="Bil 12")
PLATE_PAYMENT = NumberPlatePaymentOrdered(
    product_id=PRODUCT,
    account_id=ACCOUNT,
    company_id=NORDLYS,
    country="DK",
    plate="AB12345",
    usable_at_storebaelt_from=IN_20_MINUTES,
    usable_elsewhere_from=IN_24_HOURS,
    reference=None,
)
ETICKET = ETicketOrdered(
    product_id=PRODUCT,
    account_id=ACCOUNT,
    company_id=NORDLYS,
    country="SE",
    plate="ABC123",
    vin="WVWZZZ1JZ3W386752",
    vehicle_type="lorry",
    trips=2,
    usable_at_storebaelt_from=IN_20_MINUTES,
    usable_elsewhere_from=IN_24_HOURS,
    reference="Malmö",
)
DISPATCHED = BizzDispatched(product_id=PRODUCT, account_id=ACCOUNT, device_number=DEVICE)
ACTIVATED = BizzActivated(product_id=PRODUCT, account_id=ACCOUNT)
CLOSED = ProductClosed(product_id=PRODUCT, account_id=ACCOUNT, closed_at_partners_by=IN_24_HOURS)

order_a_bizz = partial(order_bizz, product_id=PRODUCT, account_id=ACCOUNT, company_id=NORDLYS, reference="Bil 12")
order_a_plate_payment = partial(
    order_number_plate_payment,
    product_id=PRODUCT,
    account_id=ACCOUNT,
    company_id=NORDLYS,
    country="dk",
    plate="ab 12-345",
    reference=None,
    now=NOON,
)
order_an_eticket = partial(
    order_eticket,
    product_id=PRODUCT,
    account_id=ACCOUNT,
    company_id=NORDLYS,
    payment="invoice",
    country="SE",
    plate="ABC 123",
    vin="wvwzzz1jz3w386752",
    vehicle_type="lorry",
    trips=2,
    details_are_right=True,
    may_be_used_everywhere=True,
    reference="Malmö",
    now=NOON,
)
describe = partial(describe_vehicle, make="Volvo", model="FH16", vehicle_type="lorry", plate=None)
close = partial(close_product, confirmed=True, now=NOON)


def given(*events: ProductEvent) -> Product:
    return reduce(evolve, events, Product())


def test_p1_a_bizz_is_ordered_then_dispatched_with_its_device_number_then_active() -> None:
    assert order_a_bizz(Product()) == [BIZZ]
    assert dispatch_bizz(given(BIZZ), device_number=DEVICE) == [DISPATCHED]
    assert activate_bizz(given(BIZZ, DISPATCHED)) == [ACTIVATED]
    assert activate_bizz(given(BIZZ, DISPATCHED, ACTIVATED)) == []


def test_p1_a_bizz_without_a_device_does_not_become_active() -> None:
    with pytest.raises(BizzNotDispatched):
        activate_bizz(given(BIZZ))


def test_p1_a_dispatched_bizz_gets_no_other_device() -> None:
    assert dispatch_bizz(given(BIZZ, DISPATCHED, ACTIVATED), device_number=DEVICE) == []
    with pytest.raises(BizzHasAnotherDevice):
        dispatch_bizz(given(BIZZ, DISPATCHED), device_number="9208000000000002")


def test_p1_a_device_number_is_16_digits_that_start_with_9208() -> None:
    with pytest.raises(DeviceNumberMalformed):
        dispatch_bizz(given(BIZZ), device_number="4111111111111111")


def test_p1_only_a_bizz_has_a_device() -> None:
    with pytest.raises(NotABizz):
        dispatch_bizz(given(PLATE_PAYMENT), device_number=DEVICE)
    with pytest.raises(NotABizz):
        activate_bizz(given(ETICKET))


def test_p2_a_plate_payment_is_usable_after_20_minutes_at_storebaelt_and_24_hours_elsewhere() -> None:
    assert order_a_plate_payment(Product()) == [PLATE_PAYMENT]


def test_p2_a_plate_payment_needs_a_country_and_a_plate() -> None:
    with pytest.raises(CountryUnknown):
        order_a_plate_payment(Product(), country="Denmark")
    with pytest.raises(PlateMalformed):
        order_a_plate_payment(Product(), plate="?")


def test_p3_an_eticket_is_ordered_with_plate_vin_type_and_trips() -> None:
    assert order_an_eticket(Product()) == [ETICKET]


def test_p3_an_eticket_is_refused_where_the_company_pays_by_card() -> None:
    with pytest.raises(ETicketNeedsInvoice) as refusal:
        order_an_eticket(Product(), payment="card")
    assert (refusal.value.code, refusal.value.rule) == ("eticket-needs-invoice", "P3")


def test_p3_an_eticket_needs_both_confirmations() -> None:
    with pytest.raises(ETicketNotConfirmed):
        order_an_eticket(Product(), details_are_right=False)
    with pytest.raises(ETicketNotConfirmed):
        order_an_eticket(Product(), may_be_used_everywhere=False)


@pytest.mark.parametrize("trips", [-1, 0, 3])
def test_p3_an_eticket_is_for_one_or_two_trips(trips: int) -> None:
    with pytest.raises(TripsOutOfRange):
        order_an_eticket(Product(), trips=trips)


def test_p3_an_eticket_needs_a_vin_and_a_known_vehicle_type() -> None:
    with pytest.raises(VinMalformed):
        order_an_eticket(Product(), vin="WVWZZZ1JZ3W38675O")
    with pytest.raises(VehicleTypeUnknown):
        order_an_eticket(Product(), vehicle_type="spaceship")


def test_a_product_is_ordered_once_and_as_one_thing() -> None:
    orders: dict[Callable[..., list[ProductEvent]], ProductEvent] = {
        order_a_bizz: BIZZ,
        order_a_plate_payment: PLATE_PAYMENT,
        order_an_eticket: ETICKET,
    }
    for order, ordered in orders.items():
        assert order(given(ordered)) == []
        for other in orders.keys() - {order}:
            with pytest.raises(ProductAlreadyOrdered):
                other(given(ordered))


def test_a7_the_vehicle_information_of_every_product_is_brought_up_to_date() -> None:
    described = VehicleDescribed(
        product_id=PRODUCT, account_id=ACCOUNT, make="Volvo", model="FH16", vehicle_type="lorry", plate=None
    )
    for ordered in (BIZZ, PLATE_PAYMENT, ETICKET):
        assert describe(given(ordered)) == [described]
        assert describe(given(ordered, described)) == []


def test_a7_the_plate_of_the_car_that_a_bizz_sits_in_is_changed() -> None:
    [described] = describe(given(BIZZ), plate="cd 67 890")
    assert isinstance(described, VehicleDescribed)
    assert described.plate == "CD67890"


@pytest.mark.parametrize("ordered", [PLATE_PAYMENT, ETICKET])
def test_a7_nobody_changes_the_plate_that_is_the_product(ordered: ProductEvent) -> None:
    with pytest.raises(PlateIsTheProduct) as refusal:
        describe(given(ordered), plate="CD67890")
    assert refusal.value.rule == "A7"


def test_p4_closing_takes_effect_here_at_once_and_at_partners_within_24_hours() -> None:
    for ordered in (BIZZ, PLATE_PAYMENT, ETICKET):
        assert close(given(ordered)) == [CLOSED]
        assert given(ordered, CLOSED).closed


def test_p4_closing_must_be_confirmed() -> None:
    with pytest.raises(ClosingNotConfirmed):
        close(given(BIZZ), confirmed=False)


def test_p4_closing_again_changes_nothing() -> None:
    assert close(given(BIZZ, CLOSED)) == []


def test_p4_a_closed_product_stays_as_it_is() -> None:
    closed = given(BIZZ, CLOSED)
    for command in (
        order_a_bizz,
        partial(dispatch_bizz, device_number=DEVICE),
        activate_bizz,
        partial(change_reference, reference="Bil 13"),
        describe,
    ):
        with pytest.raises(ProductIsClosed) as refusal:
            command(closed)
        assert refusal.value.code == "product-closed"


def test_p5_a_product_carries_a_reference_of_at_most_60_characters_or_none() -> None:
    changed = ReferenceChanged(product_id=PRODUCT, account_id=ACCOUNT, reference="Ø" * 60)
    assert change_reference(given(BIZZ), reference="Ø" * 60) == [changed]
    assert change_reference(given(BIZZ), reference=" Bil  12") == []
    assert given(BIZZ, *change_reference(given(BIZZ), reference="  ")).reference is None
    with pytest.raises(TextMalformed):
        change_reference(given(BIZZ), reference="Ø" * 61)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111 – 1111 – 1111 – 1111",
        "Kort:4111111111111111!",
        "4111 1111 1111 1111 12/27",
        "12 4111 1111 1111 1111",
        "４１１１１１１１１１１１１１１１",
        "3782 822463 10005",
        "4222222222222",
    ],
)
def test_p6_what_looks_like_a_card_number_is_refused_and_not_repeated(text: str) -> None:
    for command in (
        partial(change_reference, reference=text),
        partial(describe, make=text),
        partial(describe, model=text),
    ):
        with pytest.raises(LooksLikeACardNumber) as refusal:
            command(given(BIZZ))
        assert not any(character.isdigit() for character in str(refusal.value))
    with pytest.raises(LooksLikeACardNumber):
        order_a_bizz(Product(), reference=text)


@pytest.mark.parametrize("text", ["Bil 12", "4111111111111112", "+45 11 22 33 44", "411111111111", "2025-03-01 12:00"])
def test_p6_other_numbers_are_a_reference_like_any_other(text: str) -> None:
    assert given(BIZZ, *change_reference(given(BIZZ), reference=text)).reference == text


def test_nothing_is_done_to_a_product_that_nobody_ordered() -> None:
    for command in (partial(dispatch_bizz, device_number=DEVICE), activate_bizz, describe, close):
        with pytest.raises(NotFound):
            command(Product())


def test_p3_an_eticket_keeps_the_vehicle_type_that_it_was_ordered_for() -> None:
    described = describe_vehicle(given(ETICKET), make="Scania", model=None, vehicle_type=None, plate=None)
    assert [event.vehicle_type for event in described if isinstance(event, VehicleDescribed)] == ["lorry"]


def test_p2_a_plate_is_usable_elsewhere_24_hours_later_also_when_copenhagen_puts_its_clocks_on() -> None:
    copenhagen = ZoneInfo("Europe/Copenhagen")
    evening_before = datetime(2025, 3, 29, 20, 0, tzinfo=copenhagen)
    (ordered,) = order_a_plate_payment(Product(), now=evening_before.astimezone(UTC))
    assert isinstance(ordered, NumberPlatePaymentOrdered)
    assert ordered.usable_elsewhere_from.astimezone(copenhagen) == datetime(2025, 3, 30, 21, 0, tzinfo=copenhagen)
    assert ordered.usable_at_storebaelt_from == datetime(2025, 3, 29, 19, 20, tzinfo=UTC)
