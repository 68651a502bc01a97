"""`selfservice audit policy-replay`: what another table of the policy would have decided otherwise."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.cli.audit.asking import asking, moment, show
from deploy.cli.screen import NotPossible, aside, said_clearly
from deploy.cli.where import FOLDER, KEEPING, Folder
from deploy.contracts import FOLDER as CONTRACTS
from services.audit.policy_replay import Count, Rows, Table, changed, newest, replayed
from shared.database import Row
from shared.http.denied import ROWS

app = typer.Typer()
COLUMNS = {
    "at": "at",
    "operation": "operation",
    "actor": "actor",
    "target": "on",
    "was": "was",
    "would_be": "would be",
    "event": "event",
    "event_id": "id",
}


@app.command("policy-replay")
def policy_replay(
    since: Annotated[datetime, typer.Option("--from", parser=moment, metavar="MOMENT")],
    until: Annotated[datetime, typer.Option("--until", parser=moment, metavar="MOMENT")],
    table: Annotated[
        Path, typer.Option("--changed", exists=True, dir_okay=False, help="JSON: for each changed row, who may.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many lines; all are counted.")] = 10_000,
    folder: Folder = FOLDER,
) -> None:
    """Go through past decisions: which accepted ones another table would have refused, which refused ones accepted."""
    with said_clearly():
        lines, count = asyncio.run(_replay(since, until, _table(table), limit, folder))
        show(lines, COLUMNS, as_json=as_json)
        aside.print(
            f"{count.decisions:,} decisions: {count.would_be_refused:,} would have been refused, "
            f"{count.would_be_accepted:,} accepted; {count.unexplained:,} were decided beside the table."
        )


def routes() -> Rows:
    """The rows that each route of each service decides by, as the contracts say."""
    return {
        f"{service} {method.upper()} {template}": operation[ROWS]
        for service in KEEPING
        for template, methods in json.loads((CONTRACTS / "openapi" / f"{service}.json").read_text())["paths"].items()
        for method, operation in methods.items()
        if ROWS in operation
    }


def _table(file: Path) -> Table:
    try:
        said = json.loads(file.read_text())
    except ValueError as wrong:
        raise NotPossible(f"{file.name} is not JSON: {wrong}") from wrong
    if not isinstance(said, dict):
        raise NotPossible(f'{file.name} must be like {{"product.close": ["main-administrator"]}}')
    return changed(said)


async def _replay(since: datetime, until: datetime, table: Table, limit: int, folder: Path) -> tuple[list[Row], Count]:
    count = Count()
    lines: list[Row] = []
    columns = (TextColumn("decisions of the past"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with asking(folder) as ours:
        await ours.record("decisions", None, (since, until), 0)
        with Progress(*columns, console=aside) as progress:
            bar = progress.add_task("history", total=await newest(ours.database))
            async for line in replayed(ours.database, (since, until), table, routes(), count):
                progress.update(bar, completed=count.read)
                if len(lines) < limit:
                    lines.append(line)
    return lines, count
