"""`selfservice keys`: keys listed, rotated and revoked on a real database, with what it says and its exit codes."""

import psycopg
import pytest

from tests.deploy.test_cli import nothing_named, selfservice, told

__all__ = ["nothing_named"]


@pytest.fixture
def database(new_database: object, monkeypatch: pytest.MonkeyPatch) -> str:
    assert callable(new_database)
    dsn = str(new_database())
    told(dsn, monkeypatch)
    return dsn


def keys_in(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT key_id FROM signing_key_ring ORDER BY generation")]


def test_a_key_is_made_by_command_and_listed(database: str) -> None:
    made = selfservice("keys", "rotate")
    assert made.exit_code == 0, made.output
    [key] = keys_in(database)
    assert made.stdout == f"{key} is published, and signed with in 5 minutes.\n"
    selfservice("keys", "rotate")
    listed = selfservice("keys", "list")
    assert listed.exit_code == 0
    lines = [line for line in listed.stdout.splitlines() if "key-" in line]
    assert ["signed with" in line for line in lines] == [False, True]


def test_a_revoked_key_is_gone_at_once_and_the_next_one_is_there(database: str) -> None:
    selfservice("keys", "rotate")
    [key] = keys_in(database)
    revoked = selfservice("keys", "revoke", key)
    assert revoked.exit_code == 0, revoked.output
    [after] = keys_in(database)
    assert after != key
    assert revoked.stdout == (
        f"{key} is revoked: no service believes it 10 seconds after it heard of it; {after} is signed with.\n"
    )


def test_a_key_that_never_was_is_said_not_to_be(database: str) -> None:
    refused = selfservice("keys", "revoke", "key-" + "0" * 32)
    assert refused.exit_code == 1
    assert "no such signing key" in refused.stderr
    assert keys_in(database) == []
