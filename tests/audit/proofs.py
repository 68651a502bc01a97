"""What tests of the proof have in common: a history that is sealed and signed, and the key that signs it."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from services.audit.adapters.checkpoints import Checkpoints, Signer
from services.audit.adapters.leaves import Leaves, seal
from services.audit.adapters.rechecks import Rechecks
from services.audit.adapters.tree_nodes import TreeNodes
from services.audit.canonical import written_time
from services.audit.proof.notes import Checkpoint, LogKey
from services.audit.proof.verifier import COLUMNS
from services.audit.views.history import History
from services.profiles.reach import Reach
from shared import schema
from shared.wall import Roles
from tests.parts import owner_of

KEY = LogKey("selfservice.example/audit", "log key of the tests, 32 letters!")
AT_ONCE = timedelta(0)


def migrated(dsn: str) -> str:
    """A database with the tables of the history and its proof; answers its owner's address."""
    schema.migrate(
        owner_of(dsn), Roles.of(dsn), (Reach(), History("audit"), Leaves(), TreeNodes(), Checkpoints(), Rechecks())
    )
    return owner_of(dsn)


def connect(dsn: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dsn, autocommit=True)


def sealed_all(dsn: str, most: int = 1000) -> int:
    """Seal everything that waits; answers how many leaves were made."""
    made = 0
    with connect(dsn) as connection:
        while new := _seal(connection, most):
            made += new
    return made


def _seal(connection: psycopg.Connection[Any], most: int) -> int:
    with connection.transaction():
        return len(seal(connection, most))


def signed(dsn: str, key: LogKey = KEY) -> list[Checkpoint]:
    """Sign what is there."""
    with connect(dsn) as connection:
        return Signer(key).sign(connection, datetime.now(UTC), AT_ONCE)


# As an export has it -------------------------------------------------------------------------------------------------

_EXPORT = """
    SELECT l.leaf::text, h.event_id, h.service, h.stream, h.version::text, h.type, h.time, h.actor,
           coalesce(h."grant", ''), h.correlation, coalesce(h.causation, ''), h.data::text,
           coalesce(encode(l.salt, 'hex'), '')
    FROM leaves l JOIN history h USING (event_id) ORDER BY l.leaf"""


def exported(connection: psycopg.Connection[Any]) -> list[dict[str, str]]:
    """Every row, as a CSV export has it."""
    rows = connection.execute(_EXPORT).fetchall()
    return [
        dict(
            zip(COLUMNS, (written_time(value) if isinstance(value, datetime) else value for value in row), strict=True)
        )
        for row in rows
    ]


def folder_of(folder: Path, rows: list[dict[str, str]], note: str, leaves: list[bytes] | None = None) -> Path:
    """An export in a folder, in two parts."""
    (folder / "csv").mkdir(parents=True)
    half = len(rows) // 2
    for first, part in ((0, rows[:half]), (half, rows[half:])):
        with (folder / "csv" / f"part-{first}-{first + len(part)}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(part)
    (folder / "checkpoint.txt").write_text(note)
    if leaves is not None:
        (folder / "leaves.bin").write_bytes(b"".join(leaves))
    return folder
