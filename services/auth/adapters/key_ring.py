"""The key ring: private signing keys, sealed under SECRETS_KEY, beside the log that publishes their public halves.

A private half is destroyed in the commit that says that its key has retired or is revoked.

Not derived from events: without it, or without its SECRETS_KEY, a new key has to be made.
"""

import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, LiteralString

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.adapters.sealing import Sealer
from services.auth.domain.signing_key import LIFE, KeptKey
from services.auth.events import SigningKeyRetired, SigningKeyRevoked
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Conflict, Refusal
from shared.eventstore.statement import Statement

LOOK_AGAIN_SECONDS = 10.0


class MadeByAnother(Conflict):
    """Another replica made the next signing key at the same moment; that one counts."""

    code = "signing-key-made"


class KeyRingTables:
    """One row a key; a generation is made once, by whichever replica commits first."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "signing_key_ring": """
            CREATE TABLE IF NOT EXISTS signing_key_ring (
                key_id text PRIMARY KEY, generation int NOT NULL CONSTRAINT one_key_a_generation UNIQUE,
                sealed bytea NOT NULL, published_at timestamptz NOT NULL, not_after timestamptz NOT NULL)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"one_key_a_generation": MadeByAnother}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case SigningKeyRetired(key_id=key) | SigningKeyRevoked(key_id=key):
                yield Statement("DELETE FROM signing_key_ring WHERE key_id = %s", (key,))
            case _:
                pass


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: its public half for the event, and what keeps its private half."""

    public_key: str
    kept: Statement


class KeyRing:
    """Makes, keeps and finds private keys; which one is used is not decided here."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._keys: list[KeptKey] = []
        self._looked_at = -LOOK_AGAIN_SECONDS
        self._opened: dict[str, Ed25519PrivateKey] = {}

    def make(self, *, key_id: str, generation: int, now: datetime) -> NewKey:
        """A fresh Ed25519 key."""
        private = Ed25519PrivateKey.generate()
        public = base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).rstrip(b"=").decode()
        sealed = self._sealer.seal(private.private_bytes_raw(), about=_about(key_id))
        kept = Statement(
            "INSERT INTO signing_key_ring (key_id, generation, sealed, published_at, not_after) "
            "VALUES (%s, %s, %s, %s, %s)",
            (key_id, generation, sealed, now, now + LIFE),
        )
        return NewKey(public, kept)

    async def keys(self, *, afresh: bool = False) -> Sequence[KeptKey]:
        """Every key that was made, as of a few seconds ago at most. Raises Unavailable."""
        if afresh or not self._keys or time.monotonic() - self._looked_at > LOOK_AGAIN_SECONDS:
            rows = await self._database.rows(
                "SELECT key_id AS id, generation, sealed, published_at, not_after FROM signing_key_ring"
            )
            self._keys = [KeptKey(**{**row, "sealed": bytes(row["sealed"])}) for row in rows]
            self._looked_at = time.monotonic()
        return self._keys

    def open(self, key: KeptKey) -> Ed25519PrivateKey:
        """The private key to sign with. Raises SealBroken when SECRETS_KEY is another than it was sealed under."""
        if key.id not in self._opened:
            raw = self._sealer.open(key.sealed, about=_about(key.id))
            self._opened[key.id] = Ed25519PrivateKey.from_private_bytes(raw)
        return self._opened[key.id]


def _about(key_id: str) -> str:
    return f"signing_key_ring/{key_id}/private-key"
