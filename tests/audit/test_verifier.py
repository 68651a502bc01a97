"""T-02, T-03, T-06, H4, H5: whoever holds an export and an older checkpoint finds everything that was altered since."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.local.postgres import Postgres
from deploy.sample_history import SampleHistory
from deploy.sample_history_load import load
from services.audit import canonical as ours
from services.audit.adapters.leaves import ENTRY
from services.audit.adapters.tree_nodes import Growing
from services.audit.canonical import leaf_hash, personal_fields, personal_fields_of
from services.audit.proof import verifier
from services.audit.proof.notes import Checkpoint
from services.audit.proof.verifier import Difference, check, opened
from services.audit.service import EVERY_SERVICE
from tests.audit.proofs import KEY, exported, folder_of, migrated, sealed_all, signed

PERSONAL = personal_fields_of(EVERY_SERVICE)
LEAVES = 40
CORRUPTIONS = 1000
Connection = psycopg.Connection[Any]


@pytest.fixture
def mighty(database: str, postgres: Postgres) -> Iterator[Connection]:
    """A sealed and signed history, for somebody whom nothing in the database stops."""
    list(load(migrated(database), SampleHistory(7, LEAVES).events()))
    assert sealed_all(database) == LEAVES
    [checkpoint] = signed(database)
    assert checkpoint.size == LEAVES
    name = str(conninfo_to_dict(database)["dbname"])
    with psycopg.connect(make_conninfo(postgres.admin_dsn, dbname=name)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.commit()
        yield connection


def note_of(connection: Connection) -> str:
    row = connection.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
    assert row is not None
    return str(row[0])


def leaves_of(connection: Connection) -> list[bytes]:
    return [bytes(row[0]) for row in connection.execute("SELECT hash FROM leaves ORDER BY leaf")]


def found(connection: Connection, older: verifier.Checkpoint) -> str | None:
    """What somebody finds in an export of the history as it stands now, who kept the older checkpoint."""
    try:
        newest = opened(note_of(connection), str(KEY.public), "the newest checkpoint")
        check(exported(connection), PERSONAL, newest, older, leaves_of(connection))
    except Difference as difference:
        return str(difference)
    return None


# What may be done to a history ---------------------------------------------------------------------------------------

FIELDS = ("service", "stream", "version", "type", "time", "actor", '"grant"', "correlation", "causation", "data")


def edit(connection: Connection, chance: random.Random) -> None:
    """One column of one entry."""
    column = chance.choice(FIELDS)
    new = {
        "version": "version + 1000",
        "time": "time + interval '1 microsecond'",
        "data": """data || jsonb_build_object((SELECT min(k) FROM jsonb_object_keys(data) k), 'altered')""",
    }.get(column, f"coalesce({column}, '') || 'x'")
    connection.execute(
        f"UPDATE history SET {column} = {new} WHERE number = %s".encode(), (1 + chance.randrange(LEAVES),)
    )


def delete(connection: Connection, chance: random.Random) -> None:
    """One entry is not there any more; its leaf stays, goes, or those behind it move up."""
    leaf, how = chance.randrange(LEAVES), chance.randrange(3)
    connection.execute("DELETE FROM history WHERE event_id = (SELECT event_id FROM leaves WHERE leaf = %s)", (leaf,))
    if how:
        connection.execute("DELETE FROM leaves WHERE leaf = %s", (leaf,))
    if how == 2:
        connection.execute("UPDATE leaves SET leaf = -leaf WHERE leaf > %s", (leaf,))
        connection.execute("UPDATE leaves SET leaf = -leaf - 1 WHERE leaf < 0")


def insert(connection: Connection, chance: random.Random) -> None:
    """An entry that never was, among the others, with a leaf of its own."""
    leaf, name = chance.randrange(LEAVES), f"{chance.getrandbits(128):032x}"
    connection.execute("UPDATE leaves SET leaf = -leaf - 2 WHERE leaf >= %s", (leaf,))
    connection.execute("UPDATE leaves SET leaf = -leaf - 1 WHERE leaf < 0")
    connection.execute(
        """INSERT INTO history (event_id, service, stream, version, type, time, at, actor, correlation, about, places,
               people, data)
           SELECT %(id)s, service, stream, version + 1000, type, time, at, actor, correlation, about, places,
               people, data FROM history WHERE number = %(like)s""",
        {"id": name, "like": 1 + chance.randrange(LEAVES)},
    )
    connection.execute("INSERT INTO leaves SELECT %s, %s, '', hash FROM leaves LIMIT 1", (leaf, name))
    _hashed_anew(connection)


def swap(connection: Connection, chance: random.Random) -> None:
    """Two entries change places, with their leaves or without."""
    one, other = chance.sample(range(LEAVES), 2)
    for number, to in ((one, -1), (other, one), (-1, other)):
        connection.execute("UPDATE leaves SET leaf = %s WHERE leaf = %s", (to, number))
    if chance.random() < 0.5:
        _hashed_anew(connection)


def truncate(connection: Connection, chance: random.Random) -> None:
    """The end of it is gone."""
    connection.execute("DELETE FROM leaves WHERE leaf >= %s", (chance.randrange(LEAVES),))


DONE: tuple[Callable[[Connection, random.Random], None], ...] = (edit, delete, insert, swap, truncate)


def sign_anew(connection: Connection, _chance: random.Random) -> None:
    """Everything is made to fit by somebody who has the key of the log: leaves, tree and checkpoint."""
    _hashed_anew(connection)
    growing = Growing()
    for number, (event_id, leaf) in enumerate(
        connection.execute("SELECT event_id, hash FROM leaves ORDER BY leaf").fetchall()
    ):
        connection.execute("UPDATE leaves SET leaf = %s WHERE event_id = %s AND leaf <> %s", (number, event_id, number))
        growing.add(bytes(leaf))
    note = KEY.sign(Checkpoint(KEY.origin, growing.size, growing.root))
    connection.execute("DELETE FROM checkpoints")
    connection.execute("INSERT INTO checkpoints VALUES (%s, %s, now(), %s)", (growing.size, growing.root, note))


def _hashed_anew(connection: Connection) -> None:
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    rows = cursor.execute(f"SELECT {ENTRY}, l.leaf, l.salt FROM history h JOIN leaves l USING (event_id)").fetchall()
    hashes = [_leaf_of(row) for row in rows]
    connection.execute(
        "UPDATE leaves SET hash = n.hash FROM unnest(%s::text[], %s::bytea[]) n (id, hash) WHERE event_id = n.id",
        ([row["id"] for row in rows], hashes),
    )


def _leaf_of(row: dict[str, Any]) -> bytes:
    """As far as it can be computed: the name of an event may have been altered."""
    salt = bytes(row["salt"]) or None
    try:
        return leaf_hash(row, salt)
    except LookupError:
        return leaf_hash(row, None)


def test_t03_a_thousand_corruptions_by_a_superuser_are_all_found(
    mighty: Connection, tell: Callable[[str], None]
) -> None:
    """Every second one is made to fit and signed with the log's own key: the older checkpoint finds it all the same."""
    older = opened(note_of(mighty), str(KEY.public), "the older one")
    assert found(mighty, older) is None
    chance, missed = random.Random(20260301), []  # noqa: S311 (fixed)
    for number in range(CORRUPTIONS):
        deed = DONE[number % len(DONE)]
        deed(mighty, chance)
        if number // len(DONE) % 2:
            sign_anew(mighty, chance)
        if found(mighty, older) is None:
            missed.append(f"{number}: {deed.__name__}")
        mighty.rollback()
    assert missed == []
    assert found(mighty, older) is None
    tell(f"proof: {CORRUPTIONS} corruptions of a history of {LEAVES} entries by a superuser, all found")


