"""Group commit: one writer of a process takes all waiting appends into one transaction.

Every append is a `Unit`: events, and the statements of guards, views and bookkeeping that hold or fail with them. First
all waiting units go in one round trip. If any is refused, that attempt is rolled back and the units go one by one, each
in a savepoint, so that a refused one fails alone. The transaction holds the append lock from its first statement, so
units of all processes come one after another and a guard sees everything that came before it.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from psycopg.pq import TransactionStatus

from shared.errors import Unavailable
from shared.eventstore.recorder import APPEND_LOCK, EVENTS, insert
from shared.eventstore.statement import Statement
from shared.logs import log

MOST_UNITS_AT_ONCE = 256
RECONNECT_SECONDS = 5.0
STREAM_VERSION = f"{EVENTS}_pkey"
"""The constraint that two appends to one stream at one version collide on."""


class ConstraintViolated(Exception):
    """A unit was refused by a named constraint: by the log (a version is taken) or by a view (a rule says no)."""

    def __init__(self, constraint: str, detail: str) -> None:
        super().__init__(f"{constraint}: {detail}")
        self.constraint = constraint


@dataclass(slots=True)
class Unit:
    """What one command commits, whole or not at all."""

    events: Sequence[StoredEvent] = ()
    guards: Sequence[Statement] = ()
    """Run before the views see the events: what must still be so at this very moment."""
    statements: Sequence[Statement] = ()
    failure: Exception | None = field(default=None, init=False)
    committed: "asyncio.Future[None]" = field(init=False)


class GroupCommit:
    """The one append path of a process: `await commit(unit)` from any task, one thread writes."""

    def __init__(self, connect: Callable[[], Connection[Any]]) -> None:
        self._connect = connect
        self._connection: Connection[Any] | None = None
        self._waiting: deque[Unit] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.after_commit: Callable[[], None] = lambda: None
        """Called in the event loop after each commit: a hint to readers of the log."""

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Write what is waiting, then end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def commit(self, unit: Unit) -> None:
        """Answer when the unit is durable.

        Raises ConstraintViolated when it was refused, Unavailable when the database could not be reached; then the
        unit is not in the log.
        """
        unit.committed = asyncio.get_running_loop().create_future()
        with self._wake:
            if self._closing:
                raise Unavailable("The service is stopping.")
            self._waiting.append(unit)
            self._wake.notify()
        await asyncio.shield(unit.committed)

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._write(batch)
            except Exception as defect:  # noqa: BLE001 (each caller gets it; the writer lives on)
                for unit in batch:
                    unit.failure = unit.failure or defect
            assert self._loop is not None  # noqa: S101
            self._loop.call_soon_threadsafe(self._answer, batch)
        if self._connection is not None:
            self._connection.close()

    def _next_batch(self) -> list[Unit]:
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_UNITS_AT_ONCE))]

    def _answer(self, batch: list[Unit]) -> None:
        for unit in batch:
            if unit.committed.done():
                continue
            if unit.failure is None:
                unit.committed.set_result(None)
            else:
                unit.committed.set_exception(unit.failure)
        self.after_commit()

    def _write(self, batch: Sequence[Unit]) -> None:
        """Write the batch; after a lost connection first look which of its units are in the log after all."""
        give_up = time.monotonic() + RECONNECT_SECONDS
        answer_was_lost = False
        while batch:
            try:
                connection = self._connected()
                if answer_was_lost:
                    batch = [unit for unit in batch if not _is_stored(connection, unit)]
                if not _all_at_once(connection, batch):
                    _one_by_one(connection, batch)
                batch = ()
            except (psycopg.OperationalError, psycopg.InterfaceError) as lost:
                log.warning("append: connection lost", error=str(lost))
                self._drop_connection()
                answer_was_lost = True
                if time.monotonic() > give_up:
                    raise Unavailable("The database cannot be reached.") from lost
                time.sleep(0.05)

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _all_at_once(connection: Connection[Any], batch: Sequence[Unit]) -> bool:
    """Commit the batch in one round trip; False when something in it was refused and nothing is committed."""
    try:
        with connection.pipeline():
            connection.execute("BEGIN")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
            if events := [event for unit in batch for event in unit.events]:
                insert(connection, events)
            for unit in batch:
                for statement in (*unit.guards, *unit.statements):
                    connection.execute(statement.sql, statement.params)
            connection.execute("COMMIT")
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError:
        _leave_transaction(connection)
        return False
    return True


def _one_by_one(connection: Connection[Any], batch: Sequence[Unit]) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        for unit in batch:
            unit.failure = _in_savepoint(connection, unit)


def _in_savepoint(connection: Connection[Any], unit: Unit) -> Exception | None:
    try:
        with connection.transaction(), connection.pipeline():
            for guard in unit.guards:
                connection.execute(guard.sql, guard.params)
            if unit.events:
                insert(connection, list(unit.events))
            for statement in unit.statements:
                connection.execute(statement.sql, statement.params)
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError as refused:
        constraint = refused.diag.constraint_name
        return ConstraintViolated(constraint, refused.diag.message_detail or "") if constraint else refused
    return None


def _is_stored(connection: Connection[Any], unit: Unit) -> bool:
    """Whether a unit whose commit was never answered is in the log after all: its first event, to the letter."""
    if not unit.events:
        return False
    first = unit.events[0]
    row = connection.execute(
        "SELECT state FROM events WHERE originator_id = %s AND originator_version = %s",
        (first.originator_id, first.originator_version),
    ).fetchone()
    return row is not None and bytes(row[0]) == first.state


def _leave_transaction(connection: Connection[Any]) -> None:
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        connection.rollback()
