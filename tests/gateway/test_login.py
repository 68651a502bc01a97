"""Logging in through the gateway: secrets in cookies and nowhere else (S-01, S-20), and no cross-site use (S-21)."""

import io
import json
import logging
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import BIZZ, World, world_of
from tests.gateway.servers import CHALLENGE, DEVICE, PUZZLE, SESSION

CODES, SESSIONS, CURRENT = "/api/v1/login/codes", "/api/v1/login/sessions", "/api/v1/login/sessions/current"
PRODUCTS = "/api/v1/products"
HARDENED = "Path=/; Secure; HttpOnly; SameSite=Strict"
AS_COOKIE = {"Cookie": f"__Host-session={SESSION}"}
JSON = {"Content-Type": "application/json"}


def test_s20_asking_for_a_code_sets_the_challenge_as_a_hardened_cookie(world: World) -> None:
    answer = world.ask("POST", CODES, {"email": "anna@nordlys.example.com"}, session=None)
    assert (answer.status_code, answer.json()) == (202, {"expires_in": 300})
    assert answer.headers.get_list("set-cookie") == [f"__Host-challenge={CHALLENGE}; {HARDENED}; Max-Age=300"]


def test_s20_logging_in_sets_the_session_and_clears_the_challenge(world: World) -> None:
    headers = {"Cookie": f"__Host-challenge={CHALLENGE}"}
    answer = world.ask("POST", SESSIONS, {"code": "123456"}, session=None, headers=headers)
    assert answer.status_code == 201
    assert set(answer.json()) == {"subject", "session_id", "ends_at", "seen"}
    session, device, challenge = answer.headers.get_list("set-cookie")
    assert session.startswith(f"__Host-session={SESSION}; {HARDENED}; Max-Age=")
    assert int(session.rpartition("=")[2]) > 3600
    assert device == f"__Host-device={DEVICE}; {HARDENED}; Max-Age=15552000"
    assert challenge == f"__Host-challenge=; {HARDENED}; Max-Age=0"
    given = {"challenge": CHALLENGE, "code": "123456", "by": "mailed-code", "client": "127.0.0.1"}
    said = json.loads(world.auth.received[-1].body)
    assert said.pop("where")["place"] == "127.0.0.0/24"
    assert said == given


def test_c10_auth_is_told_where_a_login_comes_from_and_by_what_the_browser_is_known(world: World) -> None:
    headers = {"Cookie": f"__Host-challenge={CHALLENGE}; __Host-device={DEVICE}", "X-Forwarded-For": "203.0.113.9"}
    world.ask("POST", CODES, {"email": "anna@nordlys.example.com"}, session=None, headers=headers)
    world.ask("POST", SESSIONS, {"code": "123456", "by": "authenticator-app"}, session=None, headers=headers)
    for received in world.auth.received:
        told = json.loads(received.body)
        assert (told["client"], told["device"]) == ("127.0.0.1", DEVICE), "no proxy of ours says otherwise"
    assert told["by"] == "authenticator-app"


def test_c09_the_work_for_a_puzzle_is_passed_on_and_the_puzzle_is_passed_back(world: World) -> None:
    headers = {"Cookie": f"__Host-challenge={CHALLENGE}"}
    answer = world.ask("POST", SESSIONS, {"code": "333333"}, session=None, headers=headers)
    assert (answer.status_code, answer.json()["puzzle"], answer.json()["bits"]) == (401, PUZZLE, 18)
    world.ask("POST", SESSIONS, {"code": "333333", "work": "3f2a1"}, session=None, headers=headers)
    assert json.loads(world.auth.received[-1].body)["work"] == "3f2a1"


def test_c10_a_device_cookie_that_cannot_be_one_is_none(world: World) -> None:
    for cookie in ("", "x", "x" * 101, "sch%C3%B6n-0123456789012345"):
        headers = {"Cookie": f"__Host-device={cookie}"}
        answer = world.ask("POST", CODES, {"email": "anna@nordlys.example.com"}, session=None, headers=headers)
        assert answer.status_code == 202
        assert "device" not in json.loads(world.auth.received[-1].body)


