"""Logging in with an authenticator app: which codes are accepted, once, in any time zone (L1, C-20 to C-24)."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pyotp import TOTP

from services.auth.adapters import authenticator_apps
from services.auth.domain import app_steps
from services.auth.events import (
    CodeAccepted,
    SessionStarted,
)
from tests.auth.conftest import ANNA, DORA, World, cancelled
from tests.auth.people import SUBJECT, fresh, refusals, with_app


async def test_l1_with_an_app_either_code_logs_in_and_only_the_mailed_one_is_mailed(world: World) -> None:
    person = await with_app(world)
    await world.logged_in(ANNA)
    assert (await person.app_login()).status_code == 201
    rows = await world.auth.backbone.database.rows("SELECT subject FROM mails WHERE kind = 'code' ORDER BY mail_id")
    assert [row["subject"] is None for row in rows] == [False, False, True]
    assert [(accepted.by, accepted.completes) for accepted in world.said(CodeAccepted)][1:] == [
        ("mailed-code", True),
        ("authenticator-app", True),
    ]


async def test_l1_a_code_of_the_app_is_no_mailed_code_and_the_other_way_round(world: World) -> None:
    person = await with_app(world)
    login = await world.ask(ANNA)
    assert (await world.give(login.challenge, person.code())).status_code == 401
    assert (await world.give(login.challenge, login.code, by="authenticator-app")).status_code == 401
    assert (await world.give(login.challenge, login.code, by="recovery-code")).status_code == 422


async def test_l1_whoever_wants_the_app_only_is_mailed_no_code_and_let_in_by_none(world: World) -> None:
    person = await with_app(world)
    await person.choose("authenticator-app")
    login = await world.ask(ANNA)
    assert (await world.give(login.challenge, login.code)).status_code == 401
    assert refusals(world) == ["other-method"]
    newest = await world.row("SELECT subject FROM mails WHERE kind = 'code' ORDER BY mail_id DESC LIMIT 1")
    assert newest["subject"] is None
    assert (await person.app_login()).status_code == 201


@pytest.mark.parametrize("mail_first", [True, False])
async def test_l1_whoever_wants_both_gives_both_in_either_order_for_one_challenge(
    world: World, mail_first: bool
) -> None:
    person = await with_app(world)
    await person.choose("both")
    sessions = len(world.said(SessionStarted))
    login = await world.ask(ANNA)
    given = [(login.code, "mailed-code"), (person.code(), "authenticator-app")]
    (first, by), (second, then) = given if mail_first else reversed(given)
    half = await world.give(login.challenge, first, by=by)
    assert (half.status_code, half.json()) == (202, {"next": then})
    assert (await world.give(login.challenge, first, by=by)).status_code == 401, "C-04"
    assert len(world.said(SessionStarted)) == sessions
    assert (await world.give(login.challenge, second, by=then)).status_code == 201
    assert (await world.give(login.challenge, second, by=then)).status_code == 401
    assert refusals(world) == ["already-used"] * 2
    assert [(accepted.by, accepted.completes) for accepted in world.said(CodeAccepted)][1:] == [
        (by, False),
        (then, True),
    ]


async def test_c13_whoever_is_paused_between_the_two_codes_is_not_let_in(world: World) -> None:
    person = await with_app(world)
    await person.choose("both")
    login = await world.ask(ANNA)
    assert (await world.give(login.challenge, login.code)).status_code == 202
    await world.auth.backbone.database.execute(
        "INSERT INTO failed_tries VALUES (%s, 'authenticator-app', 'strangers', 80, '-infinity')", (SUBJECT,)
    )
    assert (await world.give(login.challenge, person.code(), by="authenticator-app")).status_code == 401
    assert refusals(world) == ["account-paused"]


async def test_c13_whoever_is_cancelled_between_the_two_codes_is_not_let_in(world: World) -> None:
    person = await with_app(world)
    await person.choose("both")
    login = await world.ask(ANNA)
    assert (await world.give(login.challenge, login.code)).status_code == 202
    await world.feed.given(cancelled(ANNA))
    assert (await world.give(login.challenge, person.code(), by="authenticator-app")).status_code == 401
    assert refusals(world) == ["unknown"]


async def test_c13_whoever_chooses_both_between_asking_and_giving_is_asked_for_both(world: World) -> None:
    person = await with_app(world)
    login = await world.ask(ANNA)
    await person.choose("both")
    assert (await world.give(login.challenge, login.code)).json() == {"next": "authenticator-app"}


async def test_l3_the_second_code_must_come_while_the_challenge_lives(world: World) -> None:
    person = await with_app(world)
    await person.choose("both")
    login = await world.ask(ANNA)
    await world.give(login.challenge, login.code)
    world.clock.turn(minutes=5)
    assert (await world.give(login.challenge, person.code(), by="authenticator-app")).status_code == 401
    assert refusals(world) == ["expired"]


@pytest.mark.parametrize(("steps", "status"), [(-3, 401), (-2, 401), (-1, 201), (0, 201), (1, 401), (2, 401), (3, 401)])
async def test_c20_the_step_that_it_is_and_the_one_before_are_accepted(world: World, steps: int, status: int) -> None:
    person = await with_app(world)
    world.clock.turn(minutes=10)
    assert (await person.app_login(steps=steps)).status_code == status


@pytest.mark.parametrize(("off", "drift"), [(-3, None), (-2, -1), (-1, 0), (0, 0), (1, 1), (2, 2), (3, None)])
async def test_c20_how_far_a_clock_is_off_is_learned_when_it_is_proven_and_met_within_two_steps(
    world: World, off: int, drift: int | None
) -> None:
    person = await fresh(world)
    person.seed = (await person("POST", "/login/authenticator-app")).json()["secret"]
    proven = await person("POST", "/login/authenticator-app/confirm", {"code": person.code(off)})
    assert proven.status_code == (409 if drift is None else 200)
    if drift is None:
        return
    assert (await world.row("SELECT drift FROM authenticator_apps"))["drift"] == drift
    for steps in range(-4, 5):
        world.clock.turn(minutes=60)
        accepted = (await person.app_login(steps)).status_code == 201
        assert accepted is (steps in {drift, drift - 1}), steps
        await world.auth.backbone.database.execute("UPDATE authenticator_apps SET drift = %s", (drift,))


def test_c20_a_clock_that_was_set_right_is_followed_back() -> None:
    assert [app_steps.drift_shown(1000 + off, 1000) for off in (-9, -3, -2, -1, 0, 1, 2, 9)] == [
        *(-2, -2, -1, 0, 0, 1, 2, 2)
    ]
    for drift in range(-2, 3):
        for step in app_steps.acceptable(1000, drift, 2):
            shown = app_steps.drift_shown(step, 1000)
            assert step in app_steps.acceptable(1000, shown, 2), "what was accepted stays acceptable"
            assert abs(shown) <= abs(drift)


async def test_c21_a_step_is_accepted_once_and_none_before_it_ever_again(world: World) -> None:
    person = await with_app(world)
    world.clock.turn(minutes=1)
    assert (await person.app_login()).status_code == 201
    assert (await person.app_login()).status_code == 401
    assert (await person.app_login(steps=-1)).status_code == 401, "an older step within the window"
    assert refusals(world) == ["already-used"] * 2


@pytest.mark.parametrize("count", [40, 100])
async def test_c21_of_many_simultaneous_logins_with_one_step_exactly_one_starts_a_session(
    world: World, other: World, count: int
) -> None:
    person = await with_app(world)
    for _ in range(2):
        world.clock.turn(minutes=5)
        started, code = len(world.said(SessionStarted)), person.code()
        logins = [await (world, other)[n % 2].ask(ANNA, by="authenticator-app") for n in range(count)]
        answers = await asyncio.gather(
            *(
                (world, other)[n % 2].give(login.challenge, code, by="authenticator-app")
                for n, login in enumerate(logins)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {201: 1, 401: count - 1}
        assert len(world.said(SessionStarted)) == started + 1


async def test_c08_the_app_is_counted_by_itself_so_it_is_a_second_way_in_when_mailed_codes_are_paused(
    world: World,
) -> None:
    """C-10"""
    person = await with_app(world)
    await world.auth.backbone.database.execute(
        "INSERT INTO failed_tries VALUES (%s, 'mailed-code', 'strangers', 80, '-infinity') "
        "ON CONFLICT (account, authenticator, bucket) DO UPDATE SET failures = 80",
        (SUBJECT,),
    )
    for _ in range(6):
        await world.post("/login/codes", email=ANNA)
    assert (await world.post("/login/codes", email=ANNA)).status_code == 429
    assert (await person.app_login()).status_code == 201
    login = await world.ask(ANNA, by="authenticator-app")
    assert (await world.give(login.challenge, login.code)).status_code == 401


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_c24_no_code_is_wrong_in_the_hour_that_comes_twice(in_berlin: None) -> None:
    """Every 30 seconds through the night in which clocks go back, in a zone that has one: the codes of Unix time."""
    assert os.environ["TZ"] == "Europe/Berlin"
    began = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)
    seed, wrong = authenticator_apps.new_seed(), []
    for half_minutes in range(480):
        moment = began + timedelta(seconds=30 * half_minutes)
        ours = app_steps.step_at(moment.astimezone(ZoneInfo("Europe/Berlin")))
        code = TOTP(seed).generate_otp(int(moment.timestamp()) // 30)
        if authenticator_apps.step_of(code, seed, app_steps.acceptable(ours, 0, 1)) is None:
            wrong.append(moment)
    assert wrong == []


@pytest.mark.parametrize(("off", "status"), [(0, 201), (4, 201), (6, 503), (-6, 503)])
async def test_c24_a_clock_that_differs_by_more_than_five_seconds_is_not_trusted_with_an_app(
    database: str, world: World, off: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    person = await with_app(world)
    world.clock.now = datetime.now(UTC) + timedelta(seconds=off)
    await world.auth.upkeep.watch_clock()
    assert ("clocks differ" in capsys.readouterr().out) is (off != 0)
    world.clock.turn(minutes=2)
    answer = await person.app_login()
    assert answer.status_code == status
    assert (await world.logged_in(DORA))["session"], "mailed codes know no clock but ours"
