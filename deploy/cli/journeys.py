"""`selfservice journeys`: what operators say was driven, from a file."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from deploy.cli.screen import NotPossible, aside, said_clearly, screen
from deploy.cli.where import FOLDER, Folder, settings_of
from services.products.adapters.journey_files import NotAJourneyFile
from services.products.service import assemble
from services.products.use_cases.journey_files import Outcome

app = typer.Typer(help="Journeys that operators tell of.", no_args_is_help=True)


@app.callback()
def journeys() -> None:
    """Journeys that operators tell of."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, packed if it ends in .gz.", metavar="FILE", exists=True)],
    folder: Folder = FOLDER,
) -> None:
    """Take in a file of journeys; goes on where it was cut off, and a file that is through changes nothing.

    Works while the system runs.
    """
    with said_clearly(), _bar(file.name) as progressed:
        try:
            outcome = asyncio.run(_import(file, folder, progressed))
        except NotAJourneyFile as wrong:
            raise NotPossible(str(wrong)) from wrong
    screen.print(told_of(file.name, outcome))


def told_of(name: str, outcome: Outcome) -> str:
    """What became of the file, in one line."""
    if outcome.was_through:
        return f"{name} was taken in before: nothing to do."
    taken = outcome.taken
    went_on = f" (went on after {outcome.began_after:,} records)" if outcome.began_after else ""
    return f"{name}{went_on}: {taken.counted:,} count, {taken.parked:,} parked, {taken.repeated:,} were here before."


async def _import(file: Path, folder: Path, progressed: Callable[[int, int], None]) -> Outcome:
    products = assemble(settings_of("products", folder))
    await products.backbone.open_store()
    try:
        return await products.use.journey_files.take(file, progressed)
    finally:
        products.use.journeys.close()
        await products.backbone.close_store()


class _bar:  # noqa: N801 (used as a function)
    """A bar on standard error, of the bytes that are read."""

    def __init__(self, name: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, TimeElapsedColumn(), console=aside)
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> Callable[[int, int], None]:
        self._progress.start()
        return self._read

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _read(self, at: int, of: int) -> None:
        self._progress.update(self._task, completed=at, total=of)
