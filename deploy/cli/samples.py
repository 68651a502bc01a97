"""`selfservice sample`: invented data, as much as one likes and the same for the same seed."""

import asyncio
import csv
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Annotated, Any

import psycopg
import typer
from rich.progress import track

from deploy.cli.audit.reading import an_export_is_needed
from deploy.cli.screen import NotPossible, aside, said_clearly, screen
from deploy.cli.where import FOLDER, Folder, backbone_in, environment_of
from deploy.local.postgres import Addresses
from deploy.local.world import SERVICES, World
from deploy.sample_history import SampleHistory
from deploy.sample_history_load import load
from deploy.sample_history_rows import Sampled
from deploy.sample_journeys import journeys as sample_journeys
from deploy.sample_spans_load import fill_spans
from services.audit.adapters.checkpoints import Signer
from services.audit.adapters.leaves import seal
from services.audit.analysis.bars import Bar
from services.audit.analysis.export import export as bring_up_to_date
from services.audit.proof.notes import LogKey
from services.audit.service import NAME as AUDIT
from services.products.adapters.journey_files import COLUMNS, as_row

app = typer.Typer(help="Invented data.", no_args_is_help=True)
SAMPLE_KEY = LogKey("selfservice.example/sample-history", "an invented history needs no secret key")


@app.callback()
def sample() -> None:
    """Invented data."""


@app.command()
def journeys(
    file: Annotated[Path, typer.Argument(help="Where to write them, packed if it ends in .gz.", metavar="FILE")],
    count: Annotated[int, typer.Option(help="How many.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same journeys.", min=0)] = 1,
    strangers: Annotated[int, typer.Option(help="Of 1,000, how many nobody's.", min=0, max=1000)] = 5,
    folder: Folder = FOLDER,
) -> None:
    """Write a CSV of journeys of one day with the open products of the system; prices are invented."""
    with said_clearly():
        seen, since = _on_the_road(folder)
        made = sample_journeys(seed, count, seen, since, strangers=strangers)
        with _packed(file) as text:
            lines = csv.writer(text)
            lines.writerow(COLUMNS)
            for record in track(made, "journeys", total=count, console=aside):
                lines.writerow(as_row(record))
    screen.print(f"{count:,} journeys in {file}; `selfservice journeys import {file}` takes them in.")


@app.command()
def history(
    export: Annotated[Path | None, typer.Argument(help="Write it as an export into this folder.")] = None,
    count: Annotated[int, typer.Option(help="How many events, over two years.", min=1)] = 100_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same history.", min=0)] = 1,
    database: Annotated[
        str | None, typer.Option(help="Fill this database, beside those of the system that runs here.", metavar="NAME")
    ] = None,
    folder: Folder = FOLDER,
) -> None:
    """Make the history of an invented operator: as an export, or in a database of its own; never among real events."""
    if (export is None) == (database is None):
        raise typer.BadParameter("name a folder for an export, or --database", param_hint="EXPORT")
    with said_clearly():
        if export is not None:
            _export(export, Sampled(seed, count))
        else:
            made = _database_beside(str(database), folder)
            _fill(made, SampleHistory(seed, count), count)
            screen.print(f"export DATABASE_URL={made.service} DATABASE_OWNER_URL={made.owner}")


def _export(into: Path, source: Sampled) -> None:
    with an_export_is_needed(), Bar("history") as bar:
        for progress in bring_up_to_date(into, "parquet", source):
            bar(progress.done, progress.of)
    screen.print(
        f"{progress.done:,} events in {into}; `selfservice audit sql` and `replay` take it with --export {into}."
    )


def _database_beside(name: str, folder: Path) -> Addresses:
    """A database without a history, with audit's tables. Raises NotRunning, NotPossible."""
    if name in SERVICES or (made := World.found_in(folder).database_beside(name)) is None:
        raise NotPossible(f"{name} is no database of its own beside the system that runs in {folder}")
    backbone = backbone_in(AUDIT, made)
    try:
        backbone.migrate()
    finally:
        asyncio.run(backbone.close_store())
    with psycopg.connect(made.service) as connection:
        if connection.execute("SELECT 1 FROM history LIMIT 1").fetchone():
            raise NotPossible(f"the database {name} has a history already: choose another name")
    return made


def _fill(made: Addresses, sampled: SampleHistory, count: int) -> None:
    with Bar("history") as bar:
        for done in load(made.owner, sampled.events()):
            bar(done, count)
    fill_spans(made.owner)
    with Bar("leaves") as bar, psycopg.connect(made.service, autocommit=True) as connection:
        done = 0
        while sealed := _sealed(connection):
            done += sealed
            bar(done, count)
        Signer(SAMPLE_KEY).sign(connection, datetime.now(UTC), timedelta(0))


def _sealed(connection: psycopg.Connection[Any]) -> int:
    with connection.transaction():
        return len(seal(connection, 5000))


def _packed(file: Path) -> IO[str]:
    return gzip.open(file, "wt", encoding="utf-8", newline="") if file.suffix == ".gz" else file.open("w", newline="")


def _on_the_road(folder: Path) -> tuple[list[dict[str, Any]], datetime]:
    """What the open products are known by, and since when all of them are. Raises NotPossible."""
    with psycopg.connect(environment_of("products", folder)["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "SELECT what, since FROM carriers WHERE closed_at IS NULL AND active AND trips IS NULL "
            "AND what <> product_id ORDER BY since, what LIMIT 10000"
        ).fetchall()
    if not rows:
        raise NotPossible("no bizz is in use and no number plate payment is open: order some first")
    return [_seen(what) for what, _ in rows], max(since for _, since in rows).astimezone(UTC) + timedelta(seconds=1)


def _seen(what: str) -> dict[str, Any]:
    kind, _, rest = what.partition(" ")
    country, _, plate = rest.partition(" ")
    return {"device": rest} if kind == "device" else {"country": country, "plate": plate}
