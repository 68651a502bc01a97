"""From where somebody logs in: what the gateway tells auth of a browser, and what it never tells (C-25)."""

import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.api import WhereForm
from services.gateway.whereabouts import browser_of, language_of, network_of, whereabouts
from tests.gateway.conftest import World

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
CHROME = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
EDGE = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1"


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        (FIREFOX, "Firefox, Windows"),
        (CHROME, "Chrome, Android"),
        (EDGE, "Edge, Windows"),
        (SAFARI, "Safari, iOS"),
        ("curl/8.5.0", "curl, unknown"),
        ("<b>Evil</b> \u202e Browser", None),
        ("", None),
    ],
)
def test_c25_a_browser_is_told_by_families_of_a_table_and_by_nothing_it_says_itself(
    agent: str, browser: str | None
) -> None:
    assert browser_of(agent) == browser


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2:3::9", "2001:db8:1::/48"), (None, None)],
)
def test_c25_of_an_address_only_its_network_is_told(address: str | None, network: str | None) -> None:
    assert network_of(ip_address(address) if address else None) == network


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("da", "da"),
        ("da-DK,da;q=0.9,en;q=0.8", "da"),
        ("de,en;q=0.7,da;q=0.9", "da"),
        ("sv;q=1, en-GB;q=0.5", "en"),
        ("da;q=0, en;q=0.1", "en"),
        ("da;q=much, fr", None),
        ("*", None),
        ("", None),
    ],
)
def test_the_language_is_the_first_of_ours_that_the_browser_asks_for(accepted: str, language: str | None) -> None:
    assert language_of(accepted) == language


@given(st.text(), st.text(), st.text())
def test_whatever_a_browser_sends_auth_takes_what_it_is_told(agent: str, accepted: str, client: str) -> None:
    headers = [(b"user-agent", agent.encode()), (b"accept-language", accepted.encode())]
    told = whereabouts({"type": "http", "client": (client, 1), "headers": headers}, 0)
    WhereForm.model_validate(told)


def test_c25_auth_is_told_from_where_a_code_is_asked_for_and_given(world: World) -> None:
    headers = {"User-Agent": FIREFOX, "Accept-Language": "da"}
    world.ask("POST", "/api/v1/login/codes", {"email": "anna@nordlys.example.com"}, session=None, headers=headers)
    told = json.loads(world.auth.received[-1].body)["where"]
    assert told == {"browser": "Firefox, Windows", "place": "127.0.0.0/24", "language": "da"}
