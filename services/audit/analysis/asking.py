"""Questions to an export in SQL: one SELECT, answered row by row; and all of it as the verifier takes it."""

import csv
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Final, TextIO

import duckdb

from services.audit.analysis import duck
from services.audit.analysis.layout import COLUMNS, NoExport


class NotAQuestion(NoExport):
    """This is no SELECT, or more than one."""

    def __init__(self) -> None:
        super().__init__("ask one SELECT; nothing is changed here")


def answers(folder: Path, query: str) -> Generator[str, None, None]:
    """The rows of the answer, each as JSON. Raises NoExport, NotAQuestion and duckdb.Error."""
    with closing(duck.opened(folder)) as connection:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise NotAQuestion
        asked = statements[0].query.strip().removesuffix(";")
        answer = connection.execute(f"SELECT to_json(answer)::VARCHAR FROM (\n{asked}\n) AS answer")
        while rows := answer.fetchmany(1000):
            yield from (row[0] for row in rows)


def as_csv(folder: Path, into: TextIO) -> None:
    """Write the whole export, whatever its layout, as the verifier reads it, leaf after leaf. Raises NoExport."""
    lines = csv.writer(into, lineterminator="\n")
    lines.writerow(COLUMNS)
    with closing(duck.opened(folder)) as connection:
        answer = connection.execute(f"SELECT {_WRITTEN} FROM history ORDER BY leaf")
        while rows := answer.fetchmany(10_000):
            lines.writerows(rows)


_TIME: Final = "strftime(time, '%Y-%m-%dT%H:%M:%S.%fZ')"
_WRITTEN: Final = ", ".join(_TIME if name == "time" else f'"{name}"' for name in COLUMNS)
