"""A session: one person logged in with one browser or script.

S-03  Over after 15 minutes without a request.
S-05  Over after 12 hours, however busy it is.
A11   Over with the profile it belongs to.
C-26  Whoever changes what a login leads to has logged in just now.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from services.auth.domain.limits import Limits
from services.auth.events import EndedBecause, SessionEnded, SessionEvent, SessionStarted
from shared.errors import Forbidden, Unauthenticated

LAST_USE_GRAIN = timedelta(seconds=4)
"""Last use is written down at most this often, so what is written may be this much older than the truth."""


class SessionNotValid(Unauthenticated):
    """This session is over; log in again."""

    code = "session-not-valid"
    rule = "L3"


class LoginNotFresh(Forbidden):
    """This needs a login of the last few minutes; log in again and ask then."""

    code = "login-not-fresh"
    rule = "A15"


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


def must_be_fresh(started_at: datetime, *, now: datetime, limits: Limits) -> None:
    """What a login leads to is changed only soon after one (C-26). Raises LoginNotFresh."""
    if now - started_at > limits.fresh_login:
        raise LoginNotFresh


@dataclass(frozen=True, slots=True)
class SessionInUse:
    """A session that nobody ended, and what decides whether it is still good."""

    session_id: str
    subject: str
    ends_at: datetime
    last_used_at: datetime
    """May lag by LAST_USE_GRAIN."""
    cancelled: bool
    """The profile it belongs to is."""

    def over_because(self, now: datetime, limits: Limits) -> EndedBecause | None:
        """Why it is worth nothing any more, or None; never before its 15 minutes, always after those and the grain."""
        if self.cancelled:
            return "profile-cancelled"
        if now >= self.ends_at or now >= self.last_used_at + limits.session_idle + LAST_USE_GRAIN:
            return "expired"
        return None
