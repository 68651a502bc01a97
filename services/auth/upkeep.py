"""What auth does by itself, now and then; on every replica, where doing it twice changes nothing."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from services.auth.adapters import (
    authenticator_apps,
    guess_budget,
    kept_codes,
    known_devices,
    mail_queue,
    session_secrets,
)
from services.auth.adapters.clock_check import ClockCheck
from services.auth.adapters.guess_budget import ToldAlready
from services.auth.domain import alarm as alarms
from services.auth.domain import login as logins
from services.auth.domain import session as sessions
from services.auth.domain.alarm import Alarm, alarm_id_of
from services.auth.domain.limits import Limits
from services.auth.domain.login import login_id_of
from services.auth.domain.session import LAST_USE_GRAIN
from services.auth.events import GuessingSuspected
from services.auth.use_cases.categories import ALARMS, AUTH, LOGINS, SESSIONS
from services.auth.use_cases.key_rotation import KeyRotation
from shared.cause import Cause
from shared.clock import Clock
from shared.database import Database
from shared.events import Event
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Streams
from shared.logs import log


class Upkeep:
    """The work nobody asks for."""

    def __init__(
        self,
        *,
        streams: Streams,
        database: Database,
        clock: Clock,
        limits: Limits,
        rotation: KeyRotation,
        clock_check: ClockCheck,
    ) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._rotation = rotation
        self._clock_check = clock_check

    async def keep_signing_key_fresh(self) -> None:
        """Keys come and go by the calendar (S-11). Raises Unavailable."""
        await self._rotation.keep_fresh()

    async def end_what_is_over(self) -> None:
        """Make it history that a session is over which time or a cancelled login ended. Raises Unavailable."""
        now = self._clock()
        idle_since = now - self._limits.session_idle - LAST_USE_GRAIN
        for session in await session_secrets.perhaps_over(self._database, now, idle_since):
            if because := session.over_because(now, self._limits):
                decide = partial(sessions.end, because=because)
                await self._streams.change(SESSIONS, session.session_id, decide, Cause(AUTH, session.session_id))

    async def watch_guessing(self) -> None:
        """Raise the alarm when many failed within the last hour, over all accounts (C-09). Raises Unavailable."""
        now = self._clock()
        failures = await guess_budget.failures_since(self._database, now - alarms.LOOKED_BACK)
        if failures < self._limits.alarm_failures_an_hour:
            return

        def suspect(alarm: Alarm) -> list[GuessingSuspected]:
            if raised := alarms.suspect_guessing(alarm, failures=failures, now=now, limits=self._limits):
                log.error("alarm: guessing suspected", failures=failures)
            return raised

        alarm_id = alarm_id_of(now)
        await self._streams.change(ALARMS, alarm_id, suspect, Cause(AUTH, alarm_id))

    async def tell_of_hard_stops(self) -> None:
        """Whoever's codes are refused to strangers from now on is told, once (C-07, C-25). Raises Unavailable."""
        for stop in await guess_budget.stopped(self._database, self._limits):
            subject, authenticator = stop["account"], stop["authenticator"]
            mail = mail_queue.queue_security(subject=subject, what="login-paused", now=self._clock())
            told = guess_budget.told(subject, authenticator)
            pause = partial(logins.pause, subject=subject, authenticator=authenticator, failures=stop["failures"])
            cause = Cause(AUTH, subject).ensuring(partial(_all, [*told, mail]))
            with suppress(ToldAlready):
                await self._streams.change(LOGINS, login_id_of(subject), pause, cause)

    async def watch_clock(self) -> None:
        """See whether our clock can be trusted with an app's codes (C-24). Raises Unavailable."""
        await self._clock_check.look()

    async def forget_old(self) -> None:
        """Drop what nobody can use any more and no limit looks back to. Raises Unavailable."""
        now = self._clock()
        for kept in (kept_codes, guess_budget, mail_queue, known_devices, authenticator_apps):
            await kept.forget_old(self._database, now)


def _all(statements: Sequence[Statement], _events: Sequence[Event]) -> Sequence[Statement]:
    return statements
