"""Fixtures every test may ask for: a fresh database, a broker (embedded and real), a topic prefix of its own."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deploy.local.postgres import Postgres
from tests.parts import KINDS, Broker, Brokers, CannotBeHad, Databases, wanted_kinds

BROKERS = pytest.StashKey[Brokers]()
TOLD = pytest.StashKey[list[str]]()
SHARING_A_SYSTEM = {"access", "system"}


def pytest_configure(config: pytest.Config) -> None:
    """The brokers belong to the session, so that its summary can tell which were used, and what tests have to tell."""
    config.stash[BROKERS] = Brokers()
    config.stash[TOLD] = []


def pytest_report_header() -> str:
    """Say at the top which brokers are asked for."""
    return f"brokers asked for: {', '.join(wanted_kinds())} (TEST_BROKER=embedded|kafka|both)"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the end which were used, and why one was not."""
    for line in dict.fromkeys([*config.stash[TOLD], *config.stash[BROKERS].report()]):
        terminalreporter.write_line(line)


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run on two processes, those that share a running system run on one, as do those of one file."""
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(folder if folder in SHARING_A_SYSTEM else str(item.path)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes hands over what its tests had to tell."""
    if hasattr(session.config, "workeroutput"):
        told = [*session.config.stash[TOLD], *session.config.stash[BROKERS].report()]
        session.config.workeroutput["told"] = told


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The process that shows the summary takes it."""
    node.config.stash[TOLD].extend(getattr(node, "workeroutput", {}).get("told", ()))


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Says a line in the summary at the end, whether tests pass or fail: a seed, a count, a measured time."""
    return pytestconfig.stash[TOLD].append


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The session's PostgreSQL cluster and its fresh databases."""
    made = Databases()
    yield made
    made.end()


@pytest.fixture(scope="session")
def postgres(databases: Databases) -> Postgres:
    """The session's PostgreSQL cluster (not durable)."""
    return databases.postgres


@pytest.fixture
def new_database(databases: Databases) -> Iterator[Callable[[], str]]:
    """Makes fresh, empty databases for one test; each call answers the address of one more."""
    names: list[str] = []

    def make() -> str:
        name, dsn = databases.new()
        names.append(name)
        return dsn

    yield make
    for name in names:
        databases.drop(name)


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The address of one fresh, empty database."""
    return new_database()


@pytest.fixture(scope="session")
def brokers(pytestconfig: pytest.Config) -> Iterator[Brokers]:
    """The session's brokers, each started at first need."""
    yield pytestconfig.stash[BROKERS]
    pytestconfig.stash[BROKERS].end()


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, brokers: Brokers) -> Broker:
    """A running broker; the test runs once on the embedded one and once on Apache Kafka."""
    if request.param not in wanted_kinds():
        pytest.skip(f"TEST_BROKER leaves out the {request.param} broker")
    try:
        return brokers.get(request.param)
    except CannotBeHad as reason:
        pytest.skip(f"{request.param} broker: {reason}")


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for the topics and consumer groups of one test: brokers are shared by the session."""
    return f"t{secrets.token_hex(4)}-"
