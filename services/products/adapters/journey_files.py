"""Files of journeys: the same records as on the operators' topic, as CSV, packed or not (P7).

The first line names the columns; of what was seen, the columns of the other two ways stay empty. How far each file was
taken in is kept by what is in it, so a file that was cut off goes on where it was, and a whole one is not read again.
"""

import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, LiteralString

from psycopg import Connection

from services.products.adapters.journey_feed import RECORD, Coming, read
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

COLUMNS: Final = ("id", "operator", "place", "at", "device", "country", "plate", "product", "amount", "vat", "currency")
_SEEN: Final = ("device", "country", "plate", "product")
_PIECE = 1 << 20


class NotAJourneyFile(Exception):
    """The file is no CSV with the columns of a journey."""


class JourneyFiles:
    """One row a file, by the digest of its bytes: so many of its records are through."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "journey_files": """
            CREATE TABLE IF NOT EXISTS journey_files (
                digest text PRIMARY KEY, name text NOT NULL, records bigint NOT NULL, whole boolean NOT NULL)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


@dataclass(frozen=True, slots=True)
class JourneyFile:
    """A file, and how far it was taken in before."""

    path: Path
    digest: str
    done: int
    whole: bool


def open_file(connection: Connection[Any], path: Path) -> JourneyFile:
    """The file with how far it was taken in. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    name = digest.hexdigest()
    row = connection.execute("SELECT records, whole FROM journey_files WHERE digest = %s", (name,)).fetchone()
    return JourneyFile(path, name, *(row or (0, False)))


def note(connection: Connection[Any], file: JourneyFile, records: int, *, whole: bool) -> None:
    """So many records are through."""
    connection.execute(
        "INSERT INTO journey_files AS f VALUES (%s, %s, %s, %s) ON CONFLICT (digest) DO UPDATE SET "
        "records = greatest(f.records, excluded.records), whole = f.whole OR excluded.whole",
        (file.digest, file.path.name, records, whole),
    )


@dataclass(slots=True)
class Reading:
    """A file that is being read: where it is, in bytes as they lie on the disk."""

    _raw: BinaryIO
    _rows: Iterator[list[str]]
    size: int

    @property
    def at(self) -> int:
        return self._raw.tell()

    def records(self, skip: int) -> Iterator[Coming]:
        """The records, one by one, without the first ones."""
        for number, row in enumerate(self._rows):
            if number >= skip:
                yield _record(row)


@contextmanager
def reading(path: Path) -> Iterator[Reading]:
    """Read a CSV file of journeys, packed if its name ends in .gz. Raises NotAJourneyFile, OSError."""
    try:
        with path.open("rb") as raw, _unpacked(raw, path) as text:
            rows = csv.reader(text)
            if tuple(next(rows, ())) != COLUMNS:
                raise NotAJourneyFile(f"{path.name}: the first line must be {','.join(COLUMNS)}")
            yield Reading(raw, (row for row in rows if row), path.stat().st_size)
    except (EOFError, zlib.error, csv.Error) as broken:
        raise NotAJourneyFile(f"{path.name} cannot be read to its end: {broken}") from broken


def as_row(record: Mapping[str, Any]) -> list[str]:
    """A record of the topic as a line of a file."""
    return [str({**record, **record["seen"]}.get(column, "")) for column in COLUMNS]


def _unpacked(raw: BinaryIO, path: Path) -> TextIOWrapper:
    # What cannot be decoded comes out as what no record may hold, and is parked.
    packed = path.suffix == ".gz"
    return TextIOWrapper(gzip.GzipFile(fileobj=raw) if packed else raw, "utf-8", errors="replace", newline="")


def _record(row: list[str]) -> Coming:
    """A line as the record that it stands for; a malformed one is kept as that record."""
    named = dict(zip(COLUMNS, row, strict=False))
    seen = {name: value for name in _SEEN if (value := named.pop(name, ""))}
    more = {"more": row[len(COLUMNS) :]} if len(row) > len(COLUMNS) else {}
    return read(json.dumps({"record": RECORD, **named, "seen": seen, **more}, ensure_ascii=False).encode())
