"""`selfservice views`: build read models anew, beside the live ones and without stopping anything."""

import asyncio
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.cli.screen import NotPossible, aside, said_clearly, screen
from deploy.cli.where import FOLDER, Folder, Service, backbone_of
from shared.backbone import Backbone
from shared.foreign_log import Topics
from shared.rebuild import Progress as Done
from shared.rebuild import Sources, difference, rebuild
from shared.views import View
from shared.wall import Roles

app = typer.Typer(help="The read models.", no_args_is_help=True)


@app.command("rebuild")
def rebuild_views(
    service: Service,
    view: Annotated[str | None, typer.Argument(help="Only the view that has this table.", metavar="[VIEW]")] = None,
    folder: Folder = FOLDER,
) -> None:
    """Build the views of a service anew from the logs and put them in place. Works while the service runs."""
    with said_clearly():
        for table in asyncio.run(_rebuild(service, view, folder)):
            screen.print(f"{service}: {table} was built anew.")


@app.command()
def check(service: Service, folder: Folder = FOLDER) -> None:
    """Compare the views of a service with a rebuild from zero, changing nothing. Exit code 1 when they differ."""
    with said_clearly():
        found = asyncio.run(_check(service, folder))
        for line in found:
            screen.print(line)
        if found:
            raise NotPossible(
                f"the views of {service} are not what its log says; `selfservice views rebuild {service}`"
            )
        screen.print(f"{service}: every view is what the logs say.")


async def _rebuild(service: str, name: str | None, folder: Path) -> list[str]:
    backbone = backbone_of(service, folder, needs_no_secrets=True)
    sources = sources_of(backbone)
    try:
        await asyncio.to_thread(backbone.migrate)
        with _Bars() as bar:
            return await rebuild(sources, _named(sources, name) if name else None, bar)
    finally:
        await backbone.close_store()


async def _check(service: str, folder: Path) -> list[str]:
    backbone = backbone_of(service, folder, needs_no_secrets=True)
    try:
        with _Bars() as bar:
            return await difference(sources_of(backbone), bar)
    finally:
        await backbone.close_store()


def sources_of(backbone: Backbone) -> Sources:
    """What a service's views are made of. What its adapters keep beside the log cannot be made anew.

    Raises NotPossible without the owner's address.
    """
    settings = backbone.settings
    if settings.database_owner_url is None:
        raise NotPossible(f"only its owner may build the views of {backbone.name} anew; name DATABASE_OWNER_URL")
    return Sources(
        source=backbone.name,
        owner=settings.database_owner_url.get_secret_value(),
        roles=Roles.of(settings.database_url.get_secret_value()),
        recorder=backbone.recorder,
        views=[view for view in backbone.views if _is_derived(view)],
        copies=[view for view in backbone.copies if _is_derived(view)],
        follows=backbone.follows,
        foreign=Topics(backbone.topics, settings.kafka) if backbone.topics else None,
    )


def _is_derived(view: View) -> bool:
    return ".adapters." not in type(view).__module__


def _named(sources: Sources, name: str) -> View:
    for view in (*sources.views, *sources.copies):
        if name in view.tables:
            return view
    known = sorted({table for view in (*sources.views, *sources.copies) for table in view.tables})
    raise NotPossible(f"no view of {sources.source} has a table {name}; there are {', '.join(known)}")


class _Bars:
    """Progress bars on standard error: the own log, and what others said."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:>16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=aside)
        self._own = self._progress.add_task("own log", total=None)
        self._foreign = self._progress.add_task("others' events", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, done: Done) -> None:
        self._progress.update(self._own, completed=done.position, total=done.newest)
        self._progress.update(self._foreign, completed=done.records)
