"""Commands held at their commit: what happens between a check and a commit can be told by a test."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")


@asynccontextmanager
async def started_and_held(asked: Coroutine[Any, Any, T], dsn: str) -> AsyncIterator[asyncio.Task[T]]:
    """Start something that will wait for an advisory lock which the test holds; comes back when it waits.

    Started inside another one it waits behind that: the lock is given in the order in which it was asked for.
    """
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as watching:
        before = await _waiting(watching)
        task = asyncio.create_task(asked)
        while await _waiting(watching) <= before:
            assert not task.done(), "it did not wait"
            await asyncio.sleep(0.01)
    try:
        yield task
    finally:
        await asyncio.gather(task, return_exceptions=True)


async def _waiting(watching: psycopg.AsyncConnection[Any]) -> int:
    """How many wait for an advisory lock in this database."""
    found = await watching.execute(
        "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
        "WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted"
    )
    return len(await found.fetchall())
