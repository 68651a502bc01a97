"""Questions to a service's own database: an async pool, answers as dictionaries."""

from typing import Any, LiteralString

import psycopg
from psycopg.abc import Params
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from shared.errors import Unavailable

Row = dict[str, Any]


class Database:
    """Reads views. What is history is written through streams and the inbox, never through here."""

    def __init__(self, dsn: str, *, connections: int = 8) -> None:
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Row]] = AsyncConnectionPool(
            dsn,
            kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 2},
            min_size=1,
            max_size=connections,
            open=False,
            timeout=5.0,
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def rows(self, sql: LiteralString, params: Params = ()) -> list[Row]:
        """All rows of an answer. Raises Unavailable while the database cannot be reached."""
        try:
            async with self._pool.connection() as connection:
                return await (await connection.execute(sql, params)).fetchall()
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as unreachable:
            raise Unavailable("The database cannot be reached.") from unreachable

    async def execute(self, sql: LiteralString, params: Params = ()) -> int:
        """Run a statement that answers nothing, by itself; how many rows it touched. Raises as `rows` does.

        For what is not history: counters, queues, purges.
        """
        try:
            async with self._pool.connection() as connection:
                return (await connection.execute(sql, params)).rowcount
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as unreachable:
            raise Unavailable("The database cannot be reached.") from unreachable

    async def row(self, sql: LiteralString, params: Params = ()) -> Row | None:
        """The first row of an answer, or None. Raises as `rows` does."""
        found = await self.rows(sql, params)
        return found[0] if found else None
