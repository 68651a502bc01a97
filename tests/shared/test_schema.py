"""The schema: made once by its owner, looked at by the service; and what production does not start with."""

import tempfile
from pathlib import Path

import psycopg
import pytest

from deploy.local.postgres import Postgres
from shared import schema
from shared.schema import NotForProduction, SchemaNotReady
from shared.views import View
from shared.wall import Roles
from tests.parts import owner_of
from tests.shared.shop import Notebook, Plates

VIEWS: list[View] = [Plates(), Notebook()]


def look(dsn: str, views: list[View]) -> None:
    with psycopg.connect(dsn) as connection:
        schema.look(connection, Roles.of(dsn), views)


def test_what_was_never_made_is_named_with_what_to_do_about_it(database: str) -> None:
    with pytest.raises(SchemaNotReady, match=r"has no events, relay, .*plates.* run `selfservice migrate`"):
        look(database, VIEWS)


def test_a_table_that_an_older_version_did_not_have_is_named(database: str) -> None:
    schema.migrate(owner_of(database), Roles.of(database), [Plates()])
    with pytest.raises(SchemaNotReady, match="has no notebook: run"):
        look(database, VIEWS)
    schema.migrate(owner_of(database), Roles.of(database), VIEWS)
    look(database, VIEWS)


def test_a_schema_of_another_version_is_said_and_does_no_harm(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    schema.migrate(owner_of(database), Roles.of(database), VIEWS)
    look(database, VIEWS)
    assert "another version" not in "".join(capsys.readouterr())
    look(database, [Plates()])
    assert "another version" in "".join(capsys.readouterr())


def test_what_was_made_already_is_not_made_again(database: str) -> None:
    schema.migrate(owner_of(database), Roles.of(database), VIEWS)
    with psycopg.connect(database) as reader:
        reader.execute("SELECT FROM events, plates").fetchall()  # would hold up whoever alters these tables
        schema.migrate(owner_of(database), Roles.of(database), VIEWS)


def test_the_owner_s_password_is_nothing_that_the_service_knows(database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(database.replace("//test:", "//test_owner:"))


def test_m11_production_does_not_start_on_a_server_that_may_forget(database: str) -> None:
    with psycopg.connect(database) as connection, pytest.raises(NotForProduction, match="fsync, full_page_writes"):
        schema.refuse_what_is_for_development(connection)


def test_m11_t10_production_starts_on_a_durable_server_with_a_role_that_owns_nothing() -> None:
    with tempfile.TemporaryDirectory(prefix="selfservice-tests-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's own user has to pass when this is root
        with Postgres(folder=Path(folder) / "postgres") as durable:
            service, owner = durable.create_database("shop")
            schema.migrate(owner, Roles.of(service), VIEWS)
            with psycopg.connect(service) as connection:
                schema.refuse_what_is_for_development(connection)
            for mighty in (owner, durable.admin_dsn):
                with psycopg.connect(mighty) as connection, pytest.raises(NotForProduction, match="owns nothing"):
                    schema.refuse_what_is_for_development(connection)