def test_h4_the_first_entry_that_was_touched_is_named(mighty: Connection) -> None:
    older = opened(note_of(mighty), str(KEY.public), "the older one")
    mighty.execute(
        "UPDATE history SET actor = 'staff:nobody' WHERE event_id IN (SELECT event_id FROM leaves WHERE leaf IN (9, 4))"
    )
    assert "leaf 4 (entry " in str(found(mighty, older))
    mighty.rollback()
    mighty.execute("DELETE FROM history WHERE event_id = (SELECT event_id FROM leaves WHERE leaf = 11)")
    assert found(mighty, older) == "leaf 11 is not there; leaf 12 stands in its place"


def test_h4_a_checkpoint_of_another_key_is_no_checkpoint(mighty: Connection) -> None:
    older = opened(note_of(mighty), str(KEY.public), "the older one")
    mighty.execute("UPDATE checkpoints SET note = overlay(note placing 'AAAA' from length(note) - 40)")
    assert found(mighty, older) == "the newest checkpoint is not signed by the key of the log"


def test_h5_t02_without_the_personal_values_and_their_salt_the_history_still_proves_itself(mighty: Connection) -> None:
    """What the erasure of a person will do: commitments stand in the place of values, the salt is gone."""
    older = opened(note_of(mighty), str(KEY.public), "the older one")
    cursor = mighty.cursor(row_factory=psycopg.rows.dict_row)
    rows = cursor.execute(f"SELECT {ENTRY}, l.salt FROM history h JOIN leaves l USING (event_id)").fetchall()
    named = [row for row in rows if personal_fields(row["type"])]
    for row in named:
        erased = json.loads(ours.canonical(row, bytes(row["salt"])))["data"]
        mighty.execute("UPDATE history SET data = %s WHERE event_id = %s", (json.dumps(erased), row["id"]))
        mighty.execute("UPDATE leaves SET salt = NULL WHERE event_id = %s", (row["id"],))
    assert len(named) > 5
    assert found(mighty, older) is None
    assert "example.com" not in json.dumps(exported(mighty))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(JSON)
