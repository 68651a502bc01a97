"""Rebuilding views: beside the live ones, from the logs, while the service goes on reading and writing.

The views' own statements run in a schema of their own: `search_path` leads the same unqualified names there. It is
filled from the service's own log and from the topics it follows, catches up, and changes places with the live tables in
one short transaction that holds the locks of every writer. Others' events are applied as far as the live inbox has
taken them and no further, so that the inbox stays true of the new tables.

All views of the service are filled, because one may look into another; only those asked for change places.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg
from eventsourcing.persistence import Notification
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg import sql

from shared import wall
from shared.dead_letters import Letter
from shared.envelope import Attributes, MalformedEnvelopeError, attributes, from_state
from shared.events import UnknownEventError
from shared.eventstore.recorder import APPEND_LOCK
from shared.eventstore.statement import Statement
from shared.foreign_log import ForeignLog
from shared.ids import kind_of
from shared.inbox_store import INBOX_LOCK
from shared.logs import log
from shared.views import View, incidental

REBUILD_LOCK = 0x5E1F5E15
BATCH = 1000
FEW = 200
"""Events that may be left to apply while every writer waits."""
TRIES = 50
PAUSE_SECONDS = 0.2
SCHEMA = "rebuild"
PROGRESS: LiteralString = f"CREATE TABLE {SCHEMA}.inbox (stream text PRIMARY KEY, version bigint NOT NULL)"
BEHIND: LiteralString = (
    f"SELECT i.stream FROM public.inbox i LEFT JOIN {SCHEMA}.inbox r USING (stream) "
    "WHERE i.version > coalesce(r.version, 0)"
)
"""Streams of which the live inbox has taken more than we have applied."""


class RebuildFailed(Exception):
    """The views could not be rebuilt; the live ones are as they were."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is: places of the own log done and there, records of others' topics read."""

    position: int = 0
    newest: int = 0
    records: int = 0


Told = Callable[[Progress], None]


@dataclass(kw_only=True)
class Sources:
    """What the views of one service are made of."""

    source: str
    owner: str
    """Where the owner of the database logs in."""
    roles: wall.Roles
    recorder: PostgresApplicationRecorder
    views: Sequence[View]
    copies: Sequence[View] = ()
    follows: Collection[str] = ()
    foreign: ForeignLog | None = None


async def rebuild(sources: Sources, only: View | None = None, told: Told = lambda _: None) -> list[str]:
    """Build the views anew and put them in the place of the live ones; answers the tables that changed places.

    Raises RebuildFailed, KafkaError while the broker is out of reach.
    """
    async with _filled(sources, told) as beside:
        views = [only] if only is not None else beside.views
        return await beside.when_settled(lambda: beside.take_over(views))


async def difference(sources: Sources, told: Told = lambda _: None) -> list[str]:
    """How the live views differ from a rebuild from zero, a line a row, in no order; nothing when they are equal.

    Looks while every writer waits. Raises as `rebuild`.
    """
    async with _filled(sources, told) as beside:
        return await beside.when_settled(beside.compare)


@asynccontextmanager
async def _filled(sources: Sources, told: Told) -> AsyncIterator["_Beside"]:
    options = f"-c search_path={SCHEMA},public -c client_min_messages=warning"
    async with await psycopg.AsyncConnection.connect(sources.owner, autocommit=True, options=options) as connection:
        beside = _Beside(sources, connection, told)
        await beside.begin()
        try:
            await beside.fill()
            yield beside
        except (psycopg.Error, UnknownEventError, ValueError) as failure:
            raise RebuildFailed(f"{sources.source}: {_said_by(failure)}") from failure
        finally:
            if sources.foreign is not None:
                await sources.foreign.close()
            with suppress(psycopg.Error):  # then the next rebuild begins with it
                await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def _said_by(failure: Exception) -> str:
    primary = failure.diag.message_primary if isinstance(failure, psycopg.Error) else None
    return primary or str(failure)


