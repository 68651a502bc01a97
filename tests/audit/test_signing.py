"""T-04, F-19, H4: what the log signs goes on from what it signed before, whatever happens to it in between."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from deploy.local.postgres import Postgres
from deploy.sample_history import SampleHistory
from deploy.sample_history_load import load
from services.audit.adapters.checkpoints import MOST_UNSIGNED, Signer
from services.audit.adapters.leaves import seal
from services.audit.adapters.tree_nodes import HistoryContradicts
from services.audit.proof.notes import Checkpoint, MalformedNote, checkpoint_signed_by
from services.audit.proof.upkeep import LONGEST_UNPROVEN, Waiting, after_a_look
from tests.audit.proofs import AT_ONCE, KEY, connect, migrated, sealed_all, signed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def happened(dsn: str, count: int) -> str:
    """So much has happened and is no leaf yet; answers the address of the owner."""
    owner = migrated(dsn)
    list(load(owner, SampleHistory(7, count).events()))
    return owner


def checkpoints(dsn: str) -> list[tuple[Any, ...]]:
    with connect(dsn) as connection:
        return connection.execute("SELECT size, root, note FROM checkpoints ORDER BY size").fetchall()


def sign(signer: Signer, dsn: str, now: datetime, every: timedelta) -> list[Checkpoint]:
    with connect(dsn) as connection:
        return signer.sign(connection, now, every)


def test_t04_a_checkpoint_is_due_after_a_minute_or_a_thousand_leaves(database: str) -> None:
    happened(database, MOST_UNSIGNED + 20)
    signer = Signer(KEY)
    assert sign(signer, database, NOON, MINUTE) == []
    sealed_some(database, 10)
    assert [each.size for each in sign(signer, database, NOON, MINUTE)] == [10]
    assert sign(signer, database, NOON + MINUTE, MINUTE) == []
    sealed_some(database, 10)
    assert sign(signer, database, NOON + MINUTE / 2, MINUTE) == []
    assert [each.size for each in sign(signer, database, NOON + MINUTE, MINUTE)] == [20]
    sealed_some(database, MOST_UNSIGNED)
    assert [each.size for each in sign(signer, database, NOON + MINUTE, MINUTE)] == [MOST_UNSIGNED + 20]


def sealed_some(dsn: str, count: int) -> None:
    """The next `count` entries become leaves."""
    with connect(dsn) as connection, connection.transaction():
        assert len(seal(connection, count)) == count


def test_h4_signers_that_run_at_once_sign_one_root_for_one_size(database: str) -> None:
    happened(database, 300)
    with ThreadPoolExecutor(6) as threads:
        work = [threads.submit(act, database) for _ in range(5) for act in (_seals, signed)]
        assert all(each.exception() is None for each in work)
    signed(database)
    notes = checkpoints(database)
    assert notes[-1][0] == 300
    for size, root, note in notes:
        assert checkpoint_signed_by(KEY.public, note) == Checkpoint(KEY.origin, size, bytes(root))


def _seals(dsn: str) -> None:
    sealed_all(dsn, most=7)


def test_f19_a_signer_that_is_killed_signs_what_it_promised_and_nothing_else_of_that_size(database: str) -> None:
    """kill -9 between promise and signature, again and again, while the history goes on."""
    happened(database, 60)
    promised: dict[int, bytes] = {}
    for _ in range(3):
        sealed_some(database, 20)
        _killed_after_promising(database)
        for size, root, note in checkpoints(database):
            assert promised.setdefault(size, bytes(root)) == bytes(root)
            assert note is None
    sealed_all(database)
    assert [each.size for each in signed(database)] == [20, 40, 60]
    for size, root, note in checkpoints(database):
        assert checkpoint_signed_by(KEY.public, note) == Checkpoint(KEY.origin, size, promised[size])
        assert bytes(root) == promised[size]
    assert signed(database) == []


_PROMISE = """
import sys, time
from datetime import UTC, datetime
from services.audit.adapters.checkpoints import Signer
from tests.audit.proofs import AT_ONCE, KEY, connect
with connect(sys.argv[1]) as connection:
    Signer(KEY).promise(connection, datetime.now(UTC), AT_ONCE)
    print("promised", flush=True)
    time.sleep(60)
