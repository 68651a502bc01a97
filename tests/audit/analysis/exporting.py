"""An export as a process that a test may kill: `-m … DSN FOLDER LAYOUT AT_ONCE`; says how far it is, line by line."""

import sys
from pathlib import Path
from typing import Any, cast

import psycopg

from services.audit.adapters.leaves import sealed
from services.audit.analysis.export import export
from services.audit.analysis.layout import Layout
from services.audit.analysis.sources import Extent, FromDatabase


def every_leaf(connection: psycopg.Connection[Any]) -> Extent:
    """All leaves that there are, signed or not."""
    return Extent(sealed(connection))


def main(dsn: str, folder: str, layout: str, at_once: str) -> None:
    """Export until done or killed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        source = FromDatabase(connection, every_leaf)
        for progress in export(Path(folder), cast(Layout, layout), source, at_once=int(at_once)):
            sys.stdout.write(f"{progress.done}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
