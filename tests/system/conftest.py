"""The system as `make run` starts it, in a folder of its own, with two replicas of profiles; once on each broker."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.demo.run import add_staff
from deploy.local import world
from deploy.local.kafka_jars import fetch_jars, why_not_available
from deploy.local.runfile import RunState
from deploy.local.world import BrokerKind
from deploy.sample import STAFF
from tests.parts import KAFKA_JARS, wanted_kinds

REPLICAS = {"profiles": 2}


@dataclass(frozen=True)
class System:
    """What runs, and where."""

    folder: Path
    state: RunState
    broker: BrokerKind

    @property
    def url(self) -> str:
        return self.state.parts["gateway"].url


def _asked_for(kind: BrokerKind, folder: Path) -> None:
    asked = {"tansu": "embedded", "kafka": "kafka"}[kind]
    if asked not in wanted_kinds():
        pytest.skip(f"TEST_BROKER leaves out the {asked} broker")
    if kind == "kafka":
        if why_not := why_not_available(KAFKA_JARS):
            pytest.skip(f"Apache Kafka: {why_not}")
        fetch_jars(KAFKA_JARS)
        (folder / "kafka-libs").symlink_to(KAFKA_JARS)


@pytest.fixture(scope="package", params=["tansu", "kafka"])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system with one member of staff."""
    kind: BrokerKind = request.param
    folder = tmp_path_factory.mktemp(f"system-{kind}")
    _asked_for(kind, folder)
    with world.running(folder, replicas=REPLICAS, ports=world.free_ports(REPLICAS), broker=kind) as state:
        add_staff(folder, *STAFF)
        yield System(folder, state, kind)
