"""T-05, H4: somebody else remembers what the log showed, and signs nothing that does not go on from it."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.postgres import Postgres
from services.audit.adapters.checkpoints import newest
from services.audit.adapters.publishing import Publisher, last_published
from services.audit.adapters.witnesses import Address, Witnesses
from services.audit.proof.notes import Checkpoint, LogKey, cosigned, of_key, opened
from services.audit.proof.tree import consistency
from services.audit.proof.verifier import signed_by
from services.audit.proof.witness import Answered, Witness, server
from shared.database import Database
from shared.settings import KafkaSettings
from tests.audit.proofs import KEY, sealed_all, signed
from tests.audit.test_signing import by_a_superuser, happened, sealed_some
from tests.audit.test_tree import proof, root
from tests.parts import Broker

KEYS = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOON = 1772366400


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return witness_in(tmp_path)


def witness_in(folder: Path) -> Witness:
    return Witness("witness.example", KEYS, [str(KEY.public)], folder / "seen.json", lambda: NOON)


def note(size: int, *, of: bytes | None = None, key: LogKey = KEY) -> str:
    return key.sign(Checkpoint(key.origin, size, of or root(size)))


def request(old: int, new: int, note_of_new: str | None = None) -> bytes:
    lines = "".join(f"{base64.b64encode(each).decode()}\n" for each in proof(consistency(old, new)))
    return f"old {old}\n{lines}\n{note_of_new or note(new)}".encode()


def test_t05_a_witness_signs_what_goes_on_from_what_it_saw(witness: Witness) -> None:
    for old, new in ((0, 7), (7, 7), (7, 8), (8, 900)):
        answered = witness.add_checkpoint(request(old, new))
        assert answered.status == HTTPStatus.OK
        text, lines = opened(note(new) + answered.text)
        assert of_key(witness.public, text, lines) == answered.text
        assert signed_by(str(witness.public), note(new) + answered.text)
        raw = base64.b64decode(answered.text.split(" ")[2])
        assert int.from_bytes(raw[4:12], "big") == NOON
        KEYS.public_key().verify(raw[12:], cosigned(text, NOON))


def test_t05_a_witness_refuses_another_history_of_any_size_whoever_signed_it(witness: Witness) -> None:
    assert witness.add_checkpoint(request(0, 500)).status == HTTPStatus.OK
    other = sha256(b"another history").digest()
    for size, refused in ((500, HTTPStatus.CONFLICT), (600, HTTPStatus.UNPROCESSABLE_ENTITY)):
        assert witness.add_checkpoint(request(500, size, note(size, of=other))).status == refused
    smaller = witness.add_checkpoint(request(0, 400))
    assert (smaller.status, smaller.text, smaller.kind) == (HTTPStatus.CONFLICT, "500\n", "text/x.tlog.size")
    assert witness.add_checkpoint(request(500, 500)).status == HTTPStatus.OK


def test_a_witness_says_what_is_wrong_with_a_request(witness: Witness) -> None:
    stranger = LogKey("stranger.example/log", "x" * 32)
    impostor = LogKey(KEY.origin, "x" * 32)
    for wrong, status in (
        (b"", HTTPStatus.BAD_REQUEST),
        (b"\xff", HTTPStatus.BAD_REQUEST),
        (b"old 01\n\n" + note(7).encode(), HTTPStatus.BAD_REQUEST),
        (b"old 0\n!\n\n" + note(7).encode(), HTTPStatus.BAD_REQUEST),
        (b"old 8\n\n" + note(7).encode(), HTTPStatus.BAD_REQUEST),
        (request(0, 7, note(7, key=stranger)), HTTPStatus.NOT_FOUND),
        (request(0, 7, note(7, key=impostor)), HTTPStatus.FORBIDDEN),
        (request(3, 7), HTTPStatus.CONFLICT),
        (b"old 0\n" + base64.b64encode(bytes(32)) + b"\n\n" + note(7).encode(), HTTPStatus.UNPROCESSABLE_ENTITY),
    ):
        assert witness.add_checkpoint(wrong).status == status
    assert witness.add_checkpoint(request(0, 7)).status == HTTPStatus.OK


def test_t05_of_many_who_ask_at_once_a_witness_follows_one_and_remembers_it(tmp_path: Path) -> None:
    """Eight witnesses with the same file are asked to go on from one size to eight others."""
    assert witness_in(tmp_path).add_checkpoint(request(0, 10)).status == HTTPStatus.OK
    with ThreadPoolExecutor(8) as threads:
        asked = {size: threads.submit(witness_in(tmp_path).add_checkpoint, request(10, size)) for size in range(11, 19)}
    followed = [size for size, each in asked.items() if each.result().status == HTTPStatus.OK]
    refused = {each.result() for size, each in asked.items() if size not in followed}
    assert len(followed) == 1
    assert refused == {Answered(HTTPStatus.CONFLICT, f"{followed[0]}\n", "text/x.tlog.size")}


@asynccontextmanager
async def reading(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
def address(witness: Witness) -> Iterator[Address]:
    """A witness that is running."""
    with server(witness, "127.0.0.1", 0) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield Address(f"http://127.0.0.1:{http.server_address[1]}", witness.public)
        http.shutdown()
        thread.join()


async def test_t05_checkpoints_carry_the_signatures_of_witnesses(database: str, address: Address) -> None:
    happened(database, 90)
    async with reading(database) as asked:
        for count in (30, 20, 40):
            sealed_some(database, count)
            signed(database)
            witnesses = Witnesses(asked, [address])  # knows nothing of what it asked before but what is kept
            await witnesses.ask()
            await witnesses.ask()
            assert witnesses.alarms() == []
            found = await newest(asked)
            assert found is not None
            assert signed_by(str(address.key), found[1])
            assert signed_by(str(KEY.public), found[1])


async def test_t05_a_witness_tells_what_it_saw_to_a_log_that_has_forgotten(database: str, address: Address) -> None:
    happened(database, 90)
    async with reading(database) as asked:
        for count in (30, 60):
            sealed_some(database, count)
            signed(database)
            witnesses = Witnesses(asked, [address])
            await witnesses.ask()
            assert witnesses.alarms() == []
            await asked.execute("DELETE FROM cosignatures WHERE size < 90")
        found = await newest(asked)
        assert found is not None
        assert signed_by(str(address.key), found[1])


async def test_t05_a_history_that_was_rewritten_and_signed_anew_is_refused_by_a_witness(
    database: str, address: Address, postgres: Postgres
) -> None:
    happened(database, 60)
    sealed_some(database, 50)
    signed(database)
    async with reading(database) as asked:
        await Witnesses(asked, [address]).ask()
        by_a_superuser(postgres, database, "TRUNCATE leaves, tree_nodes, checkpoints, cosignatures")
        by_a_superuser(postgres, database, "DELETE FROM history WHERE number = 7")
        by_a_superuser(
            postgres, database, "INSERT INTO unsealed SELECT number, event_id FROM history ON CONFLICT DO NOTHING"
        )
        sealed_all(database)
        signed(database)
        witnesses = Witnesses(asked, [address])
        await witnesses.ask()
        assert witnesses.alarms() == ["the witness witness.example does not find what it saw in these 59 entries"]
        found = await newest(asked)
        assert found is not None
        assert not signed_by(str(address.key), found[1])


@pytest.mark.timeout(40)
async def test_t05_checkpoints_are_published_to_a_topic_of_their_own(
    database: str, broker: Broker, topic_prefix: str
) -> None:
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=topic_prefix, idempotence=False)
    happened(database, 60)
    publisher = Publisher(database, KEY.origin, settings)
    async with _running(publisher):
        for count in (30, 10, 20):
            sealed_some(database, count)
            size = signed(database)[-1].size

            while (last := await last_published(settings)) is None or f"\n{size}\n" not in last:
                await asyncio.sleep(0.2)
            assert signed_by(str(KEY.public), last)


@asynccontextmanager
async def _running(publisher: Publisher) -> AsyncIterator[None]:
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
