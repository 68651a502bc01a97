"""`run.json`: what runs now, for other processes to find: each part's process id, port and address.

It is kept up to date over restarts and holds no secret. Whether a supervisor is alive is told by a lock it holds, not
by a process id in a file.
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True, kw_only=True)
class PartState:
    """One part; `kind` is what it is (postgres, tansu, kafka, process).

    `pid` is None while it does not run; `restarts` counts how often it had to be started again.
    """

    name: str
    kind: str
    port: int
    url: str
    pid: int | None
    ready: bool
    restarts: int


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The whole system: the supervisor's process id and every part by name (`profiles`, `profiles-2`, `postgres`)."""

    supervisor: int
    parts: dict[str, PartState] = field(default_factory=dict)

    def replicas(self, service: str) -> list[PartState]:
        """Every replica of a service, the first one first."""
        names = (name for name in self.parts if name == service or name.rpartition("-")[0] == service)
        return [self.parts[name] for name in names]


class NotRunning(Exception):
    """No supervisor runs on this folder."""


class AlreadyRunning(Exception):
    """A supervisor runs on this folder already."""


def read(folder: Path) -> RunState:
    """What runs on this folder. Raises NotRunning."""
    if not _is_locked(folder):
        raise NotRunning(f"nothing runs in {folder}")
    try:
        kept = json.loads((folder / "run.json").read_text())
    except FileNotFoundError as early:
        raise NotRunning(f"nothing runs in {folder} yet") from early
    parts = {name: PartState(**part) for name, part in kept["parts"].items()}
    return RunState(supervisor=kept["supervisor"], parts=parts)


def write(folder: Path, state: RunState) -> None:
    """Replace the file whole."""
    new = folder / "run.json.new"
    new.write_text(json.dumps(asdict(state), indent=1))
    new.rename(folder / "run.json")


class Claim:
    """One supervisor's claim on a folder; the system gives it up when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self._folder / "run.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise AlreadyRunning(f"the system already runs in {self._folder}: stop it first (Ctrl-C there)") from None
        write(self._folder, RunState(supervisor=os.getpid()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._folder / "run.json").unlink(missing_ok=True)
        self._lock.close()


def _is_locked(folder: Path) -> bool:
    try:
        with (folder / "run.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
