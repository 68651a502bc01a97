"""Proofs: whether what somebody typed proves that they are who they say.

One function for each authenticator, all with the same answer. A passkey is one more: its assertion is checked here,
and what must be taken so that it never proves anything again goes into the same commit.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from services.auth.adapters import authenticator_apps, recovery_codes
from services.auth.adapters.codes import Codes
from services.auth.adapters.sealing import SealBroken, Sealer
from services.auth.domain import app_steps
from services.auth.domain import login as logins
from services.auth.domain.challenge import Tried
from services.auth.domain.limits import Limits
from services.auth.domain.login import login_id_of
from services.auth.events import Authenticator, Purpose, RefusedBecause
from services.auth.use_cases.categories import LOGINS
from shared.database import Database
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Change
from shared.logs import log


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of looking: why it proves nothing, or what must be taken and said if it is accepted."""

    fails_because: RefusedBecause | None = None
    takes: Sequence[Statement] = ()
    says: Sequence[Change[Any]] = ()


class Proofs:
    """Looks at what was typed; decides nothing about who may log in."""

    def __init__(self, database: Database, codes: Codes, sealer: Sealer, limits: Limits) -> None:
        self._database = database
        self._codes = codes
        self._sealer = sealer
        self._limits = limits

    async def of(self, tried: Tried, purpose: Purpose, by: Authenticator, typed: str, now: datetime) -> Proof:
        """What the typed code proves; what was asked for another purpose proves nothing (C-12). Raises Unavailable."""
        if tried.purpose != purpose:
            return Proof("unknown")
        look: Mapping[Authenticator, Callable[[Tried, str, datetime], Awaitable[Proof]]] = {
            "mailed-code": self._mailed_code,
            "authenticator-app": self._app,
            "recovery-code": self._recovery_code,
        }
        return await look[by](tried, typed, now)

    async def _mailed_code(self, tried: Tried, typed: str, _now: datetime) -> Proof:
        given = self._codes.of_code(tried.challenge_id, tried.purpose, typed, pepper=tried.pepper)
        return Proof(None if self._codes.same(given, tried.digest) else "wrong-code")

    async def _app(self, tried: Tried, typed: str, now: datetime) -> Proof:
        account, step = tried.account, app_steps.step_at(now)
        app = await authenticator_apps.app_of(self._database, account)
        try:
            seed = authenticator_apps.opened(self._sealer, app)
        except SealBroken:
            log.error("an app's seed cannot be opened with this SECRETS_KEY", app=app.app_id if app else None)
            return Proof("wrong-code")
        steps = app_steps.acceptable(step, app.drift if app else 0, self._limits.app_steps)
        found = authenticator_apps.step_of(typed, seed, steps)
        if found is None or app is None:
            return Proof("wrong-code")
        if found <= app.last_step:
            return Proof("already-used")
        drift = app_steps.drift_shown(found, step)
        return Proof(takes=[authenticator_apps.take_step(account, app, found, drift)])

    async def _recovery_code(self, tried: Tried, typed: str, _now: datetime) -> Proof:
        account, digest = tried.account, recovery_codes.digest_of(typed)
        if not await recovery_codes.is_theirs(self._database, account, digest):
            return Proof("wrong-code")
        used = partial(logins.use_recovery_code, subject=account, challenge_id=tried.challenge_id)
        return Proof(takes=[recovery_codes.take(account, digest)], says=[Change(LOGINS, login_id_of(account), used)])
