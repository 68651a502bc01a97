"""`selfservice sample`: invented data, as much as one likes and the same for the same seed."""

import csv
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Annotated, Any

import psycopg
import typer
from rich.progress import track

from deploy.cli.screen import NotPossible, aside, said_clearly, screen
from deploy.cli.where import FOLDER, Folder, environment_of
from deploy.sample_journeys import journeys as sample_journeys
from services.products.adapters.journey_files import COLUMNS, as_row

app = typer.Typer(help="Invented data.", no_args_is_help=True)


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
