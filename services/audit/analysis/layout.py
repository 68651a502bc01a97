"""What an export looks like: a folder that explains itself.

    manifest.json                                           what belongs to it, written last; anything else is not there
    parquet/day=2026-03-01/type=NAME/part-0-50000.parquet  entries of leaves 0 to 49,999, or
    csv/part-0-50000.csv                                   the same as text
    leaves.bin                                              the hash of each leaf, 32 bytes each, in order
    checkpoint.txt                                          the newest signed checkpoint all of whose leaves are here

H4   An export is of the first leaves of the history, without gaps, so that whoever has a checkpoint can prove it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from hashlib import file_digest
from itertools import groupby
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

Layout = Literal["parquet", "csv"]
FORMAT: Final = "selfservice-history/1"
COLUMNS: Final[Mapping[str, str]] = {
    "leaf": "BIGINT",
    **dict.fromkeys(("id", "service", "stream"), "VARCHAR"),
    "version": "BIGINT",
    "type": "VARCHAR",
    "time": "TIMESTAMPTZ",
    **dict.fromkeys(("actor", "grant", "correlation", "causation", "data", "salt"), "VARCHAR"),
}
"""Of a row, in their order. `data` is JSON, `salt` hexadecimal; `grant`, `causation` and `salt` may be null."""
LEAF_BYTES: Final = 32
MANIFEST, LEAVES, CHECKPOINT = "manifest.json", "leaves.bin", "checkpoint.txt"


class NoExport(Exception):
    """There is no export in the folder, or one that this version cannot read, or another one than was asked for."""


class File(BaseModel):
    """A file of an export, by its path in the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    sha256: str


class Part(File):
    """One file with entries of the leaves from `first` up to, but not including, `end`."""

    rows: int
    first: int
    end: int

    @property
    def partition(self) -> Mapping[str, str]:
        """What its folders say: `day` and `type`; nothing of a CSV."""
        return dict(folder.split("=", 1) for folder in Path(self.path).parts[1:-1])


class Whole(File):
    """A file that grows with the export."""

    leaves: int


class Manifest(BaseModel):
    """What belongs to an export. Files that it does not name are of an attempt that was cut off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["selfservice-history/1"] = FORMAT
    layout: Layout
    columns: Mapping[str, str] = COLUMNS
    leaves: int = 0
    """The export is of the leaves from 0 up to, but not including, this one."""
    hashes: Whole | None = None
    checkpoint: Whole | None = None
    parts: tuple[Part, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of a folder. Raises NoExport."""
        try:
            return cls.model_validate_json((folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            raise NoExport(f"there is no export in {folder}: `selfservice audit export {folder}` makes one") from None
        except ValidationError as wrong:
            raise NoExport(f"{folder / MANIFEST} is none that this version reads: {wrong.errors()[0]['msg']}") from None

    def write(self, folder: Path) -> None:
        """Put it in the place of the one before, in one step; it is on disk when this returns."""
        new = folder / f"{MANIFEST}.new"
        with new.open("wb") as file:
            file.write(self.model_dump_json(indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        new.rename(folder / MANIFEST)

    def ranges(self) -> Iterator[Sequence[Part]]:
        """The parts by their range of leaves, in order."""
        for _, parts in groupby(self.parts, key=lambda part: part.first):
            yield list(parts)


def differences(folder: Path) -> Iterator[str]:
    """The files of an export that are not as its manifest says. Raises NoExport."""
    manifest = Manifest.read(folder)
    files: list[File | None] = [manifest.hashes, manifest.checkpoint, *manifest.parts]
    for file in filter(None, files):
        if not (folder / file.path).exists():
            yield f"{file.path} is missing"
        elif sha256_of(folder / file.path) != file.sha256:
            yield f"{file.path} is not what was exported"


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()
