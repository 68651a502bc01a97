"""H2, H4: the history as files; what is in them, and that nothing is ever missing or there twice."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest

from deploy.sample_history_load import load
from services.audit.adapters.checkpoints import Checkpoints
from services.audit.adapters.leaves import Leaves
from services.audit.adapters.tree_nodes import TreeNodes
from services.audit.analysis import duck
from services.audit.analysis.export import NotThisHistory, export
from services.audit.analysis.layout import COLUMNS, Layout, Manifest, NoExport, differences
from services.audit.analysis.sources import Extent, FromDatabase, HowFar, Source
from services.audit.canonical import leaf_hash, written_time
from services.audit.views.history import History
from services.profiles.reach import Reach
from shared import schema
from shared.wall import Roles
from tests.audit.analysis.conftest import AT_ONCE, EVENTS, exported, sample_events, seal_all
from tests.audit.analysis.exporting import every_leaf
from tests.parts import owner_of

LAYOUTS: tuple[Layout, ...] = ("parquet", "csv")
layouts = pytest.mark.parametrize("layout", LAYOUTS)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Everything in an export, in order, as the view of the command line shows it."""
    with closing(duck.opened(folder)) as connection:
        asked = connection.execute("SELECT * REPLACE (epoch_us(time) AS time) FROM history ORDER BY leaf")
        return [dict(zip(COLUMNS, row, strict=True)) for row in asked.fetchall()]


def files_of(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("part-*")}


def small_history(dsn: str, count: int) -> str:
    """A history of its own, nothing of it sealed."""
    schema.migrate(owner_of(dsn), Roles.of(dsn), (Reach(), History("audit"), Leaves(), TreeNodes(), Checkpoints()))
    for _ in load(owner_of(dsn), sample_events(count)):
        pass
    return dsn


@dataclass
class CutOff:
    """A history that cannot be asked any more in the midst of a range."""

    behind: Source
    after: int

    def extent(self) -> Extent:
        return self.behind.extent()

    def hashes(self, first: int, end: int) -> bytes:
        return self.behind.hashes(first, end)

    def rows(self, first: int, end: int, into: IO[bytes]) -> int:
        written = self.behind.rows(first, end, into)
        self.after -= 1
        if self.after < 0:
            raise ConnectionAbortedError
        return written


def up_to(leaves: int) -> HowFar:
    """The newest checkpoint is of so many leaves, fewer than there are."""
    return lambda _: Extent(leaves, f"selfservice\n{leaves}\n")


@layouts
def test_h2_an_export_has_every_event_once_in_the_order_of_the_proof(
    exports: Mapping[Layout, Path], layout: Layout
) -> None:
    rows, events = rows_of(exports[layout]), sample_events()
    assert [row["leaf"] for row in rows] == list(range(EVENTS))
    assert [row["id"] for row in rows] == [event.id for event in events]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for row, event in zip(rows, events, strict=True):
        assert row["time"] == round((event.time - epoch).total_seconds() * 1_000_000)
        assert (row["actor"], row["grant"], row["causation"]) == (str(event.actor), event.grant, event.causation)
        assert json.loads(row["data"]) == json.loads(event.data.to_json())


def test_both_layouts_hold_the_same_rows(exports: Mapping[Layout, Path]) -> None:
    assert rows_of(exports["parquet"]) == rows_of(exports["csv"])


def test_h4_from_a_csv_alone_the_hash_of_every_leaf_can_be_made(exports: Mapping[Layout, Path]) -> None:
    folder = exports["csv"]
    hashes = (folder / "leaves.bin").read_bytes()
    for part in Manifest.read(folder).parts:
        with (folder / part.path).open(newline="") as file:
            for row in csv.DictReader(file):
                assert list(row) == list(COLUMNS)
                entry = {**row, "version": int(row["version"]), "data": json.loads(row["data"])}
                entry |= {"time": datetime.fromisoformat(row["time"])}
                entry |= {name: row[name] or None for name in ("grant", "causation")}
                leaf = int(row["leaf"])
                assert leaf_hash(entry, bytes.fromhex(row["salt"])) == hashes[leaf * 32 : leaf * 32 + 32]
                assert written_time(entry["time"]) == row["time"]


