"""Sealed fields: what must be read again later but by nobody else (a code on its way to the mailer, a private key).

C-17  AES-256-GCM with a fresh random nonce; what the field belongs to is authenticated with it, so that a sealed
field cannot be moved to another row or another purpose.
"""

import os
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_NONCE_BYTES = 12


class SealBroken(Exception):
    """A sealed field was altered, moved, or sealed under another SECRETS_KEY."""


class Sealer:
    """Seals fields under one secret, and opens those that were sealed under it or under the one before."""

    def __init__(self, secret: str, *, before: str | None = None) -> None:
        self._cipher, *self._older = (_cipher(each) for each in (secret, before) if each)

    def seal(self, content: bytes, *, about: str) -> bytes:
        """The sealed form of `content`; `about` names the row and the field it belongs to."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, content, _VERSION + about.encode())

    def open(self, sealed: bytes, *, about: str) -> bytes:
        """The content again. Raises SealBroken."""
        version, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        for cipher in (self._cipher, *self._older):
            with suppress(InvalidTag, ValueError):
                return cipher.decrypt(nonce, rest, version + about.encode())
        raise SealBroken(about)


def _cipher(secret: str) -> AESGCM:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"selfservice-auth sealed fields 1")
    return AESGCM(derive.derive(secret.encode()))
