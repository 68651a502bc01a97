"""A session: one person logged in with one browser or script.

S-03  Over after 15 minutes without a request.
S-05  Over after 12 hours, however busy it is.
S-13  The secret in a browser is replaced now and then; who shows a replaced one later has stolen it, or was robbed.
S-19  Its owner sees and ends it from any other; an administrator in reach ends all of a person's.
S-27  A person has five at most; the oldest makes room for a new one.
A11   Over with the profile it belongs to.
C-26  Whoever changes what a login leads to has logged in just now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never

from services.auth.domain.limits import Limits
from services.auth.events import EndedBecause, SessionEnded, SessionEvent, SessionStarted
from shared.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated

LAST_USE_GRAIN = timedelta(seconds=4)
"""Last use is written down at most this often, so what is written may be this much older than the truth."""


class SessionNotValid(Unauthenticated):
    """This session is over; log in again."""

    code = "session-not-valid"
    rule = "L3"


class LoginNotFresh(Forbidden):
    """This needs a login of the last few minutes; log in again and ask then."""

    code = "login-not-fresh"
    rule = "L3"


class EndingNotConfirmed(Invalid):
    """Logging somebody out everywhere must be confirmed."""

    code = "ending-sessions-not-confirmed"
    rule = "A11"


class TooManySessions(Conflict):
    """Somebody logged in as the same person at this very moment; room is made for both, one after the other."""

    code = "too-many-sessions"
    rule = "L3"


@dataclass(frozen=True, slots=True)
class Session:
    """What the rules ask of a session; `Session()` is one that never started."""

    id: str = ""
    subject: str = ""
    ended: bool = False


def evolve(session: Session, event: SessionEvent) -> Session:
    """The session after one more event of its history."""
    match event:
        case SessionStarted(session_id=identifier, subject=subject):
            return Session(id=identifier, subject=subject)
        case SessionEnded():
            return replace(session, ended=True)
        case _:
            assert_never(event)


def start(
    session: Session, *, session_id: str, subject: str, challenge_id: str, now: datetime, limits: Limits
) -> list[SessionEvent]:
    """Somebody proved who they are."""
    if session.id:
        return []
    ends_at = now + limits.session_life
    return [SessionStarted(session_id=session_id, subject=subject, challenge_id=challenge_id, ends_at=ends_at)]


def end(session: Session, *, because: EndedBecause) -> list[SessionEvent]:
    """The session is over; ending it again changes nothing."""
    if session.ended or not session.id:
        return []
    return [SessionEnded(session_id=session.id, subject=session.subject, because=because)]


def end_own(session: Session, *, subject: str) -> list[SessionEvent]:
    """Somebody ends a session of theirs from another one (S-19). Raises NotFound for anybody else's (A13)."""
    if session.subject != subject:
        raise NotFound
    return end(session, because="ended-by-owner")


def must_be_fresh(started_at: datetime, *, now: datetime, limits: Limits) -> None:
    """What a login leads to is changed only soon after one (C-26). Raises LoginNotFresh."""
    if now - started_at > limits.fresh_login:
        raise LoginNotFresh


Standing = Literal["current", "before", "older"]
"""Of a secret: the one that counts, the one that it replaced, or one from before that."""


@dataclass(frozen=True, slots=True)
class SessionInUse:
    """A session that nobody ended, and what decides whether it is still good."""

    session_id: str
    subject: str
    started_at: datetime
    ends_at: datetime
    last_used_at: datetime
    """May lag by LAST_USE_GRAIN."""
    cancelled: bool
    """The profile it belongs to is."""
    renewed_at: datetime
    """When its secret was made that counts now."""
    shown_at: datetime | None
    """When that secret was first shown; None while its answer may have been lost."""

    def over_because(self, now: datetime, limits: Limits) -> EndedBecause | None:
        """Why it is worth nothing any more, or None; never before its 15 minutes, always after those and the grain."""
        if self.cancelled:
            return "profile-cancelled"
        if now >= self.ends_at or now >= self.last_used_at + limits.session_idle + LAST_USE_GRAIN:
            return "expired"
        return None

    def secret_is_due(self, now: datetime, limits: Limits) -> bool:
        """Whether the secret that counts now has been around for long enough (S-13)."""
        return self.shown_at is not None and now >= self.renewed_at + limits.secret_life

    def secret_is_dead(self, standing: Standing, now: datetime, limits: Limits) -> bool:
        """Whether a secret is worth nothing: the one before from when the new one has surely arrived."""
        if standing == "before":
            return self.shown_at is not None and now >= self.shown_at + limits.secret_overlap
        return standing == "older"


def room_for_one_more(
    sessions: Sequence[SessionInUse], *, now: datetime, limits: Limits
) -> Sequence[tuple[str, EndedBecause]]:
    """What has to end before somebody starts another session: what is over anyway, then the oldest (S-27)."""
    over = [(session.session_id, because) for session in sessions if (because := session.over_because(now, limits))]
    good = sorted(
        (session for session in sessions if session.over_because(now, limits) is None),
        key=lambda session: session.started_at,
    )
    return [*over, *((session.session_id, "too-many") for session in good[: max(0, len(good) - limits.sessions + 1)])]
