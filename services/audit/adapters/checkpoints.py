"""Checkpoints: what the log has promised, and signed.

H4   The log never signs two roots for one size, nor a tree that does not begin with all of what it signed before. What
     it will sign is promised first, in a commit of its own: a signer that is killed in between signs the same, later.

The key is not in the database: who can write here can break a promise, but not sign anything; the next signing refuses.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, LiteralString

from psycopg import Connection

from services.audit.adapters.leaves import SEAL_LOCK, sealed
from services.audit.adapters.tree_nodes import HistoryContradicts, ranges
from services.audit.proof.notes import Checkpoint, LogKey
from services.audit.proof.tree import consistency, extends
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

MOST_UNSIGNED: Final = 1000
"""With so many new leaves a checkpoint is due at once (T-04)."""


class Checkpoints:
    """One row a promise; its note follows. Of a note, one row a witness that has signed it, too."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "checkpoints": """
            CREATE TABLE IF NOT EXISTS checkpoints (
                size bigint PRIMARY KEY, root bytea NOT NULL, promised_at timestamptz NOT NULL, note text,
                published boolean NOT NULL DEFAULT false)""",
        "cosignatures": """
            CREATE TABLE IF NOT EXISTS cosignatures (
                size bigint REFERENCES checkpoints, witness text, line text NOT NULL, PRIMARY KEY (size, witness))""",
        "promises_are_kept": """
            CREATE OR REPLACE FUNCTION promises_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'DELETE' OR (OLD.size, OLD.root) IS DISTINCT FROM (NEW.size, NEW.root)
                    OR OLD.note IS DISTINCT FROM NEW.note AND OLD.note IS NOT NULL THEN
                    RAISE EXCEPTION 'a checkpoint is never changed';
                END IF;
                RETURN NEW;
            END $$;
            CREATE OR REPLACE TRIGGER promises_are_kept BEFORE UPDATE OR DELETE ON checkpoints
                FOR EACH ROW EXECUTE FUNCTION promises_are_kept()""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


class Signer:
    """Signs for the log; replicas take turns."""

    def __init__(self, key: LogKey) -> None:
        self._key = key
        self._signed: Checkpoint | None = None

    def sign(self, connection: Connection[Any], now: datetime, at_least_every: timedelta) -> list[Checkpoint]:
        """Promise and sign what is due; answers what was signed. Raises HistoryContradicts."""
        self.promise(connection, now, at_least_every)
        return self.keep_promises(connection)

    def promise(self, connection: Connection[Any], now: datetime, at_least_every: timedelta) -> None:
        """Write down what will be signed, if a checkpoint is due. Raises HistoryContradicts."""
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (SEAL_LOCK,))
            size, last = sealed(connection), self._promised(connection)
            before, since = (last[0].size, last[1]) if last else (0, now - at_least_every)
            if before <= size < before + MOST_UNSIGNED and (size == before or now - since < at_least_every):
                return
            new = self._checked(connection, size, [last[0] if last else None, self._signed])
            values = (new.size, new.root, now)
            connection.execute("INSERT INTO checkpoints (size, root, promised_at) VALUES (%s, %s, %s)", values)

    def keep_promises(self, connection: Connection[Any]) -> list[Checkpoint]:
        """Sign what was promised and is not signed yet, whoever promised it."""
        rows = connection.execute("SELECT size, root FROM checkpoints WHERE note IS NULL ORDER BY size").fetchall()
        promised = [Checkpoint(self._key.origin, size, bytes(root)) for size, root in rows]
        for checkpoint in promised:
            note = self._key.sign(checkpoint)
            connection.execute(
                "UPDATE checkpoints SET note = %s WHERE size = %s AND note IS NULL", (note, checkpoint.size)
            )
            self._signed = checkpoint
        return promised

    def _promised(self, connection: Connection[Any]) -> tuple[Checkpoint, datetime] | None:
        query = "SELECT size, root, promised_at FROM checkpoints ORDER BY size DESC LIMIT 1"
        row = connection.execute(query).fetchone()
        return (Checkpoint(self._key.origin, row[0], bytes(row[1])), row[2]) if row else None

    def _checked(self, connection: Connection[Any], size: int, before: Iterable[Checkpoint | None]) -> Checkpoint:
        """The checkpoint of the tree as it stands, which must go on from these."""
        try:
            new = Checkpoint(self._key.origin, size, ranges(connection, [(0, size)])[0])
            for old in filter(None, before):
                proof = ranges(connection, consistency(old.size, size)) if old.size <= size else []
                if not extends((old.size, old.root), (size, new.root), proof):
                    raise HistoryContradicts(f"{size} leaves do not begin with the {old.size} that were signed")
        except KeyError as missing:
            raise HistoryContradicts(f"the tree of {size} leaves lacks {missing}") from missing
        return new


_NOTE: LiteralString = """
    SELECT c.size, c.root, c.note || coalesce(
        (SELECT string_agg(line, '' ORDER BY witness) FROM cosignatures s WHERE s.size = c.size), '') AS note
    FROM checkpoints c WHERE c.note IS NOT NULL """


async def newest(database: Database) -> tuple[int, str] | None:
    """The newest signed checkpoint: its size, and its note with the signatures of witnesses."""
    row = await database.row(f"{_NOTE} ORDER BY c.size DESC LIMIT 1")
    return (row["size"], row["note"]) if row else None


async def of_size(database: Database, size: int) -> str | None:
    """The note of the checkpoint of exactly this size."""
    row = await database.row(f"{_NOTE} AND c.size = %s", (size,))
    return row["note"] if row else None


def newest_signed(connection: Connection[Any]) -> tuple[int, bytes, str] | None:
    """Size, root and note of the newest signed checkpoint: no export goes beyond it."""
    row = connection.execute(f"{_NOTE} ORDER BY c.size DESC LIMIT 1").fetchone()
    return (row[0], bytes(row[1]), row[2]) if row else None
