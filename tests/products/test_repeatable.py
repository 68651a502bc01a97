"""Asking a product again changes nothing, also later; P1 and P4 hold in every history."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from services.products.domain.ordering import order_bizz, order_eticket, order_number_plate_payment
from services.products.domain.product import (
    Product,
    activate_bizz,
    change_reference,
    close_product,
    describe_vehicle,
    dispatch_bizz,
    evolve,
    use_trip,
)
from services.products.events import (
    BizzActivated,
    BizzDispatched,
    BizzOrdered,
    ProductClosed,
    ProductEvent,
    TripDriven,
)
from shared.errors import Refusal
from tests.products.test_product import DEVICE, NOON, order_a_bizz, order_a_plate_payment, order_an_eticket

Command = Callable[[Product, datetime], list[ProductEvent]]


def asked(decision: Callable[..., list[ProductEvent]], **asks: st.SearchStrategy[object]) -> st.SearchStrategy[Command]:
    """A command whose decision does not ask for the time."""
    return st.fixed_dictionaries(asks).map(lambda arguments: lambda product, _: decision(product, **arguments))


def timed(decision: Callable[..., list[ProductEvent]], **asks: st.SearchStrategy[object]) -> st.SearchStrategy[Command]:
    """A command whose decision does."""
    return st.fixed_dictionaries(asks).map(
        lambda arguments: lambda product, now: decision(product, now=now, **arguments)
    )


TEXTS = st.sampled_from([None, "", "Bil 12", " Bil  12 ", "4111 1111 1111 1111"])
ORDER: dict[str, st.SearchStrategy[object]] = {
    "product_id": st.just("product-1"),
    "account_id": st.sampled_from(["account-1", "account-2"]),
    "company_id": st.just("company-1"),
    "reference": TEXTS,
}
PLATE: dict[str, st.SearchStrategy[object]] = {
    "country": st.sampled_from(["DK", "dk", "SE"]),
    "plate": st.sampled_from(["AB12345", "ab 12-345", "CD67890", "?"]),
}
DEVICES = st.sampled_from(["9208000000000001", "9208000000000002", "1"])
COMMANDS = st.one_of(
    asked(order_bizz, **ORDER),
    timed(order_number_plate_payment, **ORDER, **PLATE),
    timed(
        order_eticket,
        **ORDER,
        **PLATE,
        payment=st.sampled_from(["invoice", "card"]),
        vin=st.just("WVWZZZ1JZ3W386752"),
        vehicle_type=st.sampled_from(["lorry", "van"]),
        trips=st.integers(0, 3),
        details_are_right=st.booleans(),
        may_be_used_everywhere=st.booleans(),
    ),
    asked(dispatch_bizz, device_number=DEVICES),
    asked(activate_bizz),
    asked(change_reference, reference=TEXTS),
    asked(
        describe_vehicle,
        make=TEXTS,
        model=TEXTS,
        vehicle_type=st.sampled_from([None, "lorry", "spaceship"]),
        plate=st.sampled_from([None, "", "AB12345", "ab-12345"]),
    ),
    timed(close_product, confirmed=st.booleans()),
    timed(use_trip, journey_id=st.sampled_from(["journey-1", "journey-2", "journey-3"])),
)
# Most histories begin with a product, many with a bizz on its way, or little would ever happen in them.
BEGINNINGS: list[list[Command]] = [
    [],
    [lambda product, _: order_a_bizz(product)],
    [lambda product, _: order_a_bizz(product), lambda product, _: dispatch_bizz(product, device_number=DEVICE)],
    [lambda product, now: order_a_plate_payment(product, now=now)],
    [lambda product, now: order_an_eticket(product, now=now)],
]
HISTORIES = st.builds(lambda first, more: [*first, *more], st.sampled_from(BEGINNINGS), st.lists(COMMANDS, max_size=10))


def answer(product: Product, command: Command, now: datetime) -> list[ProductEvent] | type[Refusal]:
    try:
        return command(product, now)
    except Refusal as refusal:
        return type(refusal)


def history_of(commands: list[Command]) -> list[ProductEvent]:
    history: list[ProductEvent] = []
    for command in commands:
        said = answer(reduce(evolve, history, Product()), command, NOON)
        history += said if isinstance(said, list) else []
    return history


@settings(deadline=None)
@given(HISTORIES, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_every_command_repeated_in_any_state_and_later_changes_nothing_or_is_refused_alike(
    commands: list[Command], later: timedelta
) -> None:
    product = Product()
    for command in commands:
        first = answer(product, command, NOON)
        events = first if isinstance(first, list) else []
        product = reduce(evolve, events, product)
        assert answer(product, command, NOON + later) == ([] if isinstance(first, list) else first)


@settings(deadline=None)
@given(HISTORIES)
def test_p4_nothing_follows_a_closing(commands: list[Command]) -> None:
    history = history_of(commands)
    assert not any(isinstance(event, ProductClosed) for event in history[:-1])


@settings(deadline=None)
@given(HISTORIES)
def test_p1_every_bizz_is_ordered_then_dispatched_then_active_and_each_once(commands: list[Command]) -> None:
    steps = [
        type(event) for event in history_of(commands) if isinstance(event, (BizzOrdered, BizzDispatched, BizzActivated))
    ]
    assert steps == [BizzOrdered, BizzDispatched, BizzActivated][: len(steps)]


@settings(deadline=None)
@given(HISTORIES)
def test_p3_trips_are_counted_down_by_one_each_journey_once_and_the_last_one_closes(commands: list[Command]) -> None:
    history = history_of(commands)
    trips = [event for event in history if isinstance(event, TripDriven)]
    assert len({trip.journey_id for trip in trips}) == len(trips) <= 2
    assert [trip.trips_left for trip in trips] == sorted((trip.trips_left for trip in trips), reverse=True)
    if trips and trips[-1].trips_left == 0:
        assert isinstance(history[-1], ProductClosed)