def test_l1_half_a_login_sets_no_session_and_keeps_the_challenge(world: World) -> None:
    headers = {"Cookie": f"__Host-challenge={CHALLENGE}"}
    answer = world.ask("POST", SESSIONS, {"code": "222222"}, session=None, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"next": "authenticator-app"})
    assert "set-cookie" not in answer.headers


def test_a_wrong_code_or_no_challenge_logs_nobody_in(world: World) -> None:
    for cookie, code in ((CHALLENGE, "654321"), ("another-browser-0123456789", "123456"), (None, "123456"), ("x", "1")):
        headers = {"Cookie": f"__Host-challenge={cookie}"} if cookie else {}
        answer = world.ask("POST", SESSIONS, {"code": code}, session=None, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert "set-cookie" not in answer.headers


def test_logging_out_clears_the_cookie_and_ends_it_at_once(world: World) -> None:
    assert world.ask("GET", PRODUCTS).status_code == 200
    assert world.ask("GET", CURRENT, session=None, headers=AS_COOKIE).status_code == 200
    answer = world.ask("DELETE", CURRENT, session=None, headers=AS_COOKIE)
    assert answer.status_code == 200
    assert answer.headers.get_list("set-cookie") == [f"__Host-session=; {HARDENED}; Max-Age=0"]
    assert answer.headers["clear-site-data"] == '"cache", "storage"', "S-18; known devices stay known"
    assert world.ask("GET", PRODUCTS).status_code == 401
    assert world.ask("GET", CURRENT, session=None, headers=AS_COOKIE).status_code == 401


def test_s01_no_answer_carries_a_token_and_only_set_cookie_a_secret(world: World) -> None:
    answers = [
        world.ask("POST", CODES, {"email": "anna@nordlys.example.com"}, session=None),
        world.ask("POST", SESSIONS, {"code": "123456"}, headers={"Cookie": f"__Host-challenge={CHALLENGE}"}),
        world.ask("GET", CURRENT),
        world.ask("GET", f"{PRODUCTS}/{BIZZ}"),
        world.ask("GET", f"{PRODUCTS}?token={SESSION}"),
    ]
    for answer in answers:
        shown = answer.text + str([value for name, value in answer.headers.items() if name != "set-cookie"])
        assert "eyJ" not in shown + str(answer.headers)
        assert SESSION not in shown
        assert CHALLENGE not in shown
        assert DEVICE not in shown


def test_s26_secrets_are_in_no_url_and_no_log(contracts: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = io.StringIO()
    with (
        caplog.at_level(logging.DEBUG),
        redirect_stdout(written),
        redirect_stderr(written),
        world_of(contracts) as world,
    ):
        world.ask("POST", CODES, {"email": "anna@nordlys.example.com"}, session=None)
        cookies = {"Cookie": f"__Host-challenge={CHALLENGE}; __Host-device={DEVICE}"}
        world.ask("POST", SESSIONS, {"code": "123456"}, headers=cookies)
        world.products.breaks = "amid the answer"
        assert world.ask("POST", PRODUCTS, {}).status_code == 503
        world.ask("GET", PRODUCTS, session="a-session-that-is-none-0123456789")
        targets = [asked.target for upstream in world.upstreams.values() for asked in upstream.received]
    asker = ("httpx", "httpcore")  # the client of this test, not a part of the system
    logged = "".join(record.getMessage() for record in caplog.records if not record.name.startswith(asker))
    for secret in (SESSION, CHALLENGE, DEVICE, "anna@", "123456", "eyJ", "a-session-that-is-none"):
        assert secret not in written.getvalue() + logged
        assert not any(secret in target for target in targets)
    assert "no answer" in written.getvalue()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {SESSION}"},
        {"Authorization": "Bearer short"},
        {"Authorization": f"Bearer {SESSION} {SESSION}"},
        {"Authorization": "Bearer " + "x" * 101},
        {"Authorization": "Bearer eyJ.products.1{}"},
        {"Authorization": "Basic eDp5", **AS_COOKIE},
        {"Cookie": f"session={SESSION}"},
        {"Cookie": f"__host-session={SESSION}"},
        {"Cookie": "__Host-session="},
    ],
)
def test_who_brings_no_session_is_not_logged_in_and_nobody_is_asked(world: World, headers: dict[str, str]) -> None:
    answer = world.ask("GET", PRODUCTS, session=None, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert world.received() == 0


def test_two_session_cookies_are_refused(world: World) -> None:
    headers = {"Cookie": f"__Host-session={SESSION}; __Host-session=another-session-0123456789"}
    assert world.ask("GET", PRODUCTS, session=None, headers=headers).status_code == 400


FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example.com", **JSON},
    {"Origin": "null", **JSON},
    {"Origin": "https://sibling.127.0.0.1", **JSON},
    {"Origin": "ftp://{host}", **JSON},
    {"Origin": "https://evil.example.com@{host}", **JSON},
    {"Sec-Fetch-Site": "cross-site", **JSON},
    {"Sec-Fetch-Site": "same-site", **JSON},
    {"Sec-Fetch-Site": "none", **JSON},
    {"Origin": "http://{host}", "Sec-Fetch-Site": "cross-site", **JSON},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Content-Type": "application/jsonp"},
    {"Content-Type": ""},
]
OUR_OWN: list[dict[str, str]] = [
    JSON,
    {"Origin": "http://{host}", **JSON},
    {"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin", "Content-Type": "Application/JSON; charset=utf-8"},
]


