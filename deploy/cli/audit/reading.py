"""The history as the command line reads it: in the database of audit, recorded before it is read (H3)."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg

from deploy.cli.screen import NotPossible
from deploy.cli.where import backbone_of, environment_of
from services.audit.analysis.layout import NoExport
from services.audit.analysis.taking_out import record_taking_out
from services.audit.service import NAME
from shared.actor import Actor
from shared.cause import Cause
from shared.ids import uuid7

COMMAND_LINE = Actor("system", "command-line")


@contextmanager
def database(folder: Path) -> Iterator[psycopg.Connection[Any]]:
    """A connection as audit itself. Raises NotPossible when nothing runs and nothing is named."""
    with psycopg.connect(environment_of(NAME, folder)["DATABASE_URL"], autocommit=True) as connection:
        yield connection


def taken_out(folder: Path, how: Literal["export", "replay"], first: int, end: int) -> None:
    """Say in the history itself that these leaves are taken out, unless there are none."""
    if first < end:
        asyncio.run(_taken_out(folder, how, first, end))


async def _taken_out(folder: Path, how: Literal["export", "replay"], first: int, end: int) -> None:
    backbone = backbone_of(NAME, folder, needs_no_secrets=True)
    await backbone.open_store()
    try:
        await record_taking_out(backbone.streams, how, first, end, Cause(COMMAND_LINE, uuid7().hex))
    finally:
        await backbone.close_store()


@contextmanager
def an_export_is_needed() -> Iterator[None]:
    """What is wrong with an export is said in one line."""
    try:
        yield
    except NoExport as wrong:
        raise NotPossible(str(wrong)) from wrong
