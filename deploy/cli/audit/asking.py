"""Who asks at the command line: the operator, who needs no reach and is recorded all the same (H3)."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from deploy.cli.screen import screen
from deploy.cli.where import backbone_of
from services.audit.events import HistoryRead, PastRead, Question
from shared.actor import Actor
from shared.backbone import Backbone
from shared.cause import Cause
from shared.database import Database, Row
from shared.ids import new_id

COMMAND_LINE = Actor("system", "command-line")


@dataclass(frozen=True, slots=True)
class Asking:
    """The audit database, and the place where it is recorded what was asked of it."""

    backbone: Backbone

    @property
    def database(self) -> Database:
        return self.backbone.database

    async def record(self, question: Question, about: str | None, moments: Sequence[datetime], entries: int) -> None:
        """Make the reading of a moment part of the history, before anything is shown."""
        await self._recorded(
            PastRead(
                reading_id=new_id("reading"),
                question=question,
                entity_id=about,
                moments=tuple(moments),
                entries=entries,
            )
        )

    async def record_reading(self, entity: str, entries: int) -> None:
        """Make the reading of an entity's history part of it, before anything is shown."""
        await self._recorded(HistoryRead(reading_id=new_id("reading"), entity_id=entity, entries=entries))

    async def _recorded(self, read: PastRead | HistoryRead) -> None:
        cause = Cause(COMMAND_LINE, correlation=new_id("request"))
        await self.backbone.streams.record(read.reading_id, read, cause)


@asynccontextmanager
async def asking(folder: Path) -> AsyncIterator[Asking]:
    """The audit service's database, opened beside the running service. Raises NotPossible."""
    backbone = backbone_of("audit", folder, needs_no_secrets=True)
    await backbone.open_store()
    try:
        yield Asking(backbone)
    finally:
        await backbone.close_store()


def moment(text: str | datetime) -> datetime:
    """A moment as people write it: ISO 8601, UTC unless it says otherwise."""
    if isinstance(text, datetime):  # typer parses defaults, too
        return text
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write it like 2026-03-01 or 2026-03-01T12:00:00+01:00") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def show(rows: Iterable[Row], columns: Mapping[str, str], *, as_json: bool) -> None:
    """A table with these columns of the rows, or all of each as one JSON object a line."""
    if as_json:
        for row in rows:
            screen.print(json.dumps(row, default=_as_text, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for title in columns.values():
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(_as_cell(row.get(name)) for name in columns))
    screen.print(table)


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _as_cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case str() | int():
            return str(value)
        case _:
            return json.dumps(value, default=_as_text, ensure_ascii=False)
