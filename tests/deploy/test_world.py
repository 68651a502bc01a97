"""How the system is put together: who is told what, and that it starts and stops as a whole."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from deploy.local.kafka import Kafka
from deploy.local.part import wait_until
from deploy.local.postgres import Postgres
from deploy.local.runfile import RunState, read
from deploy.local.supervisor import Supervisor
from deploy.local.tansu import Tansu
from deploy.local.world import SERVICES, World, free_ports
from tests.deploy.scripts import ROOT, exists

NAMED = {f"DATABASE_URL_{service.upper()}": f"postgresql://db.example.com/{service}" for service in SERVICES}

A_SERVICE = """
import json, os, psycopg
from http.server import BaseHTTPRequestHandler, HTTPServer

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    who = connection.execute("SELECT current_user").fetchone()[0]

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"who": who, "told": dict(os.environ)}).encode())

HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Answers).serve_forever()
"""

RUNS_THE_SYSTEM = """
import sys
from pathlib import Path
from deploy.local.supervisor import Supervisor
from deploy.local.world import World
world = World(folder=Path(sys.argv[1]), code=Path(sys.argv[2]))
Supervisor(world.parts(), folder=world.folder).run()
"""


@pytest.fixture(scope="module")
def code() -> Iterator[Path]:
    """A folder with the six services, each so small that it only proves what it was told."""
    made = Path(tempfile.mkdtemp(prefix="selfservice-world-"))
    made.chmod(0o711)
    (made / "services").mkdir()
    (made / "services" / "__init__.py").touch()
    for service in SERVICES:
        (made / "services" / service).mkdir()
        (made / "services" / service / "__main__.py").write_text(A_SERVICE)
    yield made
    shutil.rmtree(made)


def names(world: World) -> list[str]:
    return [placed.part.name for placed in sorted(world.parts(), key=lambda each: each.order)]


def test_the_parts_come_in_order(tmp_path: Path) -> None:
    world = World(folder=tmp_path, replicas={"profiles": 2}, environment={})
    assert names(world) == [
        *("postgres", "broker", "mail"),
        *("auth", "company", "products", "profiles", "profiles-2", "audit", "gateway"),
    ]


def test_the_ports_are_the_usual_ones_unless_named(tmp_path: Path) -> None:
    environment = {"PORT_GATEWAY": "9080", "PORT_PROFILES_3": "9999"}
    world = World(folder=tmp_path, replicas={"profiles": 3}, ports={"audit": 7105}, environment=environment)
    ports = {placed.part.name: placed.part.port for placed in world.parts()}
    assert ports == {
        "postgres": 8132,
        "broker": 8192,
        "mail": 8125,
        "gateway": 9080,
        "auth": 8101,
        "company": 8102,
        "products": 8103,
        "profiles": 8104,
        "profiles-2": 8114,
        "profiles-3": 9999,
        "audit": 7105,
    }


def test_what_the_environment_names_is_used_and_not_started(tmp_path: Path) -> None:
    environment = {**NAMED, "KAFKA_BOOTSTRAP_SERVERS": "kafka.example.com:9092", "SMTP_URL": "smtp://mail.example.com"}
    world = World(folder=tmp_path, environment=environment)
    assert names(world) == list(SERVICES)
    told = world.environment_of("products")
    assert told["DATABASE_URL"] == "postgresql://db.example.com/products"
    assert told["KAFKA_BOOTSTRAP_SERVERS"] == "kafka.example.com:9092"
    assert told["SMTP_URL"] == "smtp://mail.example.com"
    assert "KAFKA_IDEMPOTENCE" not in told


def test_one_database_named_does_not_keep_the_others_from_being_started(tmp_path: Path) -> None:
    named = "postgresql://db.example.com/audit"
    world = World(folder=tmp_path, environment={"DATABASE_URL_AUDIT": named})
    assert "postgres" in names(world)
    told = world.environment_of("audit")
    assert told["DATABASE_URL"] == named
    assert "DATABASE_OWNER_URL" not in told  # what nobody named is not guessed
    owned = World(folder=tmp_path, environment={"DATABASE_URL_AUDIT": named, "DATABASE_OWNER_URL_AUDIT": "owner"})
    assert owned.environment_of("audit")["DATABASE_OWNER_URL"] == "owner"


def test_a_service_is_told_what_is_its_own_and_nothing_of_the_others(tmp_path: Path) -> None:
    world = World(folder=tmp_path, replicas={"profiles": 2}, environment={**NAMED, "CODE_PEPPER": "", "LANG": "da_DK"})
    auth, products, gateway = (world.environment_of(service) for service in ("auth", "products", "gateway"))
    assert auth["SERVICE_NAME"] == "auth"
    assert (auth["HOST"], auth["PORT"], auth["ENVIRONMENT"]) == ("127.0.0.1", "8101", "development")
    assert (auth["SMTP_URL"], auth["KAFKA_IDEMPOTENCE"]) == ("smtp://127.0.0.1:8125", "false")
    assert gateway["PROFILES_URL"] == "http://127.0.0.1:8104,http://127.0.0.1:8114"
    assert gateway["AUDIT_URL"] == "http://127.0.0.1:8105"
    assert gateway["MAIL_FOLDER"] == str(tmp_path / "mail")
    assert len(gateway["SEEN_KEY"]) == 43
    for told in (products, gateway):
        assert not {"CODE_PEPPER", "SECRETS_KEY"} & told.keys()
    for told in (products, auth):
        assert not {"SEEN_KEY", "SEEN_KEY_BEFORE"} & told.keys()
    assert not {"MAIL_FOLDER", "PROFILES_URL", "DATABASE_URL_AUTH", "DATABASE_OWNER_URL_AUTH"} & products.keys()
    assert products["LANG"] == "da_DK"
    assert world.environment_of("profiles", "profiles-2")["PORT"] == "8114"


def test_development_secrets_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    first = World(folder=tmp_path, environment=NAMED).environment_of("auth")
    second = World(folder=tmp_path, environment=NAMED).environment_of("auth")
    assert first["CODE_PEPPER"] == second["CODE_PEPPER"] != first["SECRETS_KEY"] == second["SECRETS_KEY"]
    assert len(first["CODE_PEPPER"]) == 43
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert json.loads((tmp_path / "secrets.json").read_text()).keys() == {"CODE_PEPPER", "SECRETS_KEY"}


def test_a_secret_of_the_environment_goes_before_a_made_one(tmp_path: Path) -> None:
    told = World(folder=tmp_path, environment={**NAMED, "CODE_PEPPER": "given"}).environment_of("auth")
    assert told["CODE_PEPPER"] == "given"


def test_the_key_that_was_replaced_is_told_to_the_gateway_alone_and_never_made(tmp_path: Path) -> None:
    world = World(folder=tmp_path, environment={**NAMED, "SEEN_KEY_BEFORE": "given"})
    assert world.environment_of("gateway")["SEEN_KEY_BEFORE"] == "given"
    assert "SEEN_KEY_BEFORE" not in world.environment_of("auth")
    assert "SEEN_KEY_BEFORE" not in World(folder=tmp_path, environment=NAMED).environment_of("gateway")


def test_the_broker_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    brokers = {
        kind: next(placed.part for placed in world.parts() if placed.part.name == "broker")
        for kind, world in {
            "tansu": World(folder=tmp_path, environment={}),
            "kafka": World(folder=tmp_path, environment={}, broker="kafka"),
        }.items()
    }
    assert isinstance(brokers["tansu"], Tansu)
    assert isinstance(brokers["kafka"], Kafka)


def test_the_whole_system_starts_twice_and_the_second_time_fast(code: Path) -> None:
    replicas, ports = {"profiles": 2}, free_ports({"profiles": 2})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for start in ("first", "second"):
        world = World(folder=code / "var", replicas=replicas, ports=ports, environment=environment, code=code)
        began = time.monotonic()
        with Supervisor(world.parts(), folder=world.folder) as system:
            state = system.wait_until_ready(60)
            took = time.monotonic() - began
            answers = {
                part: httpx.get(f"{state.parts[part].url}/").json() for part in ("auth", "profiles-2", "gateway")
            }
            if start == "second":
                owner = world.environment_of("audit")["DATABASE_OWNER_URL"]
                assert_postgres_comes_back(system, state, told_database=owner)
            found, told = World.found_in(world.folder).environment_of("gateway"), world.environment_of("gateway")
            assert found.items() <= told.items()
            assert told.keys() - found.keys() <= {"PYTHONPATH"}
        assert [answers[part]["who"] for part in answers] == ["auth", "profiles", "gateway"]
        if start == "second":
            assert took < 10
    assert not any(part.pid and exists(part.pid) for part in state.parts.values())


def assert_postgres_comes_back(system: Supervisor, state: RunState, told_database: str) -> None:
    """Kill the server alone, with a client connected; what was committed must be there when it is back."""
    killed = state.parts["postgres"].pid
    assert killed is not None
    with psycopg.connect(told_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE entries AS SELECT 'driver created' AS what")
        os.kill(killed, signal.SIGKILL)
        assert wait_until(lambda: system.state.parts["postgres"].restarts > 0, 5)
    assert wait_until(lambda: system.state.parts["postgres"].ready, 10)
    with psycopg.connect(told_database) as connection:
        assert connection.execute("SELECT what FROM entries").fetchall() == [("driver created",)]


def test_killed_as_a_whole_it_leaves_nothing_and_starts_again(code: Path) -> None:
    ports = free_ports()
    named = {f"PORT_{part.upper().replace('-', '_')}": str(port) for part, port in ports.items()}
    environment = {**os.environ, **named, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", RUNS_THE_SYSTEM, str(code / "var"), str(code)]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL) as supervisor:
        assert wait_until(lambda: supervisor.poll() is not None or all_ready(code / "var"), 30, every=0.1)
        parts = read(code / "var").parts.values()
        supervisor.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not any(part.pid and exists(part.pid) for part in parts), 5)
    with Postgres(folder=code / "var" / "postgres") as postgres, psycopg.connect(postgres.admin_dsn) as connection:
        made = connection.execute("SELECT datname FROM pg_database WHERE datname = 'products'").fetchall()
    assert made == [("products",)]


def all_ready(folder: Path) -> bool:
    try:
        parts = read(folder).parts
    except Exception:  # noqa: BLE001 - not there yet
        return False
    return "gateway" in parts and all(part.ready for part in parts.values())
