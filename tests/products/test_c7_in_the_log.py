"""C7 in the log itself: random orders, closings and ends of accounts on two replicas, with crashes."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from hypothesis import given, note
from hypothesis import strategies as st

from services.company.events import AccountEnded
from services.products.events import BizzOrdered, NumberPlatePaymentOrdered, ProductClosed
from shared.dead_letters import Letter
from tests.crashes import games, lose_every_connection
from tests.feed import log_of, running
from tests.products.conftest import (
    AGREEMENT,
    BIZZ,
    CONFIRMED,
    METTE,
    PLATE_PAYMENT,
    World,
    name,
    opened,
    replica,
    the_companies,
)

ACCOUNTS = tuple(name("account", 70 + number) for number in range(3))

Command = tuple[str, int, int]
"""What, on which account, on which replica."""

COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(["bizz", "bizz", "bizz", "number-plate-payment", "close", "end", "crash"]),
        st.integers(0, len(ACCOUNTS) - 1),
        st.integers(0, 1),
    ),
    min_size=8,
    max_size=30,
)


@games(8)
@given(commands=COMMANDS)
def test_c7_no_product_is_open_on_an_ended_account_and_each_was_closed_once_on_two_replicas_with_crashes(
    new_database: Callable[[], str], commands: Sequence[Command]
) -> None:
    asyncio.run(_play(new_database(), commands))


async def _play(dsn: str, commands: Sequence[Command]) -> None:
    replicas = [replica(dsn), replica(dsn)]
    async with running(*(world.backbone for world in replicas)):
        ends = await _given(replicas[0])
        orders: dict[int, list[str]] = {number: [] for number in range(len(ACCOUNTS))}
        for first in range(0, len(commands), 4):  # four at a time, at the same moment
            await asyncio.gather(*(_do(replicas, ends, orders, command) for command in commands[first : first + 4]))
        await _take(replicas[1], *ends)  # whatever was heard already, by now all of it has been
        _everything_is_closed_once(replicas[0], {product for of_one in orders.values() for product in of_one})


async def _given(world: World) -> list[Letter]:
    """Three more accounts in Mette's agreement; answers how the end of each will be told."""
    await world.feed.given_the_house()
    await world.feed.given(*the_companies())
    # A company each, so that their ends may be heard in any order.
    await world.feed.given(*(opened(account, _company(n), "invoice", AGREEMENT) for n, account in enumerate(ACCOUNTS)))
    return [
        world.feed.letter(AccountEnded(company_id=_company(n), account_id=account))
        for n, account in enumerate(ACCOUNTS)
    ]


def _company(number: int) -> str:
    return name("company", 70 + number)


async def _take(world: World, *letters: Letter) -> None:
    assert world.backbone.inbox is not None
    await world.backbone.inbox.take_letters(letters)


async def _do(
    replicas: Sequence[World], ends: Sequence[Letter], orders: dict[int, list[str]], command: Command
) -> None:
    what, which, where = command
    world = replicas[where]
    if what == "crash":
        return await lose_every_connection(world.backbone)
    if what == "end":
        return await _take(world, ends[which])  # said again, it does no harm
    if what == "close":
        if not orders[which]:
            return None
        answer = await world.asked_by(METTE)("POST", f"/products/{orders[which][-1]}/close", CONFIRMED)
    else:
        answer = await world.asks_to_order(METTE, BIZZ if what == "bizz" else PLATE_PAYMENT, ACCOUNTS[which])
        if answer.status_code == 201:
            orders[which].append(answer.json()["product_id"])
    note(f"{command}: {answer.status_code} {answer.json().get('code')}")
    assert answer.status_code in {200, 201, 409, 503}, answer.text
    return None


def _everything_is_closed_once(world: World, acknowledged: set[str]) -> None:
    history = [recorded.data for recorded in log_of(world.backbone)]
    ordered = [event.product_id for event in history if isinstance(event, (BizzOrdered, NumberPlatePaymentOrdered))]
    closed = Counter(event.product_id for event in history if isinstance(event, ProductClosed))
    assert acknowledged <= set(ordered)
    assert closed == dict.fromkeys(ordered, 1)
    with world.backbone.connect() as connection:
        assert connection.execute("SELECT * FROM products WHERE state <> 'closed'").fetchall() == []
        assert connection.execute("SELECT * FROM dead_letters").fetchall() == []
