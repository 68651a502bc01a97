"""What the proof of the history costs: sealing and signing, checking from outside and within, proofs of one entry.

HISTORY says of how many entries (50,000). Proofs are asked of trees of 10,000 and 1,000,000 leaves.
"""

import asyncio
import csv
import io
import os
import random
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from deploy.local.postgres import Addresses, Postgres
from deploy.sample_history import SampleHistory
from deploy.sample_history_load import load
from services.audit.adapters.checkpoints import Signer, newest_signed
from services.audit.adapters.rechecks import recheck
from services.audit.adapters.tree_nodes import grow, ranges, ranges_in
from services.audit.canonical import personal_fields_of
from services.audit.proof.notes import Checkpoint
from services.audit.proof.tree import consistency, inclusion
from services.audit.proof.verifier import COLUMNS, check, opened, root_of_inclusion, rows_of
from services.audit.service import EVERY_SERVICE, NAME
from shared.database import Database
from tests.audit.proofs import KEY, connect, exported, migrated, sealed_all
from tests.bench.figures import Figures
from tests.parts import known

HISTORY = int(os.environ.get("HISTORY", "50000"))
SIZES = (10_000, 1_000_000)
AT_ONCE = 20_000
PROOFS = 2000


async def measure(postgres: Postgres, figures: Figures) -> None:
    await asyncio.to_thread(_of_a_history, postgres, figures)
    databases = {size: await asyncio.to_thread(_leaves_only, postgres, size) for size in SIZES}
    before: tuple[str, ...] = ()
    for size, dsn in databases.items():
        name = f"inclusion proof, {size:,} leaves"
        figures.rate(name, PROOFS, await _proofs(dsn, size), against=before)
        before = (name,)


def _of_a_history(postgres: Postgres, figures: Figures) -> None:
    dsn = known(_database(postgres, "proof_history"))
    list(load(migrated(dsn), SampleHistory(1, HISTORY).events()))
    seconds = _timed(lambda: sealed_all(dsn))
    figures.rate("seal, and the tree with it", HISTORY, seconds)
    with connect(dsn) as connection:
        signing = _timed(lambda: Signer(KEY).sign(connection, datetime.now(UTC), timedelta(0)))
        figures.note("sign a checkpoint", f"{signing * 1000:.1f} ms")
        figures.rate("check from within", HISTORY, _timed(lambda: recheck(connection)))
        text, note = _csv(exported(connection)), newest_signed(connection)
    assert note is not None
    newest = opened(note[2], str(KEY.public), "the checkpoint")
    personal = personal_fields_of((*EVERY_SERVICE, NAME))
    lines = text.splitlines(keepends=True)
    figures.rate("only read the export", HISTORY, _timed(lambda: sum(1 for _ in csv.reader(lines))))
    whole = _timed(lambda: check(rows_of(lines, "the export"), personal, newest, newest))
    figures.rate("check from outside", HISTORY, whole, against=("only read the export", "seal, and the tree with it"))


def _leaves_only(postgres: Postgres, size: int) -> str:
    """A tree without a history: what proofs are asked of."""
    dsn = known(_database(postgres, f"proof_{size}"))
    migrated(dsn)
    with connect(dsn) as connection:
        for first in range(0, size, AT_ONCE):
            hashes = [_leaf(number) for number in range(first, min(size, first + AT_ONCE))]
            numbers = list(range(first, first + len(hashes)))
            with connection.transaction():
                connection.execute(_ADD, (numbers, [f"{number:032x}" for number in numbers], hashes))
                grow(connection, first, hashes)
        root = ranges(connection, [(0, size)])[0]
        connection.execute("INSERT INTO checkpoints VALUES (%s, %s, now(), %s)", (size, root, _note(size, root)))
        connection.execute("ANALYZE")
    return dsn


async def _proofs(dsn: str, size: int) -> float:
    """How long so many proofs take, one after another, each of another leaf and right."""
    database, chance = Database(dsn), random.Random(1)  # noqa: S311 (which leaves)
    await database.open()
    root = (await ranges_in(database, [(0, size)]))[0]
    asked = [chance.randrange(size) for _ in range(PROOFS)]
    began = time.perf_counter()
    proofs = [await ranges_in(database, inclusion(leaf, size)) for leaf in asked]
    seconds = time.perf_counter() - began
    for leaf, proof in zip(asked, proofs, strict=True):
        assert root_of_inclusion(_leaf(leaf), leaf, size, proof) == root
    await ranges_in(database, consistency(size // 3, size))
    await database.close()
    return seconds


def _leaf(number: int) -> bytes:
    return sha256(number.to_bytes(8, "big")).digest()


def _note(size: int, root: bytes) -> str:
    return KEY.sign(Checkpoint(KEY.origin, size, root))


def _csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _timed(act: Any) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _database(postgres: Postgres, name: str) -> Addresses:
    return postgres.create_database(name)


_ADD = """
    INSERT INTO leaves (leaf, event_id, hash) SELECT * FROM unnest(%b::bigint[], %b::text[], %b::bytea[])"""
