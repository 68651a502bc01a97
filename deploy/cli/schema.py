"""`selfservice migrate`: make the tables of services, as the owners of their databases.

A service that is not told its owner's address (DATABASE_OWNER_URL), and in production none is, makes nothing itself.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.screen import NotPossible, said_clearly, screen
from deploy.cli.where import FOLDER, KEEPING, Folder, backbone_of

app = typer.Typer()


@app.command()
def migrate(
    services: Annotated[list[str] | None, typer.Argument(help="All of them, unless some are named.")] = None,
    folder: Folder = FOLDER,
) -> None:
    """Create what is missing in the databases of services; what is there stays. Works while they run."""
    with said_clearly():
        for service in services or KEEPING:
            asyncio.run(_migrate(service, folder))
            screen.print(f"{service}: the tables are there.")


async def _migrate(service: str, folder: Path) -> None:
    backbone = backbone_of(service, folder, needs_no_secrets=True)
    try:
        if backbone.settings.database_owner_url is None:
            raise NotPossible(f"only its owner makes the tables of {service}: name DATABASE_OWNER_URL")
        await asyncio.to_thread(backbone.migrate)
    finally:
        await backbone.close_store()
