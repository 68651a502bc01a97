"""The codes under way: kept beside the log, because no event may carry a code, not even hashed.

C-03  A unique key lets one mailed code of an account and purpose be live, for strangers and for each known device.
C-04  Accepting takes the code in the commit of CodeAccepted; the second to try finds nothing to take.
C-14  How often codes may be asked for; those that logged in do not count. How many are mailed for one company is looked
      at when they are mailed, for no answer may tell which addresses belong together (C-15).

Not derived from events: it cannot be rebuilt, and need not be (people ask for another code).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, LiteralString

from services.auth.domain.challenge import CodeNotLive, CodesAskedTooOften
from services.auth.domain.limits import Limits
from services.auth.events import Authenticator, CodeAccepted, Purpose
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

KEPT_AFTERWARDS = timedelta(days=1)
"""At least as long as the longest time in which codes are counted."""


class KeptCodes:
    """Codes by the challenge they were asked with."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "codes": """
            CREATE TABLE IF NOT EXISTS codes (
                challenge_id text PRIMARY KEY, challenge bytea NOT NULL, account text NOT NULL, subject text,
                purpose text NOT NULL, by text NOT NULL, bucket text NOT NULL, client bytea,
                digest bytea NOT NULL, pepper int NOT NULL, asked_at timestamptz NOT NULL,
                expires_at timestamptz NOT NULL, tries int NOT NULL DEFAULT 0, passed text[] NOT NULL DEFAULT '{}',
                fate text CHECK (fate IN ('used', 'superseded')));
            CREATE UNIQUE INDEX IF NOT EXISTS one_live_code
                ON codes (account, purpose, bucket) WHERE fate IS NULL AND by = 'mailed-code';
            CREATE INDEX IF NOT EXISTS unanswered_of_account
                ON codes (account, bucket, asked_at) WHERE fate IS DISTINCT FROM 'used';
            CREATE INDEX IF NOT EXISTS unanswered_of_client
                ON codes (client, asked_at) WHERE fate IS DISTINCT FROM 'used';
            CREATE INDEX IF NOT EXISTS unanswered_of_strangers
                ON codes (asked_at) WHERE fate IS DISTINCT FROM 'used' AND bucket = 'strangers';
            CREATE INDEX IF NOT EXISTS codes_challenge ON codes (challenge);
            CREATE INDEX IF NOT EXISTS codes_expire ON codes (expires_at);
            CREATE OR REPLACE FUNCTION code_wait(
                whose text, what text, via text, who text, place bytea, moment timestamptz, again interval,
                an_hour int, a_day int, of_client int, in_all int) RETURNS interval LANGUAGE sql STABLE AS $$
                SELECT greatest(interval '0', free_at - moment) FROM (SELECT greatest(
                    (SELECT max(asked_at) + again FROM codes WHERE account = whose AND purpose = what AND by = via
                        AND bucket = who AND fate IS NULL AND expires_at > moment AND via = 'mailed-code'),
                    (SELECT asked_at + interval '1 hour' FROM codes WHERE account = whose AND purpose = what
                        AND by = via AND bucket = who AND fate IS DISTINCT FROM 'used' AND via = 'mailed-code'
                        ORDER BY asked_at DESC OFFSET an_hour - 1 LIMIT 1),
                    (SELECT asked_at + interval '1 day' FROM codes WHERE account = whose AND purpose = what
                        AND by = via AND bucket = who AND fate IS DISTINCT FROM 'used' AND via = 'mailed-code'
                        ORDER BY asked_at DESC OFFSET a_day - 1 LIMIT 1),
                    (SELECT asked_at + interval '1 hour' FROM codes WHERE client = place
                        AND fate IS DISTINCT FROM 'used' ORDER BY asked_at DESC OFFSET of_client - 1 LIMIT 1),
                    (SELECT asked_at + interval '1 hour' FROM codes WHERE who = 'strangers'
                        AND bucket = 'strangers' AND asked_at > moment - interval '1 hour'
                        AND fate IS DISTINCT FROM 'used' ORDER BY asked_at DESC OFFSET in_all - 1 LIMIT 1),
                    moment) AS free_at) AS found $$;
            CREATE OR REPLACE FUNCTION code_must_not_wait(
                whose text, what text, via text, who text, place bytea, moment timestamptz, again interval,
                an_hour int, a_day int, of_client int, in_all int) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM account_turn(whose);
                IF code_wait(whose, what, via, who, place, moment, again, an_hour, a_day, of_client, in_all) > '0' THEN
                    RAISE check_violation USING CONSTRAINT = 'codes_asked_too_often', MESSAGE = 'asked too often';
                END IF;
            END $$;
            CREATE OR REPLACE FUNCTION code_take(taken text, via text, whole boolean) RETURNS void
            LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM account_turn(account) FROM codes WHERE challenge_id = taken;
                UPDATE codes SET passed = passed || via, tries = tries - 1, fate = CASE WHEN whole THEN 'used' END
                    WHERE challenge_id = taken AND fate IS NULL AND NOT via = ANY(passed);
                IF NOT FOUND THEN
                    RAISE unique_violation USING CONSTRAINT = 'code_is_taken_once', MESSAGE = 'used or superseded';
                END IF;
            END $$;""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {
        "code_is_taken_once": CodeNotLive,
        "codes_asked_too_often": CodesAskedTooOften,
    }

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case CodeAccepted(challenge_id=challenge, by=by, completes=whole):
                yield Statement("SELECT code_take(%s, %s, %s)", (challenge, by, whole))
            case _:
                pass


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for a code, for whom, from where."""

    account: str
    subject: str | None
    purpose: Purpose
    by: Authenticator
    bucket: str
    client: bytes | None
    now: datetime

    def within(self, limits: Limits) -> tuple[object, ...]:
        """What the statements below want to know."""
        return (
            *(self.account, self.purpose, self.by, self.bucket, self.client, self.now, limits.code_again_after),
            *(limits.codes_an_hour, limits.codes_a_day, limits.codes_an_hour_of_a_client, limits.codes_an_hour_in_all),
        )


_WITHIN: LiteralString = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


async def wait(database: Database, asking: Asking, limits: Limits) -> timedelta:
    """How long until a code may be asked for; nothing when now (C-14). Raises Unavailable."""
    row = await database.row("SELECT code_wait" + _WITHIN + " AS wait", asking.within(limits))
    assert row is not None  # noqa: S101 (it selects a value)
    found: timedelta = row["wait"]
    return found


def must_not_wait(asking: Asking, limits: Limits) -> Statement:
    """What must still hold when a code is made (C-14): refuses with CodesAskedTooOften."""
    return Statement("SELECT code_must_not_wait" + _WITHIN, asking.within(limits))


def keep(
    asking: Asking, *, challenge_id: str, challenge: bytes, digest: bytes, pepper: int, expires_at: datetime
) -> Iterable[Statement]:
    """A new code is live, whatever was live before is not (C-03); the failures stay as they are (C-06)."""
    whose = (asking.account, asking.purpose, asking.bucket)
    yield Statement(
        "UPDATE codes SET fate = 'superseded' WHERE account = %s AND purpose = %s AND bucket = %s AND fate IS NULL "
        "AND by = 'mailed-code' AND %s = 'mailed-code'",
        (*whose, asking.by),
    )
    yield Statement(
        "INSERT INTO codes (account, purpose, bucket, subject, by, client, asked_at, "
        "challenge_id, challenge, digest, pepper, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(*whose, asking.subject, asking.by, asking.client, asking.now),
            *(challenge_id, challenge, digest, pepper, expires_at),
        ),
    )


def replaced(account: str) -> Iterable[Statement]:
    """Codes under way went to an address that is this account's no more: none of them works (A15)."""
    yield Statement("SELECT account_turn(%s)", (account,))
    yield Statement("UPDATE codes SET fate = 'superseded' WHERE account = %s AND fate IS NULL", (account,))


