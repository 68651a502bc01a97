"""C-22: what pyotp does, of which this service relies on; its interface and its answers changed between versions."""

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

import pyotp
import pytest

SEED = base64.b32encode(b"12345678901234567890").decode()
"""The seed of RFC 6238's own examples."""
RFC_6238 = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
]


def test_c22_it_is_the_version_that_was_looked_at() -> None:
    assert version("pyotp") == "2.12.0"


@pytest.mark.parametrize(("moment", "code"), RFC_6238)
def test_c22_codes_are_those_of_the_standard(moment: int, code: str) -> None:
    assert pyotp.TOTP(SEED).generate_otp(moment // 30) == pyotp.TOTP(SEED).at(moment) == code


def test_c22_a_mismatch_raises_where_it_once_answered_false() -> None:
    with pytest.raises(pyotp.exceptions.OTPVerificationError):
        pyotp.TOTP(SEED).verify_and_get_timecode("000000", for_time=59)
    assert pyotp.TOTP(SEED).verify_and_get_timecode("287082", for_time=59) == 1


def test_c22_seeds_under_112_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="112"):
        pyotp.TOTP(base64.b32encode(bytes(10)).decode())
    pyotp.TOTP(base64.b32encode(bytes(14)).decode())


def test_c22_the_moment_is_given_by_name_only() -> None:
    with pytest.raises(TypeError):
        pyotp.TOTP(SEED).verify("287082", 59)  # type: ignore[call-arg]


@pytest.mark.parametrize("settings", [{"digits": 5}, {"digits": 11}, {"interval": 121}, {"interval": 0}])
def test_c22_digits_and_steps_are_bounded(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"between 6 and 10|at most 120"):
        pyotp.TOTP(SEED, **settings)  # type: ignore[arg-type]


def test_c22_it_takes_digits_of_other_scripts_forgets_what_it_accepted_and_opens_three_steps() -> None:
    """Why codes are looked at here first (C-19), steps are kept (C-21), and windows are our own (C-20)."""
    app = pyotp.TOTP(SEED)
    assert app.verify("２８７０８２", for_time=59)
    assert not app.verify("287 082", for_time=59)
    assert app.verify("287082", for_time=59), "a second time"
    open_now = [step for step in range(10) if app.verify(app.generate_otp(step), for_time=5 * 30, valid_window=1)]
    assert open_now == [4, 5, 6]


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_c24_no_moment_of_the_night_that_has_an_hour_twice_gives_a_wrong_code(in_berlin: None) -> None:
    """As naive local times, as aware ones, and as Unix time: all the same code."""
    began, app = datetime(2026, 10, 24, 23, 0, tzinfo=UTC), pyotp.TOTP(SEED)
    wrong = 0
    for half_minutes in range(480):
        moment = began + timedelta(seconds=30 * half_minutes)
        naive = moment.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None)
        wrong += len({app.at(naive), app.at(moment), app.at(int(moment.timestamp()))}) != 1
    assert wrong == 0
