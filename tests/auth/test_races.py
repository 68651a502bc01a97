"""C-04 and C-05 with real concurrency: two replicas over one database."""

import asyncio
from collections import Counter

import httpx
from psycopg import AsyncConnection

from services.auth.events import CodeAccepted, CodeRefused, CodeWithheld, SessionStarted, SigningKeyPublished
from shared.eventstore.recorder import APPEND_LOCK
from tests.auth.conftest import ANNA, DORA, SUSANNE, Login, World, cancelled, replica
from tests.feed import running


async def at_once(login: Login, code: str, count: int, *replicas: World) -> Counter[int]:
    """The statuses of that many submissions at the same moment."""
    replicas_in_turn = (replicas[number % len(replicas)] for number in range(count))
    answers: list[httpx.Response] = await asyncio.gather(*(one.give(login.challenge, code) for one in replicas_in_turn))
    return Counter(answer.status_code for answer in answers)


async def test_c04_of_100_simultaneous_right_codes_exactly_one_starts_a_session(world: World, other: World) -> None:
    for _ in range(5):
        login = await world.ask(ANNA)
        assert await at_once(login, login.code, 100, world, other) == {201: 1, 401: 99}
    assert len(world.said(SessionStarted)) == len(world.said(CodeAccepted)) == 5
    assert len(world.said(CodeRefused)) == 5 * 99, "C-29: every attempt is an event"
    assert (await world.row("SELECT count(*) FROM session_secrets"))["count"] == 5


async def test_c05_of_40_parallel_wrong_guesses_exactly_five_are_evaluated(world: World, other: World) -> None:
    for repeat, email in enumerate((ANNA, DORA, SUSANNE), start=1):
        login = await world.ask(email)
        assert await at_once(login, login.wrong, 40, world, other) == {401: 40}
        reasons = Counter(refused.because for refused in world.said(CodeRefused))
        assert reasons == {"wrong-code": 5 * repeat, "tries-spent": 35 * repeat}
        counted = await world.row("SELECT sum(failures) AS failures FROM failed_tries")
        assert counted["failures"] == 5 * repeat, "C-06: what was evaluated is counted, nothing else"


async def test_c07_parallel_guesses_never_pass_the_hard_stop(world: World, other: World) -> None:
    device = (await world.logged_in(ANNA))["device"]
    await world.auth.backbone.database.execute("UPDATE failed_tries SET failures = 79")
    login = await world.ask(ANNA)
    await at_once(login, login.wrong, 20, world, other)
    assert Counter(refused.because for refused in world.said(CodeRefused)) == {"wrong-code": 1, "account-paused": 19}
    await world.auth.backbone.database.execute("UPDATE failed_tries SET failures = 97")
    known = await world.ask(ANNA, device=device)
    await asyncio.gather(*(one.give(known.challenge, known.wrong, device=device) for one in [world, other] * 10))
    assert (await world.row("SELECT sum(failures) AS failures FROM failed_tries"))["failures"] == 100


async def test_c03_of_many_simultaneous_requests_exactly_one_code_is_live(world: World, other: World) -> None:
    answers = await asyncio.gather(*((world, other)[n % 2].post("/login/codes", email=ANNA) for n in range(20)))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 429: 19}, "C-14: exactly one is mailed"
    assert len(world.said(CodeWithheld)) == 19
    assert (await world.row("SELECT count(*) FROM codes WHERE fate IS NULL"))["count"] == 1
    world.clock.turn(minutes=1)
    login = await world.ask(ANNA)
    assert (await other.give(login.challenge, login.code)).status_code == 201


async def test_c03_a_right_code_that_is_replaced_at_this_very_moment_is_refused(
    world: World, other: World, database: str
) -> None:
    """Appends are held up: first the new request waits to commit, then the old code, found live, does."""
    login = await world.ask(ANNA)
    world.clock.turn(minutes=1)
    async with await AsyncConnection.connect(database, autocommit=True) as holding:
        await holding.execute("SELECT pg_advisory_lock(%s)", (APPEND_LOCK,))
        renewed = asyncio.create_task(other.post("/login/codes", email=ANNA))
        await until_waiting(holding, 1)
        given = asyncio.create_task(world.give(login.challenge, login.code))
        await until_waiting(holding, 2)
        await holding.execute("SELECT pg_advisory_unlock(%s)", (APPEND_LOCK,))
        assert (await renewed).status_code == 202
        assert (await given).status_code == 401
    assert [refused.because for refused in world.said(CodeRefused)] == ["superseded"]
    assert not world.said(SessionStarted)


async def test_c13_whoever_is_cancelled_between_the_right_code_and_the_session_is_not_let_in(
    world: World, other: World, database: str
) -> None:
    """Appends are held up: first the cancelling waits to commit, then the login, whose code was right, does."""
    login = await world.ask(ANNA)
    async with await AsyncConnection.connect(database, autocommit=True) as holding:
        await holding.execute("SELECT pg_advisory_lock(%s)", (APPEND_LOCK,))
        ending = asyncio.create_task(world.feed.given(cancelled(ANNA)))
        await until_waiting(holding, 1)
        given = asyncio.create_task(other.give(login.challenge, login.code))
        await until_waiting(holding, 2)
        await holding.execute("SELECT pg_advisory_unlock(%s)", (APPEND_LOCK,))
        await ending
        assert (await given).status_code == 401
    assert not world.said(CodeAccepted, SessionStarted)
    assert (await world.row("SELECT count(*) FROM session_secrets"))["count"] == 0


async def test_c29_under_load_there_are_as_many_events_as_attempts(world: World, other: World) -> None:
    """Right, wrong, late and unknown ones of three people at once, on two replicas."""
    logins = [await world.ask(email) for email in (ANNA, DORA, SUSANNE)]
    attempts = [
        (one, login.challenge if number % 5 else "x" * 43, login.code if number % 3 else login.wrong)
        for number in range(30)
        for one in (world, other)
        for login in logins
    ]
    answers = await asyncio.gather(*(one.give(challenge, code) for one, challenge, code in attempts))
    said = world.said(CodeAccepted, CodeRefused)
    assert len(said) == len(attempts) == 180
    accepted = sum(isinstance(event, CodeAccepted) for event in said)
    assert accepted == sum(answer.status_code == 201 for answer in answers) <= 3
    assert {event.by for event in said} == {"mailed-code"}


async def until_waiting(connection: AsyncConnection, count: int) -> None:
    """Until that many appends wait for their turn."""
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    async with asyncio.timeout(10):
        while (await (await connection.execute(query)).fetchone()) != (count,):
            await asyncio.sleep(0.005)


async def test_replicas_that_start_together_make_one_signing_key(database: str, world: World) -> None:
    replicas = [replica(database, world.clock) for _ in range(3)]
    await world.auth.backbone.database.execute("DELETE FROM signing_key_ring")
    async with running(*(one.auth.backbone for one in replicas)):
        await asyncio.gather(*(one.auth.upkeep.keep_signing_key_fresh() for one in replicas))
        secret = (await replicas[0].logged_in(ANNA))["session"]
        for one in replicas:
            assert (await one.exchange(secret)).status_code == 200
    assert len(world.said(SigningKeyPublished)) == 2, "the first one, and one by the three"
