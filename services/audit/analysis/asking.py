"""Questions to an export in SQL: one SELECT, answered row by row."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import duckdb

from services.audit.analysis import duck
from services.audit.analysis.layout import NoExport


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
