"""Apache Kafka in a container, for machines with a Docker engine.

The testcontainers package knows only Confluent's images, so this is a plain container of `apache/kafka` with the
environment variables of that image. Its port on the host is fixed and loopback only: the broker tells clients that
address, and it stays the same when the container is killed and started again.
"""

import os
import socket
from typing import Any, cast

import httpx
from testcontainers.core.container import DockerContainer

from deploy.local.kafka import FIXED_SETTINGS
from deploy.local.kafka_answers import answers_metadata
from deploy.local.part import wait_until
from deploy.local.ports import LOOPBACK, free_port

IMAGE = "apache/kafka:4.1.0"
PATIENCE = 90.0
"""Seconds a broker may take to answer, its image pulled."""


def docker_answers() -> bool:
    """Whether a Docker engine answers here, at DOCKER_HOST or the usual socket."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    path = address.removeprefix("unix://") if address.startswith("unix://") else None
    url = "http://docker" if path else address.replace("tcp://", "http://", 1)
    try:
        if path:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(path)
        with httpx.Client(transport=httpx.HTTPTransport(uds=path), timeout=2.0) as engine:
            return engine.get(f"{url}/_ping").text == "OK"
    except (OSError, httpx.HTTPError, httpx.InvalidURL):
        return False


class KafkaContainer:
    """One Apache Kafka node in a container; its data live and end with the container."""

    def __init__(self) -> None:
        self._port = free_port()
        self._container: DockerContainer | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Its address, as Kafka clients want it."""
        return f"{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start it, with the data it had if it was only killed, and wait until it answers. Raises TimeoutError."""
        if self._container is None:
            self._container = self._make()
            self._container.start()
        else:
            self._container.get_wrapped_container().start()  # one that runs already is left as it is
        if not wait_until(lambda: answers_metadata(self.bootstrap_servers), PATIENCE, every=0.2):
            raise TimeoutError(f"{IMAGE} did not answer within {PATIENCE:.0f} s")

    def stop(self) -> None:
        """Remove the container."""
        if self._container is not None:
            self._container.stop()
            self._container = None

    def kill(self) -> None:
        """SIGKILL the broker; the container's data stay."""
        if self._container is None:
            return
        container = self._container.get_wrapped_container()
        container.reload()
        if container.status == "running":
            container.kill()

    def wipe(self) -> None:
        """Remove the container with all data; the next start makes a new one."""
        self.stop()

    def _make(self) -> DockerContainer:
        settings = {
            **FIXED_SETTINGS,
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.quorum.voters": "1@localhost:9093",
            "log.dirs": "/tmp/kraft-combined-logs",  # noqa: S108 - inside the container
        }
        container = DockerContainer(IMAGE, env={_variable(key): value for key, value in settings.items()})
        cast(dict[str, Any], container.ports)["9092/tcp"] = (LOOPBACK, self._port)
        return container


def _variable(setting: str) -> str:
    """A broker setting as the image's environment variable."""
    return "KAFKA_" + setting.upper().replace(".", "_")
