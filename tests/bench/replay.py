"""What it costs to take a history out, and to replay it: beside COPY out of PostgreSQL and a scan of the Parquet.

HISTORY=1000000 measures a history of a million events over two years; the default its first tenth. How many events a
day and type have matters to Parquet, which has a file for each.
"""

import os
import resource
import tempfile
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import psycopg

from deploy.local.postgres import Postgres
from deploy.sample_history import SampleHistory
from deploy.sample_history_load import load
from services.audit.adapters.checkpoints import Checkpoints
from services.audit.adapters.leaves import Leaves, seal
from services.audit.adapters.tree_nodes import TreeNodes
from services.audit.analysis import duck
from services.audit.analysis.export import export
from services.audit.analysis.history import History as Replayed
from services.audit.analysis.history import exported, recorded
from services.audit.analysis.layout import Layout, Manifest
from services.audit.analysis.sources import FromDatabase
from services.audit.views.history import History
from services.profiles.reach import Reach
from shared import schema
from shared.wall import Roles
from tests.audit.analysis.exporting import every_leaf
from tests.bench.figures import Figures

MILLION: Final = 1_000_000
EVENTS: Final = int(os.environ.get("HISTORY", "100000"))
COPY = "COPY (SELECT * FROM history ORDER BY number) TO STDOUT (FORMAT csv)"
SCAN = "SELECT count(*), sum(length(data)), max(time) FROM history"
BARE, SCANNED = "COPY out of PostgreSQL", "DuckDB scan of the Parquet"


async def measure(postgres: Postgres, figures: Figures) -> None:
    dsn = _filled(postgres)
    with (
        tempfile.TemporaryDirectory(prefix="selfservice-bench-") as folder,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        _copied(connection, figures)
        for layout in ("parquet", "csv"):
            _exported(connection, Path(folder) / layout, layout, figures)
        _scanned(Path(folder) / "parquet", figures)
        for name, history in {
            "Parquet": exported(Path(folder) / "parquet"),
            "CSV": exported(Path(folder) / "csv"),
            "the database": recorded(connection),
        }.items():
            _replayed(name, history, figures)
        figures.note("most memory of all this", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MiB")


def _filled(postgres: Postgres) -> str:
    made = postgres.create_database("replayed")
    schema.migrate(
        made.owner, Roles.of(made.service), (Reach(), History("audit"), Leaves(), TreeNodes(), Checkpoints())
    )
    for _ in load(made.owner, islice(SampleHistory(1, max(EVENTS, MILLION)).events(), EVENTS)):
        pass
    with psycopg.connect(made.service) as connection:
        while seal(connection, 5000):
            connection.commit()
    with psycopg.connect(made.owner, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE leaves")
    return made.service


def _copied(connection: psycopg.Connection[tuple[object, ...]], figures: Figures) -> None:
    began = time.perf_counter()
    with connection.cursor().copy(COPY) as copy:
        for _ in copy:
            pass
    figures.rate(BARE, EVENTS, time.perf_counter() - began)


def _exported(
    connection: psycopg.Connection[tuple[object, ...]], folder: Path, layout: Layout, figures: Figures
) -> None:
    began = time.perf_counter()
    for _ in export(folder, layout, FromDatabase(connection, every_leaf)):
        pass
    took = time.perf_counter() - began
    figures.rate(f"export as {layout}", EVENTS, took, against=(BARE,))
    parts = Manifest.read(folder).parts
    size = sum((folder / part.path).stat().st_size for part in parts)
    figures.note(f"{layout}", f"{took:,.1f} s, {len(parts):,} files, {size / EVENTS:,.0f} bytes an event")


def _scanned(folder: Path, figures: Figures) -> None:
    began = time.perf_counter()
    with closing(duck.opened(folder)) as connection:
        connection.execute(SCAN).fetchall()
    figures.rate(SCANNED, EVENTS, time.perf_counter() - began)


def _replayed(name: str, history: Replayed, figures: Figures) -> None:
    replay = history.replay()
    began = time.perf_counter()
    for _ in replay:
        pass
    figures.rate(f"replay from {name}", EVENTS, time.perf_counter() - began, against=(BARE, SCANNED))
    figures.note(f"digest from {name}", replay.digest[:16])
