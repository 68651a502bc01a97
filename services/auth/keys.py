"""How others read auth's signing keys: the copy that every service verifies access tokens with.

Part of auth's published language (beside `events.py`): services import it, put the view among their copies, and hand
`find` to their door.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.auth.events import SigningKeyPublished, SigningKeyRetired, SigningKeyRevoked
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class SigningKeys:
    """Which public keys may access tokens be verified with?"""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "signing_keys": "CREATE TABLE IF NOT EXISTS signing_keys "
        "(key_id text PRIMARY KEY, public_key text NOT NULL, not_after timestamptz NOT NULL)"
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case SigningKeyPublished(key_id=key_id, public_key=public_key, not_after=not_after):
                yield Statement(
                    "INSERT INTO signing_keys VALUES (%s, %s, %s) ON CONFLICT (key_id) DO UPDATE "
                    "SET public_key = excluded.public_key, not_after = excluded.not_after",
                    (key_id, public_key, not_after),
                )
            case SigningKeyRetired(key_id=key_id) | SigningKeyRevoked(key_id=key_id):
                yield Statement("DELETE FROM signing_keys WHERE key_id = %s", (key_id,))
            case _:
                pass


async def find_key(database: Database, key_id: str) -> bytes | None:
    """The raw Ed25519 public key of a key that may still be used, else None. Raises Unavailable."""
    row = await database.row(
        "SELECT public_key FROM signing_keys WHERE key_id = %s AND not_after > clock_timestamp()", (key_id,)
    )
    return base64.urlsafe_b64decode(row["public_key"] + "=") if row else None
