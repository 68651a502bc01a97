"""The whole history hashed anew from its rows, and compared with everything that was ever said of it (T-09).

H4   Each entry is what its leaf was made of, each kept node is that of these leaves, each root that was promised or
     published is theirs, and every entry is a leaf or waits to be one. The first difference is named.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, ClassVar, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row

from services.audit.adapters.leaves import ENTRY
from services.audit.adapters.tree_nodes import LOWEST, Growing
from services.audit.canonical import leaf_hash
from services.audit.proof.notes import Checkpoint
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.events import UnknownEventError
from shared.eventstore.statement import Statement

AT_ONCE = 2000


class Rechecks:
    """One row a check: how many entries, and the first difference if there was one."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "rechecks": """
            CREATE TABLE IF NOT EXISTS rechecks (
                at timestamptz PRIMARY KEY, entries bigint NOT NULL, difference text)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


class Result(NamedTuple):
    """How many entries were looked at, and the first thing that is not as it was."""

    entries: int
    difference: str | None


class _Differs(Exception):
    """The first difference."""


def recheck(connection: Connection[Any], outside: Sequence[Checkpoint] = ()) -> Result:
    """Hash everything anew; `outside` are checkpoints that came from elsewhere than this database."""
    tree = Growing()
    with connection.transaction(), closing(connection.cursor("promised")) as promised:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        promised.execute("SELECT size, root FROM checkpoints ORDER BY size")
        try:
            _read(connection, tree, _said(promised, outside))
            _nothing_left_out(connection)
        except _Differs as difference:
            return Result(tree.size, str(difference))
    return Result(tree.size, None)


def keep(connection: Connection[Any], at: datetime, result: Result) -> None:
    """Remember that this was found."""
    connection.execute("INSERT INTO rechecks VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (at, *result))


def last_kept(connection: Connection[Any]) -> tuple[datetime, str | None] | None:
    """When it was checked last, and what was found."""
    row = connection.execute("SELECT at, difference FROM rechecks ORDER BY at DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else None


def _read(connection: Connection[Any], tree: Growing, said: Iterator[tuple[int, bytes]]) -> None:
    due = next(said, None)
    made: list[tuple[int, int, bytes]] = []
    with closing(connection.cursor("recheck", row_factory=dict_row)) as cursor:
        cursor.itersize = AT_ONCE
        for row in cursor.execute(_ROWS):
            made += [node for node in tree.add(_leaf_of(row, tree.size)) if node[0] >= LOWEST]
            while due is not None and due[0] == tree.size:
                if due[1] != tree.root:
                    raise _Differs(f"the first {tree.size} entries do not make the root that was said of them")
                due = next(said, None)
            if len(made) > AT_ONCE:
                _must_be_kept(connection, made)
                made.clear()
    _must_be_kept(connection, made)
    if due is not None:
        raise _Differs(f"there are {tree.size} leaves, and {due[0]} were signed")


def _leaf_of(row: Mapping[str, Any], number: int) -> bytes:
    """The hash of a row's leaf, made anew."""
    called = f"leaf {row['leaf']} (entry {row['event_id']})"
    if row["leaf"] != number:
        raise _Differs(f"leaf {number} is not there")
    if row["id"] is None:
        raise _Differs(f"the entry of {called} is not there")
    try:
        found = leaf_hash(row, bytes(row["salt"]) if row["salt"] is not None else None)
    except UnknownEventError as unknown:
        raise _Differs(f"{called}: {unknown}") from unknown
    if found != bytes(row["hash"]):
        raise _Differs(f"{called} is not what it was made of")
    return found


def _must_be_kept(connection: Connection[Any], made: Sequence[tuple[int, int, bytes]]) -> None:
    levels, indexes, hashes = zip(*made, strict=True) if made else ((), (), ())
    row = connection.execute(_NOT_KEPT, (list(levels), list(indexes), list(hashes))).fetchone()
    if row is not None:
        raise _Differs(f"the node {row[1]} of level {row[0]} is not that of its leaves")


def _said(promised: Iterable[tuple[int, bytes]], outside: Sequence[Checkpoint]) -> Iterator[tuple[int, bytes]]:
    """Sizes and roots that were promised or came from elsewhere, the smallest first."""
    ours = ((size, bytes(root)) for size, root in promised)
    return heapq.merge(ours, sorted((each.size, each.root) for each in outside))


def _nothing_left_out(connection: Connection[Any]) -> None:
    row = connection.execute(_LEFT_OUT).fetchone()
    if row is not None:
        raise _Differs(f"entry {row[0]} is no leaf, and does not wait to be one")


_ROWS: LiteralString = f"""
    SELECT l.leaf, l.event_id, l.salt, l.hash, {ENTRY}
    FROM leaves l LEFT JOIN history h USING (event_id) ORDER BY l.leaf"""
_NOT_KEPT: LiteralString = """
    SELECT m.level, m.index FROM unnest(%b::int[], %b::bigint[], %b::bytea[]) AS m (level, index, hash)
    LEFT JOIN tree_nodes n USING (level, index) WHERE n.hash IS DISTINCT FROM m.hash ORDER BY 1, 2 LIMIT 1"""
_LEFT_OUT: LiteralString = """
    SELECT event_id FROM history h WHERE NOT EXISTS (SELECT 1 FROM leaves l WHERE l.event_id = h.event_id)
    AND NOT EXISTS (SELECT 1 FROM unsealed u WHERE u.event_id = h.event_id) ORDER BY number LIMIT 1"""
