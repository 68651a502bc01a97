"""`selfservice events tail`: watch the topics, as any subscriber could."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Annotated, Any, TypeAlias

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from rich.text import Text

from deploy.cli.screen import NotPossible, said_clearly, screen
from deploy.cli.where import FOLDER, KEEPING, Folder, kafka
from shared.broker import Topic, topic_of
from shared.envelope import MalformedEnvelopeError, attributes
from shared.settings import KafkaSettings

app = typer.Typer(help="What the services say.", no_args_is_help=True)
Record: TypeAlias = "ConsumerRecord[Any, Any]"


@app.command()
def tail(
    services: Annotated[list[str] | None, typer.Argument(help="Only these.", metavar="[SERVICE]...")] = None,
    *,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest event.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line: headers and value.")] = False,
    count: Annotated[int, typer.Option(help="Stop after so many; 0 goes on until Ctrl-C.")] = 0,
    folder: Folder = FOLDER,
) -> None:
    """Print events as they come: time, stream@version, type, who did it, what. Belongs to no consumer group."""
    with said_clearly(), suppress(KeyboardInterrupt):
        unknown = [service for service in services or () if service not in KEEPING]
        if unknown:
            raise NotPossible(f"{', '.join(unknown)} says nothing; there are {', '.join(KEEPING)}")
        asyncio.run(_tail(services or KEEPING, kafka(folder), from_start=from_start, as_json=as_json, count=count))


async def _tail(
    services: Sequence[str], settings: KafkaSettings, *, from_start: bool, as_json: bool, count: int
) -> None:
    printed, topics = 0, [topic_of(each, settings.topic_prefix) for each in services]
    async with aclosing(_records(topics, settings, from_start)) as records:
        async for record in records:
            screen.print(_as_json(record) if as_json else _as_line(record))
            printed += 1
            if printed == count:
                return


async def _records(topics: Sequence[Topic], settings: KafkaSettings, from_start: bool) -> AsyncGenerator[Record, None]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = await _partitions(consumer, topics)
        consumer.assign(partitions)
        begins = dict.fromkeys(partitions, 0) if from_start else {}
        await consumer.seek_to_beginning(*partitions) if from_start else await consumer.seek_to_end(*partitions)
        while True:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                # The end that a broker names may lie before the end (the embedded one's does); a fetch tells the truth.
                begin = begins.setdefault(partition, consumer.highwater(partition) or 0)
                for record in records:
                    if record.offset >= begin:
                        yield record
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topics: Sequence[Topic]) -> list[TopicPartition]:
    if missing := sorted({topic.name for topic in topics} - await consumer.topics()):
        raise NotPossible(f"the broker has no {', '.join(missing)}: has the service been started?")
    return [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]


def _as_json(record: Record) -> Text:
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    value = json.loads(record.value) if record.value else None
    return Text(json.dumps({"topic": record.topic, "headers": headers, "value": value}, ensure_ascii=False))


def _as_line(record: Record) -> Text:
    try:
        at = attributes(record.headers)
    except MalformedEnvelopeError as malformed:
        return Text(f"{record.topic}/{record.partition}@{record.offset} is not one of our events: {malformed}", "red")
    return Text.assemble(
        (f"{at.time:%Y-%m-%d %H:%M:%S.%f}"[:-3], "dim"),
        " ",
        (f"{at.stream}@{at.version}", "cyan"),
        " ",
        (at.type, "bold"),
        f" {at.actor} ",
        (record.value or b"").decode(errors="replace"),
    )
