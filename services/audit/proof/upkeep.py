"""What audit does by itself: seals what came, signs what was sealed, and says when either does not go on.

T-04  A checkpoint is signed at least each minute, or each thousand new leaves, if there is anything new.
T-08  An event that is in no checkpoint for five minutes raises an alarm.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from services.audit.adapters.checkpoints import MOST_UNSIGNED, Signer
from services.audit.adapters.leaves import seal
from services.audit.adapters.tree_nodes import HistoryContradicts
from shared.clock import Clock
from shared.database import Database
from shared.logs import log

LONGEST_UNPROVEN: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Events up to a number that had come by some moment and were in no checkpoint then."""

    number: int
    since: datetime
    leaves: int | None = None
    """How many leaves there were when all of them had become some: they are signed when a checkpoint has as many."""


class Upkeep:
    """The rounds that audit makes; replicas take turns by the locks that sealing and signing take."""

    def __init__(
        self, connect: Callable[[], Connection[Any]], database: Database, signer: Signer, clock: Clock, every: timedelta
    ) -> None:
        self._connect = connect
        self._database = database
        self._signer = signer
        self._clock = clock
        self._every = every
        self._waiting: Waiting | None = None
        self._contradiction: str | None = None

    async def seal_and_sign(self) -> None:
        """Make leaves of what came, and sign what is due; most rounds find nothing to do."""
        state = await self._database.row(_STATE)
        if state is not None and state["first"] is None and state["leaves"] == state["signed"]:
            self._contradiction = None
            return
        try:
            await asyncio.to_thread(self._round)
            self._contradiction = None
        except HistoryContradicts as found:
            self._contradiction = str(found)
            log.error("the history is not what was signed; nothing more is signed", why=str(found))

    def _round(self) -> None:
        before: int | None = 0
        with self._connect() as connection:
            while before is not None:
                with connection.transaction():
                    seal(connection, MOST_UNSIGNED)
                self._signer.sign(connection, self._clock(), self._every)
                row = connection.execute("SELECT min(number) FROM unsealed").fetchone()
                first = row[0] if row else None
                before = None if first == before else first

    async def look_for_unproven(self) -> None:
        """Remember which events wait for a checkpoint, and since when."""
        row = await self._database.row(_STATE)
        if row is not None:
            self._waiting = after_a_look(self._waiting, self._clock(), **row)
        for alarm in self.alarms():
            log.error("the proof does not keep up", alarm=alarm)

    def alarms(self) -> list[str]:
        """What somebody has to look at now."""
        late = self._waiting and self._clock() - self._waiting.since > LONGEST_UNPROVEN
        since = f"{self._waiting.since:%H:%M} UTC" if self._waiting else ""
        return [
            *([f"events that came before {since} are in no checkpoint"] if late else []),
            *([f"the history is not what was signed: {self._contradiction}"] if self._contradiction else []),
        ]


def after_a_look(
    waiting: Waiting | None, now: datetime, *, first: int | None, last: int | None, leaves: int, signed: int
) -> Waiting | None:
    """What is waited for after a look: `first` is the number of the first event that is no leaf, `last` of the last.

    Events that wait are looked at together; those that came since, once these are in a checkpoint.
    """
    if waiting is not None:
        if waiting.leaves is None and (first is None or first > waiting.number):
            waiting = replace(waiting, leaves=leaves)
        if waiting.leaves is None or waiting.leaves > signed:
            return waiting
    return Waiting(last or 0, now) if first is not None or leaves > signed else None


_STATE = """
    SELECT (SELECT min(number) FROM unsealed) AS first, (SELECT max(number) FROM history) AS last,
           (SELECT coalesce(max(leaf) + 1, 0) FROM leaves) AS leaves,
           (SELECT coalesce(max(size), 0) FROM checkpoints WHERE note IS NOT NULL) AS signed"""
