"""P7 on a real broker: the operators write, products takes in, whoever is killed and however often records come."""

import asyncio
import os
import random
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from services.products.adapters.journey_feed import topic
from services.products.service import assemble
from shared.broker import ensure_topics, producer
from shared.settings import KafkaSettings
from tests.feed import settings_for
from tests.parts import Broker, owner_of
from tests.products.conftest import PLATE_PAYMENT
from tests.products.driving import BY_DEVICE, BY_PLATE, Road, on_the_road, told

pytestmark = pytest.mark.timeout(300)

MANY = 12_000


@pytest.fixture
def kafka(broker: Broker, topic_prefix: str, request: pytest.FixtureRequest) -> KafkaSettings:
    """Settings for the running broker; the embedded one knows no idempotent producers, and joins groups slowly."""
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=topic_prefix.rstrip("-"))
    if request.node.callspec.params["broker"] == "kafka":
        return settings
    told = {"idempotence": False, "session_timeout_ms": 3_000, "heartbeat_interval_ms": 800}
    return settings.model_copy(update=told)


@pytest.fixture
async def road(database: str) -> AsyncIterator[Road]:
    """Products with both companies; what it takes in is said by the test."""
    async with on_the_road(database) as one:
        yield one


async def written(kafka: KafkaSettings, records: Sequence[bytes]) -> None:
    """An operator writes these, over one connection, keyed by their ids."""
    await ensure_topics([topic(kafka.topic_prefix)], kafka)
    made = producer(kafka)
    await made.start()
    try:
        for record in records:
            await made.send(topic(kafka.topic_prefix).name, record, key=record[23:40])
        await made.flush()
    finally:
        await made.stop()


@asynccontextmanager
async def replica(road: Road, kafka: KafkaSettings) -> AsyncIterator[Process]:
    """A products service as a process; killed in the end."""
    arguments = (road.dsn, owner_of(road.dsn), kafka.model_dump_json())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.products.journey_process", *arguments), env=os.environ
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def settled(road: Road, counted: int, parked: int) -> None:
    async with asyncio.timeout(120):
        while road.tally()[:2] != (counted, parked):
            await asyncio.sleep(0.1)


async def many(road: Road) -> list[bytes]:
    """A day's records: most count, some are unknown, some are none."""
    await road.bizz_in_use()
    await road.world.ordered(PLATE_PAYMENT)
    at = datetime.now(UTC)
    seen = (BY_DEVICE, BY_PLATE, BY_PLATE, {"country": "SE", "plate": "NOBODY1"})
    return [told(number, seen[number % 4], at, amount=f"{number % 997}.00", vat="0.00") for number in range(MANY)]


async def test_p7_kill_9_in_the_middle_and_two_replicas_leave_the_same_table_byte_for_byte(
    road: Road, kafka: KafkaSettings
) -> None:
    records = await many(road)
    await road.driven(*records)
    wanted = (road.table(), road.tally(), sorted(road.parked().items()))
    road.begin_anew()
    shuffled = random.Random(5).sample(records * 2, k=2 * MANY)  # noqa: S311 (a shuffle that can be repeated)
    async with replica(road, kafka) as first, replica(road, kafka):
        writing = asyncio.create_task(written(kafka, shuffled))
        async with asyncio.timeout(60):
            while not road.tally()[0]:
                await asyncio.sleep(0.005)
        first.kill()
        assert road.tally()[0] < MANY * 3 // 4, "it was killed in the middle"
        async with replica(road, kafka):
            await writing
            await settled(road, MANY * 3 // 4, MANY // 4)
    assert (road.table(), road.tally(), sorted(road.parked().items())) == wanted


async def test_p7_how_far_behind_the_intake_is_is_shown_with_the_service_s_health(
    road: Road, kafka: KafkaSettings
) -> None:
    plate = await road.world.ordered(PLATE_PAYMENT)
    record = told(1, BY_PLATE)
    settings = settings_for(road.dsn).model_copy(update={"kafka": kafka})
    service = assemble(settings)
    await service.backbone.start()
    try:
        await written(kafka, [record, b"not a record", record])
        await settled(road, 1, 1)
        async with asyncio.timeout(30):
            while (await service.backbone.look()).inbox_behind[topic(kafka.topic_prefix).name] != 0:
                await asyncio.sleep(0.05)
    finally:
        await service.backbone.stop()
    assert road.counted() == {"STB-1": plate}
