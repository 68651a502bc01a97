"""P7: journeys arrive at least once, out of order, in bulk; each counts once, for the product that was open then."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest

from services.products.events import JourneysTakenIn
from shared.eventstore.recorder import APPEND_LOCK
from tests.feed import SUSANNE, log_of, running
from tests.products.conftest import (
    ANNA,
    DEVICE,
    ETICKET,
    HANS,
    HAVNEFART_MAIN,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
)
from tests.products.driving import BY_DEVICE, BY_PLATE, Road, on_the_road, told


@pytest.fixture
async def road(database: str) -> AsyncIterator[Road]:
    """Products with both companies, whose intake is asked by the test alone."""
    async with on_the_road(database) as one:
        yield one


@pytest.fixture
async def replica(road: Road) -> AsyncIterator[Road]:
    """A second replica on the same database."""
    other = Road(road.dsn)
    async with running(other.service.backbone):
        yield other
        other.intake.close()


async def moment() -> datetime:
    """Some time after all that was done, and before all that will be."""
    await asyncio.sleep(0.01)
    now = datetime.now(UTC)
    await asyncio.sleep(0.01)
    return now


async def test_p7_a_journey_counts_once_however_often_it_comes(road: Road) -> None:
    plate = await road.world.ordered(PLATE_PAYMENT)
    record = told(1, BY_PLATE)
    assert (await road.driven(record, record)).counted == 1
    assert (await road.driven(record)).repeated == 1
    assert road.counted() == {"STB-1": plate}
    assert road.parked() == {}


async def test_p7_the_same_journey_written_in_another_way_is_the_same_journey(road: Road) -> None:
    await road.world.ordered(PLATE_PAYMENT)
    at = datetime(2036, 3, 2, 13, 5, tzinfo=UTC)
    in_denmark = at.isoformat().replace("13:05:00+00:00", "14:05:00+01:00")
    await road.driven(told(1, BY_PLATE, at), told(1, {"country": "dk", "plate": "AB12345"}, at, at=in_denmark))
    assert (len(road.counted()), road.parked()) == (1, {})


async def test_p7_a_second_record_with_the_same_id_and_other_content_is_parked_as_a_contradiction(road: Road) -> None:
    plate = await road.world.ordered(PLATE_PAYMENT)
    at = datetime.now(UTC) + timedelta(seconds=1)
    await road.driven(told(1, BY_PLATE, at), told(1, BY_PLATE, at, amount="999.00"))
    await road.driven(told(1, BY_PLATE, at, amount="998.00"))
    assert road.counted() == {"STB-1": plate}
    assert road.parked() == {"STB-1": "contradiction"}
    assert len((await road.parked_list("?reason=contradiction"))["items"]) == 2
    assert b"285.00" in road.table()


async def test_p7_the_first_record_of_an_id_stays_the_first_one_while_it_is_parked(road: Road) -> None:
    first, second = told(1, BY_DEVICE), told(1, BY_PLATE)
    await road.world.ordered(PLATE_PAYMENT)
    await road.driven(first)
    await road.driven(second)
    assert [item["reason"] for item in (await road.parked_list())["items"]] == ["unknown", "contradiction"]
    assert road.counted() == {}


async def test_p7_a_journey_counts_by_device_by_plate_and_by_the_product_itself(road: Road) -> None:
    bizz, plate = await road.bizz_in_use(), await road.world.ordered(PLATE_PAYMENT)
    await road.driven(told(1, BY_DEVICE), told(2, BY_PLATE), told(3, {"product": plate}), told(4, {"product": bizz}))
    assert road.counted() == {"STB-1": bizz, "STB-2": plate, "STB-3": plate, "STB-4": bizz}


async def test_p7_a_plate_that_moved_is_charged_to_whoever_had_it_then(road: Road) -> None:
    before = await moment()
    nordlys = await road.world.ordered(PLATE_PAYMENT)
    during = await moment()
    await road.closed(nordlys, ANNA)
    between = await moment()
    havnefart = await road.world.ordered(PLATE_PAYMENT, by=HANS, account=HAVNEFART_MAIN)
    after = await moment()
    await road.driven(*(told(n, BY_PLATE, at) for n, at in enumerate((after, during, between, before))))
    assert road.counted() == {"STB-0": havnefart, "STB-1": nordlys}
    assert road.parked() == {"STB-2": "closed", "STB-3": "unknown"}
    assert b"\tinvoice\t" in road.table()
    assert b"\tcard\t" in road.table()


async def test_p7_a_journey_from_before_the_closing_counts_however_late_it_comes(road: Road) -> None:
    bizz = await road.bizz_in_use()
    at = await moment()
    await road.closed(bizz, ANNA)
    await road.driven(told(1, BY_DEVICE, at), told(2, BY_DEVICE))
    assert road.counted() == {"STB-1": bizz}
    assert road.parked() == {"STB-2": "closed"}


async def test_p7_what_is_unknown_is_parked_and_counts_once_the_bizz_is_in_use(road: Road) -> None:
    bizz = await road.world.ordered({"kind": "bizz", "reference": None})
    await road.driven(told(1, BY_DEVICE, datetime.now(UTC) + timedelta(minutes=1)))
    assert road.parked() == {"STB-1": "unknown"}
    await road.world.done(SUSANNE, "POST", f"/products/{bizz}/dispatch", DEVICE)
    await road.followed()
    assert road.parked() == {"STB-1": "not-active"}
    await road.world.done(SUSANNE, "POST", f"/products/{bizz}/activate")
    await road.followed()
    assert (road.counted(), road.parked()) == ({"STB-1": bizz}, {})


async def test_p7_what_is_parked_counts_once_the_plate_is_ordered(road: Road) -> None:
    await road.driven(told(1, BY_PLATE, datetime.now(UTC) + timedelta(minutes=1)), told(2, BY_PLATE, await moment()))
    plate = await road.world.ordered(PLATE_PAYMENT)
    await road.followed()
    assert (road.counted(), road.parked()) == ({"STB-1": plate}, {"STB-2": "unknown"})


async def test_p7_an_order_that_commits_while_its_journey_is_parked_is_not_missed(road: Road, replica: Road) -> None:
    """Whichever of them commits first, whoever follows the log: the journey counts in the end."""
    for number in range(12):
        plate = {**PLATE_PAYMENT, "plate": f"QQ 10 {number:03}"}
        seen = {"country": "DK", "plate": str(plate["plate"])}
        record = told(number, seen, datetime.now(UTC) + timedelta(minutes=1))
        await asyncio.gather(road.driven(record), replica.world.ordered(plate), replica.followed(), road.followed())
    await road.followed()
    assert (len(road.counted()), road.parked()) == (12, {})


async def test_p3_p7_an_eticket_is_good_for_its_trips_and_no_more(road: Road) -> None:
    eticket = await road.world.ordered(ETICKET)
    seen = {"country": "SE", "plate": "ABC123"}
    await road.driven(*(told(number, seen) for number in range(2)), told(2, seen))
    await road.driven(told(3, seen))
    assert road.counted() == dict.fromkeys(("STB-0", "STB-1"), eticket)
    assert road.parked() == dict.fromkeys(("STB-2", "STB-3"), "used-up")


MALFORMED = (
    b"",
    b"\xff\x00\xfe",
    b"[]",
    told(1, {}),
    told(1, {"device": "1234"}),
    told(1, {"country": "XX", "plate": "AB12345"}),
    told(1, BY_PLATE, amount=285.0),
    told(1, BY_PLATE, amount="285"),
    told(1, BY_PLATE, vat="285.01"),
    told(1, BY_PLATE, at="2026-03-02T12:00:00"),
    told(1, BY_PLATE, at=1772452800),
    told(1, BY_PLATE, at="0001-01-01T00:00:00+14:00"),
    told(1, BY_PLATE, place="\u0000"),
    told(1, BY_PLATE, record="journey.v2"),
    told("?", BY_PLATE),
)


async def test_p7_a_malformed_record_is_parked_as_it_came_and_keeps_no_other_from_counting(road: Road) -> None:
    plate = await road.world.ordered(PLATE_PAYMENT)
    for number, record in enumerate(MALFORMED):
        taken = await road.driven(told(f"a{number}", BY_PLATE), record, told(f"b{number}", BY_PLATE), record)
        assert (taken.counted, taken.parked) == (2, 1), record
    assert set(road.counted().values()) == {plate}
    parked = (await road.parked_list())["items"]
    assert {item["reason"] for item in parked} == {"malformed"}
    assert [item["record"] for item in parked] == [record.decode(errors="replace") for record in MALFORMED]
    assert all(item["detail"] for item in parked)


async def test_p6_a_card_number_in_a_record_is_kept_nowhere(road: Road) -> None:
    await road.driven(
        told(1, BY_PLATE, place="Paid with 4111 1111 1111 1111"), told(2, {"device": "92080000000000019"})
    )
    one, other = (await road.parked_list())["items"]
    assert (one["reason"], "4111" in str(one), "*******************" in one["record"]) == ("malformed", False, True)
    assert "92080000000000019" in other["record"]


async def test_p7_fed_three_times_in_random_order_gives_the_same_table_and_usage_byte_for_byte(
    road: Road, replica: Road
) -> None:
    """On two replicas at once, with repetitions, in batches of any size, through moves of plates."""
    bizz, plate = await road.bizz_in_use(), await road.world.ordered(PLATE_PAYMENT)
    first = await moment()
    await road.closed(plate, ANNA)
    await road.world.ordered(PLATE_PAYMENT, by=HANS, account=HAVNEFART_MAIN)
    second = await moment()
    seen = (BY_DEVICE, BY_PLATE, {"product": bizz}, {"country": "SE", "plate": "NOBODY1"})
    records = [
        told(number, seen[number % 4], (first, second)[number % 3 == 0], amount=f"{number % 97}.00", vat="0.00")
        for number in range(400)
    ]
    tables, files = set(), set()
    for seed in range(3):
        road.begin_anew()
        feeding = random.Random(seed)  # noqa: S311 (a shuffle that can be repeated)
        come = feeding.sample(records * 3, k=len(records) * 3)
        batches = [come[at : at + 50] for at in range(0, len(come), 50)]
        await asyncio.gather(*((road, replica)[n % 2].driven(*batch) for n, batch in enumerate(batches)))
        tables.add((road.table(), road.tally(), tuple(sorted(road.parked().items()))))
        files.add((await road.world.asked_by(ANNA)("GET", f"/accounts/{NORDLYS_ROAD}/usage.csv")).content)
    assert len(tables) == len(files) == 1
    assert files.pop().count(b"STB-") == 267, "100 by device, 100 by product, 67 by plate before it moved"
    assert (len(road.counted()), len(road.parked())) == (300, 100)
    assert road.tally()[:2] == (300, 100)


async def test_h1_the_history_holds_how_many_count_and_notices_one_that_is_gone(road: Road) -> None:
    await road.world.ordered(PLATE_PAYMENT)
    await road.driven(told(1, BY_PLATE), told(2, BY_PLATE), told(3, BY_DEVICE))
    await road.intake.say()
    await road.intake.say()
    (said,) = [r.data for r in log_of(road.service.backbone) if isinstance(r.data, JourneysTakenIn)]
    assert (said.counted, said.parked) == (2, 1)
    rows = [bytes(row[0]) for row in road.rows("SELECT fingerprint FROM journeys")]
    assert int(said.fingerprint, 16) == sum(int.from_bytes(row) for row in rows) % 2**128
    assert int(said.fingerprint, 16) != int.from_bytes(rows[0])


_CHANGES: tuple[LiteralString, ...] = ("UPDATE journeys SET amount = 0", "DELETE FROM journeys")


async def test_h1_a_journey_that_counts_can_neither_be_changed_nor_removed(road: Road) -> None:
    await road.world.ordered(PLATE_PAYMENT)
    await road.driven(told(1, BY_PLATE))
    for sql in _CHANGES:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added to"):
            road.rows(sql)


async def test_p7_taking_in_waits_for_no_append_and_no_append_for_it(road: Road) -> None:
    await road.world.ordered(PLATE_PAYMENT)
    await road.driven(told(0, BY_PLATE))
    with psycopg.connect(road.dsn) as holding:
        holding.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        async with asyncio.timeout(5):
            await road.driven(told(1, BY_PLATE))
    assert len(road.counted()) == 2
