"""What the command line writes: answers on standard output, everything else on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import typer
from aiokafka.errors import KafkaError
from eventsourcing.persistence import PersistenceError
from rich.console import Console

from deploy.contracts import IncompatibleError
from deploy.demo.person import Unexpected
from deploy.local.part import PartFailed
from deploy.local.ports import PortInUse
from deploy.local.runfile import AlreadyRunning, NotRunning
from deploy.samples import NoSampleError
from shared.errors import Refusal
from shared.rebuild import RebuildFailed
from shared.schema import NotForProduction, SchemaNotReady

screen = Console(highlight=False, markup=False, soft_wrap=True)
if not screen.is_terminal:
    screen.width = 1000  # a table in a file or a pipe is not cut to the width of a terminal
aside = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


class NotPossible(Exception):
    """What was asked cannot be done; the message says why and what to do about it."""


EXPECTED = (
    NotPossible,
    NotRunning,
    AlreadyRunning,
    PortInUse,
    PartFailed,
    IncompatibleError,
    NoSampleError,
    RebuildFailed,
    SchemaNotReady,
    NotForProduction,
    Unexpected,
    Refusal,
    KafkaError,
    psycopg.Error,
    PersistenceError,
    OSError,
)


@contextmanager
def said_clearly() -> Iterator[None]:
    """Turn what can be expected to go wrong into one line on standard error and exit code 1."""
    try:
        yield
    except EXPECTED as failure:
        aside.print(f"selfservice: {str(failure).strip() or type(failure).__name__}")
        raise typer.Exit(1) from failure
