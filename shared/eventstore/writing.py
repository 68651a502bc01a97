"""Writing: one connection that commits batches of units, each unit whole or not at all, and exactly once.

First all units of a batch go in one round trip. If any is refused, that attempt is rolled back and the units go one by
one, each in a savepoint, so that a refused one fails alone. The transaction holds the append lock from its first
statement, so units of all processes come one after another and a guard sees everything that came before it.

A rehearsal goes alone, in a transaction that ends in ROLLBACK whatever becomes of it: what would refuse it refuses it,
nobody ever sees it, and a number of the log that it used up is a hole like that of any refused unit.

When the answer to a commit is lost, the session that may still be committing is ended first; only then does looking
into the log tell truly whether the units are in it.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus

from shared.errors import Unavailable
from shared.eventstore.outage import is_busy, is_unreachable
from shared.eventstore.recorder import APPEND_LOCK, insert
from shared.eventstore.statement import run
from shared.eventstore.unit import ConstraintViolated, Unit
from shared.logs import log

RECONNECT_SECONDS = 5.0
_LOCK = "SELECT pg_advisory_xact_lock(%s)"


class Writer:
    """Writes units for one process, from one thread; `unit.failure` tells what became of each."""

    def __init__(self, connect: Callable[[], Connection[Any]]) -> None:
        self._connect = connect
        self._connection: Connection[Any] | None = None
        self._session: tuple[Any, ...] | None = None
        """The server's process for the last connection, while it may still be committing something."""

    def write(self, batch: Sequence[Unit]) -> None:
        """Commit the units or set their `failure`; tries a lost connection again for a few seconds."""
        self._try(batch, _write)

    def rehearse(self, batch: Sequence[Unit]) -> None:
        """Play units through to their end and take them back; their `failure` is what would have refused them."""
        self._try(batch, _rehearse)

    def _try(self, batch: Sequence[Unit], do: Callable[[Connection[Any], Sequence[Unit]], None]) -> None:
        give_up = time.monotonic() + RECONNECT_SECONDS
        in_doubt = False
        while True:
            try:
                connection = self._connected()
                if in_doubt:
                    batch = [unit for unit in batch if not _is_stored(connection, unit)]
                do(connection, batch)
            except Exception as failure:  # noqa: BLE001 (each unit is told; the writer lives on)
                self._drop_connection()
                if not is_unreachable(failure):
                    return _fail(batch, failure)
                log.warning("append: connection lost", error=str(failure))
                if time.monotonic() > give_up:
                    return _fail(batch, Unavailable("The database cannot be reached."))
                in_doubt = True
                time.sleep(0.05)
            else:
                return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            connection = self._connect()
            if self._session is not None:
                _end(connection, self._session)
            self._session = connection.execute(
                "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
            ).fetchone()
            self._connection = connection
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _end(connection: Connection[Any], session: tuple[Any, ...]) -> None:
    """End a lost connection's session if the server still works for it. Raises OperationalError when it does not end.

    Such a session may hold a whole batch with its COMMIT and still wait for the append lock: it would commit later.
    """
    row = connection.execute(
        "SELECT bool_and(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE (pid, backend_start) = (%s, %s)",
        session,
    ).fetchone()
    if row is not None and row[0] is False:
        connection.close()
        raise psycopg.OperationalError("the session of a lost connection does not end")


def _write(connection: Connection[Any], batch: Sequence[Unit]) -> None:
    _fail(batch, None)
    if batch and not _all_at_once(connection, batch):
        _one_by_one(connection, batch)


def _fail(batch: Sequence[Unit], failure: Exception | None) -> None:
    for unit in batch:
        unit.failure = failure


def _all_at_once(connection: Connection[Any], batch: Sequence[Unit]) -> bool:
    """Commit the batch in one round trip; False when something in it was refused and nothing is committed."""
    try:
        with connection.pipeline():
            connection.execute("BEGIN")
            connection.execute(_LOCK, (APPEND_LOCK,))
            if events := [event for unit in batch for event in unit.events]:
                insert(connection, events)
            run(connection, (statement for unit in batch for statement in (*unit.guards, *unit.statements)))
            connection.execute("COMMIT")
    except Exception as failure:
        if is_unreachable(failure):
            raise
        # Whatever it is (a parameter that cannot be sent, too): the transaction may be open and must not stay so.
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            connection.rollback()
        return False
    return True


def _one_by_one(connection: Connection[Any], batch: Sequence[Unit]) -> None:
    with connection.transaction():
        connection.execute(_LOCK, (APPEND_LOCK,))
        for unit in batch:
            unit.failure = _in_savepoint(connection, unit)


def _rehearse(connection: Connection[Any], batch: Sequence[Unit]) -> None:
    for unit in batch:
        with connection.transaction(force_rollback=True):
            connection.execute(_LOCK, (APPEND_LOCK,))
            unit.failure = _in_savepoint(connection, unit)


def _in_savepoint(connection: Connection[Any], unit: Unit) -> Exception | None:
    try:
        with connection.transaction(), connection.pipeline():
            # The events first, here as above: a version that is taken must come out before what follows from it.
            if unit.events:
                insert(connection, unit.events)
            run(connection, (*unit.guards, *unit.statements))
    except Exception as failure:
        if is_unreachable(failure):
            raise
        return _refusal(failure)
    return None


def _refusal(failure: Exception) -> Exception:
    """What the unit's owner is told: which constraint refused, that it may ask again, or the defect itself."""
    if is_busy(failure):
        return Unavailable("Something here is held by others; ask again.")
    if isinstance(failure, psycopg.Error) and failure.diag.constraint_name:
        return ConstraintViolated(failure.diag.constraint_name, failure.diag.message_detail or "")
    return failure


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