def test_t06_both_write_the_same_canonical_bytes_of_whatever_an_event_may_hold(value: Any) -> None:
    assert verifier.written(value) == ours._written(value)


# By itself -----------------------------------------------------------------------------------------------------------


def run(alone: Path, *arguments: str, told: str = "") -> tuple[int, str]:
    """The verifier as an outsider has it: one file, in Python's isolated mode."""
    ended = subprocess.run(
        [sys.executable, "-I", str(alone), *arguments], input=told, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_t06_the_verifier_is_one_file_that_needs_nothing_of_ours(mighty: Connection, tmp_path: Path) -> None:
    alone = Path(shutil.copy(verifier.__file__, tmp_path / "check.py"))
    policy, older = tmp_path / "policy.json", tmp_path / "older.txt"
    policy.write_text(json.dumps({"key": str(KEY.public), "personal": PERSONAL}))
    older.write_text(note_of(mighty))
    rows, leaves = exported(mighty), leaves_of(mighty)
    good = folder_of(tmp_path / "good", rows, note_of(mighty), leaves)
    given_to_it = ("--policy", str(policy), "--older", str(older))
    assert run(alone, *given_to_it, str(good)) == (
        0,
        f"{LEAVES} entries are what was signed, the first {LEAVES} of them as before.\n",
    )
    lines = "".join(
        file.read_text() if number == 0 else file.read_text().split("\n", 1)[1]
        for number, file in enumerate(sorted((good / "csv").iterdir()))
    )
    by_pipe = (*given_to_it, "--newest", str(good / "checkpoint.txt"), "-")
    assert run(alone, *by_pipe, told=lines)[0] == 0
    assert run(alone, *by_pipe, told=lines.replace("company-", "company-0", 1))[0] == 1
    rows[3] = {**rows[3], "actor": "staff:nobody"}
    code, said = run(alone, *given_to_it, str(folder_of(tmp_path / "bad", rows, note_of(mighty), leaves)))
    assert (code, said[:31]) == (1, "NOT AS SIGNED: leaf 3 (entry " + rows[3]["id"][:2])
    assert run(alone, *given_to_it)[0] == 2
