"""Group commit: one writer of a process takes all waiting appends into one transaction.

Every append is a `Unit`: events, and the statements of guards, views and bookkeeping that hold or fail with them. Tasks
hand units over, one thread writes whatever waits (see `shared.eventstore.writing`) and answers each after the commit.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from psycopg import Connection

from shared.errors import Unavailable
from shared.eventstore.unit import STREAM_VERSION, ConstraintViolated, Unit
from shared.eventstore.writing import Writer

__all__ = ["STREAM_VERSION", "ConstraintViolated", "GroupCommit", "Unit"]

MOST_UNITS_AT_ONCE = 256


class GroupCommit:
    """The one append path of a process: `await commit(unit)` from any task, one thread writes."""

    def __init__(self, connect: Callable[[], Connection[Any]]) -> None:
        self._writer = Writer(connect)
        self._coming: list[Unit] = []
        self._waiting: deque[Unit] = deque()
        self._rehearsing: deque[Unit] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.after_commit: Callable[[], None] = lambda: None
        """Called in the event loop after each commit: a hint to readers of the log."""

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Write what is waiting, then end."""
        self._hand_over()
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def commit(self, unit: Unit) -> None:
        """Answer when the unit is durable; a rehearsal, when it has been taken back.

        Raises ConstraintViolated when it was refused, and Unavailable when the database could not be reached: then the
        unit is in the log only if the very answer to its commit was lost, which asking again finds out.
        """
        if self._closing:
            raise Unavailable("The service is stopping.")
        unit.committed = asyncio.get_running_loop().create_future()
        self._coming.append(unit)
        if len(self._coming) == 1:
            # The tasks that the last commit answered come together: let them all hand over before the writer wakes.
            asyncio.get_running_loop().call_soon(self._hand_over)
        await asyncio.shield(unit.committed)

    def _hand_over(self) -> None:
        with self._wake:
            for unit in self._coming:
                (self._rehearsing if unit.rehearsal else self._waiting).append(unit)
            self._wake.notify()
        self._coming.clear()

    def _run(self) -> None:
        assert self._loop is not None  # noqa: S101 (set by start, which starts this thread)
        while any(batches := self._next_batches()):
            for batch, work in zip(batches, (self._writer.write, self._writer.rehearse), strict=True):
                if batch:
                    work(batch)
                    self._loop.call_soon_threadsafe(self._answer, batch)
        self._writer.close()

    def _next_batches(self) -> tuple[list[Unit], list[Unit]]:
        """What is to be committed next, and after it one rehearsal: no commit waits for more than one of those."""
        with self._wake:
            while not self._waiting and not self._rehearsing and not self._closing:
                self._wake.wait()
            return _some(self._waiting, MOST_UNITS_AT_ONCE), _some(self._rehearsing, 1)

    def _answer(self, batch: list[Unit]) -> None:
        for unit in batch:
            if unit.failure is None:
                unit.committed.set_result(None)
            else:
                unit.committed.set_exception(unit.failure)
                unit.committed.exception()  # whoever asked may have gone meanwhile: that is no defect
        self.after_commit()


def _some(waiting: deque[Unit], most: int) -> list[Unit]:
    return [waiting.popleft() for _ in range(min(len(waiting), most))]
