"""Consistency tokens: nobody who sends back what they wrote is answered from before it."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from shared.database import Database
from shared.errors import Unavailable
from shared.http.problems import headers_of, status_of
from shared.ids import new_id
from shared.seen import MOST_STREAMS, Applied, NotSeenYet, SeenMalformed, header_of, parse
from tests.shared.elsewhere import Elsewhere, inbox_of
from tests.shared.shop import ANNA, PRODUCT, Shop, note

MINE, FOREIGN = f"product-{1:032x}", f"product-order-{2:032x}"


@pytest.fixture
async def applied(shop: Shop) -> AsyncIterator[Applied]:
    database = Database(shop.dsn, connections=2)
    await database.open()
    yield Applied(database, own=frozenset({"product"}), follows=frozenset({"product-order"}))
    await database.close()


async def test_what_is_applied_already_is_answered_at_once(shop: Shop, applied: Applied) -> None:
    written = await shop.streams.change(PRODUCT, MINE, note(MINE, "a"), ANNA)
    started = time.monotonic()
    await applied.wait_for(header_of(written.seen))
    assert time.monotonic() - started < 1.0


async def test_an_own_version_that_is_not_there_yet_is_waited_for(shop: Shop, applied: Applied) -> None:
    waiting = asyncio.create_task(applied.wait_for(f"{MINE}@2"))
    await shop.streams.change(PRODUCT, MINE, note(MINE, "a"), ANNA)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await shop.streams.change(PRODUCT, MINE, note(MINE, "b"), ANNA)
    await waiting


async def test_a_foreign_version_is_waited_for_until_the_inbox_has_it(shop: Shop, applied: Applied) -> None:
    elsewhere = Elsewhere()
    one, two = elsewhere.notes(FOREIGN, "a", "b")
    with inbox_of(shop) as inbox:
        inbox._follows = frozenset({"product-order"})
        await inbox.take_letters([one])
        waiting = asyncio.create_task(applied.wait_for(f"{FOREIGN}@2, {FOREIGN}@1"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await inbox.take_letters([two])
        await waiting


async def test_after_two_seconds_the_answer_is_that_it_is_not_there_yet(applied: Applied) -> None:
    started = time.monotonic()
    with pytest.raises(NotSeenYet) as refused:
        await applied.wait_for(f"{FOREIGN}@1")
    assert 2.0 <= time.monotonic() - started < 4.0
    assert (status_of(refused.value), headers_of(refused.value)) == (503, {"Retry-After": "1"})


async def test_streams_that_never_reach_this_service_are_not_waited_for(applied: Applied) -> None:
    await applied.wait_for(f"{new_id('invoice')}@7")


async def test_a_command_that_wrote_nothing_in_a_new_stream_waits_for_nothing(applied: Applied) -> None:
    await applied.wait_for(f"{MINE}@0, {FOREIGN}@0")


@pytest.mark.parametrize(
    "header",
    ["", ",", "product", "product@1", f"{MINE}", f"{MINE}@", f"{MINE}@-1", f"{MINE}@1;{MINE}@2", f"{MINE.upper()}@1",
     f"{MINE}@١", f"{MINE}@{'9' * 16}", "' OR 1=1--@1", f"{MINE}@1\n{MINE}@2"],
)  # fmt: skip
def test_a_header_that_is_not_as_it_was_given_is_refused(header: str) -> None:
    with pytest.raises(SeenMalformed) as refused:
        parse(header)
    assert status_of(refused.value) == 422


def test_no_more_streams_than_a_command_can_write_are_asked_for() -> None:
    parse(", ".join(f"{new_id('product')}@1" for _ in range(MOST_STREAMS)))
    with pytest.raises(SeenMalformed):
        parse(", ".join(f"{new_id('product')}@1" for _ in range(MOST_STREAMS + 1)))


def test_of_several_versions_of_a_stream_the_highest_counts() -> None:
    assert parse(f"{MINE}@3,{MINE}@7 , {MINE}@5") == {MINE: 7}


async def test_without_the_database_nothing_is_said_to_be_applied() -> None:
    database = Database("host=127.0.0.1 port=9 user=shop connect_timeout=1", connections=1)
    database._pool.timeout = 0.2
    await database.open()
    applied = Applied(database, own=frozenset({"product"}), follows=frozenset())
    with pytest.raises(Unavailable):
        await applied.wait_for(f"{MINE}@1")
    await database.close()
