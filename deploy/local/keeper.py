"""One part kept alive: started when those before it are ready, started again when it ends, stopped in order."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, cast

from deploy.local.child import Child, signal_group, spawn
from deploy.local.logs import Logs
from deploy.local.part import Part, PartFailed, wait_until
from deploy.local.ports import PortInUse, is_free

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds before a part is started again: doubled each time it ends soon after its start, up to the longest."""
LIVED_LONG = 10.0
"""Seconds after which an end is no longer an end soon after the start."""
TRIES = 3
"""How often a part may end before it was ready once; then the whole start has failed."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A part and its place: it starts when every part of a lower order is ready and stops before those do.

    It has `patience` seconds to end when asked, then it is killed.
    """

    part: Part
    order: int
    url: str
    patience: float = 15.0


class Keeper:
    """Keeps one part running in a thread of its own."""

    def __init__(self, placed: Placed, before: Sequence["Keeper"], logs: Logs, changed: Callable[[], None]) -> None:
        self.part, self.order, self.url, self._patience = placed.part, placed.order, placed.url, placed.patience
        self.was_ready = threading.Event()
        self.failed: Exception | None = None
        self.pid: int | None = None
        self.ready = False
        self.restarts = 0
        self._before, self._logs, self._changed = before, logs, changed
        self._stopping = threading.Event()
        self._spawning = threading.Lock()
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._keep, name=f"keeper of {self.part.name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the part to end, wait, kill it when its patience is over; it is not started again."""
        with self._spawning:
            self._stopping.set()
            child = self._child
        if child is not None:
            signal_group(child, self.part.stop_signal)
            try:
                child.wait(self._patience)
            except subprocess.TimeoutExpired:
                self._logs.say(f"{self.part.name} did not end within {self._patience:.0f} s and is killed")
                signal_group(child, signal.SIGKILL)
        self._thread.join(self._patience)

    def kill(self) -> None:
        """End the part at once, without waiting; it is not started again."""
        self._stopping.set()
        if self._child is not None:
            signal_group(self._child, signal.SIGKILL)

    def _keep(self) -> None:
        if not self._those_before_are_ready():
            return
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            ended = self._run_once()
            if self._stopping.is_set() or self._has_failed_for_good(ended):
                return
            pause = FIRST_PAUSE if time.monotonic() - began > LIVED_LONG else pause
            self.restarts += 1
            self._logs.say(f"{self.part.name} {ended}; it is started again in {pause:.1f} s")
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _those_before_are_ready(self) -> bool:
        for keeper in self._before:
            while not keeper.was_ready.wait(0.1):
                if self._stopping.is_set():
                    return False
        return True

    def _run_once(self) -> Exception:
        """Start it, see it ready, wait for its end; answers what ended it."""
        try:
            child = self._spawn()
            if child is None:
                return PartFailed("was stopped before it was started")
            self._see_ready(child)
            return PartFailed(f"ended with {_how(child.wait())}")
        except Exception as error:  # noqa: BLE001 - whatever keeps a part from running is told and tried again
            return error
        finally:
            self._is(pid=None, ready=False)

    def _spawn(self) -> Child | None:
        self.part.prepare()
        if not wait_until(lambda: is_free(self.part.port), 1.0):
            raise PortInUse(self.part.name, self.part.port)
        launch = self.part.launch()
        with self._spawning:
            if self._stopping.is_set():
                return None
            self._child = child = spawn(launch, subprocess.PIPE)
        self._logs.follow(self.part.name, cast(IO[bytes], child.stdout))
        self._is(pid=child.pid, ready=False)
        return child

    def _see_ready(self, child: Child) -> None:
        while child.poll() is None:
            if self.part.ready(child.pid):
                self._is(pid=child.pid, ready=True)
                self.was_ready.set()
                return
            time.sleep(0.05)

    def _has_failed_for_good(self, ended: Exception) -> bool:
        """At the first start a taken port, or three ends in a row, end the whole start; later nothing does."""
        if self.was_ready.is_set() or not (isinstance(ended, PortInUse) or self.restarts + 1 >= TRIES):
            return False
        self.failed = ended if isinstance(ended, PortInUse) else self._failure(ended)
        self._changed()
        return True

    def _failure(self, ended: Exception) -> PartFailed:
        return PartFailed(
            f"{self.part.name} {ended}, {TRIES} times before it was ready.\n{self._logs.end_of(self.part.name)}"
        )

    def _is(self, *, pid: int | None, ready: bool) -> None:
        self.pid, self.ready = pid, ready
        self._changed()


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
