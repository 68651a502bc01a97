"""The fixtures every other test stands on."""

from collections.abc import Callable

import psycopg
import pytest

from tests.parts import owner_of


def test_a_database_is_fresh_and_belongs_to_its_owner(database: str) -> None:
    with psycopg.connect(owner_of(database)) as connection:
        connection.execute("CREATE TABLE cards (id text PRIMARY KEY)")
        owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'cards'").fetchone()
    assert owner == ("test_owner",)


def test_a_test_may_have_several_databases(new_database: Callable[[], str]) -> None:
    auth, products = new_database(), new_database()
    with psycopg.connect(owner_of(auth)) as connection:
        connection.execute("CREATE TABLE logins (id text PRIMARY KEY)")
    with psycopg.connect(products) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM logins")