def test_parquet_lies_in_folders_by_day_and_type(exports: Mapping[Layout, Path]) -> None:
    manifest = Manifest.read(exports["parquet"])
    days = {part.partition["day"] for part in manifest.parts}
    assert {"2024-01-01", "2024-01-02"} <= days
    assert {part.partition["type"] for part in manifest.parts} == {event.type for event in sample_events()}
    assert {(part.first, part.end) for part in manifest.parts} == {(0, 1000), (1000, 2000), (2000, 2500)}


def test_h2_the_columns_and_their_types_are_always_the_same(exports: Mapping[Layout, Path]) -> None:
    for folder in exports.values():
        with closing(duck.opened(folder)) as connection:
            told = connection.execute("DESCRIBE history").fetchall()
        kinds = {name: "TIMESTAMP WITH TIME ZONE" if kind == "TIMESTAMPTZ" else kind for name, kind in COLUMNS.items()}
        assert {row[0]: row[1] for row in told} == kinds


@layouts
def test_h2_what_is_exported_later_adds_files_and_changes_none(database: str, tmp_path: Path, layout: Layout) -> None:
    dsn = small_history(database, 300)
    seal_all(dsn, 120)
    exported(dsn, tmp_path, layout)
    before = {name: (tmp_path / name).read_bytes() for name in files_of(tmp_path)}
    seal_all(dsn)
    exported(dsn, tmp_path, layout)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert len(rows_of(tmp_path)) == 300
    assert exported(dsn, tmp_path, layout) == tmp_path
    assert list(differences(tmp_path)) == []


@layouts
@pytest.mark.parametrize("after", [0, 2])
def test_an_export_that_was_cut_off_goes_on_after_its_last_whole_range(
    history_dsn: str, exports: Mapping[Layout, Path], tmp_path: Path, layout: Layout, after: int
) -> None:
    with psycopg.connect(history_dsn, autocommit=True) as connection:
        source = CutOff(FromDatabase(connection, every_leaf), after)
        with pytest.raises(ConnectionAbortedError):
            list(export(tmp_path, layout, source, at_once=AT_ONCE))
        exported(history_dsn, tmp_path, layout)
    assert rows_of(tmp_path) == rows_of(exports[layout])
    assert Manifest.read(tmp_path) == Manifest.read(exports[layout])
    assert (tmp_path / "leaves.bin").read_bytes() == (exports[layout] / "leaves.bin").read_bytes()


