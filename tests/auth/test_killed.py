"""kill -9 between every two steps of logging in (F-12 to F-14): no counter goes down, no code lets two in.

Each step is held up where it asks the database for something: then the process is killed, then the database goes on.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import pytest
from psycopg import AsyncConnection

from services.auth.events import SessionEnded, SessionStarted
from shared.eventstore.recorder import APPEND_LOCK
from tests.auth.conftest import ANNA, Login, World
from tests.parts import owner_of

ROOT = Path(__file__).parents[2]


async def ready(dsn: str, login: Login, code: str) -> Process:
    """A process of its own, about to log in."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.auth.login_process", dsn, owner_of(dsn), login.challenge, code),
        stdin=PIPE,
        stdout=PIPE,
        cwd=ROOT,
        env=os.environ,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"ready\n"
    return process


async def killed_while(
    dsn: str, login: Login, code: str, hold: LiteralString, let_go: LiteralString, *params: object
) -> None:
    """The process is killed while it waits for what we hold; then we let go, and wait until its sessions are gone."""
    process = await ready(dsn, login, code)
    async with await AsyncConnection.connect(owner_of(dsn), autocommit=True) as holding:
        await holding.execute(hold, params)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        await process.stdin.drain()
        await until(
            holding,
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())",
            1,
        )
        process.kill()
        await process.wait()
        await holding.execute(let_go, params)
        await until(
            holding,
            "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND backend_type = "
            "'client backend' AND datname = current_database() AND pid <> pg_backend_pid()",
            0,
        )


async def until(connection: AsyncConnection, query: LiteralString, count: int) -> None:
    async with asyncio.timeout(20):
        while (await (await connection.execute(query)).fetchone()) != (count,):
            await asyncio.sleep(0.01)


async def counted(world: World) -> dict[str, Any]:
    return await world.row(
        "SELECT (SELECT sum(failures) FROM failed_tries) AS failures, (SELECT max(tries) FROM codes) AS tries, "
        "(SELECT count(*) FROM guesses) AS guesses, (SELECT count(*) FROM session_secrets) AS sessions"
    )


@pytest.mark.parametrize("right", [True, False])
async def test_f12_killed_between_spending_a_try_and_comparing_the_try_stays_spent(
    world: World, database: str, right: bool
) -> None:
    login = await world.ask(ANNA)
    code = login.code if right else login.wrong
    await killed_while(database, login, code, "BEGIN; LOCK TABLE login_methods IN ACCESS EXCLUSIVE MODE", "ROLLBACK")
    assert await counted(world) == {"failures": 1, "tries": 1, "guesses": 1, "sessions": 0}
    assert not world.said(SessionStarted)
    for _ in range(4):
        await world.give(login.challenge, login.wrong)
    assert (await world.give(login.challenge, login.code)).status_code == 401, "it was one of the five"


async def test_f12_killed_there_the_right_code_is_as_good_as_before(world: World, database: str) -> None:
    login = await world.ask(ANNA)
    hold: LiteralString = "BEGIN; LOCK TABLE login_methods IN ACCESS EXCLUSIVE MODE"
    await killed_while(database, login, login.code, hold, "ROLLBACK")
    assert (await world.give(login.challenge, login.code)).status_code == 201
    assert len(world.said(SessionStarted)) == 1


async def test_f13_killed_between_comparing_and_committing_one_session_at_most_comes_of_the_code(
    world: World, database: str
) -> None:
    """What was sent before the kill may still commit: then the code is used, and its session is nobody's."""
    login = await world.ask(ANNA)
    hold: LiteralString = "SELECT pg_advisory_lock(%s)"
    await killed_while(database, login, login.code, hold, "SELECT pg_advisory_unlock(%s)", APPEND_LOCK)
    committed = len(world.said(SessionStarted))
    found = await counted(world)
    assert (found["failures"], found["sessions"]) == ((0, 1) if committed else (1, 0))
    assert (await world.give(login.challenge, login.code)).status_code == (401 if committed else 201)
    assert len(world.said(SessionStarted)) == 1


async def test_f14_killed_between_committing_and_answering_the_session_is_nobodys_and_ends_in_15_minutes(
    world: World, database: str
) -> None:
    login = await world.ask(ANNA)
    await killed_while(database, login, login.code, "BEGIN; LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE", "ROLLBACK")
    assert await counted(world) == {"failures": 0, "tries": 0, "guesses": 0, "sessions": 1}
    assert (await world.give(login.challenge, login.code)).status_code == 401, "the code is used"
    [started] = world.said(SessionStarted)
    world.clock.now = datetime.now(UTC) + timedelta(minutes=15, seconds=5)
    await world.auth.upkeep.end_what_is_over()
    assert [(ended.session_id, ended.because) for ended in world.said(SessionEnded)] == [
        (started.session_id, "expired")
    ]
    assert (await counted(world))["sessions"] == 0
