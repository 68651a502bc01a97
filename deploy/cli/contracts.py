"""`selfservice contracts`: write out what this system promises to others."""

from typing import Annotated

import typer

from deploy.cli.screen import NotPossible, said_clearly, screen
from deploy.contracts import FOLDER, stale, write

app = typer.Typer()


@app.command()
def contracts(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit code 1 when something is stale.")] = False,
) -> None:
    """Write deploy/contracts anew; refuses a released event that an old subscriber could not read any more."""
    with said_clearly():
        if check and (found := stale()):
            raise NotPossible(f"stale: {', '.join(found)}. Run `make contracts` and commit what it writes.")
        for path in [] if check else write():
            screen.print(f"wrote deploy/contracts/{path}")
        screen.print(f"{FOLDER.name}: everything is as the code says.")
