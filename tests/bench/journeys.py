"""Journeys from the operators' topic into the table: beside a bare consumer, and beside COPY into the same table.

JOURNEYS says how many; a day of a toll operator is 1,000,000. What memory the intake takes is told after each fifth of
the way: it is flat when the later ones are alike.
"""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from psycopg import sql
from pydantic import SecretStr

from deploy.local.postgres import Postgres
from deploy.local.tansu import Tansu
from deploy.sample_journeys import journeys
from services.products.adapters.journey_feed import topic
from services.products.service import assemble
from services.products.use_cases.journeys import MOST_AT_ONCE
from shared.broker import CONSUMER, Topic, ensure_topics, producer
from shared.settings import KafkaSettings, ServiceSettings
from shared.subscription import Subscription
from tests.bench.figures import Figures

JOURNEYS = int(os.environ.get("JOURNEYS", "60000"))
PRODUCTS, ACCOUNTS = 10_000, 1_000
SINCE = datetime(2026, 3, 2, tzinfo=UTC)
BARE, COPIED = "bare aiokafka consumer", "COPY into the same table"


async def measure(postgres: Postgres, figures: Figures) -> None:
    addresses = postgres.create_database("journeys")
    with Tansu() as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, idempotence=False)
        settings = ServiceSettings(
            database_url=SecretStr(addresses.service), database_owner_url=SecretStr(addresses.owner), kafka=kafka
        )
        await _publish(topic(), kafka, figures)
        await _bare(topic(), kafka, figures)
        await _take_in(settings, figures)
        _copy(addresses.owner, figures)


def driven(number: int) -> Iterator[dict[str, Any]]:
    """So many records of the feed, of all products that are in use; two in a thousand of what nobody knows."""
    return journeys(1, number, [_seen(product) for product in range(PRODUCTS)], SINCE, strangers=2)


def _seen(product: int) -> dict[str, str]:
    return {"device": f"9208{product:012}"}


async def _publish(feed: Topic, kafka: KafkaSettings, figures: Figures) -> None:
    await ensure_topics([feed], kafka)
    made = driven(JOURNEYS)
    writer = producer(kafka)
    await writer.start()
    began, partition = time.perf_counter(), 0
    while some := [(str(record["id"]).encode(), orjson.dumps(record)) for record in islice(made, 500)]:
        partition = (partition + 1) % feed.partitions
        await _packed(writer, feed, partition, some)
    await writer.stop()
    figures.rate("the operators write", JOURNEYS, time.perf_counter() - began)


async def _packed(writer: AIOKafkaProducer, feed: Topic, partition: int, some: Sequence[tuple[bytes, bytes]]) -> None:
    batch = writer.create_batch()
    for key, value in some:
        if batch.append(key=key, value=value, timestamp=None) is None:
            await (await writer.send_batch(batch, feed.name, partition=partition))
            batch = writer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    await (await writer.send_batch(batch, feed.name, partition=partition))


async def _bare(feed: Topic, kafka: KafkaSettings, figures: Figures) -> None:
    consumer = AIOKafkaConsumer(
        feed.name,
        bootstrap_servers=kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=CONSUMER["fetch_max_wait_ms"],
    )
    await consumer.start()
    began, read = time.perf_counter(), 0
    while read < JOURNEYS:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=MOST_AT_ONCE)).values():
            read += len(records)
    figures.rate(BARE, JOURNEYS, time.perf_counter() - began)
    await consumer.stop()


async def _take_in(settings: ServiceSettings, figures: Figures) -> None:
    service = assemble(settings)
    await service.backbone.open_store()
    products_in_use(settings.database_url.get_secret_value())
    intake, taken, began = service.use.journeys, 0, 0.0
    memory: list[int] = []

    async def take(records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        nonlocal taken, began
        began = began or time.perf_counter()  # joining a group takes seconds, and is not what is measured
        await intake.take_records(records)
        taken += len(records)
        if taken >= JOURNEYS * (len(memory) + 1) // 5:
            memory.append(_resident())

    subscription = Subscription([topic()], "bench-journeys", settings.kafka, take, MOST_AT_ONCE)
    await subscription.start()
    while taken < JOURNEYS:
        await asyncio.sleep(0.01)
    figures.rate("journeys taken in", JOURNEYS, time.perf_counter() - began, against=(BARE,))
    await subscription.stop()
    figures.note("memory after each fifth", ", ".join(str(each) for each in memory) + " MiB")
    intake.close()
    await service.backbone.close_store()


def products_in_use(dsn: str) -> None:
    """Devices of bizz that were all in use the day before."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY account_payment FROM STDIN") as copy:
            for number in range(ACCOUNTS):
                copy.write_row((f"account-{number:032x}", "company-" + "0" * 32, "invoice"))
        with cursor.copy("COPY carriers (what, since, product_id, account_id, company_id, active) FROM STDIN") as copy:
            for number in range(PRODUCTS):
                account = f"account-{number % ACCOUNTS:032x}"
                what = f"device {_seen(number)['device']}"
                product = (f"product-{number:032x}", account, "company-" + "0" * 32, True)
                copy.write_row((what, SINCE - timedelta(days=1), *product))


def _copy(owner: str, figures: Figures) -> None:
    """The same rows into a table made alike, in one go: the floor of what the database takes."""
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE alike (LIKE journeys INCLUDING ALL)")
        with connection.cursor().copy("COPY journeys TO STDOUT") as out:
            rows = [bytes(part) for part in out]
        began = time.perf_counter()
        with connection.cursor().copy("COPY alike FROM STDIN") as copy:
            for row in rows:
                copy.write(row)
        figures.rate(COPIED, len(rows), time.perf_counter() - began, against=("journeys taken in",))
        bytes_each = connection.execute(
            sql.SQL("SELECT pg_total_relation_size('journeys') / greatest(count(*), 1) FROM journeys")
        ).fetchone()
        figures.note("a journey on disk, with its indexes", f"{bytes_each[0] if bytes_each else 0} bytes")


def _resident() -> int:
    """What this process has in memory now, in MiB."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() >> 20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> (20 if sys.platform == "darwin" else 10)
