"""By what one logs in: enrolling an authenticator app, choosing, recovery codes.

C-23  An app counts once a code of it was given; its seed is shown once.
C-26  Whoever changes something here has logged in just before.
C-25  Whatever changes, the person is told by mail.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from services.auth.adapters import authenticator_apps, mail_queue, recovery_codes
from services.auth.adapters.clock_check import ClockCheck
from services.auth.adapters.provisioning import Shown, shown
from services.auth.adapters.sealing import Sealer
from services.auth.adapters.words import SecurityNotice
from services.auth.domain import app_steps
from services.auth.domain import login as rules
from services.auth.domain.limits import Limits
from services.auth.domain.login import AppNotProven, Login, login_id_of
from services.auth.domain.session import SessionNotValid, must_be_fresh
from services.auth.events import LoginEvent, LoginMethod
from services.auth.use_cases.categories import LOGINS
from services.auth.views import login_methods, open_sessions, people, staff
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Streams
from shared.ids import new_id


@dataclass(frozen=True, slots=True)
class Offer:
    """An app that was offered, and what is shown of it once and kept nowhere."""

    written: Written
    shown: Shown


@dataclass(frozen=True, slots=True)
class Issued:
    """Recovery codes, shown once and kept nowhere."""

    written: Written
    codes: Sequence[str]


class Methods:
    """What people do with their own login."""

    def __init__(
        self,
        *,
        streams: Streams,
        database: Database,
        clock: Clock,
        limits: Limits,
        sealer: Sealer,
        clock_check: ClockCheck,
        site: str,
    ) -> None:
        """`site` is where people log in: an app shows it beside the code."""
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._sealer = sealer
        self._clock_check = clock_check
        self._site = site

    async def see(self, actor: Actor) -> dict[str, Any]:
        """By what one logs in, and how many recovery codes are left."""
        found = await login_methods.of_subject(self._database, str(actor))
        return {
            "method": found["method"] if found else "mailed-code",
            "app_enrolled_at": found["app_enrolled_at"] if found else None,
            "recovery_codes_left": await recovery_codes.left(self._database, str(actor)),
        }

    async def offer_app(self, session_id: str, cause: Cause) -> Offer:
        """Make a seed for an app and show it. Raises LoginNotFresh, AppEnrolledAlready."""
        since = await self._logged_in_since(session_id)
        subject, app_id, seed = str(cause.actor), new_id("app"), authenticator_apps.new_seed()
        expires_at = self._clock() + self._limits.enrolment_life
        offered = authenticator_apps.offer(
            subject=subject,
            app_id=app_id,
            sealed_seed=authenticator_apps.sealed(self._sealer, app_id, seed),
            expires_at=expires_at,
        )
        cause = cause.answering(app_id=app_id, expires_at=expires_at.isoformat())
        decide = partial(rules.offer_app, app_id=app_id)
        written = await self._change(decide, cause, [offered], tell=None, logged_in_since=since)
        return Offer(written, shown(seed, await self._email_of(cause.actor), self._site))

    async def prove_app(self, code: str, cause: Cause) -> Issued:
        """A code of the app that was offered: it is enrolled. Raises AppNotProven, ClockNotTrusted."""
        self._clock_check.must_be_trusted()
        now, subject = self._clock(), str(cause.actor)
        offered = await authenticator_apps.try_offered(self._database, subject, now, self._limits)
        if offered is None:
            raise AppNotProven
        step = app_steps.step_at(now)
        seed = authenticator_apps.opened(self._sealer, offered)
        found = authenticator_apps.step_of(code, seed, app_steps.while_enrolling(step))
        if found is None:
            raise AppNotProven
        drift = app_steps.drift_shown(found, step)
        enrolled = authenticator_apps.enrol(subject=subject, app_id=offered.app_id, step=found, drift=drift)
        decide = partial(rules.enrol_app, app_id=offered.app_id, count=self._limits.recovery_codes)
        # That the login was fresh was seen when the app was offered: proving it may take a while.
        return await self._issuing(decide, cause.answering(app_id=offered.app_id), [enrolled], "app-enrolled", None)

    async def renew_recovery_codes(self, session_id: str, cause: Cause) -> Issued:
        """New recovery codes in the place of the old ones. Raises LoginNotFresh, NoAppEnrolled."""
        since = await self._logged_in_since(session_id)
        decide = partial(rules.issue_recovery_codes, count=self._limits.recovery_codes)
        return await self._issuing(decide, cause.answering(), [], "recovery-codes-issued", since)

    async def remove_app(self, session_id: str, cause: Cause) -> Written:
        """Log in with mailed codes from now on. Raises LoginNotFresh."""
        since, cause = await self._logged_in_since(session_id), cause.answering(method="mailed-code")
        return await self._change(rules.remove_app, cause, [], tell="app-removed", logged_in_since=since)

    async def choose(self, session_id: str, method: LoginMethod, cause: Cause) -> Written:
        """Say what one wants to be asked for. Raises LoginNotFresh, NoAppEnrolled."""
        since, cause = await self._logged_in_since(session_id), cause.answering(method=method)
        decide = partial(rules.choose_method, method=method)
        return await self._change(decide, cause, [], tell="method-chosen", logged_in_since=since)

    # -----------------------------------------------------------------------------------------------------------------

    async def _issuing(
        self,
        decide: Callable[..., list[LoginEvent]],
        cause: Cause,
        beside: list[Statement],
        tell: SecurityNotice,
        logged_in_since: datetime | None,
    ) -> Issued:
        codes = recovery_codes.new_codes(self._limits.recovery_codes)
        beside = [*beside, *recovery_codes.keep(str(cause.actor), codes)]
        return Issued(await self._change(decide, cause, beside, tell=tell, logged_in_since=logged_in_since), codes)

    async def _change(
        self,
        decide: Callable[..., list[LoginEvent]],
        cause: Cause,
        beside: Sequence[Statement],
        *,
        tell: SecurityNotice | None,
        logged_in_since: datetime | None,
    ) -> Written:
        """Change one's own login; what is kept beside the log, and the mail, go with the events or not at all.

        What changes something needs a fresh login (C-26). Raises LoginNotFresh.
        """
        subject, now = str(cause.actor), self._clock()
        mail = [mail_queue.queue_security(subject=subject, what=tell, now=now)] if tell else []

        def own(login: Login) -> list[LoginEvent]:
            events = decide(login, subject=subject)
            if events and logged_in_since is not None:
                must_be_fresh(logged_in_since, now=now, limits=self._limits)
            return events

        cause = cause.ensuring(lambda events: [*beside, *mail] if events else [])
        return await self._streams.change(LOGINS, login_id_of(subject), own, cause)

    async def _logged_in_since(self, session_id: str) -> datetime:
        """When the session that asks began. Raises SessionNotValid."""
        session = await open_sessions.by_id(self._database, session_id)
        if session is None:
            raise SessionNotValid
        since: datetime = session["started_at"]
        return since

    async def _email_of(self, actor: Actor) -> str:
        look = staff.by_id if actor.kind == "staff" else people.by_id
        person = await look(self._database, actor.id)
        return str(person["email"]) if person else actor.id
