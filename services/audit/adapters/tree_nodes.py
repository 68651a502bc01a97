"""The nodes of the tree, kept as it grows: a root or a proof is asked of a handful of rows, however long it is.

H4   A perfect subtree never changes once it is whole, so its hash is kept once. Of the lowest levels nothing is
     kept but the leaves themselves: those of a subtree, at most eight, are hashed anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, LiteralString

from psycopg import Connection

from services.audit.proof.tree import Range, Subtree, hashed, needed, parent, subtrees
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

LOWEST: Final = 4
"""The lowest level of which nodes are kept."""
Kept = dict[Subtree, bytes]


class HistoryContradicts(Exception):
    """The tree is not what it was, or not whole; nothing is sealed or signed until somebody has found out why."""


class TreeNodes:
    """One row a perfect subtree of at least 2^LOWEST leaves."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "tree_nodes": """
            CREATE TABLE IF NOT EXISTS tree_nodes (
                level int, index bigint, hash bytea NOT NULL, PRIMARY KEY (level, index));
            CREATE OR REPLACE TRIGGER nodes_are_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON tree_nodes
                FOR EACH STATEMENT EXECUTE FUNCTION history_is_only_added_to();"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


def grow(connection: Connection[Any], size: int, leaves: Sequence[bytes]) -> None:
    """Add the nodes that these leaves make whole; in the transaction that adds the leaves, after `size` others.

    Raises HistoryContradicts.
    """
    try:
        growing = Growing(size, nodes(connection, subtrees((0, size))))
    except KeyError as missing:
        raise HistoryContradicts(f"the tree of {size} leaves lacks {missing}") from missing
    made = [node for leaf in leaves for node in growing.add(leaf) if node[0] >= LOWEST]
    levels, indexes, hashes = zip(*made, strict=True) if made else ((), (), ())
    if connection.execute(_ADD, (list(levels), list(indexes), list(hashes))).rowcount < len(made):
        raise HistoryContradicts(f"the tree had more than {size} leaves before")


class Growing:
    """The right edge of a tree to which leaves are added."""

    def __init__(self, size: int = 0, edge: Mapping[Subtree, bytes] | None = None) -> None:
        self.size = size
        self._edge = [(edge or {})[subtree] for subtree in subtrees((0, size))]

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf; answers the perfect subtrees that it makes whole, itself the first of them."""
        made, level, index, found = [(0, self.size, leaf)], 0, self.size, leaf
        while index & 1:
            found, level, index = parent(self._edge.pop(), found), level + 1, index >> 1
            made.append((level, index, found))
        self._edge.append(found)
        self.size += 1
        return made

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        return hashed((0, self.size), dict(zip(subtrees((0, self.size)), self._edge, strict=True)))


def nodes(connection: Connection[Any], wanted: Sequence[Subtree]) -> Kept:
    """The hashes of these subtrees, as far as they are there."""
    return _whole(wanted, connection.execute(_ASK, _asked(wanted)).fetchall())


def ranges(connection: Connection[Any], wanted: Sequence[Range]) -> list[bytes]:
    """The hashes of these ranges. Raises KeyError when the tree is not whole."""
    kept = nodes(connection, needed(wanted))
    return [hashed(each, kept) for each in wanted]


async def ranges_in(database: Database, wanted: Sequence[Range]) -> list[bytes]:
    """The same, asked of the service's database."""
    subtrees_wanted = needed(wanted)
    rows = await database.rows(_ASK, _asked(subtrees_wanted))
    kept = _whole(subtrees_wanted, [(row["level"], row["index"], row["hash"]) for row in rows])
    return [hashed(each, kept) for each in wanted]


def _asked(wanted: Sequence[Subtree]) -> dict[str, list[int]]:
    high = [subtree for subtree in wanted if subtree[0] >= LOWEST]
    low = [(index << level, (index + 1) << level) for level, index in wanted if level < LOWEST]
    return {
        "levels": [level for level, _ in high],
        "indexes": [index for _, index in high],
        "leaves": [leaf for first, end in low for leaf in range(first, end)],
    }


def _whole(wanted: Sequence[Subtree], rows: Sequence[tuple[int, int, bytes]]) -> Kept:
    kept = {(level, index): bytes(found) for level, index, found in rows}
    for level, index in wanted:
        if 0 < level < LOWEST:
            _hash_anew(kept, level, index)
    return kept


def _hash_anew(kept: Kept, level: int, index: int) -> None:
    for low in range(1, level + 1):
        first = index << (level - low)
        for each in range(first, first + (1 << (level - low))):
            kept[low, each] = parent(kept[low - 1, 2 * each], kept[low - 1, 2 * each + 1])


_ASK: LiteralString = """
    SELECT n.level, n.index, n.hash FROM unnest(%(levels)s::int[], %(indexes)s::bigint[]) AS w (level, index)
    JOIN tree_nodes n USING (level, index)
    UNION ALL SELECT 0, leaf, hash FROM leaves WHERE leaf = ANY(%(leaves)s::bigint[])"""
_ADD: LiteralString = """
    INSERT INTO tree_nodes (level, index, hash) SELECT * FROM unnest(%b::int[], %b::bigint[], %b::bytea[])
    ON CONFLICT DO NOTHING"""
