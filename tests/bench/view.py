"""Catching up a view from its topic: our inbox (decode, check versions, change, commit) beside a bare consumer."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from deploy.local.postgres import Postgres
from deploy.local.tansu import Tansu
from shared.broker import CONSUMER, ensure_topics, subscribe, topic_of
from shared.inbox import Inbox
from shared.relay import Relay
from shared.settings import KafkaSettings
from tests.bench.figures import Figures
from tests.bench.log import EVENTS, fill
from tests.bench.sample import Cars, store


async def measure(postgres: Postgres, figures: Figures) -> None:
    with Tansu() as broker:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, idempotence=False)
        await _publish(postgres, settings, figures)
        await _bare(settings, figures)
        await _inbox(postgres, settings, figures)


async def _publish(postgres: Postgres, settings: KafkaSettings, figures: Figures) -> None:
    async with store(postgres, "published") as filled:
        fill(filled.dsn)
        relay = Relay("bench", topic_of("bench"), filled.recorder, filled.dsn, settings)
        began = time.perf_counter()
        running = asyncio.create_task(relay.run())
        while relay.progress.position < EVENTS:
            await asyncio.sleep(0.01)
        figures.rate("relay: log to topic", EVENTS, time.perf_counter() - began)
        running.cancel()


async def _bare(settings: KafkaSettings, figures: Figures) -> None:
    consumer = AIOKafkaConsumer(
        topic_of("bench").name,
        bootstrap_servers=settings.bootstrap_servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=CONSUMER["fetch_max_wait_ms"],
    )
    await consumer.start()
    began, read = time.perf_counter(), 0
    while read < EVENTS:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=CONSUMER["max_records"])).values():
            read += len(records)
    figures.rate("bare aiokafka consumer", EVENTS, time.perf_counter() - began)
    await consumer.stop()


async def _inbox(postgres: Postgres, settings: KafkaSettings, figures: Figures) -> None:
    async with store(postgres, "viewed", (Cars(),)) as viewed:

        def connect() -> psycopg.Connection[tuple[object, ...]]:
            return psycopg.connect(viewed.dsn, autocommit=True, prepare_threshold=2)

        taking = Inbox(follows=["car"], copies=[Cars()], reactions={}, connect=connect, writer=viewed.writer)
        await ensure_topics([topic_of("bench")], settings)
        taken = 0

        async def take(records: Sequence[ConsumerRecord[Any, Any]]) -> None:
            nonlocal taken
            await taking.take(records)
            taken += len(records)

        broker = subscribe([topic_of("bench")], "bench-view", settings, take)
        began = time.perf_counter()
        await broker.start()
        while taken < EVENTS:
            await asyncio.sleep(0.01)
        figures.rate("inbox: topic to view", EVENTS, time.perf_counter() - began, against=("bare aiokafka consumer",))
        await broker.stop()
        taking.close()
