"""A unit: what one command commits, whole or not at all."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from eventsourcing.persistence import StoredEvent

from shared.eventstore.recorder import EVENTS
from shared.eventstore.statement import Statement

STREAM_VERSION = f"{EVENTS}_pkey"
"""The constraint that two appends to one stream at one version collide on."""


class ConstraintViolated(Exception):
    """A unit was refused by a named constraint: by the log (a version is taken) or by a view (a rule says no)."""

    def __init__(self, constraint: str, detail: str) -> None:
        super().__init__(f"{constraint}: {detail}")
        self.constraint = constraint


@dataclass(slots=True)
class Unit:
    """What one command commits, whole or not at all."""

    events: Sequence[StoredEvent] = ()
    guards: Sequence[Statement] = ()
    """Run before the views see the events: what must still be so at this very moment."""
    statements: Sequence[Statement] = ()
    rehearsal: bool = False
    """To be played through to its end and taken back: it can be refused, it cannot be committed."""
    failure: Exception | None = field(default=None, init=False)
    committed: "asyncio.Future[None]" = field(init=False)