class _Beside:
    """The tables beside the live ones."""

    def __init__(self, sources: Sources, connection: psycopg.AsyncConnection[Any], told: Told) -> None:
        self._sources = sources
        self._connection = connection
        self._told = told
        self._progress = Progress()
        self._ahead: dict[str, dict[int, tuple[Attributes, Letter]]] = defaultdict(dict)
        """Records that the live inbox has not taken yet, by stream and version."""

    @property
    def views(self) -> list[View]:
        unique = {id(view): view for view in (*self._sources.views, *self._sources.copies)}
        return list(unique.values())

    async def begin(self) -> None:
        """Make empty tables. Raises RebuildFailed when somebody else rebuilds this service."""
        try:
            # A moment's patience: the session of a rebuild that has just ended may hold the lock a little longer.
            await self._connection.execute("SET lock_timeout = '2s'")
            await self._connection.execute("SELECT pg_advisory_lock(%s)", (REBUILD_LOCK,))
        except psycopg.errors.LockNotAvailable:
            raise RebuildFailed(f"the views of {self._sources.source} are being rebuilt already") from None
        await self._connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        await self._connection.execute(f"CREATE SCHEMA {SCHEMA}")
        await self._connection.execute(PROGRESS)
        await self._declare(self.views)

    async def _declare(self, views: Iterable[View]) -> None:
        for view in views:
            for statement in view.tables.values():
                await self._connection.execute(statement)

    # Filling ---------------------------------------------------------------------------------------------------------

    async def fill(self) -> None:
        """Apply everything there is, until little enough is left for a moment in which nobody writes."""
        for _ in range(TRIES):
            await self._read_foreign()
            applied = await self._apply_own()
            if applied < FEW and await self._streams_behind() < FEW:
                break
        for table in await self._tables():
            await self._connection.execute(sql.SQL("ANALYZE {}").format(_in(SCHEMA, table)))

    async def _read_foreign(self) -> None:
        if self._sources.foreign is not None:
            async for letters in self._sources.foreign.read():
                self._take_in(letters)
                await self._apply_foreign()
        await self._apply_foreign()

    async def _apply_own(self) -> int:
        """Apply the own log from where we are to where it ends now; answers how many places that were."""
        recorder, began = self._sources.recorder, self._progress.position
        newest = await asyncio.to_thread(recorder.max_notification_id) or 0
        while self._progress.position < newest:
            batch = await asyncio.to_thread(
                recorder.select_notifications, self._progress.position, BATCH, inclusive_of_start=False
            )
            await self._run(self._own_changes(batch))
            self._tell(position=batch[-1].id, newest=max(newest, batch[-1].id))
        return self._progress.position - began

    def _own_changes(self, batch: Sequence[Notification]) -> Iterable[Statement]:
        for stored in batch:
            # While it was being appended, an event had no position yet: views are shown it in the same way.
            recorded = replace(from_state(self._sources.source, stored), position=0)
            for view in self._sources.views:
                yield from view.changes(recorded)

    def _take_in(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            try:
                at = attributes(letter.headers)
            except MalformedEnvelopeError:
                continue  # the live inbox parked it: it belongs to no stream
            if kind_of(at.stream) in self._sources.follows:
                self._ahead[at.stream].setdefault(at.version, (at, letter))
        self._tell(records=self._progress.records + len(letters))

    async def _apply_foreign(self) -> None:
        """Apply of what is read all that the live inbox has taken."""
        streams = list(self._ahead)
        live, here = await self._versions("public", streams), await self._versions(SCHEMA, streams)
        due = [item for stream in streams for item in self._due(stream, here.get(stream, 0), live.get(stream, 0))]
        for start in range(0, len(due), BATCH):
            batch = due[start : start + BATCH]
            await self._run(self._foreign_changes(batch))
            await self._remember({at.stream: at.version for at, _ in batch})

    def _due(self, stream: str, here: int, live: int) -> list[tuple[Attributes, Letter]]:
        waiting, due = self._ahead[stream], []
        for version in [version for version in waiting if version <= here]:
            del waiting[version]
        while here < live and here + 1 in waiting:
            here += 1
            due.append(waiting.pop(here))
        if not waiting:
            del self._ahead[stream]
        return due

    def _foreign_changes(self, due: Sequence[tuple[Attributes, Letter]]) -> Iterable[Statement]:
        for at, letter in due:
            recorded = at.with_data(letter.value)
            for view in self._sources.copies:
                yield from view.changes(recorded)

    async def _versions(self, schema: LiteralString, streams: Sequence[str]) -> dict[str, int]:
        query: LiteralString = f"SELECT stream, version FROM {schema}.inbox WHERE stream = ANY(%s)"
        return dict(await (await self._connection.execute(query, (list(streams),))).fetchall())

    async def _remember(self, versions: dict[str, int]) -> None:
        await self._connection.execute(
            f"INSERT INTO {SCHEMA}.inbox SELECT * FROM unnest(%s::text[], %s::bigint[]) "
            "ON CONFLICT (stream) DO UPDATE SET version = excluded.version",
            (list(versions), list(versions.values())),
        )

    async def _streams_behind(self) -> int:
        rows = await (await self._connection.execute(BEHIND)).fetchall() if self._sources.copies else []
        return sum(kind_of(stream) in self._sources.follows for (stream,) in rows)

    async def _run(self, statements: Iterable[Statement]) -> None:
        async with self._connection.transaction(), self._connection.pipeline():
            for statement in statements:
                await self._connection.execute(statement.sql, statement.params)

    def _tell(self, **changed: int) -> None:
        self._progress = replace(self._progress, **changed)
        self._told(self._progress)

    # The moment in which nobody writes -------------------------------------------------------------------------------

    async def when_settled(self, act: Callable[[], Awaitable[list[str]]]) -> list[str]:
        """Do something in a transaction in which every writer waits and these tables have all that the live ones have.

        Raises RebuildFailed when that moment does not come.
        """
        for _ in range(TRIES):
            kept = self._progress, {stream: dict(waiting) for stream, waiting in self._ahead.items()}
            try:
                async with self._connection.transaction():
                    await self._take_turns()
                    await self._apply_own()
                    await self._apply_foreign()
                    if await self._streams_behind():
                        await self._read_foreign()  # what the live inbox took since we read last
                    if not await self._streams_behind():
                        return await act()
                    raise psycopg.Rollback
            except psycopg.errors.LockNotAvailable:
                log.info("rebuild: somebody reads for long; the writers go first", source=self._sources.source)
            self._progress, self._ahead = kept[0], defaultdict(dict, kept[1])
            await asyncio.sleep(PAUSE_SECONDS)
            await self.fill()
        raise RebuildFailed(f"{self._sources.source}: the live views are always ahead; is a topic incomplete?")

    async def _take_turns(self) -> None:
        await self._connection.execute("SET LOCAL lock_timeout = '1s'")
        for lock in (APPEND_LOCK, INBOX_LOCK):  # nobody who holds the second one ever waits for the first
            await self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))

    async def take_over(self, views: Sequence[View]) -> list[str]:
        """Put the tables of these views in the place of the live ones, with who may do what with them."""
        named = {name for view in views for name in view.tables}
        tables = [table for table in await self._tables() if table in named]
        old = sql.SQL(", ").join(_in("public", table) for table in tables)
        await self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(old))
        for table in tables:
            await self._connection.execute(sql.SQL("ALTER TABLE {} SET SCHEMA public").format(_in(SCHEMA, table)))
        # The functions among the views' declarations are made anew in their place; they find the tables by name.
        await self._connection.execute("SET LOCAL search_path = public")
        await self._declare(views)
        roles = self._sources.roles
        for statement in wall.privileges(roles, dict.fromkeys(tables, wall.VIEWS)):
            await self._connection.execute(statement)
        for statement in wall.row_security(roles, views, tables):
            await self._connection.execute(statement)
        return tables

    async def compare(self) -> list[str]:
        """The rows that only the live tables have, and those that only these have."""
        besides = incidental(self.views)
        return [
            f"{table}: only {where}: {row}"
            for table in await self._tables()
            if besides.get(table, True)
            for where, one, other in (("live", "public", SCHEMA), ("rebuilt", SCHEMA, "public"))
            for row in await self._only_in(table, one, other, besides.get(table, ()))
        ]

    async def _only_in(self, table: str, one: str, other: str, besides: Sequence[str]) -> list[str]:
        query = sql.SQL(
            "SELECT (to_jsonb(a) - %(besides)s::text[])::text FROM {} a "
            "EXCEPT ALL SELECT (to_jsonb(b) - %(besides)s::text[])::text FROM {} b"
        ).format(_in(one, table), _in(other, table))
        rows = await self._connection.execute(query, {"besides": list(besides)})
        return [row[0] for row in await rows.fetchall()]

    async def _tables(self) -> list[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> 'inbox' ORDER BY tablename"
        return [row[0] for row in await (await self._connection.execute(query, (SCHEMA,))).fetchall()]


def _in(schema: str, table: str) -> sql.Identifier:
    return sql.Identifier(schema, table)