"""


def _killed_after_promising(dsn: str) -> None:
    with subprocess.Popen([sys.executable, "-c", _PROMISE, dsn], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "promised\n"
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE tree_nodes SET hash = sha256('x') WHERE level = 4 AND index = 2",
        "UPDATE leaves SET hash = sha256('x') WHERE leaf = 49",
        "DELETE FROM leaves WHERE leaf >= 40",
        "DELETE FROM tree_nodes WHERE level = 5",
    ],
)
def test_h4_nothing_is_signed_of_a_tree_that_is_not_what_was_signed(
    database: str, postgres: Postgres, deed: str
) -> None:
    happened(database, 60)
    sealed_some(database, 50)
    signed(database)
    by_a_superuser(postgres, database, deed)
    with pytest.raises(HistoryContradicts):
        _goes_on(database)
    assert len(checkpoints(database)) == 1


def test_h4_a_signer_remembers_what_it_signed_when_the_database_does_not(database: str, postgres: Postgres) -> None:
    happened(database, 60)
    signer = Signer(KEY)
    sealed_some(database, 50)
    sign(signer, database, NOON, AT_ONCE)
    by_a_superuser(postgres, database, "DELETE FROM checkpoints")
    by_a_superuser(postgres, database, "UPDATE leaves SET hash = sha256('x') WHERE leaf = 49")
    sealed_some(database, 5)
    with pytest.raises(HistoryContradicts):
        sign(signer, database, NOON, AT_ONCE)


def test_h4_what_is_sealed_or_promised_is_never_changed_by_the_service_itself(database: str) -> None:
    happened(database, 60)
    sealed_some(database, 50)
    signed(database)
    for deed in (
        "UPDATE checkpoints SET root = sha256('x')",
        "UPDATE checkpoints SET note = ''",
        "DELETE FROM checkpoints",
        "DELETE FROM tree_nodes",
        "UPDATE leaves SET hash = ''",
        "UPDATE leaves SET salt = ''",
        "DELETE FROM leaves",
        "TRUNCATE checkpoints, cosignatures",
    ):
        with connect(database) as connection, pytest.raises(psycopg.Error):
            connection.execute(deed.encode())
    with connect(database) as connection:  # but what commitments are made with may be forgotten (H5)
        assert connection.execute("UPDATE leaves SET salt = NULL WHERE leaf = 7").rowcount == 1


def _goes_on(dsn: str) -> None:
    sealed_some(dsn, 5)
    signed(dsn)


def by_a_superuser(postgres: Postgres, dsn: str, deed: str) -> None:
    name = str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])
    address = psycopg.conninfo.make_conninfo(postgres.admin_dsn, dbname=name)
    with psycopg.connect(address) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(deed.encode())


def test_a_note_of_another_log_or_with_another_text_is_not_ours(database: str) -> None:
    happened(database, 20)
    sealed_all(database)
    [checkpoint] = signed(database)
    [(_, _, note)] = checkpoints(database)
    assert checkpoint_signed_by(KEY.public, note) == checkpoint
    for wrong in (note.replace("\n20\n", "\n21\n"), note.replace("selfservice", "otherservice"), "", "x\n\n— y z\n"):
        with pytest.raises(MalformedNote):
            checkpoint_signed_by(KEY.public, wrong)


def test_t08_an_event_that_is_in_no_checkpoint_for_five_minutes_is_noticed() -> None:
    """However much comes and is signed meanwhile, the events that came by a moment are waited for."""
    waiting = after_a_look(None, NOON, first=5, last=9, leaves=4, signed=4)
    assert waiting == Waiting(9, NOON)
    for minute in range(1, 7):
        now = NOON + minute * MINUTE
        waiting = after_a_look(waiting, now, first=5 + minute, last=9 + minute, leaves=4 + minute, signed=4)
        assert waiting is not None
        assert (waiting.since == NOON) == (minute < 6 or waiting.leaves is not None)
    late = NOON + LONGEST_UNPROVEN + MINUTE
    assert after_a_look(waiting, late, first=None, last=15, leaves=15, signed=15) is None
    unsigned = after_a_look(Waiting(9, NOON), late, first=None, last=9, leaves=9, signed=8)
    assert unsigned == Waiting(9, NOON, 9)
    assert after_a_look(unsigned, late, first=None, last=12, leaves=12, signed=9) == Waiting(12, late)
