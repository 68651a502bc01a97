"""A part that is any program with a port: a service, the mail catcher."""

import http.client
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.child import Launch
from deploy.local.ports import LOOPBACK, answers


@dataclass(frozen=True, kw_only=True)
class Process:
    """One program.

    It is ready when a GET of `ready_path` answers 200; without such a path, when its port accepts connections.
    `env` is asked at each start, after every part before it is ready.
    """

    name: str
    argv: Sequence[str]
    port: int
    env: Callable[[], Mapping[str, str]]
    ready_path: str | None = None
    folder: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM

    def prepare(self) -> None:
        """Nothing."""

    def launch(self) -> Launch:
        """The program."""
        return Launch(argv=self.argv, env=self.env(), folder=self.folder)

    def ready(self, _pid: int, /) -> bool:
        """Whether it says it is ready."""
        return answers(self.port) if self.ready_path is None else _answers_200(self.port, self.ready_path)


def _answers_200(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
