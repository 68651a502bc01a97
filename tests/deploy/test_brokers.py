"""The embedded broker and Apache Kafka: the same for a client, different after a crash."""

from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.kafka import Kafka
from deploy.local.kafka_jars import KafkaNotAvailable, find_java, why_not_available
from deploy.local.part import wait_until
from deploy.local.ports import PortInUse
from deploy.local.tansu import Tansu
from tests.deploy.records import create, read, round_trip, send
from tests.deploy.scripts import exists, started
from tests.parts import Broker

RUNS_TANSU = """
import time
from deploy.local.tansu import Tansu
broker = Tansu()
broker.start()
print(broker.pid, flush=True)
time.sleep(300)
"""


async def topics(bootstrap_servers: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        return list(await admin.list_topics())
    finally:
        await admin.close()


async def test_a_record_goes_in_and_comes_out(broker: Broker, topic_prefix: str) -> None:
    assert await round_trip(broker.bootstrap_servers, f"{topic_prefix}products") == [b"bizz ordered"]


async def test_a_killed_broker_starts_again_at_the_same_address(broker: Broker, topic_prefix: str) -> None:
    address, topic = broker.bootstrap_servers, f"{topic_prefix}profiles"
    await create(address, topic)
    await send(address, topic, b"access granted")
    broker.kill()
    with pytest.raises(KafkaError):
        await topics(address)
    broker.start()
    assert broker.bootstrap_servers == address
    if isinstance(broker, Tansu):  # keeps everything in memory
        assert topic not in await topics(address)
    else:
        assert await read(address, topic) == [b"access granted"]


async def test_a_wiped_broker_knows_nothing_and_works(broker: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}company"
    await create(broker.bootstrap_servers, topic)
    broker.wipe()
    broker.start()
    assert topic not in await topics(broker.bootstrap_servers)
    assert await round_trip(broker.bootstrap_servers, topic) == [b"bizz ordered"]


def test_the_embedded_broker_dies_with_its_parent() -> None:
    with started(RUNS_TANSU) as (parent, line):
        assert exists(int(line))
        parent.kill()
        assert wait_until(lambda: not exists(int(line)), 2)


def test_a_port_in_use_is_told_with_a_way_out() -> None:
    with Tansu() as first, pytest.raises(PortInUse, match=rf"{first.port}, which broker wants .* PORT_BROKER="):
        Tansu(port=first.port).start()


def test_without_java_kafka_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert why_not_available(tmp_path) == "there is no java"
    assert not Kafka(folder=tmp_path / "kafka").available()
    with pytest.raises(KafkaNotAvailable, match="there is no java"):
        find_java()


def test_a_java_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(KafkaNotAvailable, match="java is older than 17"):
        find_java()
