"""P7: a file of journeys is taken in as what comes on the topic is; cut off it goes on, twice it changes nothing."""

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.sample_journeys import journeys
from services.products.adapters.journey_files import COLUMNS, NotAJourneyFile, as_row
from services.products.use_cases import journey_files
from tests.parts import owner_of
from tests.products.conftest import PLATE_PAYMENT
from tests.products.driving import BY_DEVICE, BY_PLATE, Road, on_the_road

SEEN = (BY_DEVICE, BY_PLATE)


@pytest.fixture
async def road(database: str) -> AsyncIterator[Road]:
    """Products with both companies, whose intake is asked by the test alone."""
    async with on_the_road(database) as one:
        yield one


def written(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    """A CSV file of these records, packed if its name says so."""
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
        lines.writerows(as_row(record) for record in records)
    return path


def some(count: int) -> list[dict[str, Any]]:
    return list(journeys(7, count, SEEN, datetime.now(UTC)))


async def taken(road: Road, path: Path) -> journey_files.Outcome:
    return await road.service.use.journey_files.take(path, lambda _at, _of: None)


@pytest.mark.parametrize("name", ["journeys.csv", "journeys.csv.gz"])
async def test_p7_a_file_counts_as_what_comes_on_the_topic_does(road: Road, tmp_path: Path, name: str) -> None:
    await road.bizz_in_use()
    await road.world.ordered(PLATE_PAYMENT)
    records = some(300)
    outcome = await taken(road, written(tmp_path / name, records))
    assert (outcome.taken.counted, outcome.taken.parked) == (300, 0)
    by_file = road.table()
    road.begin_anew()
    await road.driven(*(json.dumps(record).encode() for record in records))
    assert road.table() == by_file


async def test_p7_the_same_file_twice_changes_nothing_whatever_it_is_called(road: Road, tmp_path: Path) -> None:
    await road.world.ordered(PLATE_PAYMENT)
    records = some(50)
    file = written(tmp_path / "journeys.csv", records)
    await taken(road, file)
    before = (road.table(), road.tally(), road.parked())
    assert (await taken(road, file.rename(tmp_path / "march.csv"))).was_through
    assert (await taken(road, written(tmp_path / "packed.csv.gz", records))).taken.counted == 0
    assert (road.table(), road.tally(), road.parked()) == before


async def test_p7_a_file_that_was_cut_off_goes_on_where_it_was(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey_files, "MOST_AT_ONCE", 40)
    await road.bizz_in_use()
    await road.world.ordered(PLATE_PAYMENT)
    file = written(tmp_path / "journeys.csv", some(100))

    class CutOff(Exception):
        """As Ctrl-C does."""

    def after_two_batches(_at: int, _of: int) -> None:
        if road.tally()[0] == 80:
            raise CutOff

    with pytest.raises(CutOff):
        await road.service.use.journey_files.take(file, after_two_batches)
    outcome = await taken(road, file)
    assert (outcome.began_after, outcome.taken.counted, len(road.counted())) == (80, 20, 100)


async def test_p7_lines_that_are_no_record_are_parked_and_the_others_count(road: Road, tmp_path: Path) -> None:
    await road.world.ordered(PLATE_PAYMENT)
    file = written(tmp_path / "journeys.csv", [record for record in some(20) if record["seen"] == BY_PLATE][:5])
    with file.open("ab") as more:
        more.write(b"only,three,fields\n\n\xff\xfe,x,y\n" + b"," * 20 + b"\n")
    outcome = await taken(road, file)
    assert (outcome.taken.counted, outcome.taken.parked) == (5, 3)
    items = (await road.parked_list("?reason=malformed"))["items"]
    assert {item["came_from"] for item in items} == {"journeys.csv"}


async def test_p7_what_is_no_file_of_journeys_is_refused_whole(road: Road, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "other.csv.gz").write_bytes(gzip.compress(b"".join(b"%d\n" % n for n in range(10_000)))[:-9000])
    (tmp_path / "no.csv.gz").write_text("a,b\n")
    for name in ("other.csv", "other.csv.gz"):
        with pytest.raises(NotAJourneyFile):
            await taken(road, tmp_path / name)
    with pytest.raises(OSError, match="gzip"):
        await taken(road, tmp_path / "no.csv.gz")


async def test_the_command_line_makes_a_sample_and_takes_it_in(road: Road, tmp_path: Path) -> None:
    await road.bizz_in_use()
    environment = {**os.environ, "DATABASE_URL": road.dsn, "DATABASE_OWNER_URL": owner_of(road.dsn)}

    def said(*arguments: str) -> str:
        command = [sys.executable, "-m", "deploy.cli", *arguments, "--folder", str(tmp_path)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    file = str(tmp_path / "sample.csv.gz")
    assert "500 journeys in" in said("sample", "journeys", file, "--count", "500", "--strangers", "100")
    assert "sample.csv.gz: 4" in said("journeys", "import", file)
    assert road.tally()[0] + road.tally()[1] == 500
    assert "was taken in before" in said("journeys", "import", file)


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    since = datetime(2026, 3, 2, tzinfo=UTC)
    once, again, other = (list(journeys(seed, 100, SEEN, since, strangers=50)) for seed in (1, 1, 2))
    assert once == again
    assert once != other
