"""Logging in: giving a code, with the challenge it was asked with.

L1  A person logs in with an e-mail address and a code, mailed or of an app, or with both.
L3  The limits stand in `domain/limits.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from services.auth.adapters import guess_budget, kept_codes, known_devices, mail_queue, session_secrets
from services.auth.adapters.clock_check import ClockCheck
from services.auth.adapters.codes import Codes, new_secret
from services.auth.adapters.puzzle import PuzzleUnsolved, puzzle_of, solves
from services.auth.adapters.words import SecurityNotice
from services.auth.domain import challenge as challenges
from services.auth.domain import session as sessions
from services.auth.domain.challenge import (
    CodeNotAccepted,
    CodeNotLive,
    Tried,
    completes,
    still_asked_for,
    verdict,
)
from services.auth.domain.limits import Limits
from services.auth.domain.whereabouts import Whereabouts
from services.auth.events import Authenticator, CodeRefused, LoginMethod, Purpose, RefusedBecause
from services.auth.use_cases.asking import LOGIN, From
from services.auth.use_cases.categories import ANONYMOUS, CHALLENGES, SESSIONS
from services.auth.use_cases.proofs import Proof, Proofs
from services.auth.use_cases.session_room import RoomForSessions
from services.auth.views import login_methods, people
from shared.actor import Actor
from shared.cause import Cause, Seen
from shared.clock import Clock
from shared.database import Database
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Change, Streams
from shared.ids import new_id
from shared.seen import applied


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody gives to be let in."""

    challenge: str
    by: Authenticator
    code: str
    origin: From
    work: str | None = None
    """The solution of the puzzle, when one was asked for (C-09)."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session that started; `seen` names the version of the person that auth knows, for other services."""

    session: str
    subject: str
    session_id: str
    ends_at: datetime
    seen: Seen
    device: str
    device_for: int
    """Seconds for which the device is known."""


@dataclass(frozen=True, slots=True)
class HalfLoggedIn:
    """One of two codes was right; the other is given with the same challenge."""

    next: Authenticator


@dataclass(frozen=True, slots=True)
class Right:
    """A code that is right, and nothing has come of it yet."""

    tried: Tried
    subject: str
    by: Authenticator
    method: LoginMethod
    proof: Proof
    guess_id: str


