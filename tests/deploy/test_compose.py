"""docker-compose.yml says what the services understand, confines every container, and its commands run."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import psycopg
import pytest
import yaml
from jsonschema import Draft201909Validator

from deploy.local.part import wait_until
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import NOT_DURABLE, Postgres
from deploy.local.postgres_home import find_binaries
from deploy.local.world import PORTS, SERVICES
from shared.settings import KafkaSettings
from tests.deploy.scripts import ROOT
from tests.parts import Brokers, wanted_kinds

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SCHEMA = Path(__file__).with_name("compose-spec.schema.json")
OURS = {name: part for name, part in COMPOSE["services"].items() if name in SERVICES}
SCHEMA_MAKER: dict[str, Any] = COMPOSE["services"]["schema"]
THEIRS = {name: part for name, part in COMPOSE["services"].items() if name not in {*SERVICES, "schema"}}
KEEPING = [service for service in SERVICES if service != "gateway"]
OF_THE_CONTAINER = {"SECRETS_DIR"}
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def settings_of(service: str) -> Any:
    return get_type_hints(import_module(f"services.{service}.service").build)["settings"]


def known_to(service: str) -> set[str]:
    """The names of the settings of a service, as the environment has them."""
    own = {name.upper() for name in settings_of(service).model_fields if name != "kafka"}
    kafka = {f"KAFKA_{name.upper()}" for name in KafkaSettings.model_fields}
    return own | (kafka if "kafka" in settings_of(service).model_fields else set())


def secrets_of(part: Mapping[str, Any]) -> dict[str, str]:
    """The names that a container's secrets have in it, with the names of the whole."""
    named = [{"source": each, "target": each} if isinstance(each, str) else each for each in part.get("secrets", ())]
    return {each["target"]: each["source"] for each in named}


def test_the_file_is_what_the_compose_specification_allows() -> None:
    specification = Draft201909Validator(json.loads(SCHEMA.read_text()))
    assert [f"{wrong.json_path}: {wrong.message}" for wrong in specification.iter_errors(COMPOSE)] == []


def test_every_service_is_a_container_of_the_one_image_and_is_looked_after() -> None:
    assert set(OURS) == set(SERVICES)
    for name, part in OURS.items():
        assert part["image"] == "selfservice"
        assert part["command"] == [f"services.{name}"]
        assert part["healthcheck"]["test"] == ["CMD", "python", "-m", "deploy.healthy"]
    assert all(part["healthcheck"]["test"] for part in THEIRS.values())


