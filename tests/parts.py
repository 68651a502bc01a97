"""The real parts tests run on: one PostgreSQL cluster, the embedded broker and, where it can be had, Apache Kafka.

Each is started at first need, once a session. The real broker is chosen in this order: the one named in
KAFKA_BOOTSTRAP_SERVERS, Apache Kafka in a container, Apache Kafka from Maven's jars. TEST_BROKER=embedded|kafka|both
restricts what is tested.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import pytest

from deploy.local.kafka import Kafka
from deploy.local.kafka_jars import KafkaNotAvailable, jars_version, why_not_available
from deploy.local.postgres import NOT_DURABLE, Addresses, Postgres
from deploy.local.tansu import Tansu
from tests.kafka_container import IMAGE, KafkaContainer, docker_answers

KAFKA_JARS = Path(os.environ.get("KAFKA_JARS", Path(__file__).parent.parent / "var" / "kafka-libs"))
"""Where Apache Kafka's jars are kept over test runs."""
TEMPLATE = "test"
Kind = Literal["embedded", "kafka"]
KINDS: tuple[Kind, ...] = ("embedded", "kafka")


class Broker(Protocol):
    """A broker a test may use, kill, start again, and wipe."""

    @property
    def bootstrap_servers(self) -> str:
        """Its address, as Kafka clients want it."""

    def start(self) -> None:
        """Start it if it is not running, and wait until it answers."""

    def stop(self) -> None:
        """Stop it in order."""

    def kill(self) -> None:
        """SIGKILL it."""

    def wipe(self) -> None:
        """Stop it and delete all its data."""


class CannotBeHad(Exception):
    """A part is not available on this machine; the message says why."""


OWNERS: dict[str, str] = {}
"""Where the owner of a database logs in, by the address at which its service does."""


def known(addresses: Addresses) -> str:
    """A database by the address at which a service logs in; `owner_of` it is known from here on."""
    OWNERS[addresses.service] = addresses.owner
    return addresses.service


def owner_of(dsn: str) -> str:
    """Where the owner of a service's database logs in."""
    return OWNERS[dsn]


class Databases:
    """Fresh databases of one cluster, copied from an empty template."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="selfservice-tests-"))
        self._folder.chmod(0o711)  # PostgreSQL's own user has to pass when this is root
        self.postgres = Postgres(folder=self._folder / "postgres", settings=NOT_DURABLE)
        self.postgres.start()
        self.postgres.create_database(TEMPLATE)
        self._numbers = itertools.count(1)

    def new(self) -> tuple[str, str]:
        """Name of a fresh database, and the address at which a service logs in to it."""
        name = f"{TEMPLATE}_{next(self._numbers)}"
        return name, known(self.postgres.clone_database(TEMPLATE, name))

    def drop(self, name: str) -> None:
        """Drop it, whoever is connected."""
        self.postgres.drop_database(name)

    def end(self) -> None:
        """Stop the cluster and delete it."""
        self.postgres.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass(frozen=True)
class NamedBroker:
    """A broker somebody else runs: tests use it, and those that would kill or wipe it are skipped."""

    bootstrap_servers: str

    def start(self) -> None:
        """It runs."""

    def stop(self) -> None:
        """It stays."""

    def kill(self) -> None:
        """Not ours to kill."""
        pytest.skip("the broker named in KAFKA_BOOTSTRAP_SERVERS is not ours to kill")

    def wipe(self) -> None:
        """Not ours to wipe."""
        pytest.skip("the broker named in KAFKA_BOOTSTRAP_SERVERS is not ours to wipe")


@dataclass
class Brokers:
    """The brokers of this session, started at first need; why one cannot be had is remembered and told."""

    _started: dict[Kind, Broker] = field(default_factory=dict)
    _refused: dict[Kind, str] = field(default_factory=dict)
    chosen: dict[Kind, str] = field(default_factory=dict)
    _folder: Path | None = None

    def get(self, kind: Kind) -> Broker:
        """That broker, running. Raises CannotBeHad."""
        if kind in self._refused:
            raise CannotBeHad(self._refused[kind])
        if kind not in self._started:
            try:
                self._started[kind], self.chosen[kind] = _FIRST[kind](self._own_folder())
            except CannotBeHad as reason:
                self._refused[kind] = str(reason)
                raise
        self._started[kind].start()
        return self._started[kind]

    def report(self) -> list[str]:
        """What was chosen and what was refused, for the summary."""
        chosen = [f"{kind} broker: {what}" for kind, what in self.chosen.items()]
        return chosen + [f"{kind} broker: not to be had: {why}" for kind, why in self._refused.items()]

    def end(self) -> None:
        """Stop all of them."""
        for broker in self._started.values():
            broker.stop()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _own_folder(self) -> Path:
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="selfservice-brokers-"))
        return self._folder


def wanted_kinds() -> tuple[Kind, ...]:
    """The kinds of broker TEST_BROKER asks for; both unless it is set."""
    asked = os.environ.get("TEST_BROKER", "both")
    if asked not in {"both", *KINDS}:
        raise ValueError(f"TEST_BROKER={asked}: choose embedded, kafka or both")
    return KINDS if asked == "both" else tuple(kind for kind in KINDS if kind == asked)


def _embedded(folder: Path) -> tuple[Broker, str]:
    broker = Tansu(log=folder / "tansu.log")
    broker.start()
    return broker, f"Tansu (memory) at {broker.bootstrap_servers}"


def _real(folder: Path) -> tuple[Broker, str]:
    """The first of: the one named in the environment, a container, Maven's jars. Raises CannotBeHad."""
    if named := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return NamedBroker(named), f"the one named in KAFKA_BOOTSTRAP_SERVERS, {named}"
    if docker_answers():
        return KafkaContainer(), f"{IMAGE} in a container"
    kafka = Kafka(folder=folder / "kafka", jars=KAFKA_JARS)
    if why_not := why_not_available(KAFKA_JARS):
        raise CannotBeHad(f"no KAFKA_BOOTSTRAP_SERVERS, no Docker engine, and {why_not}")
    try:
        kafka.start()
    except KafkaNotAvailable as reason:
        raise CannotBeHad(f"no KAFKA_BOOTSTRAP_SERVERS, no Docker engine, and {reason}") from reason
    return kafka, f"Apache Kafka {jars_version(KAFKA_JARS)} from Maven's jars at {kafka.bootstrap_servers}"


_FIRST: dict[Kind, Callable[[Path], tuple[Broker, str]]] = {"embedded": _embedded, "kafka": _real}
