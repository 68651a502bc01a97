"""What every request is held to and every answer carries: sizes, times, headers (S-24, Q-10), rate limits."""

import socket
import time
from pathlib import Path

import pytest

from services.gateway import proxy
from services.gateway.json_depth import must_be_shallow
from services.gateway.limits import Buckets, address_of
from services.gateway.refusing import Malformed
from shared.errors import TooMany
from tests.gateway.conftest import BIZZ, World, world_of
from tests.gateway.servers import SESSION, raw

PRODUCTS = "/api/v1/products"
SECURITY = {
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


def test_s24_every_answer_carries_the_security_headers_and_the_requests_id(world: World) -> None:
    answers = [
        world.ask("GET", PRODUCTS),
        world.ask("GET", PRODUCTS, session=None),
        world.ask("GET", "/nowhere"),
        world.ask("PUT", PRODUCTS),
        world.ask("POST", PRODUCTS, content="x" * 300_000),
        world.ask("POST", "/api/v1/login/codes", {"email": "anna@nordlys.example.com"}, session=None),
        world.ask("GET", "/api/v1/openapi.json"),
        world.ask("GET", "/health/ready"),
        world.ask("POST", PRODUCTS, {}, session=None, headers={"Origin": "null"}),
    ]
    for answer in answers:
        assert SECURITY.items() <= dict(answer.headers).items(), answer
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers
    assert world.ask("GET", PRODUCTS, headers={"X-Long": "x" * 20_000}).headers.items() >= SECURITY.items()


def test_q10_a_body_over_256_kb_is_refused_announced_or_not(world: World) -> None:
    for content in (b"x" * (256 * 1024 + 1), b"x" * 1_000_000, iter([b"x" * 100_000] * 5)):
        answer = world.ask("POST", PRODUCTS, content=content)
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert world.ask("POST", "/api/v1/login/codes", content=b"x" * 1_000_000, session=None).status_code == 413
    assert world.products.received == []
    name = "x" * (256 * 1024 - 20)
    assert world.ask("POST", PRODUCTS, {"name": name}).status_code == 200


def test_q10_headers_over_16_kb_are_refused(world: World) -> None:
    answer = world.ask("GET", PRODUCTS, headers={"X-Long": "x" * 20_000})
    assert (answer.status_code, answer.json()["code"]) == (431, "headers-too-large")


def test_q10_a_body_nests_32_deep_at_most(world: World) -> None:
    assert world.ask("POST", PRODUCTS, content="[" * 32 + "]" * 32).status_code == 200
    answer = world.ask("POST", PRODUCTS, content="[" * 33 + "]" * 33)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")


@pytest.mark.parametrize(
    ("body", "shallow"),
    [
        (b"{}" * 100, True),
        (b'{"a":[{}]}' * 1000, True),
        (b'"' + b"[" * 100 + b'"', True),
        (rb'"\"' + b"[" * 100 + b'"', True),
        (b'"closed"' + b"[" * 33, False),
        (b'{"a":' * 33 + b"1" + b"}" * 33, False),
        (rb'"\\"' + b"[" * 33, False),
    ],
)
def test_q10_brackets_in_texts_do_not_nest(body: bytes, shallow: bool) -> None:
    if shallow:
        must_be_shallow(body)
    else:
        with pytest.raises(Malformed):
            must_be_shallow(body)


def test_q10_no_body_makes_the_check_slow() -> None:
    for body in (b'"' + rb"\"" * 120_000 + b'"' + b"[" * 40, b"{}" * 120_000 + b"[" * 40):
        began = time.perf_counter()
        with pytest.raises(Malformed):
            must_be_shallow(body)
        assert time.perf_counter() - began < 0.3
    for body in (
        b'"' + rb"\"" * 120_000 + b"[" * 40,
        rb"\"" * 120_000 + b"[" * 40,
    ):  # no JSON: refused where it is parsed
        began = time.perf_counter()
        must_be_shallow(body)
        assert time.perf_counter() - began < 0.3


def test_a_body_that_does_not_come_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "BODY_SECONDS", 0.2)
    request = (
        f"POST {PRODUCTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SESSION}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    assert raw(world.gateway.port, request.encode()).startswith((b"HTTP/1.1 408 ", b""))
    with socket.create_connection(("127.0.0.1", world.gateway.port), timeout=5) as connection:
        connection.sendall(request.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"not json", 400),
        (b'{"email": "\xff\xfe"}', 400),
        (b'{"email": 7}', 422),
        (b'{"email": "anna@nordlys.example.com", "admin": true}', 422),
        (b"[]", 422),
        (b"null", 422),
        (b'{"email": ""}', 422),
        (b'{"email": NaN}', 422),
    ],
)
def test_a_wrong_body_is_answered_with_a_problem(world: World, content: bytes, status: int) -> None:
    answer = world.ask("POST", "/api/v1/login/codes", content=content, session=None)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert world.received() == 0


