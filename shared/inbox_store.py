"""What the inbox keeps: the last applied version of every foreign stream, changed together with what it stands for."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, LiteralString, TypeVar

from psycopg import Connection

from shared import dead_letters
from shared.eventstore.outage import is_busy, is_unreachable
from shared.eventstore.statement import Statement, run
from shared.logs import log

INBOX_LOCK = 0x5E1F5E14
NEXT_VERSION = "inbox_takes_the_next_version"
LONGEST_WAIT_SECONDS = 2.0

TABLES: LiteralString = f"""
CREATE TABLE IF NOT EXISTS inbox (stream text PRIMARY KEY, version bigint NOT NULL) WITH (fillfactor = 50);
CREATE OR REPLACE FUNCTION inbox_take(taken text, at bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inbox AS i VALUES (taken, at)
    ON CONFLICT (stream) DO UPDATE SET version = at WHERE i.version = at - 1;
    IF NOT FOUND THEN
        RAISE unique_violation USING CONSTRAINT = '{NEXT_VERSION}', MESSAGE = 'not the next version of ' || taken;
    END IF;
END $$;
{dead_letters.TABLE}
"""

T = TypeVar("T")


class Overtaken(Exception):
    """Another replica applied some of this meanwhile: look again."""


class InboxStore:
    """The inbox's own connection, on which work is done again until it could be done."""

    def __init__(self, connect: Callable[[], Connection[Any]]) -> None:
        self._connect = connect
        self._connection: Connection[Any] | None = None

    async def done(self, work: Callable[[Connection[Any]], T]) -> T:
        """Do database work in a thread, again while the database is out of reach. Raises what else goes wrong."""
        wait = 0.05
        while True:
            try:
                return await asyncio.to_thread(lambda: work(self._connected()))
            except Overtaken:
                continue
            except Exception as failure:
                if not is_unreachable(failure) and not is_busy(failure):
                    raise
                log.warning("inbox: database out of reach", error=str(failure))
                self.close()
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def take(stream: str, version: int) -> Statement:
    """Take one event; refused with NEXT_VERSION unless it is the next of its stream."""
    return Statement("SELECT inbox_take(%s, %s)", (stream, version))


def version_of(connection: Connection[Any], stream: str) -> int:
    """The last version applied of a stream; 0 when none was."""
    row = connection.execute("SELECT version FROM inbox WHERE stream = %s", (stream,)).fetchone()
    return 0 if row is None else int(row[0])


def take_turn(connection: Connection[Any], streams: Iterable[str]) -> dict[str, int]:
    """The last versions of these streams, held until the transaction ends: replicas apply batches one after another.

    The rows are held before any view is touched, as a reaction does it, so that neither waits for the other in a ring.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (INBOX_LOCK,))
    held = "SELECT stream, version FROM inbox WHERE stream = ANY(%s) ORDER BY stream FOR UPDATE"
    return dict(connection.execute(held, (list(streams),)).fetchall())


def advance(connection: Connection[Any], before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Record what was applied, from the version it was before. Raises Overtaken when it is not at that any more."""
    moved = sorted(stream for stream, version in after.items() if before.get(stream, 0) != version)
    if not moved:
        return
    was, now = [before.get(stream, 0) for stream in moved], [after[stream] for stream in moved]
    rows = connection.execute(
        "INSERT INTO inbox AS i SELECT m.stream, m.now FROM unnest(%s::text[], %s::bigint[]) AS m(stream, now) "
        "ON CONFLICT (stream) DO UPDATE SET version = excluded.version "
        "WHERE i.version = (SELECT w.was FROM unnest(%s::text[], %s::bigint[]) AS w(stream, was) "
        "                   WHERE w.stream = i.stream) RETURNING 1",
        (moved, now, moved, was),
    ).fetchall()
    if len(rows) != len(moved):
        raise Overtaken
    _forget(connection, moved, now)


def _forget(connection: Connection[Any], streams: Sequence[str], versions: Sequence[int]) -> None:
    run(connection, [dead_letters.forget(streams, versions)])
