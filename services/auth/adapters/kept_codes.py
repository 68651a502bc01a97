"""The codes under way and their counters: kept beside the log, because no event may carry a code, not even hashed.

C-03  A unique key lets one code of an account and purpose be live.
C-04  Accepting takes the code in the commit of CodeAccepted; the second to try finds nothing to take.
C-05  A try is spent in one conditional UPDATE, by itself and before anything is compared.
C-06  Failures are counted by account and authenticator; the same UPDATE counts, only a success takes back.

Not derived from events: it cannot be rebuilt, and need not be (people ask for another code).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, LiteralString

from services.auth.domain.challenge import CodeNotLive, Tried
from services.auth.domain.limits import Limits
from services.auth.events import CodeAccepted, Purpose
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

MAILED_CODE = "mailed-code"
"""The authenticator that these codes belong to."""
KEPT_AFTERWARDS = timedelta(days=1)


class KeptCodes:
    """Codes by the challenge they were asked with, failures by account and authenticator."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "codes": """
            CREATE TABLE IF NOT EXISTS codes (
                challenge_id text PRIMARY KEY, challenge bytea NOT NULL, account text NOT NULL, subject text,
                purpose text NOT NULL, digest bytea NOT NULL, expires_at timestamptz NOT NULL,
                tries int NOT NULL DEFAULT 0, fate text CHECK (fate IN ('used', 'superseded')));
            CREATE UNIQUE INDEX IF NOT EXISTS one_live_code ON codes (account, purpose) WHERE fate IS NULL;
            CREATE INDEX IF NOT EXISTS codes_challenge ON codes (challenge);
            CREATE INDEX IF NOT EXISTS codes_expire ON codes (expires_at);
            CREATE OR REPLACE FUNCTION code_take(taken text) RETURNS void LANGUAGE plpgsql AS $$
            DECLARE whose text;
            BEGIN
                UPDATE codes SET fate = 'used' WHERE challenge_id = taken AND fate IS NULL RETURNING account INTO whose;
                IF NOT FOUND THEN
                    RAISE unique_violation USING CONSTRAINT = 'code_is_taken_once', MESSAGE = 'used or superseded';
                END IF;
                UPDATE failed_tries SET failures = 0 WHERE account = whose AND authenticator = 'mailed-code';
            END $$;""",
        "failed_tries": """
            CREATE TABLE IF NOT EXISTS failed_tries (
                account text NOT NULL, authenticator text NOT NULL, failures int NOT NULL DEFAULT 0,
                PRIMARY KEY (account, authenticator)) WITH (fillfactor = 50)""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"code_is_taken_once": CodeNotLive}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case CodeAccepted(challenge_id=challenge):
                yield Statement("SELECT code_take(%s)", (challenge,))
            case _:
                pass


def keep(
    *,
    challenge_id: str,
    challenge: bytes,
    account: str,
    subject: str | None,
    purpose: Purpose,
    digest: bytes,
    expires_at: datetime,
) -> Iterable[Statement]:
    """A new code is live, whatever was live before is not (C-03); the failures stay as they are (C-06)."""
    yield Statement(
        "UPDATE codes SET fate = 'superseded' WHERE account = %s AND purpose = %s AND fate IS NULL", (account, purpose)
    )
    yield Statement(
        "INSERT INTO codes (challenge_id, challenge, account, subject, purpose, digest, expires_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (challenge_id, challenge, account, subject, purpose, digest, expires_at),
    )
    yield Statement(
        "INSERT INTO failed_tries (account, authenticator) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (account, MAILED_CODE),
    )


def replaced(account: str) -> Statement:
    """Codes under way went to an address that is this account's no more: none of them works (A15)."""
    return Statement("UPDATE codes SET fate = 'superseded' WHERE account = %s AND fate IS NULL", (account,))


# The account is counted only if the code could spend a try, and a try counts only if the account could be counted: each
# UPDATE asks its own row as it is at that moment, so parallel tries cannot share one.
_SPEND: LiteralString = """
    WITH tried AS (
        UPDATE codes SET tries = tries + 1
        WHERE challenge = %(challenge)s AND tries < %(tries)s AND fate IS NULL AND expires_at > %(now)s
        RETURNING account)
    UPDATE failed_tries AS f SET failures = f.failures + 1 FROM tried
    WHERE f.account = tried.account AND f.authenticator = %(authenticator)s AND f.failures < %(failures)s"""


async def spend_try(database: Database, challenge: bytes, now: datetime, limits: Limits) -> bool:
    """Spend one try at the code of a challenge and count it as failed; False when there is none to spend.

    Raises Unavailable; the try may be spent then.
    """
    asked = {
        "challenge": challenge,
        "authenticator": MAILED_CODE,
        "now": now,
        "tries": limits.tries_a_code,
        "failures": limits.failures_in_a_row,
    }
    return await database.execute(_SPEND, asked) == 1


async def find(database: Database, challenge: bytes) -> Tried | None:
    """What is known of the code of a challenge, or None for a challenge that nobody knows. Raises Unavailable.

    A session may ask for several codes under one challenge: the live one counts, else the last.
    """
    row = await database.row(
        "SELECT challenge_id, subject, purpose, digest, expires_at, tries, failures, fate "
        "FROM codes JOIN failed_tries USING (account) WHERE challenge = %s AND authenticator = %s "
        "ORDER BY fate IS NULL DESC, expires_at DESC LIMIT 1",
        (challenge, MAILED_CODE),
    )
    return Tried(**{**row, "digest": bytes(row["digest"])}) if row else None


async def forget_old(database: Database, now: datetime) -> None:
    """Drop what nobody can use any more; the failures of accounts stay for ever (C-07). Raises Unavailable."""
    await database.execute("DELETE FROM codes WHERE expires_at < %s", (now - KEPT_AFTERWARDS,))
    await database.execute(
        "DELETE FROM failed_tries f WHERE account LIKE 'address:%%' "
        "AND NOT EXISTS (SELECT 1 FROM codes c WHERE c.account = f.account)",
        (),
    )
