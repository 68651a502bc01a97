"""P2 in the log itself, not only in the view: random commands of several companies on two replicas, with crashes.

Plates are ordered by hand and from files, and are free again when a product is closed or an eTicket is used up.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import LiteralString

import httpx
from hypothesis import example, given, note
from hypothesis import strategies as st

from services.products.domain.product import NotAnETicket, ProductIsClosed
from services.products.events import ETicketOrdered, NumberPlatePaymentOrdered, ProductClosed
from services.products.use_cases.products import CareOfProducts
from services.profiles.access import Access
from shared.actor import Actor
from shared.cause import Cause
from shared.envelope import Recorded
from shared.errors import Unavailable
from shared.ids import new_id
from tests.crashes import games, lose_every_connection
from tests.feed import hears_until, log_of
from tests.products.bulk import HEADER, sends, worker
from tests.products.conftest import (
    ANNA,
    CONFIRMED,
    ETICKET,
    HANS,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    replica,
    the_companies,
)

CUSTOMERS = ((ANNA, NORDLYS_ROAD), (METTE, NORDLYS_HARBOUR), (HANS, HAVNEFART_MAIN))
PLATES = 3

Command = tuple[str, int, int, int]
"""What, by which customer, for which plate, on which replica."""

COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("number-plate-payment", "number-plate-payment", "eticket", "eticket", "file", "whole-file"),
                *("close", "close", "trip", "trip", "crash"),
            ]
        ),
        st.integers(0, len(CUSTOMERS) - 1),
        st.integers(0, PLATES - 1),
        st.integers(0, 1),
    ),
    min_size=4,
    max_size=24,
)
EACH_ONCE: list[Command] = [
    *(("eticket", 0, 0, 0), ("number-plate-payment", 1, 1, 1), ("trip", 0, 2, 0), ("trip", 0, 2, 1)),
    *(("trip", 0, 0, 0), ("close", 1, 1, 0), ("number-plate-payment", 2, 0, 1), ("file", 0, 0, 1)),
]
"""What no game may go without, whatever is drawn."""


def test_p2_holds_in_the_log_for_random_commands_of_several_companies_on_two_replicas_with_crashes(
    database: str,
) -> None:
    replicas = replica(database), replica(database)
    played = 0

    @games(25)
    @given(COMMANDS)
    @example(EACH_ONCE)
    def play(commands: Sequence[Command]) -> None:
        nonlocal played
        played += 1  # each has plates of its own, all are in one log
        acknowledged = runner.run(_played(replicas, commands, game=played))
        history = list(log_of(replicas[0].backbone))
        assert acknowledged <= {recorded.stream for recorded in history}
        assert _open_plates(history) == _plates_in_the_view(replicas[0])

    with asyncio.Runner() as runner:
        runner.run(_opened(replicas))
        try:
            play()
            types = Counter(replicas[0].types_in_log())
        finally:
            for each in replicas:
                runner.run(each.backbone.close_store())
    assert min(types["product-closed"], types["eticket-ordered"], types["attempt-refused"]) > 0
    assert min(types["trip-driven"], types["bulk-order-finished"]) > 0


async def _opened(replicas: tuple[World, World]) -> None:
    for each in replicas:
        await each.backbone.open_store()
        await hears_until(each.backbone, timedelta(days=365))
    await replicas[0].feed.given_the_house()
    await replicas[0].feed.given(*the_companies())


async def _played(replicas: tuple[World, World], commands: Sequence[Command], game: int) -> set[str]:
    """Four commands at the same moment, then the next four; answers which products were acknowledged."""
    orders: dict[int, list[tuple[int, str]]] = {plate: [] for plate in range(PLATES)}
    for first in range(0, len(commands), 4):
        await asyncio.gather(*(_do(replicas, command, orders, game) for command in commands[first : first + 4]))
    return {product for of_plate in orders.values() for _, product in of_plate}


async def _do(
    replicas: tuple[World, World], command: Command, orders: dict[int, list[tuple[int, str]]], game: int
) -> None:
    what, customer, plate, where = command
    if what == "crash":
        return await lose_every_connection(replicas[where].backbone)
    if what in {"close", "trip"} and not orders[plate]:
        return None
    if what in {"file", "whole-file"}:
        return await _order_from_a_file(replicas[where], what, customer, orders, game)
    if what == "trip":
        return await _drive(replicas[where], orders[plate][-1][1])
    if what == "close":
        owner, product = orders[plate][-1]
        ask = replicas[where].asked_by(CUSTOMERS[owner][0])
        answer = await ask("POST", f"/products/{product}/close", CONFIRMED)
    else:
        answer = await _order(replicas[where], what, customer, f"G{game}P{plate}")
        if answer.status_code == 201:
            orders[plate].append((customer, answer.json()["product_id"]))
    note(f"{command}: {answer.status_code} {answer.json().get('code')}")
    assert answer.status_code in {200, 201, 409, 503}, answer.text
    return None


async def _order_from_a_file(
    world: World, what: str, customer: int, orders: dict[int, list[tuple[int, str]]], game: int
) -> None:
    """All plates of the game at once; whoever crashes leaves what is left of the file to others."""
    who, account = CUSTOMERS[customer]
    file = HEADER + "".join(f"number-plate-payment;DK;G{game}P{plate}\n" for plate in range(PLATES))
    mode = "per-row" if what == "file" else "all-or-nothing"
    answer = await sends(world, file, who, account, mode=mode)
    note(f"{what} by {customer}: {answer.status_code}")
    assert answer.status_code in {202, 503}, answer.text
    with suppress(Unavailable):
        await worker(world).work()
        if answer.status_code == 202:
            bulk = answer.json()["bulk_id"]
            for row in await world.backbone.database.rows(_ORDERED, (bulk,)):
                orders[row["line"] - 2].append((customer, row["product_id"]))


_ORDERED: LiteralString = "SELECT line, product_id FROM bulk_rows WHERE bulk_id = %s AND outcome = 'done'"


async def _drive(world: World, product: str) -> None:
    """A journey of its own; what is no eTicket has no trips, and what is closed none any more."""
    care = CareOfProducts(
        world.backbone.streams, world.backbone.database, Access(world.backbone.database), world.backbone.clock
    )
    with suppress(NotAnETicket, ProductIsClosed, Unavailable):
        await care.use_trip(product, new_id("journey"), Cause(Actor("system", "journeys"), "feed"))


async def _order(world: World, kind: str, customer: int, plate: str) -> httpx.Response:
    form = ETICKET if kind == "eticket" and CUSTOMERS[customer][0] != HANS else PLATE_PAYMENT
    who, account = CUSTOMERS[customer]
    return await world.asks_to_order(who, {**form, "country": "DK", "plate": plate}, account)


def _open_plates(history: Iterable[Recorded]) -> dict[str, str]:
    """Fold the log: the open product of each plate; fails where a plate would have two."""
    opened: dict[str, str] = {}
    for recorded in history:
        match recorded.data:
            case NumberPlatePaymentOrdered() | ETicketOrdered() as ordered:
                plate = f"{ordered.country} {ordered.plate}"
                assert plate not in opened, f"{plate} has two open products at position {recorded.position}"
                opened[plate] = ordered.product_id
            case ProductClosed(product_id=product):
                opened = {plate: open_ for plate, open_ in opened.items() if open_ != product}
            case _:
                pass
    return opened


def _plates_in_the_view(world: World) -> dict[str, str]:
    with world.backbone.connect() as connection:
        rows = connection.execute("SELECT country || ' ' || plate, product_id FROM open_product_by_plate")
        return dict(rows.fetchall())
