"""The rules of auth read aloud, without any world; given = events."""

from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain import challenge as challenges
from services.auth.domain import session as sessions
from services.auth.domain import signing_key as keys
from services.auth.domain import staff as members
from services.auth.domain.challenge import Challenge, CodeNotLive, Tried, code_as_typed, completes, verdict
from services.auth.domain.limits import Limits
from services.auth.domain.session import Session, SessionInUse
from services.auth.domain.signing_key import KeptKey, SigningKey, in_use, next_is_due
from services.auth.domain.staff import Staff
from services.auth.events import Authenticator, ChallengeEvent, EndedBecause, LoginMethod, RefusedBecause, SessionEvent
from shared.email_address import EmailMalformed
from shared.free_text import TextMalformed

NOON, LIMITS = datetime(2026, 3, 1, 12, tzinfo=UTC), Limits()
ANNA, CHALLENGE, SESSION = "profile:profile-1", "challenge-1", "session-1"


def asked(subject: str | None = ANNA) -> Challenge:
    events = challenges.request_code(
        Challenge(), challenge_id=CHALLENGE, subject=subject, purpose="login", by="mailed-code"
    )
    return reduce(challenges.evolve, events, Challenge())


def started() -> Session:
    events = sessions.start(
        Session(), session_id=SESSION, subject=ANNA, challenge_id=CHALLENGE, now=NOON, limits=LIMITS
    )
    return reduce(sessions.evolve, events, Session())


def tried(refused: RefusedBecause | None = None, subject: str | None = ANNA) -> Tried:
    return Tried(CHALLENGE, ANNA, subject, "login", b"", 1, frozenset(), None, 0, refused)


def test_c04_a_code_is_accepted_once() -> None:
    accepted = reduce(challenges.evolve, challenges.accept_code(asked(), by="mailed-code", completes=True), asked())
    with pytest.raises(CodeNotLive):
        challenges.accept_code(accepted, by="mailed-code", completes=True)


def test_l2_nobody_is_let_in_by_the_right_code_of_nobody() -> None:
    with pytest.raises(CodeNotLive):
        challenges.accept_code(asked(subject=None), by="mailed-code", completes=True)


VERDICTS: list[tuple[Tried, Authenticator, RefusedBecause | None, LoginMethod, RefusedBecause | None]] = [
    (tried(), "mailed-code", None, "mailed-code", None),
    (tried(), "mailed-code", "wrong-code", "mailed-code", "wrong-code"),
    (tried(subject=None), "mailed-code", None, "mailed-code", "unknown"),
    (tried("account-paused"), "mailed-code", "account-paused", "mailed-code", "account-paused"),
    (tried(), "authenticator-app", None, "mailed-code", "other-method"),
    (tried(), "mailed-code", None, "authenticator-app", "other-method"),
    (tried(), "recovery-code", None, "authenticator-app", None),
    (tried(), "authenticator-app", "already-used", "either", "already-used"),
]


@pytest.mark.parametrize(("code", "by", "fails", "method", "because"), VERDICTS)
def test_an_attempt_is_refused_for_its_first_reason(
    code: Tried, by: Authenticator, fails: RefusedBecause | None, method: LoginMethod, because: RefusedBecause | None
) -> None:
    assert verdict(code, by=by, fails_because=fails, method=method) == because


PASSES: list[tuple[LoginMethod, set[Authenticator], bool]] = [
    ("mailed-code", {"mailed-code"}, True),
    ("authenticator-app", {"mailed-code"}, False),
    ("authenticator-app", {"authenticator-app"}, True),
    ("authenticator-app", {"recovery-code"}, True),
    ("either", {"mailed-code"}, True),
    ("either", {"authenticator-app"}, True),
    ("both", {"mailed-code"}, False),
    ("both", {"authenticator-app"}, False),
    ("both", {"authenticator-app", "recovery-code"}, False),
    ("both", {"mailed-code", "authenticator-app"}, True),
    ("both", {"mailed-code", "recovery-code"}, True),
    ("either", set(), False),
]


@pytest.mark.parametrize(("method", "passed", "whole"), PASSES)
def test_l1_what_completes_a_login_is_what_the_person_chose(
    method: LoginMethod, passed: set[Authenticator], whole: bool
) -> None:
    assert completes(method, passed) is whole


@given(st.text())
def test_c19_only_six_ascii_digits_with_one_inner_space_pass(text: str) -> None:
    try:
        digits = code_as_typed(text)
    except ValueError:
        return
    assert len(digits) == 6
    assert digits.isascii()
    assert digits.isdigit()
    assert text in {digits, *(f"{digits[:place]} {digits[place:]}" for place in range(1, 6))}


@given(st.integers(0, 999_999), st.integers(1, 5))
def test_c01_every_code_passes_as_it_is_mailed_and_with_a_space(number: int, place: int) -> None:
    code = f"{number:06d}"
    assert code_as_typed(code) == code_as_typed(f"{code[:place]} {code[place:]}") == code


