"""`selfservice deadletters`: records that a service could not apply, and trying them again."""

import asyncio
from pathlib import Path

import psycopg
import typer
from rich.table import Table

from deploy.cli.screen import NotPossible, said_clearly, screen
from deploy.cli.where import FOLDER, Folder, Service, backbone_of, environment_of
from shared.dead_letters import all_letters

app = typer.Typer(help="Records that could not be applied.", no_args_is_help=True)


@app.command("list")
def list_letters(service: Service, folder: Folder = FOLDER) -> None:
    """List them with the reason; their content stays where it is."""
    with said_clearly(), psycopg.connect(environment_of(service, folder)["DATABASE_URL"]) as connection:
        letters = all_letters(connection)
    if not letters:
        screen.print(f"{service} has no dead letters.")
        return
    table = Table("stream", "version", "topic", "partition", "offset", "reason", box=None)
    for letter in letters:
        place = (letter.stream or "?", str(letter.version or "?"), letter.topic, str(letter.partition))
        table.add_row(*place, str(letter.offset), letter.reason)
    screen.print(table)


@app.command()
def redrive(service: Service, folder: Folder = FOLDER) -> None:
    """Try all of them again, in the order of their streams. Works while the service runs."""
    with said_clearly():
        gone, left = asyncio.run(_redrive(service, folder))
        screen.print(f"{service}: {gone} applied, {left} left.")
        if left:
            raise NotPossible("some still cannot be applied: `selfservice deadletters list` says why")


async def _redrive(service: str, folder: Path) -> tuple[int, int]:
    backbone = backbone_of(service, folder)
    await backbone.open_store()
    try:
        if backbone.inbox is None:
            raise NotPossible(f"{service} listens to nobody")
        return await backbone.inbox.redrive()
    finally:
        await backbone.close_store()
