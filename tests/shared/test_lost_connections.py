"""Appends while connections, sessions and servers are lost: what was acknowledged is in the log, exactly once."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.local.postgres import Postgres
from shared.errors import Unavailable
from shared.eventstore.recorder import APPEND_LOCK
from tests.parts import known
from tests.shared.cable import Cable
from tests.shared.shop import ANNA, PRODUCT, PlateTaken, Shop, note, open_shop, order

ENOUGH = 60


@pytest.fixture
def cable(database: str) -> Iterator[Cable]:
    laid = Cable(int(str(conninfo_to_dict(database)["port"])))
    yield laid
    laid.close()


@pytest.fixture
async def far(shop: Shop, cable: Cable) -> AsyncIterator[Shop]:
    """A replica whose connections go through a cable; `shop` is one that sits beside the database."""
    async with open_shop(make_conninfo(shop.dsn, host="127.0.0.1", port=cable.port), migrates=False) as opened:
        await opened.streams.change(PRODUCT, "product-1", note("product-1", "first"), ANNA)
        yield opened


async def test_an_append_whose_answer_was_lost_is_found_and_not_done_again(shop: Shop, far: Shop, cable: Cable) -> None:
    cable.deaf.set()
    asked = asyncio.create_task(far.streams.change(PRODUCT, "product-1", note("product-1", "second"), ANNA))
    await until_in_log(shop, "second")
    cable.cut()
    written = await asked
    assert written.seen == ("product-1@2",)
    assert shop.notes_of("product-1") == ["first", "second"]


async def test_a_lost_session_that_would_still_commit_is_ended_first(shop: Shop, far: Shop, cable: Cable) -> None:
    """It holds the whole batch and waits for its turn: without an end it would commit beside the second try."""
    with psycopg.connect(shop.dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (APPEND_LOCK,))
        asked = asyncio.create_task(far.streams.change(PRODUCT, "product-1", note("product-1", "second"), ANNA))
        await until_waiting(other)
        cable.cut()
        await asyncio.sleep(0.3)
        other.execute("SELECT pg_advisory_unlock(%s)", (APPEND_LOCK,))
    assert (await asked).seen == ("product-1@2",)
    assert shop.notes_of("product-1") == ["first", "second"]


async def test_what_is_refused_stays_refused_and_what_is_not_does_not_when_sessions_end(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-0", order("product-0", "DK12345"), ANNA)
    plates = ["DK12345" if number % 2 else f"SE{number:05}" for number in range(1, 60)]

    async def ordered(number: int, plate: str) -> bool:
        while True:
            try:
                await shop.streams.change(PRODUCT, f"product-{number}", order(f"product-{number}", plate), ANNA)
            except PlateTaken:
                return False
            except Unavailable:
                continue
            return True

    async with losing_sessions(shop.dsn):
        answers = await asyncio.gather(*(ordered(number, plate) for number, plate in enumerate(plates, start=1)))
    assert answers == [plate != "DK12345" for plate in plates]
    assert len(shop.log()) == 1 + sum(answers)


async def test_sessions_ended_in_mid_append_lose_and_repeat_nothing(shop: Shop, replica: Shop) -> None:
    async with losing_sessions(shop.dsn):
        acknowledged = await asyncio.gather(append_for(shop, "a", seconds=2.0), append_for(replica, "b", seconds=2.0))
    expect_exactly_once(shop, acknowledged[0] + acknowledged[1])


@pytest.fixture(scope="module")
def durable() -> Iterator[Postgres]:
    """A server of its own that keeps its promises, to be killed."""
    with tempfile.TemporaryDirectory(prefix="selfservice-tests-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's own user has to pass when this is root
        with Postgres(folder=Path(folder) / "postgres") as server:
            yield server


async def test_a_server_that_is_killed_and_starts_again_has_what_was_acknowledged(durable: Postgres) -> None:
    async with open_shop(known(durable.create_database("shop"))) as shop:
        asking = asyncio.create_task(append_for(shop, "a", seconds=3.0))
        await asyncio.sleep(0.7)
        await asyncio.to_thread(durable.kill)
        await asyncio.to_thread(durable.start)
        expect_exactly_once(shop, await asking)
        written = await shop.streams.change(PRODUCT, "product-9", note("product-9", "goes on"), ANNA)
        assert written.seen == ("product-9@1",)


async def test_while_the_server_is_down_the_answer_is_to_ask_again_later(durable: Postgres) -> None:
    async with open_shop(known(durable.create_database("later"))) as shop:
        await shop.streams.change(PRODUCT, "product-1", note("product-1", "before"), ANNA)
        await asyncio.to_thread(durable.stop)
        try:
            answers = await asyncio.gather(
                shop.streams.change(PRODUCT, "product-1", note("product-1", "meanwhile"), ANNA),
                shop.streams.load(PRODUCT, "product-2"),
                return_exceptions=True,
            )
            assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
        finally:
            await asyncio.to_thread(durable.start)
        await shop.streams.change(PRODUCT, "product-1", note("product-1", "after"), ANNA)
        assert shop.notes_of("product-1") == ["before", "after"]


# ---------------------------------------------------------------------------------------------------------------------


async def append_for(shop: Shop, who: str, *, seconds: float) -> list[str]:
    """Eight tasks note something in three streams, so long and until it is ENOUGH; answers what was acknowledged."""
    acknowledged: list[str] = []
    end = asyncio.get_running_loop().time() + seconds

    async def one(task: int) -> None:
        number = 0
        while asyncio.get_running_loop().time() < end or len(acknowledged) < ENOUGH:
            text, stream = f"{who}{task}-{number}", f"product-{number % 3}"
            number += 1
            with suppress(Unavailable):
                await shop.streams.change(PRODUCT, stream, note(stream, text), ANNA)
                acknowledged.append(text)

    await asyncio.gather(*(one(task) for task in range(8)))
    return acknowledged


def expect_exactly_once(shop: Shop, acknowledged: list[str]) -> None:
    assert len(acknowledged) >= ENOUGH
    in_log = Counter(text for n in range(3) for text in shop.notes_of(f"product-{n}"))
    assert [text for text in acknowledged if in_log[text] != 1] == []
    assert [text for text, times in in_log.items() if times > 1] == []
    for n in range(3):
        stream = f"product-{n}"
        assert [r.version for r in shop.log() if r.stream == stream] == list(range(1, len(shop.notes_of(stream)) + 1))
        assert shop.query("SELECT said FROM notebook WHERE product_id = %s", (stream,)) == [
            (" ".join(shop.notes_of(stream)),)
        ]


@asynccontextmanager
async def losing_sessions(dsn: str) -> AsyncIterator[None]:
    """Every few milliseconds the server ends all sessions of this database."""

    async def lose() -> None:
        while True:
            await asyncio.sleep(0.2)
            await asyncio.to_thread(end_sessions, dsn)

    task = asyncio.create_task(lose())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def end_sessions(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


async def until_in_log(shop: Shop, text: str) -> None:
    async with asyncio.timeout(5):
        while text not in shop.notes_of("product-1"):
            await asyncio.sleep(0.01)


async def until_waiting(connection: psycopg.Connection) -> None:
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with asyncio.timeout(5):
        while connection.execute(waiting).fetchone() is None:
            await asyncio.sleep(0.01)