def test_bytes_that_are_no_text_are_left_to_the_service(world: World) -> None:
    assert world.ask("POST", PRODUCTS, content=b'{"name": "\xff"}').status_code == 200
    assert world.products.received[0].body == b'{"name": "\xff"}'


# Rate limits ----------------------------------------------------------------------------------------------------------


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    clock = Time()
    buckets = Buckets(per_second=0.5, burst=3, now=clock)
    for _ in range(3):
        buckets.take("anna")
    with pytest.raises(TooMany) as refused:
        buckets.take("anna")
    assert refused.value.retry_after == 2
    buckets.take("dora")
    clock.now += 2
    buckets.take("anna")
    with pytest.raises(TooMany):
        buckets.take("anna")


def test_buckets_take_bounded_room_and_forget_the_longest_unused() -> None:
    clock = Time()
    buckets = Buckets(per_second=1, burst=1, most=100, now=clock)
    for number in range(1_000):
        buckets.take(str(number))
    assert len(buckets) == 100
    with pytest.raises(TooMany):
        buckets.take("999")
    buckets.take("1")


@pytest.mark.parametrize(
    ("client", "forwarded", "hops", "address"),
    [
        ("203.0.113.7", "198.51.100.1", 0, "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", 1, "198.51.100.1"),
        ("10.0.0.1", "spoofed, 198.51.100.1", 1, "198.51.100.1"),
        ("10.0.0.1", "spoofed, 198.51.100.1, 10.0.0.2", 2, "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1", 2, "198.51.100.1"),
        ("10.0.0.1", "", 1, "10.0.0.1"),
        ("10.0.0.1", "nonsense", 1, "unknown"),
    ],
)
def test_an_address_is_believed_only_from_our_own_proxies(client: str, forwarded: str, hops: int, address: str) -> None:
    scope = {"type": "http", "client": (client, 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert address_of(scope, hops) == address


def test_addresses_of_one_ipv6_network_are_one() -> None:
    first, second, other = (
        address_of({"type": "http", "client": (client, 1), "headers": []}, 0)
        for client in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")
    )
    assert first == second != other


def test_codes_are_limited_for_each_address_and_requests_for_each_session(contracts: Path) -> None:
    with world_of(contracts, login_codes_per_minute=3, login_tries_per_minute=2, requests_per_second=5) as world:

        def codes() -> list[int]:
            return [
                world.ask("POST", "/api/v1/login/codes", {"email": "a@example.com"}, session=None).status_code
                for _ in range(4)
            ]

        assert codes() == [202, 202, 202, 429]
        limited = world.ask("POST", "/api/v1/login/codes", {"email": "b@example.com"}, session=None)
        assert limited.json()["code"] == "too-many-requests"
        assert 1 <= int(limited.headers["retry-after"]) <= 20
        tries = [world.ask("POST", "/api/v1/login/sessions", {"code": "1"}, session=None) for _ in range(3)]
        assert [answer.status_code for answer in tries] == [401, 401, 429]
        answers = [world.ask("GET", PRODUCTS) for _ in range(30)]
        assert {answer.status_code for answer in answers[:10]} == {200}
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        world.auth.sessions.add("session-secret-of-dora-0123456789")
        assert world.ask("GET", PRODUCTS, session="session-secret-of-dora-0123456789").status_code == 200


def test_the_path_of_an_identifier_is_the_same_on_both_sides(world: World) -> None:
    world.ask("POST", f"{PRODUCTS}/{BIZZ}/close", {"confirm": True})
    assert world.products.received[0].target == f"/products/{BIZZ}/close"
