"""The whole system on this machine: which parts there are, on which ports, and what each service is told.

    up()                                     # until Ctrl-C
    with running(folder, ports=free_ports()) as state: ...

A part named in the environment is used instead of one started here: DATABASE_URL_<SERVICE> (with
DATABASE_OWNER_URL_<SERVICE>, where its tables are still to be made), KAFKA_BOOTSTRAP_SERVERS, SMTP_URL. A port is
chosen by PORT_<PART> (PORT_GATEWAY, PORT_PROFILES_2 for the second replica of profiles).
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Self

from deploy.local.kafka import Kafka
from deploy.local.keeper import Placed
from deploy.local.keys import development_secret
from deploy.local.logs import Logs
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import Addresses, Postgres
from deploy.local.process import Process
from deploy.local.runfile import RunState, read
from deploy.local.supervisor import Supervisor, WhenReady
from deploy.local.tansu import Tansu

ROOT = Path(__file__).parent.parent.parent
SERVICES = ("auth", "company", "products", "profiles", "audit", "gateway")
PORTS: Mapping[str, int] = {
    "gateway": 8080,
    "auth": 8101,
    "company": 8102,
    "products": 8103,
    "profiles": 8104,
    "audit": 8105,
    "mail": 8125,
    "postgres": 8132,
    "broker": 8192,
    "broker-controller": 8193,
}
NEXT_REPLICA = 10
"""Ports between one replica of a service and the next."""
SECRETS: Mapping[str, tuple[str, ...]] = {
    "auth": ("CODE_PEPPER", "SECRETS_KEY"),
    "audit": ("LOG_KEY",),
    "gateway": ("SEEN_KEY",),
}
SECRET_IF_GIVEN = "SEEN_KEY_BEFORE"  # noqa: S105 (its name)
"""Of the gateway; there is none unless a key was replaced."""
ORDER_POSTGRES, ORDER_BROKER, ORDER_SERVICES = 1, 2, 3
BrokerKind = Literal["tansu", "kafka"]


class World:
    """The parts of the system, put together; starts nothing by itself."""

    def __init__(
        self,
        *,
        folder: Path,
        replicas: Mapping[str, int] | None = None,
        ports: Mapping[str, int] | None = None,
        broker: BrokerKind = "tansu",
        environment: Mapping[str, str] = os.environ,
        code: Path = ROOT,
    ) -> None:
        self._code = code
        self.folder = folder.absolute()
        self._environment = environment
        self._replicas = {service: (replicas or {}).get(service, 1) for service in SERVICES}
        self._ports = ports or {}
        self._databases: dict[str, Addresses] = {}
        self._postgres = None if self._every_database_is_named() else self._make_postgres()
        self._broker = None if environment.get("KAFKA_BOOTSTRAP_SERVERS") else self._make_broker(broker)

    @classmethod
    def found_in(cls, folder: Path) -> Self:
        """The system another process runs in that folder, with its ports. Raises NotRunning."""
        state = read(folder)
        parts = state.parts
        broker: BrokerKind = "kafka" if "broker" in parts and parts["broker"].kind == "kafka" else "tansu"
        replicas = {service: len(state.replicas(service)) for service in SERVICES}
        ports = {name: part.port for name, part in parts.items()}
        return cls(folder=folder, replicas=replicas, ports=ports, broker=broker)

    def parts(self) -> list[Placed]:
        """Every part with its place in the order, as the supervisor wants them."""
        return [*self._infrastructure(), *self._services()]

    def addresses(self, service: str) -> list[str]:
        """The HTTP address of every replica of a service."""
        return [f"http://{LOOPBACK}:{self.port(name)}" for name in self._replica_names(service)]

    def port(self, part: str) -> int:
        """The port of a part: given, else PORT_<PART>, else the usual one."""
        named = self._environment.get(f"PORT_{part.upper().replace('-', '_')}")
        return self._ports.get(part) or int(named or 0) or _usual_port(part)

    def environment_of(self, service: str, name: str | None = None) -> dict[str, str]:
        """What a service is told; its database is made at first need, so PostgreSQL must be running."""
        told = {
            **self._inherited(),
            "SERVICE_NAME": service,
            "HOST": LOOPBACK,
            "PORT": str(self.port(name or service)),
            "ENVIRONMENT": "development",
            **self._database(service),
            "SMTP_URL": self._environment.get("SMTP_URL") or f"smtp://{LOOPBACK}:{self.port('mail')}",
            "PYTHONUNBUFFERED": "1",
            **self._kafka(),
            **{key: development_secret(self.folder, key, self._environment) for key in SECRETS.get(service, ())},
        }
        return {**told, **self._gateway_knows()} if service == "gateway" else told

    def database_beside(self, name: str) -> Addresses | None:
        """A database of that name beside those of the services, made at first need; None where none is ours."""
        return self._postgres.create_database(name) if self._postgres else None

    def _gateway_knows(self) -> dict[str, str]:
        others = {f"{other.upper()}_URL": ",".join(self.addresses(other)) for other in SERVICES if other != "gateway"}
        before = self._environment.get(SECRET_IF_GIVEN)
        return {**others, "MAIL_FOLDER": str(self._mail_folder), **({SECRET_IF_GIVEN: before} if before else {})}

    def _kafka(self) -> dict[str, str]:
        if self._broker is None:
            return {"KAFKA_BOOTSTRAP_SERVERS": self._environment["KAFKA_BOOTSTRAP_SERVERS"]}
        # Brokers started here let a consumer be given up sooner, so that a killed replica is replaced sooner.
        told = {
            "KAFKA_BOOTSTRAP_SERVERS": self._broker.bootstrap_servers,
            "KAFKA_SESSION_TIMEOUT_MS": "3000",
            "KAFKA_HEARTBEAT_INTERVAL_MS": "800",
        }
        # The embedded broker knows no idempotent producers.
        return {**told, "KAFKA_IDEMPOTENCE": "false"} if isinstance(self._broker, Tansu) else told

    def _inherited(self) -> dict[str, str]:
        """Our own environment, without what is meant for one service only."""
        private = {SECRET_IF_GIVEN, *(key for keys in SECRETS.values() for key in keys)}
        return {
            key: value
            for key, value in self._environment.items()
            if key not in private and not key.startswith(("DATABASE_", "PORT_"))
        }

    def _database(self, service: str) -> dict[str, str]:
        if named := self._environment.get(f"DATABASE_URL_{service.upper()}"):
            owner = self._environment.get(f"DATABASE_OWNER_URL_{service.upper()}")
            return {"DATABASE_URL": named, **({"DATABASE_OWNER_URL": owner} if owner else {})}
        if service not in self._databases and self._postgres:
            self._databases[service] = self._postgres.create_database(service)
        made = self._databases[service]
        return {"DATABASE_URL": made.service, "DATABASE_OWNER_URL": made.owner}

    def _every_database_is_named(self) -> bool:
        return all(self._environment.get(f"DATABASE_URL_{service.upper()}") for service in SERVICES)

    def _make_postgres(self) -> Postgres:
        return Postgres(folder=self.folder / "postgres", port=self.port("postgres"))

    def _make_broker(self, kind: BrokerKind) -> Tansu | Kafka:
        if kind == "tansu":
            return Tansu(port=self.port("broker"))
        controller = self.port("broker-controller")
        return Kafka(folder=self.folder / "kafka", port=self.port("broker"), controller_port=controller)

    def _infrastructure(self) -> Iterator[Placed]:
        if self._postgres:
            address = f"postgresql://{LOOPBACK}:{self._postgres.port}"
            yield Placed(part=self._postgres, order=ORDER_POSTGRES, url=address)
        if self._broker:
            yield Placed(part=self._broker, order=ORDER_BROKER, url=self._broker.bootstrap_servers)
        if not self._environment.get("SMTP_URL"):
            yield Placed(part=self._mail_catcher(), order=ORDER_BROKER, url=f"smtp://{LOOPBACK}:{self.port('mail')}")

    def _services(self) -> Iterator[Placed]:
        for service in SERVICES:
            for name, address in zip(self._replica_names(service), self.addresses(service), strict=True):
                yield Placed(part=self._process(service, name), order=ORDER_SERVICES, url=address)

    def _process(self, service: str, name: str) -> Process:
        return Process(
            name=name,
            argv=[sys.executable, "-m", f"services.{service}"],
            port=self.port(name),
            env=partial(self.environment_of, service, name),
            ready_path="/health/ready",
            folder=self._code,
        )

    def _mail_catcher(self) -> Process:
        port = self.port("mail")
        arguments = ["--host", LOOPBACK, "--port", str(port), "--folder", str(self._mail_folder)]
        argv = [sys.executable, "-m", "deploy.local.mailcatcher", *arguments]
        return Process(name="mail", argv=argv, port=port, env=self._inherited, folder=ROOT)

    @property
    def _mail_folder(self) -> Path:
        return self.folder / "mail"

    def _replica_names(self, service: str) -> list[str]:
        """`profiles`, `profiles-2`, …"""
        return [service, *(f"{service}-{number}" for number in range(2, self._replicas[service] + 1))]


def up(
    folder: Path = ROOT / "var",
    replicas: Mapping[str, int] | None = None,
    ports: Mapping[str, int] | None = None,
    broker: BrokerKind = "tansu",
    when_ready: WhenReady | None = None,
) -> None:
    """Run the system until Ctrl-C or SIGTERM; `when_ready` is called once, when every part answers.

    Raises AlreadyRunning, PortInUse, PartFailed; each says what to do.
    """
    world = World(folder=folder, replicas=replicas, ports=ports, broker=broker)
    Supervisor(world.parts(), folder=world.folder).run(when_ready)


@contextmanager
def running(
    folder: Path,
    *,
    replicas: Mapping[str, int] | None = None,
    ports: Mapping[str, int] | None = None,
    broker: BrokerKind = "tansu",
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
) -> Iterator[RunState]:
    """The system under this process (tests, benchmarks): ready on entering, stopped on leaving; logs only in files.

    `environment` is told to every service besides our own.
    """
    told = {**os.environ, **(environment or {})}
    world = World(folder=folder, replicas=replicas, ports=ports, broker=broker, environment=told)
    logs = Logs(world.folder / "logs", quiet=True)
    with Supervisor(world.parts(), folder=world.folder, logs=logs) as supervisor:
        yield supervisor.wait_until_ready(timeout)


def free_ports(replicas: Mapping[str, int] | None = None) -> dict[str, int]:
    """A free port for every part, so that several systems can run side by side."""
    parts = [*PORTS, *(f"{name}-{n}" for name, count in (replicas or {}).items() for n in range(2, count + 1))]
    return {part: free_port() for part in parts}


def _usual_port(part: str) -> int:
    if part in PORTS:
        return PORTS[part]
    service, _, number = part.rpartition("-")
    return PORTS[service] + NEXT_REPLICA * (int(number) - 1)
