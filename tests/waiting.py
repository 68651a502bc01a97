"""Commands held at their commit: what happens between a check and a commit can be told by a test."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")


@asynccontextmanager
async def started_and_held(asked: Coroutine[Any, Any, T], dsn: str, behind: int = 0) -> AsyncIterator[asyncio.Task[T]]:
    """Start something that will wait for an advisory lock which the test holds; comes back when it waits.

    `behind` others wait already.
    """
    task = asyncio.create_task(asked)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as watching:
        while await _how_many_wait(watching) <= behind:
            assert not task.done(), "it did not wait"
            await asyncio.sleep(0.01)
    try:
        yield task
    finally:
        await asyncio.gather(task, return_exceptions=True)


async def _how_many_wait(watching: psycopg.AsyncConnection[Any]) -> int:
    found = await watching.execute(
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
        "WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted"
    )
    row = await found.fetchone()
    assert row is not None
    return int(row[0])
