"""The guess budget: what was tried in vain, and whether one more try may be spent. Kept beside the log.

C-05  A try is spent in one statement, by itself and before anything is compared; parallel tries cannot share one.
C-06  Failures are counted by account and authenticator, across codes, browsers, replicas and restarts.
C-07  Time and new codes refill nothing: only a success of that authenticator does, or an invitation anew.
C-08  One waits after the fifth failure in a row, and strangers together have few failures in any 24 hours.
C-09  All accounts together have a budget, too: when it is spent, a try costs strangers a puzzle (`adapters/puzzle.py`).
      What nobody can get into does not count in it.
C-10  A known device is counted by itself, so that strangers cannot use up what its owner needs.
C-11  What all of them failed in a row is bounded by one number.

Not derived from events and never to be rebuilt: without it the hard stop forgets.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, LiteralString

from services.auth.domain.challenge import Tried
from services.auth.domain.limits import Limits
from services.auth.events import Authenticator, CodeAccepted, Reinvited
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Conflict, Refusal
from shared.eventstore.statement import Statement

LONGEST_WINDOW = timedelta(days=1)


class ToldAlready(Conflict):
    """Another replica has told them just now."""

    code = "told-already"


class GuessBudget:
    """Failures in a row by account, authenticator and bucket; single failures for as long as a window looks back."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "failed_tries": """
            CREATE TABLE IF NOT EXISTS failed_tries (
                account text NOT NULL, authenticator text NOT NULL, bucket text NOT NULL, failures int NOT NULL,
                wait_until timestamptz NOT NULL, told boolean NOT NULL DEFAULT false,
                PRIMARY KEY (account, authenticator, bucket)) WITH (fillfactor = 50)""",
        "guesses": """
            CREATE TABLE IF NOT EXISTS guesses (
                guess_id text PRIMARY KEY, account text NOT NULL, authenticator text NOT NULL, bucket text NOT NULL,
                known boolean NOT NULL, at timestamptz NOT NULL);
            CREATE INDEX IF NOT EXISTS guesses_of_account ON guesses (account, authenticator, bucket, at);
            CREATE INDEX IF NOT EXISTS guesses_in_all ON guesses (at) WHERE known;
            -- Whoever touches an account's codes or counters takes its turn first, so nobody waits for each other.
            CREATE OR REPLACE FUNCTION account_turn(whose text) RETURNS void LANGUAGE sql AS $$
                SELECT pg_advisory_xact_lock(1587, hashtext(whose)) $$;
            CREATE OR REPLACE FUNCTION told_of_stop(whose text, via text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                UPDATE failed_tries SET told = true WHERE account = whose AND authenticator = via AND NOT told;
                IF NOT FOUND THEN
                    RAISE unique_violation USING CONSTRAINT = 'stop_is_told_once', MESSAGE = 'told already';
                END IF;
            END $$;
            CREATE OR REPLACE FUNCTION spend_try(
                found_by bytea, via text, device bytea, proven boolean, guess text, moment timestamptz, l jsonb,
                OUT challenge_id text, OUT account text, OUT subject text, OUT purpose text, OUT digest bytea,
                OUT pepper int, OUT passed text[], OUT device_id text, OUT failed_before int, OUT refused text)
            RETURNS SETOF record LANGUAGE plpgsql AS $$
            #variable_conflict use_column
            DECLARE c record; mine text; in_a_row int; of_mine int; waiting timestamptz; today int;
            BEGIN
                PERFORM account_turn(account) FROM codes WHERE challenge = found_by LIMIT 1;
                -- A session may ask for several codes under one challenge: the live one counts, else the last.
                SELECT * INTO c FROM codes WHERE challenge = found_by
                    ORDER BY fate IS NULL DESC, expires_at DESC LIMIT 1;
                IF NOT FOUND THEN RETURN; END IF;
                device_id := known_device(device, c.account, moment);
                mine := coalesce(device_id, 'strangers');
                SELECT coalesce(sum(failures), 0), coalesce(sum(failures) FILTER (WHERE bucket = mine), 0),
                       max(wait_until) FILTER (WHERE bucket = mine)
                    INTO in_a_row, of_mine, waiting
                    FROM failed_tries WHERE account = c.account AND authenticator = via;
                SELECT count(*) INTO today FROM guesses WHERE account = c.account AND authenticator = via
                    AND bucket = mine AND at > moment - interval '1 day';
                refused := CASE
                    WHEN c.fate = 'superseded' THEN 'superseded'
                    WHEN c.fate = 'used' OR via = ANY(c.passed) THEN 'already-used'
                    WHEN c.expires_at <= moment THEN 'expired'
                    WHEN in_a_row >= (l->>'in_a_row')::int THEN 'account-paused'
                    WHEN device_id IS NULL AND of_mine >= (l->>'of_strangers')::int THEN 'account-paused'
                    WHEN c.tries >= (l->>'a_code')::int THEN 'tries-spent'
                    WHEN waiting > moment THEN 'must-wait'
                    WHEN today >= (l->>(CASE WHEN device_id IS NULL THEN 'a_day' ELSE 'of_device' END))::int
                        THEN 'spent-for-today'
                    WHEN device_id IS NULL AND NOT proven AND (l->>'in_all')::int <=
                        (SELECT count(*) FROM guesses WHERE known AND at > moment - interval '1 day')
                        THEN 'puzzle-unsolved' END;
                IF refused IS NULL THEN
                    UPDATE codes SET tries = tries + 1 WHERE challenge_id = c.challenge_id;
                    INSERT INTO guesses VALUES (guess, c.account, via, mine, c.subject IS NOT NULL, moment);
                    INSERT INTO failed_tries AS f (account, authenticator, bucket, failures, wait_until)
                    VALUES (c.account, via, mine, 1, '-infinity')
                    ON CONFLICT (account, authenticator, bucket) DO UPDATE SET failures = f.failures + 1;
                    -- The wait grows with the failures of this bucket, so that strangers let no owner wait (C-10).
                    UPDATE failed_tries SET wait_until = moment + make_interval(secs =>
                        (l->'waits'->least(failures, jsonb_array_length(l->'waits') - 1))::float)
                    WHERE account = c.account AND authenticator = via AND bucket = mine
                        AND failures >= (l->>'before_waiting')::int;
                END IF;
                challenge_id := c.challenge_id; account := c.account; subject := c.subject; purpose := c.purpose;
                digest := c.digest; pepper := c.pepper; passed := c.passed; failed_before := in_a_row;
                RETURN NEXT;
            END $$;""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"stop_is_told_once": ToldAlready}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case CodeAccepted(subject=subject, by=by):
                yield Statement("SELECT account_turn(%s)", (subject,))
                yield Statement(_BEGIN_AGAIN + "WHERE account = %s AND authenticator = %s", (subject, by))
            case Reinvited(subject=subject):
                yield Statement("SELECT account_turn(%s)", (subject,))
                yield Statement(_BEGIN_AGAIN + "WHERE account = %s", (subject,))
            case _:
                pass


