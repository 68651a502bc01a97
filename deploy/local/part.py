"""One part of the system as a process: started, found ready, stopped, killed, started again."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from deploy.local.child import Child, Launch, signal_group, spawn
from deploy.local.ports import PortInUse, is_free


class Part(Protocol):
    """What every part tells about itself; PostgreSQL, a broker and a service are all started in this one way."""

    @property
    def name(self) -> str:
        """What it is called in logs and messages."""

    @property
    def port(self) -> int:
        """The loopback port it listens on."""

    @property
    def stop_signal(self) -> signal.Signals:
        """What asks it to end in order."""

    def prepare(self) -> None:
        """Do what must be done before each start; may take long, must bear repetition."""

    def launch(self) -> Launch:
        """What to run."""

    def ready(self, pid: int, /) -> bool:
        """Whether the process `pid` answers now; never waits longer than a second."""


class PartFailed(Exception):
    """A part ended, or did not answer in time, when it was started; carries the end of its log."""


class Running:
    """One part, run by this process alone (tests, tools); the supervisor runs many."""

    def __init__(self, part: Part, log: Path) -> None:
        self._part, self._log = part, log
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """Process id of the part; raises PartFailed while it is not running."""
        if self._child is None or self._child.poll() is not None:
            raise PartFailed(f"{self._part.name} is not running")
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the process is there (it may not answer yet)."""
        return self._child is not None and self._child.poll() is None

    def start(self, timeout: float = 60.0) -> None:
        """Start and wait until ready, at most `timeout` seconds. Raises PortInUse, PartFailed."""
        if self.alive:
            return
        self._part.prepare()
        if not is_free(self._part.port):
            raise PortInUse(self._part.name, self._part.port)
        with self._log.open("ab") as output:
            self._child = child = spawn(self._part.launch(), output)
        if not wait_until(lambda: child.poll() is not None or self._part.ready(child.pid), timeout):
            self.kill()
            raise PartFailed(f"{self._part.name} did not answer within {timeout:.0f} s:\n{self._log_end()}")
        if child.poll() is not None:
            raise PartFailed(f"{self._part.name} ended with {child.returncode} at start:\n{self._log_end()}")

    def stop(self, timeout: float = 20.0) -> None:
        """Ask the part to end and wait; kill it after `timeout` seconds. Stopping twice is stopping once."""
        if self._child is None:
            return
        signal_group(self._child, self._part.stop_signal)
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL the part and everything it started."""
        if self._child is None:
            return
        signal_group(self._child, signal.SIGKILL)
        self._child.wait()

    def _log_end(self, lines: int = 20) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(is_so: Callable[[], bool], timeout: float, every: float = 0.02) -> bool:
    """Ask again and again for at most `timeout` seconds; whether it became so."""
    end = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
