"""Sessions at the gateway: what it tells auth of a request, and what becomes of cookies."""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.gateway.contract import described, load
from tests.gateway.conftest import World
from tests.gateway.servers import CHALLENGE, SESSION, SESSION_ID

PRODUCTS, LISTED, CURRENT = "/api/v1/products", "/api/v1/login/sessions", "/api/v1/login/sessions/current"
AS_COOKIE = {"Cookie": f"__Host-session={SESSION}"}
WITH_CHALLENGE = {"Cookie": f"__Host-challenge={CHALLENGE}"}
COOKIE = re.compile(r"__Host-[a-z]+=([0-9A-Za-z._~-]*); Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=[0-9]+")
NEW = "new-secret-of-anna-0123456789abcdef"
ADDRESS = "anna@nordlys.example.com"


def told(world: World, **headers: str) -> dict[str, Any]:
    """What auth is told of a request with these headers."""
    world.auth.asked.clear()
    assert world.ask("GET", PRODUCTS, session=None, headers=headers).status_code == 200
    [more] = world.auth.asked
    return dict(more)


def test_s13_only_a_browser_is_said_to_take_a_new_secret(world: World) -> None:
    assert told(world, **AS_COOKIE) == {"renews": True, "background": False}
    assert told(world, Authorization=f"Bearer {SESSION}") == {"renews": False, "background": False}


def test_s04_what_says_that_nobody_asked_or_is_such_an_operation_extends_no_session(world: World) -> None:
    assert told(world, **AS_COOKIE, **{"X-Background": "true"})["background"] is True
    assert told(world, **AS_COOKIE, **{"X-Background": "false"})["background"] is False
    for path in (CURRENT, LISTED):
        world.auth.asked.clear()
        assert world.ask("GET", path, session=None, headers=AS_COOKIE).status_code == 200
        assert [asked["background"] for asked in world.auth.asked] in ([True], [])
    assert world.auth.asked == [], "one token serves both within a second"


def test_s04_a_person_who_asks_within_the_second_of_a_poll_extends_the_session_all_the_same(world: World) -> None:
    world.ask("GET", PRODUCTS, session=None, headers={**AS_COOKIE, "X-Background": "true"})
    world.ask("GET", PRODUCTS, session=None, headers=AS_COOKIE)
    assert [asked["background"] for asked in world.auth.asked] == [True, False]


def test_s13_a_new_secret_goes_into_the_cookie_with_any_answer_and_nowhere_else(world: World) -> None:
    ends_at = datetime.now(UTC) + timedelta(hours=2)
    world.auth.renewed = {"secret": NEW, "ends_at": ends_at.isoformat()}
    for answer in (
        world.ask("GET", PRODUCTS, session=None, headers=AS_COOKIE),
        world.ask("POST", PRODUCTS, {}, session=None, headers=AS_COOKIE),
    ):
        [cookie] = answer.headers.get_list("set-cookie")
        assert cookie.startswith(f"__Host-session={NEW}; ")
        assert 7190 <= int(cookie.rpartition("=")[2]) <= 7200
        assert NEW not in answer.text
    assert "set-cookie" not in world.ask("GET", PRODUCTS).headers, "a bearer keeps its secret"


def test_s18_whoever_ends_the_session_they_ask_with_is_logged_out_as_well(world: World) -> None:
    other = world.ask("DELETE", f"{LISTED}/session-{'2' * 32}", session=None, headers=AS_COOKIE)
    assert (other.status_code, "set-cookie" in other.headers) == (200, False)
    own = world.ask("DELETE", f"{LISTED}/{SESSION_ID}", session=None, headers=AS_COOKIE)
    assert own.headers.get_list("set-cookie")[0].startswith("__Host-session=; ")
    assert own.headers["clear-site-data"] == '"cache", "storage"'


