"""C-14: how often codes may be asked for, whoever has the address; a code that logged in does not count."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from services.auth.domain.limits import Limits
from tests.auth.conftest import ANNA, NOBODY, World, moved_in, replica
from tests.feed import running

LIMITS = Limits()


async def asks(world: World, email: str = ANNA, **more: object) -> int:
    return (await world.post("/login/codes", email=email, **more)).status_code


@pytest.mark.parametrize(("after", "status"), [(59, 429), (59.999, 429), (60, 202), (61, 202)])
async def test_c14_the_next_code_is_a_minute_after_the_last(world: World, after: float, status: int) -> None:
    await world.ask(ANNA)
    world.clock.turn(seconds=after)
    answer = await world.post("/login/codes", email=ANNA)
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("1" if status == 429 else None)


async def test_c14_a_code_that_logged_in_makes_nobody_wait(world: World) -> None:
    for _ in range(12):
        await world.logged_in(ANNA)


@pytest.mark.parametrize("email", [ANNA, NOBODY])
async def test_c14_five_codes_an_hour_and_ten_a_day_whoever_has_the_address(world: World, email: str) -> None:
    for count in range(5):
        assert await asks(world, email) == 202, count
        world.clock.turn(minutes=2)
    assert await asks(world, email) == 429
    world.clock.turn(minutes=49, seconds=59)
    assert await asks(world, email) == 429, "the first one is 59:59 old"
    world.clock.turn(seconds=1)
    for count in range(5):
        assert await asks(world, email) == 202, count
        world.clock.turn(minutes=60)
    assert await asks(world, email) == 429, "ten within a day"
    world.clock.turn(hours=18)
    assert await asks(world, email) == 202


@pytest.mark.parametrize("by", ["mailed-code", "authenticator-app"])
async def test_c14_one_network_address_asks_20_times_an_hour(world: World, by: str) -> None:
    emails = (f"driver{number}@nordlys.example.com" for number in itertools.count())
    for _ in range(20):
        assert await asks(world, next(emails), client="192.0.2.7", by=by) == 202
    assert await asks(world, next(emails), client="192.0.2.7", by=by) == 429
    assert await asks(world, next(emails), client="192.0.2.8", by=by) == 202
    world.clock.turn(hours=1)
    assert await asks(world, next(emails), client="192.0.2.7", by=by) == 202


async def test_c14_all_strangers_together_are_mailed_so_many_codes_an_hour(database: str, world: World) -> None:
    few = moved_in(replica(database, world.clock, limits=replace(LIMITS, codes_an_hour_in_all=3)))
    device = (await world.logged_in(ANNA))["device"]
    async with running(few.auth.backbone):
        answers = [await asks(few, f"driver{number}@nordlys.example.com") for number in range(4)]
        assert answers == [202, 202, 202, 429]
        await few.ask(ANNA, device=device)


async def test_c14_a_known_device_asks_by_its_own_count(world: World) -> None:
    device = (await world.logged_in(ANNA))["device"]
    for _ in range(5):
        await world.ask(ANNA)
        world.clock.turn(minutes=1)
    assert await asks(world) == 429
    for _ in range(5):
        await world.ask(ANNA, device=device)
        world.clock.turn(minutes=1)
    assert await asks(world, device=device) == 429


async def test_c14_no_network_address_stands_in_the_database_in_clear(world: World) -> None:
    await world.ask(ANNA, client="192.0.2.7")
    row: dict[str, Any] = await world.row("SELECT codes::text AS text, client FROM codes")
    assert "192.0.2.7" not in row["text"]
    assert len(row["client"]) == 32
