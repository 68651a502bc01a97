"""Recovery codes: shown once, used once each, kept as digests (C-27). They stand for a lost authenticator app.

A code has 120 random bits, so its plain digest tells nobody anything. Not derived from events: without it people make
new ones.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, LiteralString

from services.auth.domain.challenge import CodeNotLive
from services.auth.events import AuthenticatorAppRemoved, RecoveryCodesIssued, Reinvited
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

_BYTES = 15


class RecoveryCodes:
    """One row a code that was not used."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "recovery_codes": """
            CREATE TABLE IF NOT EXISTS recovery_codes (subject text NOT NULL, digest bytea NOT NULL,
                PRIMARY KEY (subject, digest));
            CREATE OR REPLACE FUNCTION recovery_code_take(whose text, which bytea) RETURNS void
            LANGUAGE plpgsql AS $$
            BEGIN
                DELETE FROM recovery_codes WHERE subject = whose AND digest = which;
                IF NOT FOUND THEN
                    RAISE unique_violation USING CONSTRAINT = 'recovery_code_is_taken_once', MESSAGE = 'used';
                END IF;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"recovery_code_is_taken_once": CodeNotLive}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case (
                AuthenticatorAppRemoved(subject=subject)
                | RecoveryCodesIssued(subject=subject)
                | Reinvited(subject=subject)
            ):
                yield Statement("DELETE FROM recovery_codes WHERE subject = %s", (subject,))
            case _:
                pass


def new_codes(count: int) -> Sequence[str]:
    """So many, in groups of four letters and digits."""
    return [_grouped(base64.b32encode(secrets.token_bytes(_BYTES)).decode()) for _ in range(count)]


def _grouped(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def digest_of(code: str) -> bytes:
    """The form in which a code, as typed, is kept and found."""
    return hashlib.sha256(code.replace("-", "").encode()).digest()


def keep(subject: str, codes: Sequence[str]) -> Iterable[Statement]:
    """These are somebody's, whatever they had before is not."""
    for code in codes:
        yield Statement("INSERT INTO recovery_codes (subject, digest) VALUES (%s, %s)", (subject, digest_of(code)))


async def is_theirs(database: Database, subject: str, digest: bytes) -> bool:
    """Whether this is a code that they have not used. Raises Unavailable."""
    found = await database.row(
        "SELECT 1 AS one FROM recovery_codes WHERE subject = %s AND digest = %s", (subject, digest)
    )
    return found is not None


async def left(database: Database, subject: str) -> int:
    """How many somebody has left. Raises Unavailable."""
    row = await database.row("SELECT count(*) AS left FROM recovery_codes WHERE subject = %s", (subject,))
    return int(row["left"]) if row else 0


def take(subject: str, digest: bytes) -> Statement:
    """This one is used (C-27); refuses with CodeNotLive."""
    return Statement("SELECT recovery_code_take(%s, %s)", (subject, digest))