def test_s02_auth_is_told_of_the_session_that_the_browser_still_holds(world: World) -> None:
    cookies = {"Cookie": f"__Host-challenge={CHALLENGE}; __Host-session={SESSION}"}
    assert world.ask("POST", LISTED, {"code": "123456"}, session=None, headers=cookies).status_code == 201
    assert f'"session":"{SESSION}"'.encode() in world.auth.received[-1].body
    assert world.ask("POST", LISTED, {"code": "123456"}, session=None, headers=WITH_CHALLENGE).status_code == 201
    assert b'"session"' not in world.auth.received[-1].body


def test_one_path_may_have_operations_of_the_gateway_and_of_a_service(world: World) -> None:
    assert world.ask("GET", LISTED).status_code == 200
    assert world.ask("POST", LISTED, {"code": "123456"}, session=None, headers=WITH_CHALLENGE).status_code == 201
    wrong = world.ask("PUT", LISTED, {})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST")


def everything(world: World) -> list[Any]:
    """One answer of each kind that may set a cookie, and some that must not."""
    world.auth.renewed = {"secret": NEW, "ends_at": "2100-01-01T00:00:00Z"}
    return [
        world.ask("POST", "/api/v1/login/codes", {"email": ADDRESS}, session=None),
        world.ask("POST", LISTED, {"code": "654321"}, session=None, headers=WITH_CHALLENGE),
        world.ask("POST", LISTED, {"code": "123456"}, session=None, headers=WITH_CHALLENGE),
        world.ask("GET", PRODUCTS, session=None, headers=AS_COOKIE),
        world.ask("GET", f"{PRODUCTS}?reference=x", headers={"Authorization": f"Bearer {SESSION}"}),
        world.ask("DELETE", f"{LISTED}/{SESSION_ID}", session=None, headers=AS_COOKIE),
        world.ask("DELETE", CURRENT, session=None, headers=AS_COOKIE),
        world.ask("GET", "/api/v1/nothing", session=None, headers=AS_COOKIE),
    ]


def test_s20_every_cookie_that_is_ever_set_is_hardened_opaque_and_names_nobody(world: World) -> None:
    cookies = [cookie for answer in everything(world) for cookie in answer.headers.get_list("set-cookie")]
    assert {cookie.partition("=")[0] for cookie in cookies} == {"__Host-session", "__Host-challenge", "__Host-device"}
    for cookie in cookies:
        found = COOKIE.fullmatch(cookie)
        assert found is not None, cookie
        assert not found[1].startswith("eyJ")
        assert ADDRESS not in cookie


@contextmanager
def all_that_is_logged() -> Iterator[io.StringIO]:
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    with redirect_stdout(said), redirect_stderr(said):
        yield said
    logging.getLogger().removeHandler(handler)


def test_s26_no_secret_and_no_address_stands_in_a_log_or_in_what_services_are_asked_under(world: World) -> None:
    with all_that_is_logged() as said:
        everything(world)
        world.auth.sessions.add(SESSION)
        world.products.breaks = "before the answer"
        assert world.ask("GET", PRODUCTS, session=None, headers=AS_COOKIE).status_code == 503
    assert "no answer" in said.getvalue(), "the scan sees what is logged"
    targets = [received.target for upstream in world.upstreams.values() for received in upstream.received]
    assert any("reference=x" in target for target in targets), "the scan sees what is asked"
    for canary in (SESSION, CHALLENGE, NEW, ADDRESS, "123456", "654321", "eyJ"):
        assert canary not in said.getvalue(), canary
        assert not any(canary in target for target in targets), canary


@pytest.mark.parametrize("service", ["auth", "company", "products", "profiles", "audit"])
def test_s26_no_operation_takes_a_secret_or_an_address_in_its_url(service: str) -> None:
    names = {
        parameter["name"]
        for _, _, operation in described(load()[service])
        for parameter in operation.get("parameters", ())
        if parameter["in"] in {"path", "query"}
    }
    assert not {name for name in names if re.search(r"mail|token|code|secret|session$|challenge|address", name)}
