"""The numbers of L3: how long codes and sessions live, how often may be tried."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """What logging in is bounded by; the settings may only say otherwise as a whole."""

    code_life: timedelta = timedelta(minutes=5)
    """C-02: from this moment on the code is refused."""
    tries_a_code: int = 5
    """C-05"""
    failures_in_a_row: int = 100
    """C-07: then the account's e-mailed codes stay refused; no time and no new code makes up for it."""
    fresh_login: timedelta = timedelta(minutes=5)
    """C-26: what a login leads to (the e-mail address) is changed by whoever logged in at most this long ago."""
    session_life: timedelta = timedelta(hours=12)
    """S-05: however busy it is."""
    session_idle: timedelta = timedelta(minutes=15)
    """S-03: without a request."""
    sessions: int = 5
    """S-27: of one person at the same time; the oldest makes room."""
    secret_life: timedelta = timedelta(minutes=10)
    """S-13: then the secret in a browser's cookie is replaced by a new one."""
    secret_overlap: timedelta = timedelta(seconds=10)
    """S-13: so long after the new one was first shown the one before still counts; later it was stolen."""
    token_life: timedelta = timedelta(seconds=60)
    """S-08: the longest that a token outlives its session when no event comes through."""

    def __post_init__(self) -> None:
        """Raises ValueError above the ceilings that no installation may lift."""
        if self.code_life > timedelta(minutes=10) or self.tries_a_code > 5 or self.failures_in_a_row > 100:
            raise ValueError("a code lives 10 minutes, has 5 tries and an account 100 failures in a row, at most")
        if self.fresh_login > timedelta(minutes=5):
            raise ValueError("a login is fresh for 5 minutes, at most")
        if self.session_life > timedelta(hours=12) or self.session_idle > self.session_life:
            raise ValueError("a session lives 12 hours at most, and is idle no longer than it lives")
        if not 1 <= self.sessions <= 20 or self.secret_life > timedelta(hours=1):
            raise ValueError("a person has 1 to 20 sessions, and a secret lives an hour at most")
        if not timedelta(seconds=2) <= self.secret_overlap <= timedelta(minutes=1):
            raise ValueError("a secret that was replaced counts for 2 to 60 seconds")
        if not timedelta(seconds=5) <= self.token_life <= timedelta(seconds=60):
            raise ValueError("a token lives 5 to 60 seconds")
