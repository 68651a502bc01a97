"""Authenticator apps: their seeds, sealed, and what was accepted of them last. Kept beside the log.

C-20, C-21  A step is taken in the commit of CodeAccepted, by one conditional UPDATE that only ever goes up.
C-23  A seed has 160 random bits, is shown once, and sealed under a key that stands in no database.
C-24  Codes are computed from the number of the step: no clock and no time zone but ours has a say.

Not derived from events: without it people log in with mailed codes and enrol their app again.
"""

import base64
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, LiteralString

from pyotp import TOTP

from services.auth.adapters.sealing import Sealer
from services.auth.domain.challenge import CodeNotLive
from services.auth.domain.limits import Limits
from services.auth.domain.login import AppNotProven
from services.auth.events import AuthenticatorAppRemoved, Reinvited
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

SEED_BYTES = 20
NOBODYS_SEED = "A" * 32
"""What is computed with where there is no app: the work is the same (C-15)."""


class AuthenticatorApps:
    """One row a person with an app, and one a person who was offered one."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "authenticator_apps": """
            CREATE TABLE IF NOT EXISTS authenticator_apps (
                subject text PRIMARY KEY, app_id text NOT NULL, sealed_seed bytea NOT NULL,
                last_step bigint NOT NULL, drift int NOT NULL);
            CREATE OR REPLACE FUNCTION app_step_take(whose text, which text, step bigint, shown int) RETURNS void
            LANGUAGE plpgsql AS $$
            BEGIN
                UPDATE authenticator_apps SET last_step = step, drift = shown
                    WHERE subject = whose AND app_id = which AND last_step < step;
                IF NOT FOUND THEN
                    RAISE unique_violation USING CONSTRAINT = 'app_step_is_taken_once', MESSAGE = 'an old step';
                END IF;
            END $$;""",
        "offered_apps": """
            CREATE TABLE IF NOT EXISTS offered_apps (
                subject text PRIMARY KEY, app_id text NOT NULL, sealed_seed bytea NOT NULL,
                expires_at timestamptz NOT NULL, tries int NOT NULL DEFAULT 0);
            CREATE OR REPLACE FUNCTION app_enrol(whose text, which text, step bigint, shown int) RETURNS void
            LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO authenticator_apps (subject, app_id, sealed_seed, last_step, drift)
                    SELECT subject, app_id, sealed_seed, step, shown FROM offered_apps
                    WHERE subject = whose AND app_id = which;
                IF NOT FOUND THEN
                    RAISE check_violation USING CONSTRAINT = 'app_is_not_offered', MESSAGE = 'another is offered';
                END IF;
                DELETE FROM offered_apps WHERE subject = whose;
            END $$;""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {
        "app_step_is_taken_once": CodeNotLive,
        "app_is_not_offered": AppNotProven,
    }

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case AuthenticatorAppRemoved(subject=subject) | Reinvited(subject=subject):
                yield Statement("DELETE FROM authenticator_apps WHERE subject = %s", (subject,))
                yield Statement("DELETE FROM offered_apps WHERE subject = %s", (subject,))
            case _:
                pass


@dataclass(frozen=True, slots=True)
class App:
    """An app that is enrolled."""

    app_id: str
    sealed_seed: bytes
    last_step: int
    drift: int


@dataclass(frozen=True, slots=True)
class Offered:
    """An app that waits to be proven."""

    app_id: str
    sealed_seed: bytes


def new_seed() -> str:
    """160 random bits, as apps want them."""
    return base64.b32encode(secrets.token_bytes(SEED_BYTES)).decode()


def sealed(sealer: Sealer, app_id: str, seed: str) -> bytes:
    """The form in which a seed is kept."""
    return sealer.seal(seed.encode(), about=_about(app_id))


def opened(sealer: Sealer, app: App | Offered | None) -> str:
    """The seed again, nobody's for nobody's app. Raises SealBroken."""
    return sealer.open(app.sealed_seed, about=_about(app.app_id)).decode() if app else NOBODYS_SEED


def step_of(code: str, seed: str, steps: Sequence[int]) -> int | None:
    """The step among these that a code is of, the newest first; all are computed, whichever it is."""
    app = TOTP(seed)
    same = [hmac.compare_digest(app.generate_otp(step).encode(), code.encode()) for step in steps]
    return next((step for step, is_it in zip(steps, same, strict=True) if is_it), None)


def _about(app_id: str) -> str:
    return f"authenticator_apps/{app_id}/seed"


async def app_of(database: Database, subject: str) -> App | None:
    """Somebody's app, or None. Raises Unavailable."""
    row = await database.row(
        "SELECT app_id, sealed_seed, last_step, drift FROM authenticator_apps WHERE subject = %s", (subject,)
    )
    return App(**{**row, "sealed_seed": bytes(row["sealed_seed"])}) if row else None


def take_step(subject: str, app: App, step: int, drift: int) -> Statement:
    """This step was given: neither it nor any before it will ever do again (C-21); refuses with CodeNotLive."""
    return Statement("SELECT app_step_take(%s, %s, %s, %s)", (subject, app.app_id, step, drift))


def offer(*, subject: str, app_id: str, sealed_seed: bytes, expires_at: datetime) -> Statement:
    """An app waits to be proven, in the place of one that did before."""
    return Statement(
        "INSERT INTO offered_apps (subject, app_id, sealed_seed, expires_at) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (subject) DO UPDATE SET app_id = excluded.app_id, sealed_seed = excluded.sealed_seed, "
        "expires_at = excluded.expires_at, tries = 0",
        (subject, app_id, sealed_seed, expires_at),
    )


async def try_offered(database: Database, subject: str, now: datetime, limits: Limits) -> Offered | None:
    """Spend a try at proving the app that waits; None when none does, or none is left. Raises Unavailable."""
    row = await database.row(
        "UPDATE offered_apps SET tries = tries + 1 WHERE subject = %s AND expires_at > %s AND tries < %s "
        "RETURNING app_id, sealed_seed",
        (subject, now, limits.tries_a_code),
    )
    return Offered(row["app_id"], bytes(row["sealed_seed"])) if row else None


def enrol(*, subject: str, app_id: str, step: int, drift: int) -> Statement:
    """The app is proven, and the step that proved it is taken; refuses with AppNotProven."""
    return Statement("SELECT app_enrol(%s, %s, %s, %s)", (subject, app_id, step, drift))


async def forget_old(database: Database, now: datetime) -> None:
    """Drop the seeds of apps that were not proven in time (C-23). Raises Unavailable."""
    await database.execute("DELETE FROM offered_apps WHERE expires_at <= %s", (now,))