@layouts
def test_an_export_that_was_killed_is_brought_to_its_end(
    history_dsn: str, exports: Mapping[Layout, Path], tmp_path: Path, layout: Layout
) -> None:
    command = [sys.executable, "-m", "tests.audit.analysis.exporting", history_dsn, str(tmp_path), layout, "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 300:
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert 300 <= Manifest.read(tmp_path).leaves < EVENTS
    exported(history_dsn, tmp_path, layout)
    assert list(differences(tmp_path)) == []
    assert files_of(tmp_path) == {part.path for part in Manifest.read(tmp_path).parts}
    assert rows_of(tmp_path) == rows_of(exports[layout])


def test_what_a_killed_export_left_behind_is_cleared(history_dsn: str, tmp_path: Path) -> None:
    exported(history_dsn, tmp_path, "csv")
    (tmp_path / "csv" / "part-2500-9999.csv").write_text("half a file")
    (tmp_path / "new").mkdir()
    with (tmp_path / "leaves.bin").open("ab") as file:
        file.write(b"x" * 100)
    exported(history_dsn, tmp_path, "csv")
    assert not (tmp_path / "csv" / "part-2500-9999.csv").exists()
    assert (tmp_path / "leaves.bin").stat().st_size == EVENTS * 32
    assert list(differences(tmp_path)) == []


def test_h4_an_export_goes_as_far_as_the_newest_checkpoint_and_brings_it(history_dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(history_dsn, autocommit=True) as connection:
        for leaves in (1500, 1700, 1700):
            list(export(tmp_path, "csv", FromDatabase(connection, up_to(leaves)), at_once=AT_ONCE))
            assert len(rows_of(tmp_path)) == leaves
            assert (tmp_path / "checkpoint.txt").read_text() == f"selfservice\n{leaves}\n"
            assert list(differences(tmp_path)) == []
        with pytest.raises(ConnectionAbortedError):
            list(export(tmp_path, "csv", CutOff(FromDatabase(connection, up_to(2500)), 0), at_once=AT_ONCE))
    assert (tmp_path / "checkpoint.txt").read_text() == "selfservice\n1700\n"


def test_two_exports_to_one_folder_at_a_time_are_one_too_many(history_dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(history_dsn, autocommit=True) as connection:
        first = export(tmp_path, "csv", FromDatabase(connection, every_leaf), at_once=AT_ONCE)
        next(first)
        with pytest.raises(NoExport, match="somebody else exports"):
            next(export(tmp_path, "csv", FromDatabase(connection, every_leaf)))
        list(first)
    assert len(rows_of(tmp_path)) == EVENTS


def test_a_folder_with_something_else_in_it_is_refused(history_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(NoExport, match=r"letters\.txt"):
        exported(history_dsn, tmp_path, "csv")
    assert (tmp_path / "letters.txt").read_text() == "mine"


def test_an_export_stays_in_the_layout_it_began_in(history_dsn: str, tmp_path: Path) -> None:
    exported(history_dsn, tmp_path, "csv")
    with pytest.raises(NoExport, match="is csv"):
        exported(history_dsn, tmp_path, "parquet")


def test_h4_an_export_is_not_continued_with_another_history(
    history_dsn: str, new_database: Callable[[], str], tmp_path: Path
) -> None:
    other = small_history(new_database(), 200)
    seal_all(other)
    exported(other, tmp_path, "csv")
    with pytest.raises(NotThisHistory, match="leaf 199"):
        exported(history_dsn, tmp_path, "csv")
    assert Manifest.read(tmp_path).leaves == 200


def test_h4_a_history_from_which_an_entry_was_removed_is_not_exported(database: str, tmp_path: Path) -> None:
    dsn = small_history(database, 200)
    seal_all(dsn)
    with psycopg.connect(owner_of(dsn), autocommit=True) as connection:
        connection.execute("DELETE FROM history WHERE number = 150")
    with pytest.raises(NotThisHistory, match="not whole"):
        exported(dsn, tmp_path, "csv")
    assert files_of(tmp_path) == set()


def test_a_file_that_was_changed_or_lost_is_named(history_dsn: str, tmp_path: Path) -> None:
    exported(history_dsn, tmp_path, "csv")
    with (tmp_path / "csv" / "part-0-1000.csv").open("ab") as file:
        file.write(b"\n")
    (tmp_path / "csv" / "part-1000-2000.csv").unlink()
    assert list(differences(tmp_path)) == [
        "csv/part-0-1000.csv is not what was exported",
        "csv/part-1000-2000.csv is missing",
    ]


def test_nobody_else_on_the_machine_looks_into_an_export(history_dsn: str, tmp_path: Path) -> None:
    folder = exported(history_dsn, tmp_path / "export", "csv")
    assert folder.stat().st_mode & 0o077 == 0


def test_where_there_is_no_export_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoExport, match="there is no export"):
        duck.opened(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(NoExport, match="none that this version reads"):
        duck.opened(tmp_path)


def test_an_export_of_nothing_is_an_empty_one(database: str, tmp_path: Path) -> None:
    dsn = small_history(database, 10)
    exported(dsn, tmp_path, "parquet")
    seal_all(dsn)
    exported(dsn, tmp_path, "parquet")
    assert len(rows_of(tmp_path)) == 10
