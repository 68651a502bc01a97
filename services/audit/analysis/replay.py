"""Replaying the history through somebody's own code: every event once, typed, in the order of the proof.

H2   Any range may be replayed, of these streams and types or of all; a replay that was cut off goes on at its cursor.

At the end there is a digest of all that was replayed: the same events have the same one, from the database and from
any export, in one go or in pieces. It is a chain of SHA-256 over blocks of leaves, so a cursor can carry it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from operator import itemgetter
from typing import Final, Protocol, Self

import orjson

from services.audit.analysis.decoding import Row, typed
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.events import read_as

BLOCK: Final = 1000
"""Leaves that the digest takes in at once. Another number would be another digest."""
NOTHING: Final = sha256().hexdigest()
_leaf_of: Final = itemgetter(0)


class NotItsCursor(Refusal):
    """This cursor is of a replay that asked something else."""

    code = "not-its-cursor"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is replayed: from a moment on, until before another one, these streams and types; what is not said is all.

    A stream is named by its identifier or by its kind (`product`), a type by any of the names it ever had.
    """

    since: datetime | None = None
    until: datetime | None = None
    streams: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    leaves: int | None = None
    """Of the first so many leaves only: those of an export, or of a checkpoint."""

    @property
    def names(self) -> frozenset[str]:
        """The types by every name that they may be stored under."""
        return frozenset(name for asked in self.types for name in read_as(asked))

    @property
    def fingerprint(self) -> str:
        """Short for the question; that it is of more leaves by now makes no difference to where it goes on."""
        moments = [moment and moment.astimezone(UTC).isoformat() for moment in (self.since, self.until)]
        return sha256(orjson.dumps([*moments, sorted(self.streams), sorted(self.types)])).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a replay is; as text it can be kept anywhere."""

    asked: str
    leaf: int = 0
    """The next leaf to look at."""
    events: int = 0
    """How many were replayed."""
    digest: str = NOTHING
    """Of all blocks before that of the next leaf."""

    def __str__(self) -> str:
        return f"{self.asked}:{self.leaf}:{self.events}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form back. Raises NotItsCursor."""
        try:
            asked, leaf, events, digest = text.strip().split(":")
            return cls(asked, int(leaf), int(events), bytes.fromhex(digest).hex())
        except ValueError:
            raise NotItsCursor from None


class Rows(Protocol):
    """Where a history can be read from."""

    def leaves(self) -> int:
        """How many leaves it has now."""

    def read(self, asked: Asked, first: int, end: int) -> Iterator[Sequence[Row]]:
        """The rows that are asked for of the leaves from `first` up to, but not including, `end`, in order."""


Watch = Callable[[int, int], None]
"""Told how many leaves were looked at, of how many."""


@dataclass
class Replay:
    """One way through the history: iterate, and ask it how far it is and what came of it.

        for event in replay:
            ...
        replay.digest

    It may be left and iterated again: it goes on. What was handed out counts as done: keep the cursor after the work.
    """

    rows: Rows
    asked: Asked
    after: Cursor | None = None
    watch: Watch | None = None
    _before: str = field(init=False)
    """The digest before the block that is under way."""
    _with: str = field(init=False)
    """The digest with it."""
    _block: int = field(init=False)
    _next: int = field(init=False)
    _events: int = field(init=False)

    def __post_init__(self) -> None:
        begin = self.after or Cursor(self.asked.fingerprint)
        if begin.asked != self.asked.fingerprint:
            raise NotItsCursor
        self._before = self._with = begin.digest
        self._next, self._events, self._block = begin.leaf, begin.events, begin.leaf // BLOCK
        known = self.rows.leaves()
        self.leaves = min(known, known if self.asked.leaves is None else self.asked.leaves)

    @property
    def cursor(self) -> Cursor:
        """Where to go on after the last event that was handed out."""
        digest = self._before if self._next // BLOCK == self._block else self._with
        return Cursor(self.asked.fingerprint, self._next, self._events, digest)

    @property
    def digest(self) -> str:
        """Of all that was replayed, once it is."""
        return self._with

    @property
    def events(self) -> int:
        """How many were handed out, before the cursor and since."""
        return self._events

    def __iter__(self) -> Iterator[Recorded]:
        begin, first = self._next, self._next - self._next % BLOCK
        self._with = self.cursor.digest
        for block in blocks(self.rows.read(self.asked, first, self.leaves)):
            self._enter(block)
            for row in block:
                if row[0] >= begin:
                    event = typed(row)
                    self._next = row[0] + 1
                    self._events += 1
                    yield event
            if self.watch:
                self.watch(self._next, self.leaves)
        self._next = max(self._next, self.leaves)
        if self.watch:
            self.watch(self._next, self.leaves)

    def _enter(self, block: Sequence[Row]) -> None:
        self._block = block[0][0] // BLOCK
        self._before = self._with
        self._with = sha256(bytes.fromhex(self._before) + orjson.dumps(block)).hexdigest()


def blocks(chunks: Iterable[Sequence[Row]]) -> Iterator[list[Row]]:
    """The same rows, cut where the digest wants them cut; a block without rows is left out."""
    block: list[Row] = []
    for chunk in chunks:
        at = 0
        while at < len(chunk):
            if block and block[0][0] // BLOCK != chunk[at][0] // BLOCK:
                yield block
                block = []
            cut = bisect_left(chunk, (chunk[at][0] // BLOCK + 1) * BLOCK, lo=at, key=_leaf_of)
            block += chunk[at:cut]
            at = cut
    if block:
        yield block
