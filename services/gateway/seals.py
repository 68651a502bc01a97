"""Seals: what somebody has seen is named to the outside in a form that only we can make and read.

A13  Whoever could make up a consistency token could ask, about anybody's things, whether they are there: a service
     answers at once when it has applied what `Require-Seen` names, and waits when it has not. So an entry counts only
     if the system gave it out; any other is refused here, at once, whatever is wrong with it.

A service's entry `stream@version` becomes one of 96 letters that shows neither. The same entry is always the same
letters, so an answer that is given again is the same answer. An entry is not bound to whom it was given: people tell
each other.
"""

import base64
import re
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import Invalid

LENGTH: Final = 56
"""Every entry is filled up to it, so that its length tells neither the kind of stream nor the number of digits."""
EXAMPLE: Final = "07kn2UVD8yh-2Aed9LfHSyWkf878L7V74LvTLTDMRjCLhCsb1E_59VIGqW36yRBvPuy4q2vjNwpIEdHoTKTu90_S5ZkNRmJK"
_SEALED = re.compile(r"[0-9A-Za-z_-]{96,200}", re.ASCII)


class SeenUnknown(Invalid):
    """`Require-Seen` must be a list of what `Seen` answered, each entry as it was given out."""

    code = "seen-unknown"


class Seals:
    """Seals what services answer as `Seen`, opens what clients send as `Require-Seen`."""

    def __init__(self, key: str, before: str | None = None) -> None:
        """`before` is the key that `key` has replaced: what was sealed under it can still be opened."""
        self._ciphers = tuple(_cipher(each) for each in (key, before) if each)

    def sealed(self, seen: str) -> str:
        """A list of `stream@version`, each entry sealed on its own, so that any of them can be sent back."""
        return ", ".join(self._seal(entry.strip()) for entry in seen.split(","))

    def opened(self, sealed: str) -> str:
        """The list again, for a service. Raises SeenUnknown."""
        return ", ".join(self._open(entry.strip()) for entry in sealed.split(","))

    def _seal(self, entry: str) -> str:
        return _text(self._ciphers[0].encrypt(entry.ljust(LENGTH).encode(), None))

    def _open(self, sealed: str) -> str:
        content = _bytes(sealed)
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(content, None).decode().rstrip()
            except InvalidTag:
                continue
        raise SeenUnknown


def _cipher(secret: str) -> AESSIV:
    """Deterministic authenticated encryption (RFC 5297): sealed again, an entry is the same; there is no nonce."""
    derive = HKDF(algorithm=SHA256(), length=64, salt=None, info=b"selfservice-gateway seen 1")
    return AESSIV(derive.derive(secret.encode()))


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(sealed: str) -> bytes:
    """What `_text` wrote, and nothing that only reads the same. Raises SeenUnknown."""
    if not _SEALED.fullmatch(sealed) or len(sealed) % 4 == 1:
        raise SeenUnknown
    content = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    if _text(content) != sealed:
        raise SeenUnknown
    return content
