"""A session's secret is replaced now and then: no answer that is lost logs anybody out, no copy outlives it (S-13)."""

import asyncio
from typing import Any

import pytest

from services.auth.adapters.codes import Codes
from services.auth.events import SessionEnded
from tests.auth.conftest import ANNA, ANNAS_ID, World, replica
from tests.feed import running


async def shown(world: World, secret: str, *, renews: bool = True, **more: Any) -> dict[str, Any] | None:
    """What auth answers to a browser that shows this; None when it is not logged in."""
    answer = await world.post("/tokens", session=secret, audience="profiles", renews=renews, **more)
    assert answer.status_code in {200, 401}
    found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
    return found


async def renewed(world: World, secret: str) -> str | None:
    """The secret that the browser gets for this one, if any."""
    answer = await shown(world, secret)
    assert answer is not None
    return answer["renewed"] and str(answer["renewed"]["secret"])


async def due(world: World) -> str:
    """A session's secret that is 10 minutes old."""
    secret = str((await world.logged_in(ANNA))["session"])
    world.clock.turn(minutes=10)
    return secret


def endings(world: World) -> list[str]:
    return [ended.because for ended in world.said(SessionEnded)]


async def test_s13_a_secret_is_replaced_after_ten_minutes_and_not_before(world: World) -> None:
    secret = str((await world.logged_in(ANNA))["session"])
    world.clock.turn(minutes=9, seconds=59)
    assert await renewed(world, secret) is None
    world.clock.turn(seconds=1)
    answer = await shown(world, secret)
    assert answer is not None
    assert answer["renewed"]["secret"] not in {None, secret}
    ends_at = (await world.row("SELECT ends_at FROM open_sessions"))["ends_at"]
    assert answer["renewed"]["ends_at"] == ends_at.isoformat().replace("+00:00", "Z"), "S-05: no later than the first"


async def test_s13_a_program_that_sends_a_bearer_keeps_its_secret(world: World) -> None:
    secret = await due(world)
    answer = await shown(world, secret, renews=False)
    assert answer is not None
    assert answer["renewed"] is None


async def test_s13_of_40_requests_at_the_same_moment_on_two_replicas_all_get_the_same_new_secret(
    world: World, other: World
) -> None:
    secret = await due(world)
    answers = await asyncio.gather(*(renewed(one, secret) for _ in range(20) for one in (world, other)))
    assert len(set(answers)) == 1
    assert answers[0] not in {None, secret}
    assert (await world.row("SELECT count(*) FROM replaced_secrets"))["count"] == 1


async def test_s13_a_lost_answer_is_given_again_however_late_with_the_same_secret(world: World) -> None:
    secret = await due(world)
    first = await renewed(world, secret)
    for _ in range(3):
        world.clock.turn(minutes=12)
        assert await renewed(world, secret) == first
    assert endings(world) == []


async def test_s13_the_one_before_counts_until_10_seconds_after_the_new_one_was_shown(world: World) -> None:
    secret = await due(world)
    new = await renewed(world, secret)
    assert new is not None
    assert await renewed(world, new) is None
    world.clock.turn(seconds=9.9)
    answer = await shown(world, secret)
    assert answer is not None
    assert answer["renewed"] is None, "it has arrived, so nobody is told it again"


async def test_s13_whoever_shows_a_replaced_secret_later_ends_the_session_for_both_and_its_owner_is_told(
    world: World,
) -> None:
    secret = await due(world)
    new = await renewed(world, secret)
    assert new is not None
    await shown(world, new)
    world.clock.turn(seconds=10)
    assert await asyncio.gather(*(shown(world, secret) for _ in range(5))) == [None] * 5
    assert await shown(world, new) is None
    assert endings(world) == ["secret-reused"]
    rows = await world.auth.backbone.database.rows("SELECT subject, about FROM mails WHERE kind = 'security'")
    assert rows == [{"subject": f"profile:{ANNAS_ID}", "about": {"what": "session-taken-over"}}]


async def test_s13_a_secret_replaced_long_ago_is_known_as_well(world: World) -> None:
    """The thief has kept the session busy while the owner was away."""
    stolen = first = await due(world)
    for _ in range(4):
        new = await renewed(world, stolen)
        assert new is not None
        await shown(world, new)
        stolen = new
        world.clock.turn(minutes=10)
    assert await shown(world, first) is None
    assert await shown(world, stolen) is None
    assert endings(world) == ["secret-reused"]


async def test_s13_a_bearer_that_shows_a_replaced_secret_ends_the_session_as_well(world: World) -> None:
    secret = await due(world)
    new = await renewed(world, secret)
    assert new is not None
    await shown(world, new)
    world.clock.turn(seconds=10)
    assert await shown(world, secret, renews=False) is None
    assert endings(world) == ["secret-reused"]


async def test_f15_a_process_that_ends_after_replacing_and_before_answering_logs_nobody_out(
    world: World, database: str
) -> None:
    secret = await due(world)
    one = replica(database, world.clock)
    async with running(one.auth.backbone):
        lost = await renewed(one, secret)
    assert await renewed(world, secret) == lost


async def test_s14_secrets_are_kept_as_digests_and_the_new_one_sealed_until_it_was_shown(world: World) -> None:
    secret = await due(world)
    new = await renewed(world, secret)
    assert new is not None
    row = await world.row("SELECT digest, before, handing_over FROM session_secrets")
    assert (bytes(row["digest"]), bytes(row["before"])) == (Codes.of_secret(new), Codes.of_secret(secret))
    assert new.encode() not in bytes(row["handing_over"])
    await shown(world, new)
    assert (await world.row("SELECT handing_over FROM session_secrets"))["handing_over"] is None


async def test_s05_replacing_secrets_makes_no_session_older_than_12_hours(world: World) -> None:
    secret = str((await world.logged_in(ANNA))["session"])
    for _ in range(12 * 6 - 1):
        world.clock.turn(minutes=10)
        secret = await renewed(world, secret) or secret
    world.clock.turn(minutes=9, seconds=59)
    assert await shown(world, secret) is not None
    world.clock.turn(seconds=1)
    assert await shown(world, secret) is None


async def test_nothing_of_a_session_is_left_when_it_is_over(world: World) -> None:
    secret = await due(world)
    new = await renewed(world, secret)
    assert new is not None
    await shown(world, new)
    world.clock.turn(minutes=16)
    await world.auth.upkeep.end_what_is_over()
    for table in ("session_secrets", "replaced_secrets"):
        assert (await world.row(f"SELECT count(*) FROM {table}"))["count"] == 0


@pytest.mark.parametrize("background", [True, False])
async def test_s04_only_what_a_person_asks_keeps_a_session_open(world: World, background: bool) -> None:
    """A page left open that looks for news every 30 seconds for 20 minutes."""
    secret = str((await world.logged_in(ANNA))["session"])
    answers = []
    for _ in range(40):
        world.clock.turn(seconds=30)
        answers.append(await shown(world, secret, renews=False, background=background) is not None)
    assert all(answers[:30]), "until 15:00 it is answered"
    assert answers[-1] is not background
