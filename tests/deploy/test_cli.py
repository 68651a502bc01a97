"""The command line, on real databases and topics: what it says, and with which exit code."""

import asyncio
import json
import time
from collections.abc import Sequence

import psycopg
import pytest
from eventsourcing.persistence import Notification
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.cli.where import KEEPING
from deploy.contracts import FOLDER
from services.audit.service import Settings as AuditSettings
from services.audit.service import build as build_audit
from shared.broker import ensure_topics, producer, topic_of
from shared.dead_letters import Letter, park
from shared.envelope import attributes, to_state, wire
from shared.settings import KafkaSettings
from tests.parts import Broker, owner_of


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever this machine's environment names, and whatever runs here, is not meant."""
    for name in (
        "DATABASE_URL",
        "DATABASE_OWNER_URL",
        "DATABASE_URL_AUTH",
        "DATABASE_OWNER_URL_AUTH",
        "KAFKA_BOOTSTRAP_SERVERS",
        *(f"{service.upper()}_URL" for service in KEEPING),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def kafka(broker: Broker, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """The topics of every service, empty, where the environment says."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    monkeypatch.setenv("KAFKA_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("KAFKA_IDEMPOTENCE", "false")
    settings = KafkaSettings()
    asyncio.run(ensure_topics([topic_of(service, settings.topic_prefix) for service in KEEPING], settings))
    return settings


def told(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a service's process is told by the supervisor."""
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("DATABASE_OWNER_URL", owner_of(database))
    monkeypatch.setenv("CODE_PEPPER", "p" * 43)
    monkeypatch.setenv("SECRETS_KEY", "s" * 43)
    monkeypatch.setenv("LOG_KEY", "l" * 43)


def selfservice(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def sample(name: str, version: int = 1) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers and value of an event's golden sample, as the first of its stream."""
    record = json.loads((FOLDER / "samples" / f"{name}.json").read_text())
    headers = [(key, value.encode()) for key, value in record["headers"].items()]
    recorded = attributes(headers).with_data(json.dumps(record["value"]).encode())
    stored = Notification(recorded.stream, version, recorded.type, to_state(recorded), id=version)
    return wire(recorded.source, stored)


async def publish(settings: KafkaSettings, *names: str) -> None:
    sender = producer(settings)
    await sender.start()
    try:
        for version, name in enumerate(names, start=1):
            headers, value = sample(name, version)
            topic = topic_of(name.split(".")[0], settings.topic_prefix).name
            await sender.send_and_wait(topic, value, key=dict(headers)["ce_stream"], headers=headers)
    finally:
        await sender.stop()


def staff_in(database: str) -> Sequence[tuple[str, str]]:
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT email, name FROM staff").fetchall()


def test_a_person_of_customer_service_is_added_once(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told(database, monkeypatch)
    first = selfservice("staff", "add", "susanne@example.com", "--name", "Susanne Skov")
    again = selfservice("staff", "add", "susanne@example.com", "--name", "Susanne Skov")
    assert (first.exit_code, again.exit_code) == (0, 0), first.output
    assert first.stdout == again.stdout
    assert first.stdout.startswith("staff-")
    assert staff_in(database) == [("susanne@example.com", "Susanne Skov")]


def test_what_a_rule_refuses_is_said_and_exits_with_1(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told(database, monkeypatch)
    refused = selfservice("staff", "add", "no address", "--name", "Susanne Skov")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "selfservice: An e-mail address has the form name@domain, without spaces.\n"


@pytest.mark.parametrize(
    "asked",
    [
        "status",
        "demo",
        "staff add a@example.com --name A",
        "events tail",
        "views check company",
        "deadletters list auth",
    ],
)
def test_where_nothing_runs_every_command_says_so(asked: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    answer = selfservice(*asked.split(), "--folder", str(tmp_path_factory.mktemp("empty")))
    assert answer.exit_code == 1
    assert "nothing runs in" in answer.stderr


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("up --replicas ferries=2", "say for example --replicas profiles=2"),
        ("up --replicas profiles=many", "say for example --replicas profiles=2"),
        ("up --broker rabbit", "rabbit"),
        ("views", "Usage"),
        ("staff add a@example.com", "--name"),
    ],
)
def test_a_wrong_way_of_asking_exits_with_2(asked: str, said: str) -> None:
    answer = selfservice(*asked.split())
    assert answer.exit_code == 2
    assert said in answer.output


def test_tables_are_made_by_their_owner_without_the_secrets_of_the_service(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL_AUTH", database)
    ownerless = selfservice("migrate", "auth")
    assert ownerless.exit_code == 1
    assert "only its owner makes the tables of auth: name DATABASE_OWNER_URL" in ownerless.stderr
    monkeypatch.setenv("DATABASE_OWNER_URL_AUTH", owner_of(database))
    made = selfservice("migrate", "auth")
    assert (made.exit_code, made.stdout) == (0, "auth: the tables are there.\n"), made.output
    assert staff_in(database) == []


def test_without_the_owner_everything_works_but_making_tables(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told(database, monkeypatch)
    monkeypatch.delenv("DATABASE_OWNER_URL")
    early = selfservice("staff", "add", "susanne@example.com", "--name", "Susanne Skov")
    assert early.exit_code == 1
    assert "run `selfservice migrate`, which needs DATABASE_OWNER_URL" in early.stderr
    monkeypatch.setenv("DATABASE_OWNER_URL", owner_of(database))
    assert selfservice("migrate", "auth").exit_code == 0
    monkeypatch.delenv("DATABASE_OWNER_URL")
    assert selfservice("staff", "add", "susanne@example.com", "--name", "Susanne Skov").exit_code == 0
    refused = selfservice("views", "rebuild", "auth")
    assert refused.exit_code == 1
    assert "only its owner may build the views of auth anew; name DATABASE_OWNER_URL" in refused.stderr


def test_a_service_that_is_none_is_named(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told(database, monkeypatch)
    answer = selfservice("deadletters", "list", "gateway")
    assert answer.exit_code == 1
    assert "there is no gateway that keeps events" in answer.stderr


def test_events_are_printed_from_the_start(kafka: KafkaSettings) -> None:
    asyncio.run(publish(kafka, "profiles.profile-created.v1", "profiles.account-administrator-granted.v1"))
    answer = selfservice("events", "tail", "profiles", "--from-start", "--count", "2")
    lines = answer.stdout.splitlines()
    assert len(lines) == 2, answer.output
    day, clock, stream, name, actor, data = lines[0].split(" ", 5)
    assert f"{day} {clock}" == "2026-03-02 12:00:00.000"
    assert stream.startswith("profile-")
    assert stream.endswith("@1")
    assert (name, actor.split(":")[0]) == ("profiles.profile-created.v1", "profile")
    assert json.loads(data)["name"] == "Anna Lund"


def test_events_are_told_to_programs_as_json(kafka: KafkaSettings) -> None:
    asyncio.run(publish(kafka, "profiles.profile-created.v1"))
    while (answer := selfservice("events", "tail", "--from-start", "--count", "1", "--json")).exit_code:
        assert "the broker has no" in answer.stderr
        time.sleep(0.1)  # Apache Kafka tells of a topic a moment after it has made it
    event = json.loads(answer.stdout)
    assert event["headers"]["ce_type"] == "profiles.profile-created.v1"
    assert event["value"]["address"] == "anna@nordlys.example.com"


def test_a_topic_that_is_not_there_is_named(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_TOPIC_PREFIX", f"{kafka.topic_prefix}elsewhere-")
    answer = selfservice("events", "tail", "products")
    assert answer.exit_code == 1
    assert f"the broker has no {kafka.topic_prefix}elsewhere-.products.events" in answer.stderr


def test_a_dead_letter_is_listed_and_redriven(
    kafka: KafkaSettings, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(database, monkeypatch)
    owner = SecretStr(owner_of(database))
    key = SecretStr("l" * 43)
    settings = AuditSettings(database_url=SecretStr(database), database_owner_url=owner, kafka=kafka, log_key=key)
    backbone, _ = build_audit(settings)
    backbone.migrate()
    headers, value = sample("products.product-closed.v1")
    stream = dict(headers)["ce_stream"].decode()
    with backbone.connect() as connection:
        letter = park(Letter("products", 3, 7, headers, value), stream, 1, "Error: it was too early")
        connection.execute(letter.sql, letter.params)
    asyncio.run(backbone.close_store())
    listed = selfservice("deadletters", "list", "audit")
    assert stream in listed.stdout
    assert "it was too early" in listed.stdout
    redriven = selfservice("deadletters", "redrive", "audit")
    assert (redriven.exit_code, redriven.stdout) == (0, "audit: 1 applied, 0 left.\n"), redriven.output
    assert selfservice("deadletters", "list", "audit").stdout == "audit has no dead letters.\n"


def test_views_are_checked_rebuilt_and_named(
    kafka: KafkaSettings, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(database, monkeypatch)
    selfservice("staff", "add", "susanne@example.com", "--name", "Susanne Skov")
    assert selfservice("views", "check", "auth").exit_code == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE staff SET name = 'Nobody'")
    wrong = selfservice("views", "check", "auth")
    assert wrong.exit_code == 1
    assert "staff: only live:" in wrong.stdout
    unknown = selfservice("views", "rebuild", "auth", "ferries")
    assert unknown.exit_code == 1
    assert "no view of auth has a table ferries" in unknown.stderr
    rebuilt = selfservice("views", "rebuild", "auth", "staff")
    assert (rebuilt.exit_code, rebuilt.stdout) == (0, "auth: staff was built anew.\n"), rebuilt.output
    assert staff_in(database) == [("susanne@example.com", "Susanne Skov")]
