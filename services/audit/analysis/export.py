"""Exporting the history: a range of leaves at a time, each of them whole or not at all.

H2   Analysts have all of it as Parquet or CSV. What is exported later adds files and changes none; what was cut off,
     even by kill -9, goes on where the last whole range ended.
H4   The hashes of the leaves come with it. A folder whose last leaf is not that of this history is refused.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

import duckdb

from services.audit.analysis import duck
from services.audit.analysis.layout import (
    CHECKPOINT,
    LEAF_BYTES,
    LEAVES,
    MANIFEST,
    Layout,
    Manifest,
    NoExport,
    Part,
    Whole,
    sha256_of,
)
from services.audit.analysis.sources import Source

AT_ONCE: Final = 50_000
"""Leaves a range. It bounds the memory that an export needs, and what is done again after a crash."""
_NEW, _LOCK = "new", ".exporting"


class NotThisHistory(NoExport):
    """What the folder holds is of another history, or of one that was altered."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many leaves are exported, of how many."""

    done: int
    of: int


def export(folder: Path, layout: Layout, source: Source, *, at_once: int = AT_ONCE) -> Iterator[Progress]:
    """Bring an export up to date, or begin one; answers how far it is, again and again.

    Raises NoExport when the folder holds another export or somebody else exports to it now.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder):
        exporting = _Export(folder, layout, source)
        extent = source.extent()
        yield Progress(exporting.manifest.leaves, extent.leaves)
        while (first := exporting.manifest.leaves) < extent.leaves:
            exporting.add(first, min(first + at_once, extent.leaves))
            yield Progress(exporting.manifest.leaves, extent.leaves)
        if extent.checkpoint is not None:
            exporting.close(extent.checkpoint, extent.leaves)


class _Export:
    """One folder while it grows."""

    def __init__(self, folder: Path, layout: Layout, source: Source) -> None:
        self._folder, self._layout, self._source = folder, layout, source
        self._new = folder / _NEW
        self.manifest = self._begun()
        self._hashes = sha256()
        self._clear_what_was_cut_off()

    def add(self, first: int, end: int) -> None:
        """Export these leaves: files first, then the manifest that names them."""
        shutil.rmtree(self._new, ignore_errors=True)
        self._new.mkdir()
        rows = self._new / "rows.csv"
        with rows.open("wb") as file:
            if self._source.rows(first, end, file) != end - first:
                raise NotThisHistory(f"not every leaf from {first} to {end} has its entry: the history is not whole")
        parts = self._as_csv(rows, first, end) if self._layout == "csv" else self._as_parquet(rows, first, end)
        self._add_hashes(first, end)
        whole = Whole(path=LEAVES, sha256=self._hashes.hexdigest(), leaves=end)
        self._written(self.manifest.model_copy(update={"leaves": end, "hashes": whole, "parts": parts}))
        shutil.rmtree(self._new)

    def close(self, note: str, leaves: int) -> None:
        """All leaves of a checkpoint are here: it comes with them."""
        (self._folder / CHECKPOINT).write_text(note)
        whole = Whole(path=CHECKPOINT, sha256=sha256(note.encode()).hexdigest(), leaves=leaves)
        self._written(self.manifest.model_copy(update={"checkpoint": whole}))

    def _begun(self) -> Manifest:
        if not (self._folder / MANIFEST).exists():
            if others := [each.name for each in self._folder.iterdir() if each.name not in _OURS]:
                raise NoExport(f"{self._folder} is not empty and no export: it holds {min(others)}")
            return Manifest(layout=self._layout)
        manifest = Manifest.read(self._folder)
        if manifest.layout != self._layout:
            raise NoExport(f"the export in {self._folder} is {manifest.layout}: name another folder")
        return manifest

    def _clear_what_was_cut_off(self) -> None:
        """Files that the manifest does not name, and hashes beyond it."""
        shutil.rmtree(self._new, ignore_errors=True)
        known = {self._folder / part.path for part in self.manifest.parts}
        for file in [*(self._folder / self._layout).rglob("part-*")]:
            if file not in known:
                file.unlink()
        with (self._folder / LEAVES).open("ab+") as hashes:
            hashes.truncate(self.manifest.leaves * LEAF_BYTES)
            hashes.seek(0)
            while piece := hashes.read(1 << 20):
                self._hashes.update(piece)
        self._must_be_of_this_history()

    def _must_be_of_this_history(self) -> None:
        if (last := self.manifest.leaves - 1) < 0:
            return
        with (self._folder / LEAVES).open("rb") as file:
            file.seek(last * LEAF_BYTES)
            ours = file.read(LEAF_BYTES)
        if self._source.hashes(last, last + 1) != ours or self._hashes.hexdigest() != self._said:
            raise NotThisHistory(f"leaf {last} of {self._folder} is not that of this history")

    @property
    def _said(self) -> str:
        return self.manifest.hashes.sha256 if self.manifest.hashes else ""

    def _as_csv(self, rows: Path, first: int, end: int) -> tuple[Part, ...]:
        part = self._part(rows, f"csv/part-{first}-{end}.csv", end - first, first, end)
        return (*self.manifest.parts, part)

    def _as_parquet(self, rows: Path, first: int, end: int) -> tuple[Part, ...]:
        made = self._new / "parquet"
        duck.partition(self._duck, rows, made)
        counted = self._rows_of(made)
        parts = []
        for file in sorted(counted):
            name = file.parent.relative_to(made) / f"part-{first}-{end}.parquet"
            parts.append(self._part(file, f"parquet/{name}", counted[file], first, end))
        return (*self.manifest.parts, *parts)

    def _rows_of(self, made: Path) -> dict[Path, int]:
        query = "SELECT file_name, num_rows FROM parquet_file_metadata(?)"
        found = self._duck.execute(query, [f"{made}/*/*/*.parquet"]).fetchall()
        return {Path(name): rows for name, rows in found}

    def _part(self, file: Path, path: str, rows: int, first: int, end: int) -> Part:
        """Put a finished file in its place, which is free."""
        place = self._folder / path
        if place.exists():
            raise FileExistsError(f"{place} is there already")
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)
        return Part(path=path, sha256=sha256_of(place), rows=rows, first=first, end=end)

    def _add_hashes(self, first: int, end: int) -> None:
        hashes = self._source.hashes(first, end)
        if len(hashes) != (end - first) * LEAF_BYTES:
            raise NotThisHistory(f"not every leaf from {first} to {end} is there: the history is not whole")
        with (self._folder / LEAVES).open("ab") as file:
            file.write(hashes)
        self._hashes.update(hashes)

    def _written(self, manifest: Manifest) -> None:
        os.sync()  # the files are there before the manifest says so
        manifest.write(self._folder)
        self.manifest = manifest

    @cached_property
    def _duck(self) -> duckdb.DuckDBPyConnection:
        # With one thread there is one file a day and type.
        return duck.connect(self._new / duck.SPILL, threads=1)


_OURS: Final = {_NEW, _LOCK, LEAVES, CHECKPOINT, f"{MANIFEST}.new", "parquet", "csv"}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NoExport(f"somebody else exports to {folder} now") from None
        yield
