"""`selfservice audit export`: the history as files."""

from pathlib import Path
from typing import Annotated, cast

import typer

from deploy.cli.audit.reading import an_export_is_needed, database, taken_out
from deploy.cli.screen import NotPossible, said_clearly, screen
from deploy.cli.where import FOLDER, Folder
from services.audit.analysis.bars import Bar
from services.audit.analysis.export import export as bring_up_to_date
from services.audit.analysis.layout import MANIFEST, Layout, Manifest, differences
from services.audit.analysis.sources import FromDatabase

app = typer.Typer()
Export = Annotated[Path, typer.Argument(help="The folder of the export.", metavar="EXPORT")]


@app.command()
def export(
    into: Export,
    layout: Annotated[str, typer.Option("--format", help="parquet or csv.", metavar="FORMAT")] = "parquet",
    check: Annotated[bool, typer.Option("--check", help="Only compare the files with the manifest.")] = False,
    folder: Folder = FOLDER,
) -> None:
    """Bring an export up to date, or begin one; goes on where it was cut off. Works while the system runs."""
    if layout not in {"parquet", "csv"}:
        raise typer.BadParameter(f"{layout!r}: choose parquet or csv", param_hint="--format")
    with said_clearly(), an_export_is_needed():
        if check:
            _check(into)
        else:
            before, now = _export(into, cast(Layout, layout), folder)
            screen.print(f"{into} holds {now:,} events, {now - before:,} of them new.")


def _export(into: Path, layout: Layout, folder: Path) -> tuple[int, int]:
    """How many events it held before, and how many it holds now."""
    done = before = Manifest.read(into).leaves if (into / MANIFEST).exists() else 0
    with database(folder) as connection, Bar("export") as bar:
        source = FromDatabase(connection)
        taken_out(folder, "export", before, source.extent().leaves)
        for progress in bring_up_to_date(into, layout, source):
            done = progress.done
            bar(done, progress.of)
    return before, done


def _check(into: Path) -> None:
    found = list(differences(into))
    for line in found:
        screen.print(line)
    if found:
        raise NotPossible(f"{into} is not what was exported: export to another folder")
    screen.print(f"{into}: every file is as it was exported.")