def test_the_owners_of_the_databases_are_told_to_the_one_container_that_makes_the_tables_and_ends() -> None:
    assert SCHEMA_MAKER["command"] == ["deploy.cli", "migrate"]
    assert (SCHEMA_MAKER["image"], SCHEMA_MAKER["restart"]) == ("selfservice", "no")
    addresses = {f"database_{whose}url_{service}" for whose in ("", "owner_") for service in KEEPING}
    assert secrets_of(SCHEMA_MAKER).keys() == addresses
    assert {
        name for name, part in OURS.items() if any("owner" in secret for secret in secrets_of(part).values())
    } == set()
    for name in KEEPING:
        assert OURS[name]["depends_on"]["schema"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_confined(name: str) -> None:
    part = COMPOSE["services"][name]
    assert part["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in part["security_opt"]
    assert part["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert part.get("privileged", False) is False
    assert part.get("read_only") or name == "kafka", "Kafka's image writes its settings into itself at start"
    if name in SERVICES:
        assert int(part["user"].split(":")[0]) >= 10_000
        assert any(mount.startswith("/tmp:") for mount in part["tmpfs"])  # noqa: S108 (in the container)


def test_only_the_gateway_can_be_reached_and_only_from_this_machine() -> None:
    published = {name: part["ports"] for name, part in COMPOSE["services"].items() if "ports" in part}
    assert published.keys() == {"gateway"}
    assert all(port.startswith("127.0.0.1:") for port in published["gateway"])
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert [name for name, part in COMPOSE["services"].items() if part["networks"] != ["inside"]] == ["gateway"]


def test_every_image_is_of_a_named_version() -> None:
    assert all(re.search(r":v?\d", part["image"]) for part in THEIRS.values())


@pytest.mark.parametrize("name", OURS)
def test_a_container_is_told_what_its_service_understands_and_all_that_it_needs(name: str) -> None:
    told = set(OURS[name]["environment"]) | {secret.upper() for secret in secrets_of(OURS[name])}
    assert told <= known_to(name) | OF_THE_CONTAINER
    needed = {field.upper() for field, info in settings_of(name).model_fields.items() if info.is_required()}
    assert needed <= told


def test_no_secret_stands_in_the_file() -> None:
    for part in COMPOSE["services"].values():
        secret = {
            name for name in part.get("environment", {}) if re.search("PASSWORD|SECRET|KEY|PEPPER|DATABASE", name)
        }
        assert secret <= {"POSTGRES_PASSWORD_FILE", "SECRETS_DIR"}


def test_env_example_lists_every_setting() -> None:
    listed = set(re.findall(r"^#(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    settings = {name for service in SERVICES for name in known_to(service)}
    ports = {f"PORT_{part.upper().replace('-', '_')}" for part in PORTS}
    databases = {f"DATABASE_URL_{service.upper()}" for service in SERVICES}
    databases |= {f"DATABASE_OWNER_URL_{service.upper()}" for service in KEEPING}
    interpolated = {name for name, _ in VARIABLE.findall((ROOT / "docker-compose.yml").read_text())}
    assert settings | ports | databases | interpolated | OF_THE_CONTAINER <= listed
    other = {"PG_BIN", "JAVA_HOME", "TEST_BROKER", "KAFKA_JARS"}
    assert listed <= settings | ports | databases | interpolated | OF_THE_CONTAINER | other


@pytest.fixture(scope="module")
def secrets() -> Iterator[Path]:
    """The secrets as `make secrets` makes them."""
    with tempfile.TemporaryDirectory(prefix="selfservice-compose-") as folder:
        made = Path(folder) / "secrets"
        subprocess.run([ROOT / "deploy" / "secrets.sh", made], check=True, stdout=subprocess.DEVNULL)
        yield made


@pytest.fixture(scope="module")
def cluster(secrets: Path) -> Iterator[Postgres]:
    """A PostgreSQL with the databases that the image's init script makes."""
    with tempfile.TemporaryDirectory(prefix="selfservice-compose-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's own user has to pass when this is root
        with Postgres(folder=Path(folder) / "postgres", settings=NOT_DURABLE) as postgres:
            admin = psycopg.conninfo.conninfo_to_dict(postgres.admin_dsn)
            told = {
                "PATH": f"{find_binaries()}{os.pathsep}{os.environ['PATH']}",
                "POSTGRES_USER": str(admin["user"]),
                "PGPASSWORD": str(admin["password"]),
                "PGHOST": LOOPBACK,
                "PGPORT": str(postgres.port),
                "SECRETS_DIR": str(secrets),
            }
            subprocess.run([ROOT / "deploy" / "postgres" / "databases.sh"], check=True, env=told)
            yield postgres


def test_secrets_are_made_once_each_and_nobody_else_can_enter(secrets: Path) -> None:
    before = {file.name: file.read_text() for file in secrets.iterdir()}
    wanted = {file.name for secret in COMPOSE["secrets"].values() if (file := Path(secret["file"]))}
    assert before.keys() == wanted
    assert len(set(before.values())) == len(before)
    assert secrets.stat().st_mode & 0o777 == 0o700
    subprocess.run([ROOT / "deploy" / "secrets.sh", secrets], check=True, stdout=subprocess.DEVNULL)
    assert {file.name: file.read_text() for file in secrets.iterdir()} == before


def test_a_service_enters_its_own_database_and_no_other(cluster: Postgres, secrets: Path) -> None:
    password = (secrets / "audit_password").read_text()

    def enter(database: str) -> str:
        where = f"host={LOOPBACK} port={cluster.port} user=audit password={password} dbname={database}"
        with psycopg.connect(where) as connection:
            row = connection.execute("SELECT current_user").fetchone()
        assert row is not None
        return str(row[0])

    assert enter("audit") == "audit"
    for other in set(KEEPING) - {"audit"}:
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            enter(other)


def test_the_roles_are_those_that_make_run_has(cluster: Postgres, tmp_path: Path) -> None:
    roles = (
        "SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles "
        "WHERE rolname ~ '^audit' ORDER BY 1"
    )
    members = (
        "SELECT roleid::regrole::text, member::regrole::text, inherit_option, set_option FROM pg_auth_members "
        "WHERE member::regrole::text ~ '^audit'"
    )
    database = "SELECT datdba::regrole::text, datacl::text FROM pg_database WHERE datname = 'audit'"

    def found(postgres: Postgres) -> list[Any]:
        with psycopg.connect(postgres.admin_dsn) as admin:
            return [admin.execute(query).fetchall() for query in (roles, members, database)]

    with tempfile.TemporaryDirectory(prefix="selfservice-compose-") as folder:
        Path(folder).chmod(0o711)
        with Postgres(folder=Path(folder) / "postgres", settings=NOT_DURABLE) as made_here:
            made_here.create_database("audit")
            assert found(cluster) == found(made_here)


def test_every_container_s_command_runs_and_becomes_healthy(
    cluster: Postgres, secrets: Path, brokers: Brokers, tmp_path: Path, topic_prefix: str
) -> None:
    ports = {name: free_port() for name in OURS}
    more = {
        "KAFKA_BOOTSTRAP_SERVERS": brokers.get(wanted_kinds()[0]).bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": topic_prefix,
    }
    more["KAFKA_IDEMPOTENCE"] = "false"  # the embedded broker, where it is the one, does not know it
    told = {name: {**environment_of(name, ports), **more} for name in (*OURS, "schema")}
    for name, environment in told.items():
        folder = tmp_path / name
        folder.mkdir()
        for target, source in secrets_of(COMPOSE["services"][name]).items():
            text = (secrets / source).read_text().replace("@postgres:5432", f"@{LOOPBACK}:{cluster.port}")
            (folder / target).write_text(text)
        environment["SECRETS_DIR"] = str(folder)
    before = subprocess.run(argv_of(OURS["audit"]), env=told["audit"], cwd=ROOT, check=False, capture_output=True)
    assert b"run `selfservice migrate`" in before.stderr
    subprocess.run(argv_of(SCHEMA_MAKER), env=told["schema"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with ExitStack() as running:
        for name, part in OURS.items():
            running.enter_context(container(argv_of(part), told[name]))
        for name, part in OURS.items():
            check = [sys.executable, *part["healthcheck"]["test"][2:]]
            assert wait_until(lambda c=check, n=name: _succeeds(c, told[n]), 60, every=0.5), name  # type: ignore[misc]
    assert not _succeeds([sys.executable, "-m", "deploy.healthy"], told["gateway"])


def environment_of(name: str, ports: Mapping[str, int]) -> dict[str, str]:
    """What compose tells a container, with this machine's addresses in the place of the containers' names."""
    told = {key: VARIABLE.sub(r"\2", value) for key, value in COMPOSE["services"][name]["environment"].items()}
    for other, port in ports.items():
        told = {key: value.replace(f"//{other}:8080", f"//{LOOPBACK}:{port}") for key, value in told.items()}
    return {**told, "HOST": LOOPBACK, "PORT": str(ports.get(name, 0)), "PATH": os.environ["PATH"]}


def argv_of(part: Mapping[str, Any]) -> list[str]:
    """What the image runs for a container."""
    return [sys.executable, "-m", "deploy.container", *part["command"]]


@contextmanager
def container(argv: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    """One process as a container runs it, ended at the end."""
    with subprocess.Popen(argv, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def _succeeds(argv: list[str], environment: Mapping[str, str]) -> bool:
    return subprocess.run(argv, env=environment, cwd=ROOT, check=False).returncode == 0
