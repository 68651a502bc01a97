"""`selfservice audit sql` and `rows`: questions to an export in SQL, and all of it for the verifier."""

import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import duckdb
import orjson
import typer
from rich.table import Table

from deploy.cli.audit.reading import an_export_is_needed
from deploy.cli.screen import NotPossible, said_clearly, screen
from services.audit.analysis.asking import answers, as_csv

app = typer.Typer()
MOST_SHOWN: Final = 1000
"""Rows of a table; more are for programs, which ask for JSON."""


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="What to ask of `history`.", metavar="SELECT…")],
    export: Annotated[Path, typer.Option("--export", help="The folder of the export.", metavar="EXPORT")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Ask an export in DuckDB's SQL: `history` has a row an event, `data->>'field'` is a field of it."""
    with said_clearly(), an_export_is_needed(), closing(answers(export, query)) as rows:
        try:
            _print_lines(rows) if as_json else _print_table(rows)
        except duckdb.Error as wrong:
            raise NotPossible(str(wrong)) from wrong


@app.command()
def rows(export: Annotated[Path, typer.Argument(help="The folder of the export.", metavar="EXPORT")]) -> None:
    """Write an export as CSV, leaf after leaf, whatever its layout: the verifier takes it on its standard input."""
    with said_clearly(), an_export_is_needed():
        as_csv(export, sys.stdout)


def _print_lines(rows: Iterator[str]) -> None:
    for row in rows:
        screen.print(row)


def _print_table(rows: Iterator[str]) -> None:
    shown: list[dict[str, Any]] = [orjson.loads(row) for row in islice(rows, MOST_SHOWN + 1)]
    table = Table(*(shown[0] if shown else ()), box=None)
    for row in shown[:MOST_SHOWN]:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    screen.print(table if shown else "nothing")
    if len(shown) > MOST_SHOWN:
        screen.print("… and more: --json shows all")
