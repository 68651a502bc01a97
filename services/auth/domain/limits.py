"""The numbers of L3: how long codes and sessions live, how often may be tried, how often may be asked.

C-08  After the fifth failure in a row one waits: 30 seconds, twice as long after each further one, an hour at most.
C-10  A known device has a small budget of its own, and part of the hard stop is kept for known devices.
C-11  What all of them may fail in a row is 100 together: what is kept for devices is not there for strangers.
C-30  These numbers stand in the README of auth too, and a test compares them.
"""

from dataclasses import dataclass
from datetime import timedelta

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """What logging in is bounded by; settings may only say otherwise within the ceilings below."""

    code_life: timedelta = 5 * MINUTE
    """C-02: from this moment on the code is refused."""
    tries_a_code: int = 5
    """C-05"""
    failures_in_a_row: int = 100
    """C-07: of an account with one authenticator, until a success; no time and no new code makes up for it."""
    kept_for_known_devices: int = 20
    """C-10: so many of these only known devices may use; strangers are refused for good before."""
    failures_before_waiting: int = 5
    """C-08: from this failure in a row on one has to wait."""
    failures_before_telling: int = 3
    """C-25: a success after so many in a row is told to the person."""
    first_wait: timedelta = 30 * SECOND
    longest_wait: timedelta = HOUR
    failures_a_day: int = 20
    """C-08: of an account with one authenticator, by all strangers together, in any 24 hours."""
    failures_a_day_of_a_device: int = 10
    """C-10: by one known device."""
    alarm_failures_an_hour: int = 1_000
    """C-09: over all accounts."""
    failures_a_day_in_all: int = 10_000
    """C-09: over all accounts; from here on a try costs strangers a puzzle, and known devices nothing."""
    puzzle_bits: int = 18
    """C-09: 2^18 digests on average, half a second of a browser; each bit more doubles it."""
    code_again_after: timedelta = MINUTE
    """C-14: while the last one is still good and was not used."""
    codes_an_hour: int = 5
    """C-14: of an account, to strangers together or to one known device; a code that logged in does not count."""
    codes_a_day: int = 10
    codes_an_hour_of_a_client: int = 20
    """C-14: from one network address."""
    codes_an_hour_of_a_company: int = 500
    """C-14: mailed to strangers for its people; further ones are asked for as ever and not mailed."""
    codes_an_hour_in_all: int = 5_000
    """C-14: over all accounts, to strangers."""
    app_steps: int = 2
    """C-20: the step of 30 seconds that it is, and the one before; 1 is the step that it is alone."""
    enrolment_life: timedelta = 10 * MINUTE
    """C-23: within this an authenticator app is proven, or its seed is worth nothing."""
    fresh_login: timedelta = 5 * MINUTE
    """C-26: whoever changes how they log in has logged in within this."""
    reinvitation_life: timedelta = 24 * HOUR
    """C-27: within this a second person confirms what the first proposed."""
    recovery_codes: int = 10
    """C-27"""
    device_life: timedelta = timedelta(days=180)
    """C-10: a device is known for so long after its last login."""
    session_life: timedelta = 12 * HOUR
    """S-05: however busy it is."""
    session_idle: timedelta = 15 * MINUTE
    """S-03: without a request."""
    sessions: int = 5
    """S-27: of one person at the same time; the oldest makes room."""
    secret_life: timedelta = 10 * MINUTE
    """S-13: then the secret in a browser's cookie is replaced by a new one."""
    secret_overlap: timedelta = 10 * SECOND
    """S-13: so long after the new one was first shown the one before still counts; later it was stolen."""
    token_life: timedelta = MINUTE
    """S-08: the longest that a token outlives its session when no event comes through."""

    def __post_init__(self) -> None:
        """Raises ValueError above the ceilings that no installation may lift."""
        if self.code_life > 10 * MINUTE or self.tries_a_code > 5 or self.failures_in_a_row > 100:
            raise ValueError("a code lives 10 minutes, has 5 tries and an account 100 failures in a row, at most")
        if not 0 <= self.kept_for_known_devices < self.failures_in_a_row:
            raise ValueError("what is kept for known devices is part of the failures in a row")
        if self.failures_before_waiting > 5 or not timedelta(0) < self.first_wait <= self.longest_wait:
            raise ValueError("one waits from the fifth failure on, and no shorter than at first")
        if self.failures_a_day > 20 or self.failures_a_day_of_a_device > 20 or self.failures_a_day_in_all > 10_000:
            raise ValueError("20 failures a day of an account, and 10,000 of all, at most")
        if not 16 <= self.puzzle_bits <= 24:
            raise ValueError("a puzzle has 16 to 24 bits")
        if self.app_steps not in {1, 2} or self.enrolment_life > 10 * MINUTE or self.fresh_login > 5 * MINUTE:
            raise ValueError("an app has 2 steps, is proven in 10 minutes, by who logged in 5 minutes ago, at most")
        if self.failures_before_telling > 3:
            raise ValueError("a success after 3 failures in a row is told, at the latest")
        if self.reinvitation_life > 24 * HOUR:
            raise ValueError("a proposal waits for 24 hours at most")
        if self.session_life > 12 * HOUR or self.session_idle > self.session_life:
            raise ValueError("a session lives 12 hours at most, and is idle no longer than it lives")
        if not 1 <= self.sessions <= 20 or self.secret_life > HOUR:
            raise ValueError("a person has 1 to 20 sessions, and a secret lives an hour at most")
        if not 2 * SECOND <= self.secret_overlap <= MINUTE:
            raise ValueError("a secret that was replaced counts for 2 to 60 seconds")
        if not 5 * SECOND <= self.token_life <= MINUTE:
            raise ValueError("a token lives 5 to 60 seconds")

    @property
    def failures_in_a_row_of_strangers(self) -> int:
        """C-10, C-11: where strangers are refused for good."""
        return self.failures_in_a_row - self.kept_for_known_devices

    def wait_after(self, failures: int) -> timedelta:
        """How long nothing is evaluated after so many failures in a row (C-08)."""
        over = failures - self.failures_before_waiting
        if over < 0:
            return timedelta(0)
        # Beyond 2^31 the hour has long been reached; without the bound a large count would overflow.
        return min(self.first_wait * (1 << min(over, 31)), self.longest_wait)
