"""Logging in over HTTP: the limits of L3 one by one, each under its number of security.md."""

import json

import pytest

from services.auth.adapters import codes
from services.auth.events import CodeAccepted, CodeRefused, CodeRequested, SessionStarted
from tests.auth.conftest import ANNA, ANNAS_ID, DORA, NOBODY, SUSANNE, Login, World, cancelled, created, replica
from tests.feed import Asking, running


def refusals(world: World) -> list[str]:
    return [refused.because for refused in world.said(CodeRefused)]


async def test_l1_the_mailed_code_logs_in(world: World) -> None:
    session = await world.logged_in(ANNA)
    assert session["subject"] == f"profile:{ANNAS_ID}"
    assert session["seen"] == [f"{ANNAS_ID}@1"]
    started = world.log()[-1]
    assert isinstance(started.data, SessionStarted)
    assert (str(started.actor), started.data.session_id) == (f"profile:{ANNAS_ID}", session["session_id"])
    assert (started.data.ends_at - world.clock()).total_seconds() == 12 * 3600


async def test_l1_customer_service_logs_in_with_any_spelling_of_its_address(world: World) -> None:
    session = await world.logged_in(" Susanne@EXAMPLE.com ")
    assert session["subject"].startswith("staff:staff-")
    assert session["seen"] == [f"{session['subject'].removeprefix('staff:')}@1"]


async def test_c01_a_code_with_leading_zeros_works_end_to_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda _: 7)
    login = await world.ask(ANNA)
    assert login.code == "000007"
    assert (await world.give(login.challenge, "7")).status_code == 422
    assert (await world.give(login.challenge, "000007")).status_code == 201


@pytest.mark.parametrize(("after", "status"), [(299.9, 201), (300.0, 401)])
async def test_c02_a_code_dies_at_five_minutes(world: World, after: float, status: int) -> None:
    login = await world.ask(ANNA)
    world.clock.turn(seconds=after)
    assert (await world.give(login.challenge, login.code)).status_code == status
    assert refusals(world) == ([] if status == 201 else ["expired"])


async def test_c02_the_clients_time_is_ignored(world: World) -> None:
    login = await world.ask(ANNA)
    world.clock.turn(minutes=5)
    body = {"challenge": login.challenge, "code": login.code}
    ask = Asking(world.app, "auth", None)
    assert (await ask("POST", "/login/sessions", body, date="Thu, 01 Jan 1970 00:00:00 GMT")).status_code == 401


async def test_c03_only_the_newest_code_is_live(world: World) -> None:
    first = await world.ask(ANNA)
    world.clock.turn(minutes=1)
    second = await world.ask(ANNA)
    assert (await world.give(first.challenge, first.code)).status_code == 401
    assert (await world.give(second.challenge, second.code)).status_code == 201
    assert refusals(world) == ["superseded"]


async def test_c04_a_code_works_once(world: World) -> None:
    login = await world.ask(ANNA)
    assert (await world.give(login.challenge, login.code)).status_code == 201
    assert (await world.give(login.challenge, login.code)).status_code == 401
    assert refusals(world) == ["already-used"]


async def test_c05_after_five_wrong_tries_the_right_code_is_refused(world: World) -> None:
    login = await world.ask(ANNA)
    for _ in range(5):
        assert (await world.give(login.challenge, login.wrong)).status_code == 401
    assert (await world.give(login.challenge, login.code)).status_code == 401
    assert refusals(world) == ["wrong-code"] * 5 + ["tries-spent"]


async def failures_of(world: World, profile_id: str) -> int:
    row = await world.row(
        "SELECT sum(failures) AS failures FROM failed_tries WHERE account = %s", f"profile:{profile_id}"
    )
    return int(row["failures"])


async def test_c06_a_new_code_and_a_restart_leave_the_count_of_failures_alone(world: World, database: str) -> None:
    login = await world.ask(ANNA)
    for _ in range(4):
        await world.give(login.challenge, login.wrong)
    restarted = replica(database, world.clock)
    world.clock.turn(minutes=1)
    async with running(restarted.auth.backbone):
        login = await restarted.ask(ANNA)
        assert await failures_of(restarted, ANNAS_ID) == 4
        await restarted.give(login.challenge, login.wrong)
        assert await failures_of(restarted, ANNAS_ID) == 5
        world.clock.turn(seconds=30)
        await restarted.give(login.challenge, login.code)
    assert await failures_of(world, ANNAS_ID) == 0, "a success takes them back"


async def test_c12_a_code_works_only_with_the_challenge_it_was_asked_with(world: World) -> None:
    anna, dora = await world.ask(ANNA), await world.ask(DORA)
    assert anna.code != dora.code
    assert (await world.give(anna.challenge, dora.code)).status_code == 401
    assert (await world.give(dora.challenge, anna.code)).status_code == 401
    assert (await world.give(anna.challenge, anna.code)).status_code == 201
    assert (await world.give(dora.challenge, dora.code)).status_code == 201


