"""The leaves: each entry of the history once, in the order in which it became part of the proof.

H4   A leaf's number never changes and there is no gap. It is not the order of times: what arrives late is a late leaf.
     Leaves are not derived: a history that is built anew keeps its leaves, and is compared with them.

Entries become leaves a moment after they have come, by whoever seals; replicas take turns.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from services.audit.adapters.tree_nodes import grow
from services.audit.canonical import SALT, leaf_hash
from services.profiles.reach import ASKER_IS_STAFF
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

SEAL_LOCK: Final = 0x5EA1
"""Whoever makes leaves takes turns."""


class Leaves:
    """One row a leaf; `salt` is null once the personal values of its entry are gone."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "leaves": """
            CREATE TABLE IF NOT EXISTS leaves (
                leaf bigint PRIMARY KEY, event_id text NOT NULL UNIQUE, salt bytea, hash bytea NOT NULL)""",
        "leaves_stay": """
            CREATE OR REPLACE FUNCTION leaves_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF TG_OP = 'UPDATE' AND NEW.salt IS NULL
                    AND (OLD.leaf, OLD.event_id, OLD.hash) IS NOT DISTINCT FROM (NEW.leaf, NEW.event_id, NEW.hash)
                THEN RETURN NEW; END IF;
                RAISE EXCEPTION 'a leaf is never changed, but for its salt, which may go';
            END $$;
            CREATE OR REPLACE TRIGGER leaves_stay BEFORE UPDATE OR DELETE ON leaves
                FOR EACH ROW EXECUTE FUNCTION leaves_stay()""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {"leaves": ASKER_IS_STAFF}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


def seal(connection: Connection[Any], most: int) -> Sequence[bytes]:
    """Make leaves of entries that are none yet, at most so many, and let the tree grow by them; answers their hashes.

    In the caller's transaction, which whoever else seals waits for.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (SEAL_LOCK,))
    size = sealed(connection)
    entries = connection.cursor(row_factory=dict_row).execute(_UNSEALED, (most,)).fetchall()
    new = [entry for entry in entries if not entry["sealed"]]
    salts = [os.urandom(SALT) for _ in new]
    hashes = [leaf_hash(entry, salt) for entry, salt in zip(new, salts, strict=True)]
    numbers = list(range(size, size + len(new)))
    connection.execute(_SEAL, (numbers, [entry["id"] for entry in new], salts, hashes))
    grow(connection, size, hashes)
    connection.execute("DELETE FROM unsealed WHERE event_id = ANY(%s)", ([entry["id"] for entry in entries],))
    return hashes


def sealed(connection: Connection[Any]) -> int:
    """How many leaves there are."""
    row = connection.execute("SELECT coalesce(max(leaf) + 1, 0) FROM leaves").fetchone()
    return int(row[0]) if row else 0


ENTRY: LiteralString = """h.event_id AS id, h.service, h.stream, h.version, h.type, h.time, h.actor, h."grant",
    h.correlation, h.causation, h.data"""
"""What the canonical bytes are made of, of the history `h`."""
# Of a history that was built anew all entries are unsealed, and most have their leaf.
_UNSEALED: LiteralString = f"""
    SELECT {ENTRY}, EXISTS (SELECT 1 FROM leaves l WHERE l.event_id = h.event_id) AS sealed
    FROM (SELECT event_id FROM unsealed ORDER BY number LIMIT %s) u JOIN history h USING (event_id) ORDER BY h.number"""
_SEAL: LiteralString = """
    INSERT INTO leaves (leaf, event_id, salt, hash)
    SELECT * FROM unnest(%b::bigint[], %b::text[], %b::bytea[], %b::bytea[])"""