def with_host(world: World, headers: dict[str, str]) -> dict[str, str]:
    return {name: value.replace("{host}", f"127.0.0.1:{world.gateway.port}") for name, value in headers.items()}


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_s21_a_command_that_a_foreign_page_may_have_sent_is_refused(world: World, headers: dict[str, str]) -> None:
    sent = {**with_host(world, headers), **AS_COOKIE}
    answer = world.http.post(PRODUCTS, content=b"{}", headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross-site-request")
    assert world.received() == 0
    assert world.http.get(PRODUCTS, headers=sent).status_code == 200, "a question changes nothing"


@pytest.mark.parametrize("headers", OUR_OWN, ids=str)
def test_s21_a_command_of_our_own_pages_is_passed_on(world: World, headers: dict[str, str]) -> None:
    answer = world.http.post(PRODUCTS, content=b"{}", headers={**with_host(world, headers), **AS_COOKIE})
    assert answer.status_code == 200


def test_s21_a_command_without_a_body_needs_no_type_but_the_right_origin(world: World) -> None:
    def post(**headers: str) -> int:
        return world.http.post(f"{PRODUCTS}/{BIZZ}/close", headers={**headers, **AS_COOKIE}).status_code

    assert post() == 200
    assert post(Origin="https://evil.example.com") == 403


def test_s21_a_foreign_page_cannot_log_somebody_in(world: World) -> None:
    for path, body in ((CODES, {"email": "anna@nordlys.example.com"}), (SESSIONS, {"code": "123456"})):
        headers = {"Origin": "https://evil.example.com", "Cookie": f"__Host-challenge={CHALLENGE}"}
        assert world.ask("POST", path, body, session=None, headers=headers).status_code == 403
        assert world.ask("POST", path, body, session=None, headers={"Content-Type": "text/plain"}).status_code == 415
    assert world.received() == 0


def test_s21_a_script_with_a_bearer_is_no_page_but_sends_json(world: World) -> None:
    assert world.ask("POST", PRODUCTS, {}, headers={"Origin": "https://tools.example.com"}).status_code == 200
    answer = world.ask("POST", PRODUCTS, content="kind=bizz", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "body-not-json")


def test_s21_with_a_public_origin_only_that_one_counts(contracts: Path) -> None:
    with world_of(contracts, public_origin="https://self.example.com") as world:

        def post(origin: str) -> int:
            return world.http.post(PRODUCTS, content=b"{}", headers={"Origin": origin, **JSON, **AS_COOKIE}).status_code

        assert post("https://self.example.com") == 200
        assert post(f"http://127.0.0.1:{world.gateway.port}") == 403


def test_s23_no_other_origin_may_read_anything(world: World) -> None:
    headers: dict[str, Any] = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET"):
        answer = world.ask(method, PRODUCTS, headers=headers)
        assert not any(name.startswith("access-control") for name in answer.headers)