def in_use_since(minutes: float, *, cancelled: bool = False) -> SessionInUse:
    return SessionInUse(
        session_id=SESSION,
        subject=ANNA,
        started_at=NOON,
        ends_at=NOON + timedelta(hours=12),
        last_used_at=NOON - timedelta(minutes=minutes),
        cancelled=cancelled,
        renewed_at=NOON,
        shown_at=NOON,
    )


def test_s03_s05_a11_when_a_session_is_over() -> None:
    cases: list[tuple[SessionInUse, timedelta, EndedBecause | None]] = [
        (in_use_since(14.99), timedelta(0), None),
        (in_use_since(15.08), timedelta(0), "expired"),
        (in_use_since(0), timedelta(hours=12), "expired"),
        (in_use_since(0, cancelled=True), timedelta(0), "profile-cancelled"),
    ]
    for session, later, because in cases:
        assert session.over_because(NOON + later, LIMITS) == because


def test_a_session_ends_once_and_a_session_that_never_started_not_at_all() -> None:
    ended = reduce(sessions.evolve, sessions.end(started(), because="logged-out"), started())
    assert sessions.end(ended, because="expired") == []
    assert sessions.end(Session(), because="expired") == []


LOGIN_COMMANDS = st.sampled_from(["request", "accept"])
SESSION_COMMANDS = st.sampled_from(["start", "end"])


@given(st.lists(LOGIN_COMMANDS), LOGIN_COMMANDS)
def test_asking_for_or_accepting_a_code_again_adds_no_event(before: list[str], command: str) -> None:
    """The one command that always adds an event is a refused attempt: each is one more (C-29)."""
    state = reduce(_login, before, Challenge())
    again = _login(_login(state, command), command)
    assert again == _login(state, command)


def _login(state: Challenge, command: str) -> Challenge:
    events: list[ChallengeEvent] = []
    if command == "request":
        events = challenges.request_code(state, challenge_id=CHALLENGE, subject=ANNA, purpose="login", by="mailed-code")
    elif state.subject and not state.completed:
        events = challenges.accept_code(state, by="mailed-code", completes=True)
    return reduce(challenges.evolve, events, state)


@given(st.lists(SESSION_COMMANDS), SESSION_COMMANDS)
def test_starting_or_ending_a_session_again_changes_nothing(before: list[str], command: str) -> None:
    state = _session(reduce(_session, before, Session()), command)
    assert _session_events(state, command) == []


def _session_events(state: Session, command: str) -> list[SessionEvent]:
    if command == "end":
        return sessions.end(state, because="logged-out") if state.id else []
    return sessions.start(state, session_id=SESSION, subject=ANNA, challenge_id=CHALLENGE, now=NOON, limits=LIMITS)


def _session(state: Session, command: str) -> Session:
    return reduce(sessions.evolve, _session_events(state, command), state)


def key(generation: int, published: datetime) -> KeptKey:
    return KeptKey(f"key-{generation}", generation, b"", published, published + keys.LIFE)


def test_s11_a_key_is_used_once_everybody_knows_it_and_only_while_its_tokens_can_outlive_nothing() -> None:
    first, second = key(1, NOON), key(2, NOON + timedelta(days=29))
    assert in_use([], NOON) is None
    assert in_use([first], NOON) == first, "the very first is used at once: there is no other"
    assert in_use([second, first], second.published_at) == first
    assert in_use([second, first], second.published_at + keys.SETTLING) == second
    assert in_use([first], first.not_after - keys.LAST_TOKEN) is None


def test_s11_the_next_key_is_due_a_day_before_the_last_one_ends() -> None:
    first = key(1, NOON)
    assert next_is_due([], NOON)
    assert not next_is_due([first], first.not_after - keys.OVERLAP - timedelta(seconds=1))
    assert next_is_due([first], first.not_after - keys.OVERLAP)
    assert not next_is_due([first, key(2, first.not_after)], first.not_after)


def test_a_key_is_published_once() -> None:
    [event] = keys.publish(SigningKey(), key_id="key-1", public_key="x", now=NOON)
    assert keys.publish(keys.evolve(SigningKey(), event), key_id="key-1", public_key="x", now=NOON) == []


def test_a_member_of_staff_is_added_once_with_a_tidy_address_and_name() -> None:
    [added] = members.add_staff(Staff(), staff_id="staff-1", email=" Susanne@Example.com ", name="Susanne  Skov")
    assert (added.email, added.address, added.name) == ("Susanne@Example.com", "susanne@example.com", "Susanne Skov")
    assert members.add_staff(members.evolve(Staff(), added), staff_id="staff-1", email="s@example.com", name="S") == []
    with pytest.raises(EmailMalformed):
        members.add_staff(Staff(), staff_id="staff-1", email="susanne", name="Susanne Skov")
    with pytest.raises(TextMalformed):
        members.add_staff(Staff(), staff_id="staff-1", email="s@example.com", name=" ")
