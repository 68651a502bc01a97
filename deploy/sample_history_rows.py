"""A sample history as an export takes it: straight from the seed, without any database."""

import csv
import io
import random
from collections.abc import Iterator
from itertools import islice
from typing import IO

import orjson

from deploy.sample_history import SampleHistory
from services.audit.analysis.layout import COLUMNS, LEAF_BYTES
from services.audit.analysis.sources import Extent
from services.audit.canonical import SALT, leaf_hash, written_time
from shared.envelope import Recorded


class Sampled:
    """The leaves of a sample history, salted from the seed: the same seed makes the same export.

    They are made in order, so to ask for what lies behind begins anew.
    """

    def __init__(self, seed: int, count: int) -> None:
        self._seed, self._count = seed, count
        self._next = 0
        self._begin()

    def extent(self) -> Extent:
        return Extent(self._count)

    def rows(self, first: int, end: int, into: IO[bytes]) -> int:
        text = io.TextIOWrapper(into, encoding="utf-8", newline="", write_through=True)
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(COLUMNS)
        hashes = []
        for leaf, (recorded, salt) in enumerate(self._made(first, end), start=first):
            hashes.append(_hash(recorded, salt))
            lines.writerow(_row(leaf, recorded, salt))
        text.detach()
        self._hashes = (first, b"".join(hashes))
        return len(hashes)

    def hashes(self, first: int, end: int) -> bytes:
        if self._hashes[0] != first or len(self._hashes[1]) != (end - first) * LEAF_BYTES:
            self._hashes = (first, b"".join(_hash(recorded, salt) for recorded, salt in self._made(first, end)))
        return self._hashes[1]

    def _made(self, first: int, end: int) -> Iterator[tuple[Recorded, bytes]]:
        if first < self._next:
            self._begin()
        for recorded in islice(self._coming, first - self._next, end - self._next):
            yield recorded, self._salt(first)
            first += 1
        self._next = end

    def _begin(self) -> None:
        self._coming, self._next = SampleHistory(self._seed, self._count).events(), 0
        self._hashes = (0, b"")

    def _salt(self, leaf: int) -> bytes:
        return random.Random(f"{self._seed}/{leaf}").randbytes(SALT)  # noqa: S311 (a sample that can be made again)


def _hash(recorded: Recorded, salt: bytes) -> bytes:
    entry = {
        **{name: getattr(recorded, name) for name in ("id", "stream", "version", "type", "time", "grant")},
        **{name: getattr(recorded, name) for name in ("correlation", "causation")},
        "service": recorded.source,
        "actor": str(recorded.actor),
        "data": orjson.loads(recorded.data.to_json()),
    }
    return leaf_hash(entry, salt)


def _row(leaf: int, recorded: Recorded, salt: bytes) -> tuple[object, ...]:
    return (
        *(leaf, recorded.id, recorded.source, recorded.stream, recorded.version, recorded.type),
        *(written_time(recorded.time), recorded.actor, recorded.grant, recorded.correlation, recorded.causation),
        *(recorded.data.to_json().decode(), salt.hex()),
    )
