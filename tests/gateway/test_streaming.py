"""Answers of any length: passed on piece by piece as they come, in no more memory, and whole or visibly not."""

import asyncio
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from services.gateway import proxy
from services.gateway.adapters import services
from tests.gateway.conftest import BIZZ, World, world_of
from tests.gateway.servers import SESSION, Received, Reply, problem

FILE = f"/api/v1/products/{BIZZ}/journeys.csv"
HEADERS = {"Authorization": f"Bearer {SESSION}"}
PIECE = b"x" * 65_536


def csv(_: Received) -> Reply:
    return (
        200,
        {"content-type": "text/csv", "content-disposition": 'attachment; filename="j.csv"', "x-secret": "1"},
        b"",
    )


def answering(world: World, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
    world.products.answer, world.products.pieces = csv, pieces


async def many(number: int) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield PIECE


def test_a_piece_is_passed_on_before_the_next_one_is_made(world: World) -> None:
    taken = threading.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        while not taken.is_set():
            await asyncio.sleep(0.01)
        yield b"second"

    answering(world, pieces)
    with world.http.stream("GET", FILE, headers=HEADERS) as answer:
        found = answer.iter_raw()
        assert next(found) == b"first"
        taken.set()
        assert b"".join(found) == b"second"


def test_a_streamed_answer_has_the_headers_that_every_answer_has(world: World) -> None:
    answering(world, lambda: many(1))
    answer, other = world.ask("GET", FILE), world.ask("GET", f"/api/v1/products/{BIZZ}/close")
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-disposition"] == 'attachment; filename="j.csv"'
    own = {"content-type", "content-disposition", "transfer-encoding", "x-request-id"}
    assert set(answer.headers) - own == set(other.headers) - {"content-type", "content-length", "x-request-id", "allow"}
    (asked,) = world.products.received
    assert asked.headers["x-request-id"] == answer.headers["x-request-id"]


def test_a_long_answer_takes_no_more_memory_than_a_short_one(world: World) -> None:
    def peak(number: int) -> int:
        answering(world, lambda: many(number))
        tracemalloc.reset_peak()
        with world.http.stream("GET", FILE, headers=HEADERS) as answer:
            assert sum(len(piece) for piece in answer.iter_raw()) == number * len(PIECE)
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        peak(1)
        short, long = peak(20), peak(1000)
    finally:
        tracemalloc.stop()
    assert long < short + 3_000_000, (short, long)


def test_a_service_that_breaks_off_amid_its_pieces_is_seen_to(world: World) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield PIECE
        raise ConnectionAbortedError

    answering(world, pieces)
    with pytest.raises(httpx.RemoteProtocolError), world.http.stream("GET", FILE, headers=HEADERS) as answer:
        answer.read()


def test_a_refusal_comes_as_any_other(world: World) -> None:
    world.products.answer, world.products.pieces = lambda _: problem(404, "not-found"), lambda: many(1)
    answer = world.ask("GET", FILE)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert answer.headers["content-length"] == str(len(answer.content))


def test_a_service_that_breaks_off_before_its_answer_is_503(world: World) -> None:
    world.products.breaks = "before the answer"
    assert world.ask("GET", FILE).json()["code"] == "unavailable"


def endless(world: World) -> threading.Event:
    """The service answers for ever; what is set when it has been told to stop."""
    ended = threading.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield PIECE
                await asyncio.sleep(0)
        finally:
            ended.set()

    answering(world, pieces)
    return ended


def test_when_the_client_goes_away_the_service_is_asked_for_no_more(world: World) -> None:
    ended = endless(world)
    with world.http.stream("GET", FILE, headers=HEADERS) as answer:
        next(answer.iter_raw())
        assert not ended.is_set()
    assert ended.wait(10)


def test_a_client_that_takes_nothing_is_not_waited_for_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "STALLED_SECONDS", 0.3)
    ended = endless(world)
    with world.http.stream("GET", FILE, headers=HEADERS):
        assert ended.wait(10)


def test_a_long_answer_may_take_long_and_a_long_silence_ends_it(
    contracts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "ANSWER_SECONDS", 0.5)

    async def pieces(silence: float) -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x"
            await asyncio.sleep(silence)

    with world_of(contracts) as world:
        answering(world, lambda: pieces(0.1))
        assert world.ask("GET", FILE).content == b"x" * 8
        answering(world, lambda: pieces(5))
        with pytest.raises(httpx.RemoteProtocolError):
            world.ask("GET", FILE)
