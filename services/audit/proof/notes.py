"""Checkpoints as signed notes (C2SP tlog-checkpoint, signed-note, tlog-cosignature): text that anybody can keep.

    selfservice.example/audit          the log's name
    1234                               how many leaves
    CsUYapGGPo4dkMgIAUqom/Xaj…         the root over them
                                       (nothing)
    — selfservice.example/audit Az3g…  the log's signature, then those of its witnesses

A key is told to others as a *vkey*, `name+id+base64`; its first byte says what it signs.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LOG, WITNESS = b"\x01", b"\x04"
"""The kinds of signatures: a note's text; a witness's, with the time at which it saw the checkpoint."""
DASH: Final = "— "
MOST_SIGNATURES: Final = 16


class MalformedNote(ValueError):
    """A text is no checkpoint, or a key no key."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key with its name and what it signs."""

    name: str
    kind: bytes
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self.kind + self.public).decode()}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a vkey. Raises MalformedNote."""
        try:
            name, number, encoded = vkey.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise MalformedNote("a vkey is name+id+base64") from None
        key = cls(name, raw[:1], raw[1:])
        if not name or key.kind not in {LOG, WITNESS} or len(key.public) != 32 or key.id.hex() != number:
            raise MalformedNote(f"the vkey of {name} is not whole")
        return key

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether a signature, without the key's id, is this key's over the text of a note."""
        signed = text.encode()
        if self.kind == WITNESS:
            stamp, signature = signature[:8], signature[8:]
            signed = cosigned(text, int.from_bytes(stamp))
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: its name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note. Raises MalformedNote."""
        try:
            origin, size, root, *_ = text.split("\n")
            found = cls(origin, int(size), base64.b64decode(root, validate=True))
        except ValueError:
            raise MalformedNote("not the text of a checkpoint") from None
        if found.text != text or not origin:
            raise MalformedNote("not the text of a checkpoint, or it holds more than one")
        return found


def line(key: Key, signature: bytes) -> str:
    """A signature as a line of a note."""
    return f"{DASH}{key.name} {base64.b64encode(key.id + signature).decode()}\n"


def cosigned(text: str, seconds: int) -> bytes:
    """What a witness signs: that it saw the checkpoint at that time, and all before it consistent."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def opened(note: str) -> tuple[str, list[str]]:
    """The text of a note and its lines of signatures, none of them checked. Raises MalformedNote."""
    text, found, signatures = note.rpartition("\n\n")
    lines = signatures.splitlines(keepends=True)
    if not found or not lines or len(lines) > MOST_SIGNATURES or not all(each.startswith(DASH) for each in lines):
        raise MalformedNote("not a signed note")
    return text + "\n", lines


def of_key(key: Key, text: str, lines: Iterable[str]) -> str | None:
    """The line by which this key has signed the text, if one of them is."""
    for each in lines:
        name, _, encoded = each.removeprefix(DASH).strip().rpartition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            continue
        if name == key.name and raw[:4] == key.id and key.has_signed(text, raw[4:]):
            return each
    return None


def checkpoint_signed_by(key: Key, note: str) -> Checkpoint:
    """The checkpoint of a note that this key has signed. Raises MalformedNote when it has not."""
    text, lines = opened(note)
    if of_key(key, text, lines) is None:
        raise MalformedNote(f"{key.name} has not signed this")
    return Checkpoint.parse(text)


class LogKey:
    """The private key of the log, made from its secret; it signs each text in one way only."""

    def __init__(self, origin: str, secret: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(sha256(b"log key\n" + secret.encode()).digest())
        self.public = Key(origin, LOG, self._private.public_key().public_bytes_raw())

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self.public.name

    def sign(self, checkpoint: Checkpoint) -> str:
        """The checkpoint as a note of the log."""
        return f"{checkpoint.text}\n{line(self.public, self._private.sign(checkpoint.text.encode()))}"
