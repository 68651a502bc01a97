"""`selfservice contracts`: write out what this system promises to others."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.screen import NotPossible, said_clearly, screen
from deploy.contracts import FOLDER, stale, write
from deploy.local.postgres import NOT_DURABLE, Postgres

app = typer.Typer()


@app.command()
def contracts(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit code 1 when something is stale.")] = False,
) -> None:
    """Write deploy/contracts anew; refuses a released event that an old subscriber could not read any more."""
    with said_clearly(), _some_database() as dsn:
        if check and (found := stale(dsn)):
            raise NotPossible(f"stale: {', '.join(found)}. Run `make contracts` and commit what it writes.")
        for path in [] if check else write(dsn):
            screen.print(f"wrote deploy/contracts/{path}")
        screen.print(f"{FOLDER.name}: everything is as the code says.")


@contextmanager
def _some_database() -> Iterator[str]:
    """The event store's library asks some PostgreSQL for its types when a service is put together."""
    with tempfile.TemporaryDirectory(prefix="selfservice-contracts-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's own user has to pass when this is root
        with Postgres(folder=Path(folder) / "postgres", settings=NOT_DURABLE) as postgres:
            yield postgres.create_database("contracts")
