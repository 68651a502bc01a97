"""A sample history that is sealed, and exports of it; nobody changes them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import psycopg
import pytest

from deploy.sample_history import SampleHistory
from deploy.sample_history_load import load
from services.audit.adapters.checkpoints import Checkpoints
from services.audit.adapters.leaves import Leaves, seal
from services.audit.adapters.tree_nodes import TreeNodes
from services.audit.analysis.export import export
from services.audit.analysis.layout import Layout
from services.audit.analysis.sources import FromDatabase
from services.audit.views.history import History
from services.profiles.reach import Reach
from shared import schema
from shared.envelope import Recorded
from shared.wall import Roles
from tests.audit.analysis.exporting import every_leaf
from tests.parts import Databases, owner_of

EVENTS: Final = 2500
AT_ONCE: Final = 1000


def sample_events(count: int = EVENTS) -> list[Recorded]:
    """The first two days of a history of a million events."""
    return list(islice(SampleHistory(7, 1_000_000).events(), count))


@pytest.fixture(scope="session")
def history_dsn(databases: Databases) -> Iterator[str]:
    """A database of audit with the sample history, every event of it a leaf."""
    name, dsn = databases.new()
    schema.migrate(owner_of(dsn), Roles.of(dsn), (Reach(), History("audit"), Leaves(), TreeNodes(), Checkpoints()))
    for _ in load(owner_of(dsn), sample_events()):
        pass
    seal_all(dsn)
    yield dsn
    databases.drop(name)


@pytest.fixture(scope="session")
def exports(history_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Layout, Path]:
    """The history as Parquet and as CSV."""
    return {layout: exported(history_dsn, tmp_path_factory.mktemp(layout), layout) for layout in ("parquet", "csv")}


def exported(dsn: str, folder: Path, layout: Layout, *, at_once: int = AT_ONCE) -> Path:
    """The folder, brought up to date."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in export(folder, layout, FromDatabase(connection, every_leaf), at_once=at_once):
            pass
    return folder


def seal_all(dsn: str, most: int | None = None) -> None:
    """Every event, or so many more, become leaves."""
    with psycopg.connect(dsn) as connection:
        if most is not None:
            seal(connection, most)
        while most is None and seal(connection, 5000):
            pass
