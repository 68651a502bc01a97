"""Idempotency keys: the same command sent again is answered the same again, and done once.

The key is stored in the very commit of the command, with the answer. The same key with another body is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import orjson

from shared.actor import Actor
from shared.cause import Seen
from shared.database import Database
from shared.errors import Conflict
from shared.eventstore.statement import Statement

KEPT_HOURS = 24
KEY_USED = "idempotency_pkey"
"""The constraint on which the second of two simultaneous commands with one key fails."""

TABLE: LiteralString = """
CREATE TABLE IF NOT EXISTS idempotency (
    actor text NOT NULL, key text NOT NULL, digest bytea NOT NULL,
    status int NOT NULL, seen text[] NOT NULL, answer jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (actor, key));
CREATE INDEX IF NOT EXISTS idempotency_at ON idempotency (at);
"""


PURGE: LiteralString = (
    "DELETE FROM idempotency WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency "
    "WHERE at < clock_timestamp() - make_interval(hours => 24) LIMIT 10000))"
)
"""Run now and then: keys past their time are of no use."""


class KeyReused(Conflict):
    """This Idempotency-Key was already used for another command."""

    code = "idempotency-key-reused"


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer that a command was given."""

    status: int
    seen: Seen
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One actor's key for one command; `digest` is of the method, the path and the body."""

    actor: Actor
    key: str
    digest: bytes

    async def kept(self, database: Database) -> Kept | None:
        """The answer given before, if any. Raises KeyReused when it was to another command."""
        row = await database.row(
            "SELECT digest, status, seen, answer FROM idempotency WHERE actor = %s AND key = %s "
            "AND at > clock_timestamp() - make_interval(hours => %s)",
            (str(self.actor), self.key, KEPT_HOURS),
        )
        if row is None:
            return None
        if bytes(row["digest"]) != self.digest:
            raise KeyReused
        return Kept(row["status"], tuple(row["seen"]), row["answer"])

    def keep(self, status: int, seen: Seen, answer: Mapping[str, Any]) -> Iterable[Statement]:
        """Statements for the command's commit."""
        yield Statement(
            "DELETE FROM idempotency WHERE actor = %s AND key = %s "
            "AND at < clock_timestamp() - make_interval(hours => %s)",
            (str(self.actor), self.key, KEPT_HOURS),
        )
        yield Statement(
            "INSERT INTO idempotency (actor, key, digest, status, seen, answer) VALUES (%s, %s, %s, %s, %s, %s)",
            (str(self.actor), self.key, self.digest, status, list(seen), orjson.dumps(answer).decode()),
        )