class LoggingIn:
    """From a challenge and a code to a session."""

    def __init__(
        self,
        *,
        streams: Streams,
        database: Database,
        clock: Clock,
        limits: Limits,
        codes: Codes,
        proofs: Proofs,
        clock_check: ClockCheck,
        room: RoomForSessions,
    ) -> None:
        self._room = room
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._codes = codes
        self._proofs = proofs
        self._clock_check = clock_check

    async def log_in(self, attempt: Attempt, correlation: str) -> LoggedIn | HalfLoggedIn:
        """Start a session for whoever gives the right code with the challenge it was asked with.

        Raises CodeNotAccepted, whatever the reason: only the history tells it (C-29); it is PuzzleUnsolved while tries
        cost strangers a puzzle (C-09). ClockNotTrusted for an app.
        """
        if attempt.by == "authenticator-app":
            self._clock_check.must_be_trusted()
        found_by, bits = self._codes.of_secret(attempt.challenge), self._limits.puzzle_bits
        right = await self.try_code(
            found_by,
            LOGIN,
            attempt.code,
            correlation,
            by=attempt.by,
            device=self._device(attempt.origin),
            proven=solves(puzzle_of(found_by), attempt.by, attempt.code, attempt.work, bits=bits),
        )
        try:
            cause = self.taking(right, Cause(Actor.parse(right.subject), correlation), attempt.origin.where)
            return await self._accept(right, attempt, cause)
        except CodeNotLive as too_late:
            raise await self.refused_late(right, correlation) from too_late

    async def try_code(
        self,
        found_by: bytes,
        purpose: Purpose,
        code: str,
        correlation: str,
        *,
        by: Authenticator = "mailed-code",
        device: bytes | None = None,
        proven: bool = True,
    ) -> Right:
        """Spend a try at a code; answers what is known of it when it is right (C-05, C-12).

        `proven` says that the puzzle of this guess is solved; whoever has a session owes none.

        Raises CodeNotAccepted, once the history has its reason.
        """
        now, guess_id = self._clock(), new_id("guess")
        tried = await guess_budget.spend_try(
            self._database,
            found_by,
            by=by,
            device=device,
            proven=proven,
            guess_id=guess_id,
            now=now,
            limits=self._limits,
        )
        if tried is None:
            raise await self._refused_stranger(by, correlation)
        # Only a login has a method: another purpose is proven by the code that was mailed for it.
        method = await login_methods.method_of(self._database, tried.account) if purpose == LOGIN else "mailed-code"
        # Nothing is compared for which no try could be spent (C-05).
        proof = Proof(tried.refused) if tried.refused else await self._proofs.of(tried, purpose, by, code, now)
        because = verdict(tried, by=by, fails_because=proof.fails_because, method=method)
        if because is not None or tried.subject is None:
            refused = await self._refused(tried, by, because or "unknown", correlation)
            owes_a_puzzle = because == "puzzle-unsolved"
            raise PuzzleUnsolved(puzzle_of(found_by), self._limits.puzzle_bits) if owes_a_puzzle else refused
        return Right(tried, tried.subject, by, method, proof, guess_id)

    def taking(self, right: Right, cause: Cause, where: Whereabouts | None = None) -> Cause:
        """What goes into the commit that accepts a right code: it is taken, it was no failure, its owner is told."""
        beside = [guess_budget.take_back(right.guess_id), *right.proof.takes, *self._told(right, where)]
        return cause.guarded_by(people.must_not_be_cancelled(cause.actor.id)).ensuring(lambda _: beside)

    async def refused_late(self, right: Right, correlation: str) -> CodeNotAccepted:
        """The right code was refused at the commit: the same answer, and its reason in the history."""
        fate = await kept_codes.fate_of(self._database, right.tried.challenge_id)
        because: RefusedBecause = "unknown" if fate is None else "already-used" if fate == "used" else "superseded"
        return await self._refused(right.tried, right.by, because, correlation)

    async def _accept(self, right: Right, attempt: Attempt, cause: Cause) -> LoggedIn | HalfLoggedIn:
        """The code is taken, and if it completes the login the session starts, in one commit. Raises CodeNotLive."""
        passed = right.tried.passed | {right.by}
        whole = completes(right.method, passed)
        accept = partial(challenges.accept_code, by=right.by, completes=whole)
        changes = [Change(CHALLENGES, right.tried.challenge_id, accept), *right.proof.says]
        cause = cause.guarded_by(login_methods.must_still_be(right.subject, right.method))
        if whole:
            return await self._start_session(right.tried, attempt.origin, changes, cause)
        await self._streams.change_all(changes, cause)
        return HalfLoggedIn(still_asked_for(passed))

    async def _start_session(
        self, tried: Tried, origin: From, changes: Sequence[Change[Any]], cause: Cause
    ) -> LoggedIn:
        now, secret, session_id = self._clock(), new_secret(), new_id("session")
        start = partial(
            sessions.start,
            session_id=session_id,
            subject=tried.account,
            challenge_id=tried.challenge_id,
            now=now,
            limits=self._limits,
        )
        digest, where = self._codes.of_secret(secret), origin.where
        kept = session_secrets.keep(digest=digest, session_id=session_id, now=now, where=where)
        device, remembered = await self._device_remembered(tried, origin, now)
        beside = [kept, *remembered, *mail_queue.reads(tried.account, where.language)]
        changes = [*changes, Change(SESSIONS, session_id, start)]
        await self._room.change_all(changes, cause.ensuring(lambda _: beside), where=where, held=origin.session)
        ends_at, device_for = now + self._limits.session_life, int(self._limits.device_life.total_seconds())
        seen = await applied(self._database, [cause.actor.id])
        return LoggedIn(secret, tried.account, session_id, ends_at, seen, device, device_for)

    async def _device_remembered(self, tried: Tried, origin: From, now: datetime) -> tuple[str, Sequence[Statement]]:
        """The secret that the browser keeps from now on, and what makes it known (C-10); the person is told (C-25)."""
        until = now + self._limits.device_life
        if tried.device_id is not None and origin.device is not None:
            return origin.device, [*known_devices.still_known(tried.device_id, until)]
        secret = new_secret()
        statements = known_devices.becomes_known(
            device_id=new_id("device"),
            digest=self._codes.of_secret(secret),
            before=self._device(origin),
            account=tried.account,
            until=until,
        )
        told: list[Statement] = []
        if await known_devices.has_any(self._database, tried.account):
            what: SecurityNotice = "new-device"
            told = [mail_queue.queue_security(subject=tried.account, what=what, now=now, where=origin.where)]
        return secret, [*statements, *told]

    def _device(self, origin: From) -> bytes | None:
        return self._codes.of_secret(origin.device) if origin.device else None

    def _told(self, right: Right, where: Whereabouts | None) -> Sequence[Statement]:
        """What the person is told about this success (C-25)."""
        told: list[SecurityNotice] = []
        if right.tried.failed_before >= self._limits.failures_before_telling:
            told.append("success-after-failures")
        if right.by == "recovery-code":
            told.append("recovery-code-used")
        now = self._clock()
        return [mail_queue.queue_security(subject=right.subject, what=what, now=now, where=where) for what in told]

    async def _refused(
        self, tried: Tried, by: Authenticator, because: RefusedBecause, correlation: str
    ) -> CodeNotAccepted:
        """The one answer to every attempt in vain, once the history has its reason (C-29)."""
        decide = partial(challenges.refuse_code, challenge_id=tried.challenge_id, by=by, because=because)
        await self._streams.change(CHALLENGES, tried.challenge_id, decide, Cause(ANONYMOUS, correlation))
        return CodeNotAccepted()

    async def _refused_stranger(self, by: Authenticator, correlation: str) -> CodeNotAccepted:
        """Nobody knows the challenge; the attempt is an event all the same, in a stream of its own."""
        challenge_id = new_id("challenge")
        refused = CodeRefused(challenge_id=challenge_id, subject=None, by=by, because="unknown")
        await self._streams.record(challenge_id, refused, Cause(ANONYMOUS, correlation))
        return CodeNotAccepted()