def test_c12_a_code_is_bound_to_its_purpose() -> None:
    kept = codes.Codes("pepper")
    diagonal = {(challenge, purpose) for challenge in ("a", "b") for purpose in ("login", "email-change", "step-up")}
    assert len({kept.of_code(challenge, purpose, "012345") for challenge, purpose in diagonal}) == 6


async def test_c13_whoever_is_cancelled_after_asking_is_not_let_in(world: World) -> None:
    login = await world.ask(ANNA)
    await world.feed.given(cancelled(ANNA))
    assert (await world.give(login.challenge, login.code)).status_code == 401
    assert refusals(world) == ["unknown"]
    assert not world.said(CodeAccepted, SessionStarted)


async def test_a_challenge_that_nobody_knows_is_refused_like_any_other(world: World) -> None:
    answer = await world.give("x" * 43, "012345")
    assert (answer.status_code, answer.json()["code"]) == (401, "code-refused")
    assert [(r.because, r.subject) for r in world.said(CodeRefused)] == [("unknown", None)]


NOT_SIX_DIGITS = [
    *("", "12345", "1234567", "12 34 56", " 123456", "123456 ", "123  456", "12\t3456", "12345a", "-12345"),
    *("１２３４５６", "١٢٣٤٥٦", "12345²"),
]


async def test_c19_what_is_not_six_ascii_digits_is_refused_before_anything_is_touched(world: World) -> None:
    login = await world.ask(ANNA)
    for typed in NOT_SIX_DIGITS:
        answer = await world.give(login.challenge, typed)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request"), typed
        assert not typed or typed not in answer.text
    assert not world.said(CodeRefused)
    assert (await world.row("SELECT tries FROM codes"))["tries"] == 0


async def test_c19_one_space_inside_is_taken_out(world: World) -> None:
    for place in range(1, 6):
        login = await world.ask(ANNA)
        typed = f"{login.code[:place]} {login.code[place:]}"
        assert (await world.give(login.challenge, typed)).status_code == 201, typed


async def test_c19_a_long_body_is_refused_before_it_is_parsed(world: World) -> None:
    ask = Asking(world.app, "auth", None)
    answer = await ask("POST", "/login/sessions", content=b'{"challenge": "' + b"x" * 2000)
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


BAD_INPUT: list[tuple[str, object]] = [
    ("/login/codes", {}),
    ("/login/codes", {"email": 1}),
    ("/login/codes", {"email": "no address"}),
    ("/login/codes", {"email": "\ud800@example.com"}),
    ("/login/codes", {"email": "a@" + "b" * 318}),
    ("/login/codes", {"email": ANNA, "admin": True}),
    ("/login/sessions", {"challenge": "\ud800", "code": "012345"}),
    ("/login/sessions", {"challenge": "x", "code": 12345}),
    ("/login/sessions", {"challenge": "x", "code": "\ud8003456"}),
    ("/tokens", {"session": "x" * 101, "audience": "profiles"}),
    ("/tokens", {"session": "x", "audience": "../profiles"}),
    ("/tokens", {"session": None, "audience": None}),
    ("/tokens", ["session"]),
]


async def test_bad_input_is_422_and_changes_nothing(world: World) -> None:
    before = len(world.log())
    for path, body in BAD_INPUT:
        answer = await Asking(world.app, "auth", None)("POST", path, content=json.dumps(body).encode())
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), body
    assert len(world.log()) == before


async def test_c28_a_get_consumes_nothing(world: World) -> None:
    login = await world.ask(ANNA)
    before = len(world.log())
    for path in ("/login/codes", "/login/sessions", "/tokens"):
        query = f"?challenge={login.challenge}&code={login.code}"
        assert (await Asking(world.app, "auth", None)("GET", path + query)).status_code in {401, 405}
    assert len(world.log()) == before
    assert (await world.give(login.challenge, login.code)).status_code == 201


async def test_c29_every_attempt_is_exactly_one_event_without_any_code(world: World) -> None:
    logins: list[Login] = [await world.ask(email) for email in (ANNA, DORA, SUSANNE, NOBODY)]
    attempts = 0
    for login in logins:
        for code in (login.wrong, login.wrong, login.code, login.code):
            await world.give(login.challenge, code)
            attempts += 1
    assert len(world.said(CodeAccepted, CodeRefused)) == attempts
    assert len(world.said(CodeRequested)) == len(logins)
    assert not any(login.code in str(event.data) for event in world.log() for login in logins)


async def test_an_address_that_was_freed_belongs_to_its_next_profile(world: World) -> None:
    await world.feed.given(cancelled(ANNA))
    await world.feed.given(created(ANNA).model_copy(update={"profile_id": "profile-" + "9" * 32}))
    assert (await world.logged_in(ANNA))["subject"] == "profile:profile-" + "9" * 32
