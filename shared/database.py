"""Questions to a service's own database: async pools, answers as dictionaries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.abc import Params
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from shared.actor import Actor
from shared.errors import Unavailable
from shared.wall import SAY_WHO_ASKS, as_reader

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]
Pool = AsyncConnectionPool[Connection]


class Database:
    """Reads views, as the service itself. What is history is written through streams and the inbox, never through here.

    What somebody is shown is asked on their behalf: `asked_by(actor)` sees their rows only, whatever the question says.
    """

    def __init__(self, dsn: str, *, connections: int = 8) -> None:
        self._pool = _pool(dsn, idle=1, most=connections)
        self._asking = _pool(as_reader(dsn), idle=0, most=connections)

    async def open(self) -> None:
        await self._pool.open()
        await self._asking.open()

    async def close(self) -> None:
        await self._asking.close()
        await self._pool.close()

    def asked_by(self, actor: Actor) -> "Asked":
        """The same database as one person may see it."""
        return Asked(self._asking, actor)

    async def rows(self, sql: LiteralString, params: Params = ()) -> list[Row]:
        """All rows of an answer. Raises Unavailable while the database cannot be reached."""
        async with _connection(self._pool) as connection:
            return await (await connection.execute(sql, params)).fetchall()

    async def execute(self, sql: LiteralString, params: Params = ()) -> int:
        """Run a statement that answers nothing, by itself; how many rows it touched. Raises as `rows` does.

        For what is not history: counters, queues, purges.
        """
        async with _connection(self._pool) as connection:
            return (await connection.execute(sql, params)).rowcount

    async def row(self, sql: LiteralString, params: Params = ()) -> Row | None:
        """The first row of an answer, or None. Raises as `rows` does."""
        found = await self.rows(sql, params)
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Asked:
    """A database as one person may see it (shared/wall.py): a table shows their rows, or cannot be read at all."""

    _pool: Pool
    actor: Actor

    async def rows(self, sql: LiteralString, params: Params = ()) -> list[Row]:
        """All rows of an answer. Raises Unavailable while the database cannot be reached."""
        async with _connection(self._pool) as connection:
            # One round trip, and one transaction: without BEGIN it is what a pipeline sends until it is synchronised.
            async with connection.pipeline():
                await connection.execute(SAY_WHO_ASKS, (str(self.actor),))
                answer = await connection.execute(sql, params)
            return await answer.fetchall()

    async def row(self, sql: LiteralString, params: Params = ()) -> Row | None:
        """The first row of an answer, or None. Raises as `rows` does."""
        found = await self.rows(sql, params)
        return found[0] if found else None


def _pool(dsn: str, *, idle: int, most: int) -> Pool:
    return AsyncConnectionPool(
        dsn,
        kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 2},
        min_size=idle,
        max_size=most,
        open=False,
        timeout=5.0,
    )


@asynccontextmanager
async def _connection(pool: Pool) -> AsyncIterator[Connection]:
    try:
        async with pool.connection() as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as unreachable:
        raise Unavailable("The database cannot be reached.") from unreachable
