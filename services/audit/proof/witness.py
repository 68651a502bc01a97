"""A witness (C2SP tlog-witness): somebody else who remembers what the log showed last, and signs what goes on from it.

Run by whoever is not to take the operator's word: `selfservice audit witness`. It knows the log by its public key and
by nothing else, checks with the outsiders' verifier, and keeps one file. What it signed is on disk before it answers;
looking and keeping are one step, so that two who ask at once cannot lead it astray.
"""

import base64
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.proof.notes import WITNESS, Key, cosigned, line
from services.audit.proof.verifier import COUNT, Checkpoint, Difference, consistent, opened

LONGEST_BODY: Final = 64 * 1024
MOST_HASHES: Final = 63


class Answered(NamedTuple):
    """What a witness answers."""

    status: HTTPStatus
    text: str = ""
    kind: str = "text/plain; charset=utf-8"


class Witness:
    """What it last saw of each log, and how it answers."""

    def __init__(
        self,
        name: str,
        key: Ed25519PrivateKey,
        logs: Sequence[str],
        state: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`logs` are the vkeys of the logs that it watches; `state` is the file that it keeps."""
        self._private = key
        self.public = Key(name, WITNESS, key.public_key().public_bytes_raw())
        self._logs = {vkey.split("+", 1)[0]: vkey for vkey in logs}
        self._state = state
        self._clock = clock
        self._turn = threading.Lock()

    def add_checkpoint(self, body: bytes) -> Answered:
        """Look at a checkpoint and sign it, or say what is wrong with it."""
        try:
            old, proof, note = _read(body)
            origin = note.split("\n", 1)[0]
        except ValueError:
            return Answered(HTTPStatus.BAD_REQUEST)
        if origin not in self._logs:
            return Answered(HTTPStatus.NOT_FOUND)
        try:
            checkpoint = opened(note, self._logs[origin], "the checkpoint")
        except Difference:
            return Answered(HTTPStatus.FORBIDDEN)
        with self._my_turn():
            return self._judged(old, proof, checkpoint, note)

    def _judged(self, old: int, proof: Sequence[bytes], new: Checkpoint, note: str) -> Answered:
        seen = self._seen(new.origin)
        if old > new.size:
            return Answered(HTTPStatus.BAD_REQUEST)
        if old != seen[0]:
            return Answered(HTTPStatus.CONFLICT, f"{seen[0]}\n", "text/x.tlog.size")
        if old == new.size and seen[1] != new.root:
            return Answered(HTTPStatus.CONFLICT, f"{seen[0]}\n", "text/x.tlog.size")
        if proof if old == 0 else not consistent(seen, (new.size, new.root), proof):
            return Answered(HTTPStatus.UNPROCESSABLE_ENTITY)
        self._keep(new)
        return Answered(HTTPStatus.OK, self._cosign(note.rpartition("\n\n")[0] + "\n"))

    def _cosign(self, text: str) -> str:
        seconds = int(self._clock())
        return line(self.public, seconds.to_bytes(8, "big") + self._private.sign(cosigned(text, seconds)))

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        """Nobody else looks or keeps meanwhile, in this process or in another one with the same file."""
        with self._turn, self._state.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _seen(self, origin: str) -> tuple[int, bytes]:
        size, root = self._all_seen().get(origin, (0, ""))
        return size, bytes.fromhex(root)

    def _all_seen(self) -> dict[str, tuple[int, str]]:
        return dict(json.loads(self._state.read_text())) if self._state.exists() else {}

    def _keep(self, new: Checkpoint) -> None:
        kept = {**self._all_seen(), new.origin: (new.size, new.root.hex())}
        beside = self._state.with_suffix(".new")
        with beside.open("w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._state)
        folder = os.open(self._state.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(body: bytes) -> tuple[int, list[bytes], str]:
    """The old size, the proof and the note of a request. Raises ValueError."""
    head, _, note = body.decode().partition("\n\n")
    first, *hashes = head.split("\n")
    word, _, size = first.partition(" ")
    if word != "old" or not COUNT.fullmatch(size) or len(hashes) > MOST_HASHES or not note:
        raise ValueError(head)
    return int(size), [base64.b64decode(each, validate=True) for each in hashes], note


def server(witness: Witness, host: str, port: int) -> ThreadingHTTPServer:
    """An HTTP server with the one operation of a witness; `serve_forever` it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if self.path != "/add-checkpoint" or not 0 < length <= LONGEST_BODY:
                self._answer(Answered(HTTPStatus.NOT_FOUND if length <= LONGEST_BODY else HTTPStatus.BAD_REQUEST))
                self.close_connection = True
                return
            self._answer(witness.add_checkpoint(self.rfile.read(length)))

        def _answer(self, answered: Answered) -> None:
            content = answered.text.encode()
            self.send_response(answered.status)
            self.send_header("content-type", answered.kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is said of each request."""

    return ThreadingHTTPServer((host, port), Handler)
