"""`selfservice audit replay`: the history through somebody's own code."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.audit.reading import an_export_is_needed, database, taken_out
from deploy.cli.screen import NotPossible, said_clearly, screen
from deploy.cli.where import FOLDER, Folder
from services.audit.analysis.bars import Bar
from services.audit.analysis.history import History, exported, recorded
from services.audit.analysis.replay import Replay
from shared.envelope import Recorded

app = typer.Typer()
MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
From = Annotated[datetime | None, typer.Option("--from", formats=MOMENTS, help="From this moment on, UTC.")]
Until = Annotated[datetime | None, typer.Option("--until", formats=MOMENTS, help="Until before this moment, UTC.")]


@app.command()
def replay(
    *,
    export: Annotated[
        Path | None, typer.Option("--export", help="From this export; else from the database.", metavar="EXPORT")
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", help="Call this with every event.", metavar="MODULE:FUNCTION")
    ] = None,
    since: From = None,
    until: Until = None,
    streams: Annotated[
        list[str] | None, typer.Option("--stream", help="Only this stream, or kind of stream; may be given again.")
    ] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Only this type; may be given again.")] = None,
    cursor: Annotated[
        Path | None, typer.Option("--cursor", help="Kept here: how far it is; goes on there.", metavar="FILE")
    ] = None,
    folder: Folder = FOLDER,
) -> None:
    """Call a function with every event, in order; at the end say how many there were, and their digest.

    With --cursor an interrupted replay goes on; the events of the last moment before it was cut off come again.
    """
    with said_clearly(), an_export_is_needed():
        handle = _function(into) if into else None
        with _history(export, folder) as history, Bar("replay") as bar:
            begun = history.replay(
                from_=_in_utc(since),
                until=_in_utc(until),
                streams=streams or (),
                types=types or (),
                after=cursor.read_text() if cursor and cursor.exists() else None,
            )
            begun.watch = lambda done, of: _noted(bar, done, of, begun, cursor)
            if export is None:
                taken_out(folder, "replay", begun.cursor.leaf, begun.leaves)
            _run(begun, handle)


def _run(begun: Replay, handle: Callable[[Recorded], Any] | None) -> None:
    before, began = begun.events, time.perf_counter()
    for event in begun:
        if handle is not None:
            handle(event)
    rate = (begun.events - before) / max(time.perf_counter() - began, 1e-9)
    screen.print(f"{begun.events - before:,} events, {rate:,.0f} a second, {begun.events:,} in all.")
    screen.print(f"digest {begun.digest}")


def _noted(bar: Bar, done: int, of: int, begun: Replay, cursor: Path | None) -> None:
    bar(done, of)
    if cursor:
        new = cursor.with_name(f"{cursor.name}.new")
        new.write_text(f"{begun.cursor}\n")
        new.rename(cursor)


@contextmanager
def _history(export: Path | None, folder: Path) -> Iterator[History]:
    if export is not None:
        yield exported(export)
        return
    with database(folder) as connection:
        yield recorded(connection)


def _function(named: str) -> Callable[[Recorded], Any]:
    """What `module:function` names, in the folder that we are in or installed. Raises NotPossible."""
    module, _, name = named.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as wrong:
        raise NotPossible(f"there is no function {named}: {wrong}") from wrong
    finally:
        sys.path.pop(0)
    if not callable(found):
        raise NotPossible(f"{named} is no function")
    return found  # type: ignore[no-any-return]


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
