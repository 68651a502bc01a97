"""`selfservice audit`: what is printed, checked and refused, on a real database and a real broker."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import httpx
import psycopg
import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.local.postgres import Postgres
from services.audit.adapters.publishing import topic
from services.audit.proof.notes import Checkpoint, LogKey, checkpoint_signed_by
from services.audit.proof.verifier import signed_by
from shared.broker import ensure_topics, producer
from shared.settings import KafkaSettings
from tests.audit.proofs import exported, folder_of, sealed_all, signed
from tests.audit.test_signing import by_a_superuser, happened
from tests.parts import Broker

SECRET = "the key of a log, and 32 letters!"
KEY = LogKey("log.example/audit", SECRET)
ENTRIES = 30


def audit(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments])


def checkpoint_of(leaf: bytes) -> Checkpoint:
    """Of a log with one leaf."""
    return Checkpoint(KEY.origin, 1, sha256(leaf).digest())


@pytest.fixture
def kafka(broker: Broker, topic_prefix: str, database: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """A history of thirty entries that is sealed and signed; its database, its key and a broker are named."""
    for name, value in {
        "NO_COLOR": "1",
        "DATABASE_URL": database,
        "LOG_KEY": SECRET,
        "LOG_ORIGIN": KEY.origin,
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "KAFKA_IDEMPOTENCE": "false",
    }.items():
        monkeypatch.setenv(name, value)
    happened(database, ENTRIES)
    return KafkaSettings()


def test_a_history_is_checked_from_within_and_what_differs_is_named(
    kafka: KafkaSettings, database: str, postgres: Postgres, tmp_path: Path
) -> None:
    assert "nothing is signed yet" in audit("checkpoint").stderr
    sealed_all(database)
    signed(database, KEY)
    note = audit("checkpoint").stdout
    assert checkpoint_signed_by(KEY.public, note).size == ENTRIES
    (tmp_path / "kept.txt").write_text(note)
    asyncio.run(_published(kafka, note))
    checked = audit("check", "--checkpoint", str(tmp_path / "kept.txt"))
    assert (checked.exit_code, checked.stdout) == (
        0,
        f"{ENTRIES} entries are what was said of them, by 2 checkpoints from outside too.\n",
    )
    by_a_superuser(postgres, database, "UPDATE history SET actor = 'staff:nobody' WHERE number = 4")
    checked = audit("check")
    assert checked.exit_code == 1
    assert "leaf 3 (entry " in checked.stderr
    (tmp_path / "kept.txt").write_text(note.replace(f"\n{ENTRIES}\n", "\n31\n"))
    assert "cannot be believed" in audit("check", "--checkpoint", str(tmp_path / "kept.txt")).stderr


async def _published(settings: KafkaSettings, note: str) -> None:
    await ensure_topics([topic(settings.topic_prefix)], settings)
    sender = producer(settings)
    await sender.start()
    await sender.send_and_wait(topic(settings.topic_prefix).name, note.encode(), key=KEY.origin.encode())
    await sender.stop()


def test_an_export_is_verified_with_what_the_command_line_printed(
    kafka: KafkaSettings, database: str, tmp_path: Path
) -> None:
    sealed_all(database)
    signed(database, KEY)
    (tmp_path / "policy.json").write_text(audit("key").stdout)
    note = audit("checkpoint").stdout
    with psycopg.connect(database) as connection:
        rows = exported(connection)
    good = folder_of(tmp_path / "good", rows, note)
    (tmp_path / "older.txt").write_text(note)
    given = ("verify", "--policy", str(tmp_path / "policy.json"), "--older", str(tmp_path / "older.txt"))
    verified = audit(*given, str(good))
    assert (verified.exit_code, verified.stdout[:31]) == (0, "30 entries are what was signed,")
    bad = folder_of(tmp_path / "bad", rows[::-1], note)
    verified = audit(*given, str(bad))
    assert (verified.exit_code, verified.stdout) == (
        1,
        "NOT AS SIGNED: leaf 0 is not there; leaf 29 stands in its place\n",
    )


def test_a_witness_that_runs_signs_and_remembers_over_a_restart(tmp_path: Path) -> None:
    assert "vkey" in audit("witness", "--log", "nonsense").stderr
    command = [sys.executable, "-m", "deploy.cli", "audit", "witness", "--log", str(KEY.public), "--port", "0"]
    told = set()
    for again in range(2):
        with subprocess.Popen(
            [*command, "--folder", str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        ) as process:
            assert process.stdout is not None
            url, vkey = process.stdout.readline().split()
            told.add(vkey)
            note = KEY.sign(checkpoint_of(b"one"))
            answer = httpx.post(f"{url}/add-checkpoint", content=f"old {again}\n\n{note}")
            assert answer.status_code == 200
            assert signed_by(vkey, note + answer.text)
            refused = httpx.post(f"{url}/add-checkpoint", content=f"old 1\n\n{KEY.sign(checkpoint_of(b'other'))}")
            assert (refused.status_code, refused.text) == (409, "1\n")
            process.send_signal(signal.SIGKILL)
    assert len(told) == 1
    assert json.loads((tmp_path / "seen.json").read_text())[KEY.origin][0] == 1
