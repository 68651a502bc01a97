"""Dead letters: records that could not be applied, kept whole with the reason until somebody redrives them.

Later versions of the same stream wait behind a parked one, other streams go on. What merely came too early (its
predecessor is missing) waits here too and is applied by itself as soon as the predecessor has been.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import orjson
from psycopg import Connection

from shared.envelope import Headers
from shared.eventstore.statement import Statement

TABLE: LiteralString = """
CREATE TABLE IF NOT EXISTS dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text, version bigint,
    topic text NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL,
    headers json NOT NULL, value bytea NOT NULL,
    reason text NOT NULL, parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (stream, version));
CREATE UNIQUE INDEX IF NOT EXISTS dead_letters_without_stream
    ON dead_letters (topic, partition, "offset", md5(value)) WHERE stream IS NULL;
"""
"""`headers` is json, not jsonb: a record that is not ours may hold any byte, and jsonb knows no zero byte."""

TOO_EARLY = "waits for an earlier version of its stream"


@dataclass(frozen=True, slots=True)
class Letter:
    """A record as it came, or as it was kept."""

    topic: str
    partition: int
    offset: int
    headers: Headers
    value: bytes
    stream: str | None = None
    version: int | None = None
    reason: str = ""
    id: int = 0


_PARK: LiteralString = (
    'INSERT INTO dead_letters (stream, version, topic, partition, "offset", headers, value, reason) '
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) "
)


def park(letter: Letter, stream: str | None, version: int | None, reason: str) -> Statement:
    """Keep a record with the reason; parking the same one again only renews the reason."""
    same: LiteralString = (
        "ON CONFLICT (stream, version) DO UPDATE SET reason = excluded.reason"
        if stream is not None
        else 'ON CONFLICT (topic, partition, "offset", md5(value)) WHERE stream IS NULL '
        "DO UPDATE SET reason = excluded.reason"
    )
    headers = [[name, None if value is None else value.decode("latin-1")] for name, value in letter.headers]
    return Statement(
        _PARK + same,
        (
            stream,
            version,
            letter.topic,
            letter.partition,
            letter.offset,
            orjson.dumps(headers).decode(),
            letter.value,
            "".join(sign if sign.isprintable() else " " for sign in reason[:500]),
        ),
    )


def forget(streams: Sequence[str], versions: Sequence[int]) -> Statement:
    """Drop the letters of versions that have been applied meanwhile."""
    return Statement(
        "DELETE FROM dead_letters d USING unnest(%s::text[], %s::bigint[]) AS applied(stream, version) "
        "WHERE d.stream = applied.stream AND d.version <= applied.version",
        (list(streams), list(versions)),
    )


def now_due(connection: Connection[Any], streams: Sequence[str]) -> list[Letter]:
    """Letters of these streams that only waited for the version which has now been applied.

    Drops those whose version was applied by another replica while this one parked it.
    """
    connection.execute(
        "DELETE FROM dead_letters USING inbox WHERE dead_letters.stream = inbox.stream "
        "AND dead_letters.stream = ANY(%s) AND dead_letters.version <= inbox.version",
        (list(streams),),
    )
    return _letters(
        connection.execute(
            f"SELECT {_COLUMNS} FROM dead_letters JOIN inbox USING (stream) "
            "WHERE dead_letters.stream = ANY(%s) AND dead_letters.version = inbox.version + 1 AND reason = %s",
            (list(streams), TOO_EARLY),
        ).fetchall()
    )


def all_letters(connection: Connection[Any]) -> list[Letter]:
    """Every letter, in the order in which a redrive has to take them."""
    return _letters(connection.execute(f"SELECT {_COLUMNS} FROM dead_letters ORDER BY stream, version, id").fetchall())


def drop(connection: Connection[Any], letter: Letter) -> None:
    """Remove one letter for good: one that never can be applied, or that has been."""
    connection.execute("DELETE FROM dead_letters WHERE id = %s", (letter.id,))


_COLUMNS: LiteralString = 'dead_letters.id, stream, version, topic, partition, "offset", headers, value, reason'
_COLUMNS = _COLUMNS.replace("version", "dead_letters.version")


def _letters(rows: Iterable[tuple[Any, ...]]) -> list[Letter]:
    return [
        Letter(
            id=row[0],
            stream=row[1],
            version=row[2],
            topic=row[3],
            partition=row[4],
            offset=row[5],
            headers=[(name, None if value is None else value.encode("latin-1")) for name, value in row[6]],
            value=bytes(row[7]),
            reason=row[8],
        )
        for row in rows
    ]
