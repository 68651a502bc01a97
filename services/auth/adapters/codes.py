"""Codes and secrets: how they are made, and the only forms in which they are kept.

C-01  A code is uniform over 000000 to 999999, from the system's secure source.
C-12  A challenge is known only to the browser that asked, or to the session that did.
C-16  A code is kept as HMAC-SHA-256 under a pepper that stands in no database, bound to its challenge and purpose. The
      pepper has a version, so that it can be changed: codes under way are compared under the one they were made with.
C-18  What is secret is compared in constant time.
"""

import hashlib
import hmac
import secrets

from services.auth.events import Purpose

_SECRET_BYTES = 32


def new_code() -> str:
    """Six digits, leading zeros kept."""
    return f"{secrets.randbelow(10**6):06d}"


def new_secret() -> str:
    """256 random bits in URL-safe characters: what a browser shows to be recognised."""
    return secrets.token_urlsafe(_SECRET_BYTES)


class Codes:
    """The stored forms, under the pepper of now, and for codes under way the one before it."""

    def __init__(self, pepper: str, *, version: int = 1, before: str | None = None) -> None:
        self.version = version
        self._peppers = {version: pepper.encode()} | ({version - 1: before.encode()} if before else {})

    def of_asking(self, purpose: Purpose, session_id: str) -> bytes:
        """By what a challenge is found that a session asked for: no secret but the session is needed to answer it.

        Nobody can name such a challenge at a login, nor the challenge of a login here (C-12).
        """
        return self._keyed(self.version, "asking", purpose, session_id)

    def of_code(self, challenge_id: str, purpose: str, code: str, *, pepper: int | None = None) -> bytes:
        """What a code is compared by (C-12: worthless with another challenge or for another purpose).

        `pepper` is the version that the code was made under. One that is gone makes a form that no code has.
        """
        version = self.version if pepper is None else pepper
        return self._keyed(version, "code", challenge_id, purpose, code) if version in self._peppers else b""

    def of_address(self, address: str) -> str:
        """By what the failures at an address that nobody has are counted."""
        return self._keyed(self.version, "address", address).hex()

    def of_client(self, client: str | None) -> bytes | None:
        """By what the requests of a network address are counted."""
        return None if client is None else self._keyed(self.version, "client", client)

    @staticmethod
    def of_secret(secret: str) -> bytes:
        """By what a session, a challenge or a device is found: 256 random bits need no pepper."""
        return hashlib.sha256(secret.encode()).digest()

    @staticmethod
    def same(one: bytes, other: bytes) -> bool:
        """Whether two stored forms are equal, in constant time."""
        return hmac.compare_digest(one, other)

    def _keyed(self, version: int, what: str, *parts: str) -> bytes:
        # Every part carries its length, so that no two lists of parts make one message.
        message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in (what, *parts))
        return hmac.digest(self._peppers[version], message, "sha256")