_BEGIN_AGAIN: LiteralString = "UPDATE failed_tries SET failures = 0, wait_until = '-infinity', told = false "


async def spend_try(
    database: Database,
    found_by: bytes,
    *,
    by: Authenticator,
    device: bytes | None,
    proven: bool,
    guess_id: str,
    now: datetime,
    limits: Limits,
) -> Tried | None:
    """Spend one try with a challenge and count it as failed, or say why there is none; None for no such challenge.

    `proven` is who has solved the puzzle of this guess, or needs not to.

    Raises Unavailable; the try may be spent then.
    """
    row = await database.row(
        "SELECT * FROM spend_try(%s, %s, %s, %s, %s, %s, %s::jsonb)",
        (found_by, by, device, proven, guess_id, now, _as_json(limits)),
    )
    if row is None:
        return None
    return Tried(**{**row, "digest": bytes(row["digest"]), "passed": frozenset(row["passed"])})


def take_back(guess_id: str) -> Statement:
    """It was no failure: in the commit of the success."""
    return Statement("DELETE FROM guesses WHERE guess_id = %s", (guess_id,))


def _as_json(limits: Limits) -> str:
    """The numbers that the statement asks for."""
    waits = [0.0]
    while waits[-1] < limits.longest_wait.total_seconds():
        waits.append(limits.wait_after(len(waits)).total_seconds())
    return json.dumps(
        {
            "a_code": limits.tries_a_code,
            "in_a_row": limits.failures_in_a_row,
            "of_strangers": limits.failures_in_a_row_of_strangers,
            "a_day": limits.failures_a_day,
            "of_device": limits.failures_a_day_of_a_device,
            "in_all": limits.failures_a_day_in_all,
            "before_waiting": limits.failures_before_waiting,
            "waits": waits,
        }
    )


async def failures_since(database: Database, since: datetime) -> int:
    """How many tries failed since then, over all accounts that there are (C-09). Raises Unavailable."""
    row = await database.row("SELECT count(*) AS failures FROM guesses WHERE known AND at > %s", (since,))
    return int(row["failures"]) if row else 0


async def stopped(database: Database, limits: Limits) -> list[Row]:
    """`account`, `authenticator` and `failures` of whoever reached a hard stop and was not told. Raises Unavailable."""
    return await database.rows(
        "SELECT account, authenticator, sum(failures)::int AS failures FROM failed_tries "
        "WHERE failures > 0 AND account NOT LIKE 'address:%%' GROUP BY account, authenticator "
        "HAVING (sum(failures) >= %s OR sum(failures) FILTER (WHERE bucket = 'strangers') >= %s) AND NOT bool_or(told)",
        (limits.failures_in_a_row, limits.failures_in_a_row_of_strangers),
    )


def told(account: str, authenticator: str) -> Iterable[Statement]:
    """They have been told that the hard stop is reached; refused when another replica has told them just now."""
    yield Statement("SELECT account_turn(%s)", (account,))
    yield Statement("SELECT told_of_stop(%s, %s)", (account, authenticator))


async def forget_old(database: Database, now: datetime) -> None:
    """Drop what no window looks back to; failures in a row stay for ever (C-07). Raises Unavailable."""
    await database.execute("DELETE FROM guesses WHERE at <= %s", (now - LONGEST_WINDOW,))
    await database.execute(
        "DELETE FROM failed_tries f WHERE account LIKE 'address:%%' "
        "AND NOT EXISTS (SELECT 1 FROM codes c WHERE c.account = f.account)",
    )
