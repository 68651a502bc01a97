"""Codes and secrets: how they are made, and the only forms in which they are kept.

C-01  A code is uniform over 000000 to 999999, from the system's secure source.
C-12  A challenge is known only to the browser that asked, or to the session that did.
C-16  A code is kept as HMAC-SHA-256 under a pepper that stands in no database, bound to its challenge and purpose.
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
    """The stored forms, under one pepper; a change of the pepper makes the codes under way worthless, nothing else."""

    def __init__(self, pepper: str) -> None:
        self._pepper = pepper.encode()

    def of_challenge(self, secret: str) -> bytes:
        """By what a challenge is found."""
        return self._keyed("challenge", secret)

    def of_asking(self, purpose: Purpose, session_id: str) -> bytes:
        """By what a challenge is found that a session asked for: no secret but the session is needed to answer it.

        Nobody can name such a challenge at a login, nor the challenge of a login here (C-12).
        """
        return self._keyed("asking", purpose, session_id)

    def of_code(self, challenge_id: str, purpose: str, code: str) -> bytes:
        """What a code is compared by (C-12: worthless with another challenge or for another purpose)."""
        return self._keyed("code", challenge_id, purpose, code)

    def of_address(self, address: str) -> str:
        """By what the failures at an address that nobody has are counted."""
        return self._keyed("address", address).hex()

    @staticmethod
    def of_session(secret: str) -> bytes:
        """By what a session is found: 256 random bits need no pepper, so its change logs nobody out."""
        return hashlib.sha256(secret.encode()).digest()

    @staticmethod
    def same(one: bytes, other: bytes) -> bool:
        """Whether two stored forms are equal, in constant time."""
        return hmac.compare_digest(one, other)

    def _keyed(self, what: str, *parts: str) -> bytes:
        # Every part carries its length, so that no two lists of parts make one message.
        message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in (what, *parts))
        return hmac.digest(self._pepper, message, "sha256")
