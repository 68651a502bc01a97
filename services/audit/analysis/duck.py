"""DuckDB over an export: how its Parquet is written, and how both kinds of it are read.

It reads files that we name and nothing else, fetches no extensions, and may not be told otherwise afterwards.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from services.audit.analysis.layout import COLUMNS, Manifest

_SETTINGS: Final[dict[str, Any]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_file_cache": False,  # it would come to hold the whole export
}
_CSV_COLUMNS: Final = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
_AS_CSV: Final = f"""header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '',
    max_line_size = 16777216, parallel = true, columns = {{{_CSV_COLUMNS}}}"""
FILES_AT_ONCE: Final = 1000
"""Files that are written at once."""
SPILL: Final = ".spill"
NAMES: Final = ", ".join(f'"{name}"' for name in COLUMNS)


def connect(spill: Path, *, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory, in UTC; what is too large for that goes to the folder `spill`, beside what it is made of."""
    settings = {**_SETTINGS, "temp_directory": str(spill), **({"threads": threads} if threads else {})}
    connection = duckdb.connect(config=settings)
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def partition(connection: duckdb.DuckDBPyConnection, rows: Path, into: Path) -> None:
    """Write a CSV of rows as Parquet, a folder for each day and in it one for each type, in the order of leaves."""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE coming AS
            SELECT *, strftime(time, '%Y-%m-%d') AS day FROM {_csv([rows])} ORDER BY leaf"""
    )
    for first, last in _days_together(connection):
        connection.execute(
            f"""COPY (SELECT * FROM coming WHERE day BETWEEN '{first}' AND '{last}' ORDER BY leaf)
                TO {_quoted(into)} (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day, type), APPEND)"""
        )
    connection.execute("DROP TABLE coming")


def _days_together(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """First and last days of those that are written together: each file that is open takes its memory."""
    counted = "SELECT day, count(DISTINCT type) FROM coming GROUP BY day ORDER BY day"
    together: list[str] = []
    files = 0
    for day, types in connection.execute(counted).fetchall():
        if together and files + types > FILES_AT_ONCE:
            yield together[0], together[-1]
            together, files = [], 0
        together.append(day)
        files += types
    if together:
        yield together[0], together[-1]


def opened(folder: Path | str) -> duckdb.DuckDBPyConnection:
    """A DuckDB whose view `history` is the export in the folder, and which can reach nothing else. Raises NoExport."""
    folder = Path(folder)
    manifest = Manifest.read(folder)
    connection = connect(folder / SPILL)
    connection.execute(f"SET allowed_directories = [{_quoted(folder.absolute())}]")
    connection.execute(f"CREATE VIEW history AS SELECT * FROM {of_parts(folder, manifest)}")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    return connection


def of_parts(folder: Path, manifest: Manifest, paths: Sequence[str] | None = None) -> str:
    """What stands behind FROM to have the rows of these parts of an export, of all of it without any."""
    chosen = [part.path for part in manifest.parts] if paths is None else paths
    files = [folder.absolute() / path for path in chosen]
    if not files:
        nothing = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in COLUMNS.items())
        return f"(SELECT {nothing} WHERE false)"
    return f"(SELECT {NAMES} FROM {_csv(files) if manifest.layout == 'csv' else _parquet(files)})"


def _csv(files: Sequence[Path]) -> str:
    return f"read_csv({_listed(files)}, {_AS_CSV})"


def _parquet(files: Sequence[Path]) -> str:
    types = "{'day': DATE, 'type': VARCHAR}"
    return f"read_parquet({_listed(files)}, hive_partitioning = true, hive_types = {types})"


def _listed(files: Sequence[Path]) -> str:
    return f"[{', '.join(map(_quoted, files))}]"


def _quoted(text: Path | str) -> str:
    return "'" + str(text).replace("'", "''") + "'"