async def is_over_its_companys(database: Database, challenge_id: str, limits: Limits) -> bool:
    """Whether strangers had asked for too many codes for people of one company when they asked for this one (C-14).

    Raises Unavailable.
    """
    row = await database.row(_OF_ONE_COMPANY, (challenge_id, limits.codes_an_hour_of_a_company))
    return row is not None and row["asked"] > limits.codes_an_hour_of_a_company


_OF_ONE_COMPANY: LiteralString = """
SELECT count(*) AS asked FROM (
    SELECT 1 FROM codes mine JOIN codes c ON c.asked_at > mine.asked_at - interval '1 hour'
        AND (c.asked_at, c.challenge_id) <= (mine.asked_at, mine.challenge_id)
        AND c.bucket = 'strangers' AND c.by = 'mailed-code' AND c.fate IS DISTINCT FROM 'used'
    WHERE mine.challenge_id = %s AND mine.bucket = 'strangers' AND EXISTS (
        SELECT 1 FROM reach_grants theirs JOIN reach_grants g USING (company_id)
        WHERE theirs.profile_id = replace(mine.subject, 'profile:', '')
            AND g.profile_id = replace(c.subject, 'profile:', ''))
    LIMIT %s + 1) AS within
"""


async def fate_of(database: Database, challenge_id: str) -> str | None:
    """What became of a code, or None while it is live. Raises Unavailable."""
    row = await database.row("SELECT fate FROM codes WHERE challenge_id = %s", (challenge_id,))
    return row["fate"] if row else None


async def forget_old(database: Database, now: datetime) -> None:
    """Drop what nobody can use any more and no limit counts. Raises Unavailable."""
    await database.execute("DELETE FROM codes WHERE expires_at < %s", (now - KEPT_AFTERWARDS,))
