"""P3: an eTicket's trips are used up by journeys, each once; then it is closed like any other product (P2, P4, A8)."""

import asyncio
from functools import partial

import pytest

from services.products.domain.product import NotAnETicket, ProductIsClosed, use_trip
from services.products.events import ETicketOrdered, ProductClosed, TripDriven
from services.products.use_cases.products import CareOfProducts
from services.profiles.access import Access
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.errors import NotFound
from tests.feed import log_of, running
from tests.products.conftest import (
    ANNA,
    BIZZ,
    CONFIRMED,
    DORA,
    ETICKET,
    HANS,
    HAVNEFART_MAIN,
    PLATE_PAYMENT,
    World,
    replica,
)
from tests.products.test_product import BIZZ as A_BIZZ
from tests.products.test_product import CLOSED, NOON, given
from tests.products.test_product import ETICKET as TICKET
from tests.products.test_product import PLATE_PAYMENT as A_PLATE_PAYMENT

INTAKE = Actor("system", "journeys")
OUT, BACK, AGAIN = "journey-out", "journey-back", "journey-again"
SAME_PLATE = {**PLATE_PAYMENT, "country": ETICKET["country"], "plate": ETICKET["plate"]}
drive = partial(use_trip, now=NOON)


def driven(journey: str, left: int) -> TripDriven:
    return TripDriven(product_id=TICKET.product_id, account_id=TICKET.account_id, journey_id=journey, trips_left=left)


def for_one_trip() -> ETicketOrdered:
    return TICKET.model_copy(update={"trips": 1})


def test_p3_a_journey_uses_up_one_of_two_trips() -> None:
    assert drive(given(TICKET), journey_id=OUT) == [driven(OUT, 1)]


def test_p3_p4_an_eticket_is_used_up_and_closed_when_its_last_trip_is_driven() -> None:
    assert drive(given(TICKET, driven(OUT, 1)), journey_id=BACK) == [driven(BACK, 0), CLOSED]
    assert drive(given(for_one_trip()), journey_id=OUT) == [driven(OUT, 0), CLOSED]


def test_p3_a_journey_told_of_again_uses_up_nothing_whatever_happened_since() -> None:
    for history in (
        (TICKET, driven(OUT, 1)),
        (TICKET, driven(OUT, 1), driven(BACK, 0), CLOSED),
        (TICKET, driven(OUT, 1), CLOSED),
    ):
        assert drive(given(*history), journey_id=OUT) == []


def test_p3_p7_a_journey_on_an_eticket_that_is_used_up_or_closed_is_refused_to_be_kept_aside() -> None:
    for history in ((TICKET, driven(OUT, 1), driven(BACK, 0), CLOSED), (TICKET, CLOSED)):
        with pytest.raises(ProductIsClosed):
            drive(given(*history), journey_id=AGAIN)


def test_p3_only_an_eticket_has_trips() -> None:
    for other in (A_BIZZ, A_PLATE_PAYMENT):
        with pytest.raises(NotAnETicket):
            drive(given(other), journey_id=OUT)
    with pytest.raises(NotFound):
        drive(given(), journey_id=OUT)


def uses(world: World) -> CareOfProducts:
    """What takes in the journeys: it asks the use case, nobody asks it over HTTP."""
    backbone = world.backbone
    return CareOfProducts(backbone.streams, backbone.database, Access(backbone.database), backbone.clock)


async def drives(world: World, ticket: str, journey: str) -> Written:
    return await uses(world).use_trip(ticket, journey, Cause(INTAKE, "feed-1"))


async def test_p3_the_trips_that_are_left_are_shown_and_each_journey_counts_once(world: World) -> None:
    ticket = await world.ordered(ETICKET)
    left = [(await world.seen(ticket))["trips_left"]]
    for journey in (OUT, OUT, BACK, BACK):
        await drives(world, ticket, journey)
        left.append((await world.seen(ticket))["trips_left"])
    assert left == [2, 1, 1, 0, 0]
    shown = await world.seen(ticket)
    assert (shown["state"], shown["trips"]) == ("closed", 2)
    assert shown["closed_at_partners_by"] is not None
    assert world.types_in_log() == ["eticket-ordered", "trip-driven", "trip-driven", "product-closed"]
    assert (await world.seen(await world.ordered(BIZZ)))["trips_left"] is None


async def test_p2_p3_the_plate_of_an_eticket_that_is_used_up_is_free_again_and_not_before(world: World) -> None:
    ticket = await world.ordered(ETICKET)
    await drives(world, ticket, OUT)
    assert (await world.asks_to_order(HANS, SAME_PLATE, HAVNEFART_MAIN)).json()["code"] == "plate-has-open-product"
    await drives(world, ticket, BACK)
    assert await world.ordered(SAME_PLATE, HANS, HAVNEFART_MAIN) != ticket


async def test_a8_p3_access_to_an_eticket_ends_when_it_is_used_up_as_if_somebody_had_closed_it(world: World) -> None:
    by_hand, ticket = await world.ordered({**ETICKET, "plate": "XYZ 999"}), await world.ordered(ETICKET)
    await world.done(ANNA, "POST", f"/products/{by_hand}/close", CONFIRMED)
    await world.drives(DORA, ticket)
    assert await world.listed(DORA) == [ticket]
    for journey in (OUT, BACK):
        await drives(world, ticket, journey)
    assert await world.listed(DORA) == []
    assert (await world.asked_by(DORA)("GET", f"/products/{ticket}")).status_code == 404
    told = [recorded.data for recorded in log_of(world.backbone) if isinstance(recorded.data, ProductClosed)]
    assert [closed.product_id for closed in told] == [by_hand, ticket], "profiles hears of both in the same words"


async def test_p3_journeys_at_the_same_moment_on_two_replicas_use_up_no_trip_twice_and_none_too_many(
    world: World, database: str
) -> None:
    ticket = await world.ordered(ETICKET)
    other = replica(database)
    journeys = [OUT, BACK, AGAIN, "journey-more"] * 5
    async with running(other.backbone):
        answers = await asyncio.gather(
            *(drives((world, other)[n % 2], ticket, journey) for n, journey in enumerate(journeys)),
            return_exceptions=True,
        )
    assert {type(answer) for answer in answers} == {Written, ProductIsClosed}
    counted = [recorded.data for recorded in log_of(world.backbone) if isinstance(recorded.data, TripDriven)]
    assert len({trip.journey_id for trip in counted}) == len(counted) == 2
    assert world.types_in_log().count("product-closed") == 1


async def test_p3_the_history_says_by_which_journey_a_trip_was_used_up_and_by_whom_it_was_told(world: World) -> None:
    ticket = await world.ordered(ETICKET)
    await drives(world, ticket, OUT)
    *_, last = log_of(world.backbone)
    assert isinstance(last.data, TripDriven)
    assert (last.data.journey_id, last.actor, last.correlation) == (OUT, INTAKE, "feed-1")
