"""`selfservice staff`: who of the operator's own people may log in. There is no other way to add the first one."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.screen import said_clearly, screen
from deploy.cli.where import FOLDER, Folder, settings_of
from services.auth.service import assemble
from services.auth.use_cases.categories import COMMAND_LINE
from shared.cause import Cause
from shared.ids import uuid7

app = typer.Typer(help="The operator's own people.", no_args_is_help=True)


@app.command()
def add(
    email: Annotated[str, typer.Argument(help="Where their login codes are mailed to.", metavar="EMAIL")],
    name: Annotated[str, typer.Option(help="Their name.")],
    folder: Folder = FOLDER,
) -> None:
    """Let somebody of customer service log in; asking again changes nothing. Works while the system runs."""
    with said_clearly():
        screen.print(asyncio.run(_add(email, name, folder)))


async def _add(email: str, name: str, folder: Path) -> str:
    auth = assemble(settings_of("auth", folder))
    await auth.backbone.open_store()
    try:
        written = await auth.use.staff.add(email, name, Cause(COMMAND_LINE, uuid7().hex))
    finally:
        await auth.backbone.close_store()
    return f"{written.answer['staff_id']} is {name} of customer service and logs in as {email}."
