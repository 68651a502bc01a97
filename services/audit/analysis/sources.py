"""Where the entries of an export come from: the database of audit, or whatever else can give them leaf by leaf."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Final, LiteralString, Protocol

import psycopg

from services.audit.adapters.checkpoints import newest_signed


@dataclass(frozen=True, slots=True)
class Extent:
    """How many leaves may be exported, and the signed checkpoint that says so."""

    leaves: int
    checkpoint: str | None = None


class Source(Protocol):
    """A history, leaf by leaf. A leaf never changes, so two questions see the same one."""

    def extent(self) -> Extent:
        """How far an export may go now."""

    def rows(self, first: int, end: int, into: IO[bytes]) -> int:
        """Write the rows of these leaves as CSV with a header, in order, `end` not included; answers how many."""

    def hashes(self, first: int, end: int) -> bytes:
        """The hashes of these leaves, in order."""


HowFar = Callable[[psycopg.Connection[Any]], Extent]


def newest_extent(connection: psycopg.Connection[Any]) -> Extent:
    """How far the newest checkpoint goes: an export is never beyond it."""
    signed = newest_signed(connection)
    return Extent(signed[0], signed[2]) if signed else Extent(0)


class FromDatabase:
    """The history of the running system. What it writes is what PostgreSQL's COPY says, byte for byte."""

    def __init__(self, connection: psycopg.Connection[Any], how_far: HowFar = newest_extent) -> None:
        """A connection as the service itself."""
        self._connection, self._how_far = connection, how_far
        # Each leaf's entry is looked up; else a history of middling size would be read whole for each range.
        connection.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")

    def extent(self) -> Extent:
        return self._how_far(self._connection)

    def rows(self, first: int, end: int, into: IO[bytes]) -> int:
        with self._connection.cursor() as cursor:
            with cursor.copy(ROWS, (first, end)) as copy:
                for piece in copy:
                    into.write(piece)
            return cursor.rowcount

    def hashes(self, first: int, end: int) -> bytes:
        rows = self._connection.execute(_HASHES, (first, end)).fetchall()
        return b"".join(bytes(row[0]) for row in rows)


UTC_TIME: Final[LiteralString] = """to_char(h.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
"""A time as it stands in canonical bytes."""
_ENTRY: LiteralString = f"""l.leaf, h.event_id AS id, h.service, h.stream, h.version, h.type, {UTC_TIME} AS time,
    h.actor, h."grant", h.correlation, h.causation, h.data, encode(l.salt, 'hex') AS salt"""
ROWS: LiteralString = f"""
    COPY (SELECT {_ENTRY} FROM leaves l JOIN history h USING (event_id)
          WHERE l.leaf >= %s AND l.leaf < %s ORDER BY l.leaf) TO STDOUT (FORMAT csv, HEADER)"""
_HASHES: LiteralString = "SELECT hash FROM leaves WHERE leaf >= %s AND leaf < %s ORDER BY leaf"
