"""Apache Kafka without containers: one broker that is its own controller (KRaft), run from its jars on loopback.

    with Kafka(folder=Path("var/kafka")) as kafka:
        kafka.bootstrap_servers

It keeps its data in `folder` over restarts and crashes; `wipe` deletes them.
"""

import base64
import os
import secrets
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.child import Launch, run
from deploy.local.kafka_answers import answers_metadata
from deploy.local.kafka_jars import KafkaNotAvailable, fetch_jars, find_java, why_not_available
from deploy.local.part import PartFailed, Running
from deploy.local.ports import LOOPBACK, PortInUse, free_port, is_free

JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A small heap, and compiled for a quick start rather than for long runs."""
QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
FIXED_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # The time a killed broker's old registration keeps its successor waiting.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}


class Kafka:
    """One Apache Kafka node in `folder` on loopback `port` (0: a free one); its jars are kept in `jars`."""

    name = "broker"
    stop_signal = signal.SIGTERM

    def __init__(self, *, folder: Path, port: int = 0, controller_port: int = 0, jars: Path | None = None) -> None:
        self.port = port or free_port()
        self._controller_port = controller_port or free_port()
        self._folder = folder.absolute()
        self._cache = jars or self._folder.parent / "kafka-libs"
        self._running: Running | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Its address, as Kafka clients want it."""
        return f"{LOOPBACK}:{self.port}"

    def available(self) -> bool:
        """Whether java is here, and the jars or mvn to fetch them."""
        return why_not_available(self._cache) is None

    def prepare(self) -> None:
        """Fetch the jars, write the settings, format the storage. Raises KafkaNotAvailable, PortInUse."""
        self._java, self._jars = find_java(), fetch_jars(self._cache)
        if not is_free(self._controller_port):
            raise PortInUse("broker-controller", self._controller_port)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._settings_file.write_text("".join(f"{key}={value}\n" for key, value in self._settings().items()))
        if not self._formatted.exists():
            self._format()
        if not self._data.exists():
            shutil.copytree(self._formatted, self._data)

    def launch(self) -> Launch:
        """The broker in the foreground."""
        return Launch(argv=self._java_command("kafka.Kafka", *JVM), env=_environment(), folder=self._folder)

    def ready(self, _pid: int, /) -> bool:
        """Whether it answers a Kafka metadata request."""
        return answers_metadata(self.bootstrap_servers)

    def start(self) -> None:
        """Start and wait until it answers. Raises PortInUse, PartFailed, KafkaNotAvailable."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._running = self._running or Running(self, self._folder / "kafka.log")
        self._running.start()

    def stop(self) -> None:
        """Stop in order; its data stay."""
        if self._running:
            self._running.stop()

    def kill(self) -> None:
        """SIGKILL, as a crash would; what it wrote stays."""
        if self._running:
            self._running.kill()

    @property
    def pid(self) -> int:
        """Process id of the broker; raises PartFailed while it is not running."""
        if self._running is None:
            raise PartFailed("the broker was not started here")
        return self._running.pid

    def wipe(self) -> None:
        """Kill it and delete every topic, record and offset."""
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _formatted(self) -> Path:
        """Storage as it is before the first start, kept so that a wiped broker starts without formatting again."""
        return self._folder / "formatted"

    @property
    def _settings_file(self) -> Path:
        return self._folder / "server.properties"

    def _settings(self, data: Path | None = None) -> dict[str, str]:
        controller = f"{LOOPBACK}:{self._controller_port}"
        return {
            **FIXED_SETTINGS,
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(data or self._data),
        }

    def _format(self) -> None:
        """Format beside its place and move it there, so that an interrupted start leaves nothing half done."""
        shutil.rmtree(self._data, ignore_errors=True)
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        command = self._java_command("kafka.tools.StorageTool", *JVM)
        command[-1:] = ["format", "-t", cluster, "-c", str(self._settings_file), "--ignore-formatted"]
        answer = run(Launch(argv=command, env=_environment()))
        if answer.returncode:
            raise KafkaNotAvailable(f"its storage could not be formatted: {answer.stdout.strip()[-500:]}")
        self._data.rename(self._formatted)

    def _java_command(self, program: str, *options: str) -> list[str]:
        return [self._java, *options, QUIET, "-cp", f"{self._jars}/*", program, str(self._settings_file)]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
