"""The history as analysts take it into their own programs: from an export, or from the database of audit.

from services.audit.analysis.history import exported

history = exported("export")
for event in history.replay(from_=datetime(2026, 3, 1, tzinfo=UTC), types=["profiles.product-access-granted.v1"]):
    ...
"""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, LiteralString

import duckdb
import psycopg

from services.audit.adapters.leaves import sealed
from services.audit.analysis import duck
from services.audit.analysis.decoding import Row
from services.audit.analysis.layout import Manifest, Part
from services.audit.analysis.replay import Asked, Cursor, Replay, Rows, Watch
from shared.clock import microseconds

AT_ONCE: Final = 50_000
"""Leaves that are read in one question: all that is ever in memory."""
_PAGE: Final = 5000


class History:
    """A history that can be replayed any number of times."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def replay(
        self,
        *,
        from_: datetime | None = None,
        until: datetime | None = None,
        streams: Collection[str] = (),
        types: Collection[str] = (),
        leaves: int | None = None,
        after: Cursor | str | None = None,
        watch: Watch | None = None,
    ) -> Replay:
        """A replay, not begun: iterate over it. `after` is the cursor of one that was cut off.

        Raises NotItsCursor.
        """
        asked = Asked(from_, until, frozenset(streams), frozenset(types), leaves)
        return Replay(self._rows, asked, Cursor.parse(after) if isinstance(after, str) else after, watch)


def exported(folder: Path | str) -> History:
    """The history of an export. Raises NoExport."""
    return History(Exported(Path(folder)))


def recorded(connection: psycopg.Connection[Any]) -> History:
    """The history in the database of audit, as far as it is sealed; whoever reads it says so first (H3)."""
    return History(InDatabase(connection))


class Exported:
    """The rows of an export. While some are replayed the next ones are read by another thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest = Manifest.read(folder)

    def leaves(self) -> int:
        return self._manifest.leaves

    def read(self, asked: Asked, first: int, end: int) -> Iterator[Sequence[Row]]:
        ask = partial(self._ask, asked, first, end)
        with closing(duck.connect(self._folder / duck.SPILL)) as connection, ThreadPoolExecutor(1) as reading:
            coming: Future[duckdb.DuckDBPyConnection] | None = None
            for parts in self._wanted(asked, first, end):
                last, coming = coming, reading.submit(ask, connection.cursor(), parts)
                yield from _pages(last)
            yield from _pages(coming)

    def _ask(
        self, asked: Asked, first: int, end: int, connection: duckdb.DuckDBPyConnection, parts: Sequence[Part]
    ) -> duckdb.DuckDBPyConnection:
        said = {
            "first": first,
            "end": end,
            "since": asked.since and microseconds(asked.since),
            "until": asked.until and microseconds(asked.until),
            "streams": sorted(asked.streams),
            "types": sorted(asked.names),
        }
        behind = duck.of_parts(self._folder, self._manifest, [part.path for part in parts])
        return connection.execute(_FROM_FILES.format(behind=behind), said)

    def _wanted(self, asked: Asked, first: int, end: int) -> Iterator[Sequence[Part]]:
        """The files to be read, those of about as many leaves at a time as one may have in memory."""
        taken: list[Part] = []
        since = first
        for parts in self._manifest.ranges():
            if parts[0].end <= first or parts[0].first >= end:
                continue
            if taken and parts[0].end - since > AT_ONCE:
                yield taken
                taken, since = [], parts[0].first
            taken += [part for part in parts if _may_hold(part, asked)]
        if taken:
            yield taken


def _may_hold(part: Part, asked: Asked) -> bool:
    """Whether something of what is asked for may stand in a file, to judge by its folders."""
    if not (said := part.partition):
        return True
    begin = datetime.combine(date.fromisoformat(said["day"]), datetime.min.time(), UTC)
    return (
        (not asked.types or said["type"] in asked.names)
        and (asked.since is None or begin + timedelta(days=1) > asked.since)
        and (asked.until is None or begin < asked.until)
    )


def _pages(answer: Future[duckdb.DuckDBPyConnection] | None) -> Iterator[Sequence[Row]]:
    if answer is None:
        return
    rows = answer.result()
    while page := rows.fetchmany(_PAGE):
        yield page


class InDatabase:
    """The rows of the database of audit."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """A connection as the service itself."""
        self._connection = connection

    def leaves(self) -> int:
        return sealed(self._connection)

    def read(self, asked: Asked, first: int, end: int) -> Iterator[Sequence[Row]]:
        said = {"since": asked.since, "until": asked.until, "streams": sorted(asked.streams)}
        said |= {"types": sorted(asked.names)}
        for begin in range(first, end, _PAGE):
            page = {**said, "first": begin, "end": min(begin + _PAGE, end)}
            if rows := self._connection.cursor(binary=True).execute(_FROM_TABLES, page).fetchall():
                yield rows


_FROM_FILES: Final = """
    SELECT leaf, id, service, stream, version, type, epoch_us(time) AS at, actor, "grant", correlation, causation, data
    FROM {behind}
    WHERE leaf >= $first AND leaf < $end
    AND ($since IS NULL OR epoch_us(time) >= $since) AND ($until IS NULL OR epoch_us(time) < $until)
    AND (len($streams) = 0 OR list_contains($streams, stream) OR list_contains($streams, left(stream, -33)))
    AND (len($types) = 0 OR list_contains($types, type))
    ORDER BY leaf"""
_FROM_TABLES: LiteralString = """
    SELECT l.leaf, h.event_id, h.service, h.stream, h.version, h.type, (extract(epoch FROM h.time) * 1000000)::bigint,
           h.actor, h."grant", h.correlation, h.causation, h.data::text
    FROM leaves l JOIN history h USING (event_id)
    WHERE l.leaf >= %(first)s AND l.leaf < %(end)s
    AND (%(since)s::timestamptz IS NULL OR h.time >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR h.time < %(until)s)
    AND (%(streams)s::text[] = '{}' OR h.stream = ANY(%(streams)s) OR left(h.stream, -33) = ANY(%(streams)s))
    AND (%(types)s::text[] = '{}' OR h.type = ANY(%(types)s))
    ORDER BY l.leaf"""
