"""One supervisor for the whole system: one process per part, started in order, kept alive, stopped in order.

    with Supervisor(parts, folder=Path("var")) as system:
        system.wait_until_ready(timeout=60)

`run` is the same for a terminal: it goes on until Ctrl-C or SIGTERM. All parts end with the supervisor, even when it
is killed.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from deploy.local import runfile
from deploy.local.keeper import Keeper, Placed
from deploy.local.logs import Logs
from deploy.local.part import PartFailed
from deploy.local.runfile import PartState, RunState

WhenReady = Callable[[RunState], None]


class Supervisor:
    """Keeps the given parts; tells what runs in `folder/run.json` and keeps their logs in `folder/logs`."""

    def __init__(self, parts: Sequence[Placed], *, folder: Path, logs: Logs | None = None) -> None:
        self._folder = folder
        self._logs = logs or Logs(folder / "logs")
        self._claim = runfile.Claim(folder)
        self._change = threading.Condition()
        self._keepers: list[Keeper] = []
        for placed in sorted(parts, key=lambda each: each.order):
            before = [keeper for keeper in self._keepers if keeper.order < placed.order]
            self._keepers.append(Keeper(placed, before, self._logs, self._changed))

    def __enter__(self) -> Self:
        """Start everything, without waiting. Raises AlreadyRunning."""
        self._claim.__enter__()
        for keeper in self._keepers:
            keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._claim.__exit__(kind, error, trace)
        self._logs.close()

    @property
    def state(self) -> RunState:
        """What runs now."""
        return runfile.read(self._folder)

    def wait_until_ready(self, timeout: float, give_up: Callable[[], bool] = lambda: False) -> RunState:
        """Wait until every part was ready once. Raises PartFailed or PortInUse as soon as one cannot start."""
        end = time.monotonic() + timeout
        with self._change:
            while not all(keeper.was_ready.is_set() for keeper in self._keepers):
                self._raise_failure()
                if give_up() or time.monotonic() > end:
                    raise PartFailed(f"not ready after {timeout:.0f} s: {', '.join(self._late())}")
                self._change.wait(0.1)
        return self.state

    def run(self, when_ready: WhenReady | None = None, timeout: float = 120.0) -> None:
        """Run until Ctrl-C or SIGTERM, then stop in order; a second Ctrl-C kills. `when_ready` is called once.

        Raises AlreadyRunning, PortInUse, PartFailed. To be called in the main thread.
        """
        asked = threading.Event()
        with _Signals(asked, self.kill), self:
            try:
                state = self.wait_until_ready(timeout, asked.is_set)
            except PartFailed:
                if asked.is_set():
                    return
                raise
            if when_ready:
                when_ready(state)
            asked.wait()
            self._logs.say("stopping")

    def kill(self) -> None:
        """SIGKILL every part at once."""
        for keeper in self._keepers:
            keeper.kill()

    def _stop(self) -> None:
        """Last started, first stopped; those of one order together."""
        for _, group in groupby(reversed(self._keepers), key=lambda keeper: keeper.order):
            stops = [threading.Thread(target=keeper.stop) for keeper in group]
            for stop in stops:
                stop.start()
            for stop in stops:
                stop.join()

    def _changed(self) -> None:
        with self._change:
            runfile.write(self._folder, RunState(supervisor=os.getpid(), parts=self._parts()))
            self._change.notify_all()

    def _parts(self) -> dict[str, PartState]:
        return {keeper.part.name: _state(keeper) for keeper in self._keepers}

    def _raise_failure(self) -> None:
        for keeper in self._keepers:
            if keeper.failed:
                raise keeper.failed

    def _late(self) -> list[str]:
        return [keeper.part.name for keeper in self._keepers if not keeper.was_ready.is_set()]


class _Signals:
    """While it is entered, the first SIGINT or SIGTERM asks for the end and the second one forces it."""

    def __init__(self, asked: threading.Event, force: Callable[[], None]) -> None:
        self._asked, self._force = asked, force

    def __enter__(self) -> Self:
        self._old = {number: signal.signal(number, self._on) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _on(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked.is_set():
            self._force()
        self._asked.set()


def _state(keeper: Keeper) -> PartState:
    return PartState(
        name=keeper.part.name,
        kind=type(keeper.part).__name__.lower(),
        port=keeper.part.port,
        url=keeper.url,
        pid=keeper.pid,
        ready=keeper.ready,
        restarts=keeper.restarts,
    )
