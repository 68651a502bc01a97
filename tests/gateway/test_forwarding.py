"""What the gateway passes on and back, and to whom: the contract's operations and nothing else (S-25)."""

import json
import re

import pytest

from tests.gateway.conftest import BIZZ, World, given_out
from tests.gateway.servers import SESSION, ok, problem, raw

PRODUCTS = "/api/v1/products"


def test_an_operation_is_asked_of_its_service_with_a_token_in_the_place_of_the_session(world: World) -> None:
    answer = world.ask("GET", f"{PRODUCTS}/{BIZZ}")
    assert (answer.status_code, answer.json()) == (200, {"path": f"/products/{BIZZ}"})
    (asked,) = world.products.received
    assert asked.headers["authorization"] == "Bearer eyJ.products.1"
    assert world.auth.exchanges == [(SESSION, "products")]
    assert SESSION not in str(asked)


def test_s25_only_named_headers_are_passed_on(world: World) -> None:
    sent = {
        "Idempotency-Key": "order-7",
        "Require-Seen": given_out(world, f"{BIZZ}@3"),
        "Accept": "application/json",
        "X-User-Id": "profile-1",
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Host": "evil.example.com",
        "Forwarded": "host=evil.example.com",
        "X-Request-ID": "chosen-by-the-client",
        "X-HTTP-Method-Override": "DELETE",
        "User-Agent": "script/1.0",
        "Cookie": "__Host-session=another-session-0123456789; theme=dark",
        "Connection": "keep-alive, Idempotency-Key",
    }
    answer = world.ask("POST", PRODUCTS, {"kind": "bizz"}, headers=sent)
    (asked,) = world.products.received
    host = asked.headers.pop("host")
    request_id = asked.headers.pop("x-request-id")
    assert asked.headers == {
        "idempotency-key": "order-7",
        "require-seen": f"{BIZZ}@3",
        "accept": "application/json",
        "authorization": "Bearer eyJ.products.1",
        "content-type": "application/json",
        "content-length": "16",
    }
    assert host.startswith("127.0.0.1:")
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    assert answer.headers["x-request-id"] == request_id
    assert json.loads(asked.body) == {"kind": "bizz"}


def test_z02_an_operation_without_a_row_in_the_policy_is_denied_and_never_passed_on(world: World) -> None:
    answer = world.ask("GET", f"{PRODUCTS}/forgotten")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")
    assert world.received() == 0


def test_only_named_headers_are_passed_back(world: World) -> None:
    world.products.answer = lambda _: ok(
        {}, 201, seen=f"{BIZZ}@1", retry_after="3", x_internal="secret", server="service", set_cookie="a=b"
    )
    answer = world.ask("POST", PRODUCTS, {})
    assert len(answer.headers["seen"]) == 96
    assert answer.headers["retry-after"] == "3"
    assert not {"x-internal", "server", "set-cookie"} & set(answer.headers)


def test_a_problem_of_a_service_comes_back_as_it_is(world: World) -> None:
    world.products.answer = lambda _: problem(409, "plate-taken")
    answer = world.ask("POST", PRODUCTS, {})
    assert (answer.status_code, answer.json()["code"]) == (409, "plate-taken")
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_request_has_an_id_of_its_own(world: World) -> None:
    ids = {world.ask("GET", PRODUCTS).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


def test_s25_no_path_reaches_anything_but_the_contract(world: World) -> None:
    outside = [
        f"{PRODUCTS}/{BIZZ}/",
        f"{PRODUCTS}//{BIZZ}",
        f"{PRODUCTS}/./{BIZZ}",
        f"{PRODUCTS}/../products/{BIZZ}",
        f"{PRODUCTS}/{BIZZ}/../../tokens",
        f"{PRODUCTS}/{BIZZ}%2fclose",
        f"{PRODUCTS}/%2e%2e/tokens",
        f"{PRODUCTS}/..%2f..%2ftokens",
        f"{PRODUCTS}/{BIZZ};a=b",
        f"{PRODUCTS}/{BIZZ}%00",
        f"{PRODUCTS}/{BIZZ}%0d%0aX:y",
        f"{PRODUCTS}/{BIZZ.upper()}",
        f"{PRODUCTS}/product-1",
        f"{PRODUCTS}/{'a-' * 40}{'0' * 32}",
        f"{PRODUCTS}/{BIZZ}\\close",
        f"{PRODUCTS}/http:%2f%2fevil.example.com",
        f"/api/v1/{BIZZ}",
        "/api/v1/tokens",
        "/api/v1/health/ready",
        "/api/v1/metrics",
        "/api/v1/",
        "/api/v1",
        "/api/v2/products",
        "/api/v1%2fproducts",
        "//api/v1/products",
        "/API/V1/products",
        "/products",
        "/metrics",
    ]
    for path in outside:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SESSION}\r\nConnection: close\r\n\r\n"
        answer = raw(world.gateway.port, request.encode())
        assert answer.startswith(b"HTTP/1.1 404 "), (path, answer[:200])
        assert b"content-type: application/problem+json" in answer, path
    assert world.received() == 0


@pytest.mark.parametrize(
    "line",
    [
        f"GET http://evil.example.com/api/v1/products/{BIZZ} HTTP/1.1",
        f"GET //evil.example.com/api/v1/products/{BIZZ} HTTP/1.1",
        f"GET /api/v1/products/{BIZZ}#/../tokens HTTP/1.1",
        "GET /api/v1/products/@evil.example.com HTTP/1.1",
        "CONNECT evil.example.com:443 HTTP/1.1",
    ],
)
def test_s25_whatever_the_request_line_says_nothing_goes_elsewhere(world: World, line: str) -> None:
    request = f"{line}\r\nHost: evil.example.com\r\nAuthorization: Bearer {SESSION}\r\n\r\n"
    raw(world.gateway.port, request.encode())
    for upstream in world.upstreams.values():
        for asked in upstream.received:
            assert asked.headers["host"].startswith("127.0.0.1:")
            assert asked.target in {f"/products/{BIZZ}", "/tokens"}


def test_an_internal_operation_is_not_there(world: World) -> None:
    for path in (f"{PRODUCTS}/{BIZZ}/dispatch", "/api/v1/tokens"):
        assert world.ask("POST", path, {}).status_code == 404
    assert world.received() == 0


def test_a_wrong_method_is_told_the_right_ones(world: World) -> None:
    for method, path, right in (
        ("PUT", f"{PRODUCTS}/{BIZZ}", "DELETE, GET"),
        ("OPTIONS", PRODUCTS, "GET, POST"),
        ("HEAD", f"{PRODUCTS}/{BIZZ}", "DELETE, GET"),
        ("TRACE", PRODUCTS, "GET, POST"),
        ("PURGE", PRODUCTS, "GET, POST"),
        ("GET", "/api/v1/login/codes", "POST"),
    ):
        answer = world.ask(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, right), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
    assert world.received() == 0


def test_s25_a_query_is_encoded_anew_and_has_only_parameters_that_there_are(world: World) -> None:
    assert world.ask("GET", f"{PRODUCTS}?reference=Lastbil%207%2C%20%C3%86r%C3%B8&after=").status_code == 200
    assert world.products.received[-1].target == "/products?reference=Lastbil+7%2C+%C3%86r%C3%B8&after="
    for query, status in (
        ("admin=1", 422),
        ("after=x&after_=y", 422),
        ("reference=%ff%fe", 400),
        ("&".join(["after=1"] * 60), 400),
    ):
        answer = world.ask("GET", f"{PRODUCTS}?{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), query
    assert len(world.products.received) == 1


def test_a_dry_run_of_a_command_that_offers_none_is_refused_and_not_done(world: World) -> None:
    answer = world.ask("POST", f"{PRODUCTS}?dry-run=true", {"kind": "bizz"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert world.products.received == []


def test_a_header_that_is_there_twice_is_refused(world: World) -> None:
    twice = [
        ("Idempotency-Key: a\r\nIdempotency-Key: b", SESSION),
        (f"Authorization: Bearer {SESSION}", SESSION),
        ("Require-Seen: \xe9", SESSION),
    ]
    for headers, session in twice:
        request = (
            f"POST {PRODUCTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session}\r\n"
            f"Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n{headers}\r\n\r\n{{}}"
        )
        answer = raw(world.gateway.port, request.encode("latin-1"))
        assert answer.startswith(b"HTTP/1.1 400 "), headers
        assert b"application/problem+json" in answer
    assert world.products.received == []


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
        "Content-Length: 6\r\nContent-Length: 7",
        "Content-Length: +6",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: identity, chunked\r\nTransfer-Encoding: cow",
    ],
)
def test_no_second_request_is_smuggled_in_the_body_of_the_first(world: World, framing: str) -> None:
    smuggled = f"DELETE {PRODUCTS}/{BIZZ} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SESSION}\r\n\r\n"
    request = (
        f"POST {PRODUCTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SESSION}\r\n"
        f"Content-Type: application/json\r\n{framing}\r\n\r\n0\r\n\r\n{smuggled}"
    )
    raw(world.gateway.port, request.encode())
    assert all(asked.method != "DELETE" for asked in world.products.received)


def test_a_chunked_body_arrives_whole(world: World) -> None:
    answer = world.ask("POST", PRODUCTS, content=iter([b'{"kind"', b': "bizz"}']))
    assert answer.status_code == 200
    assert world.products.received[0].body == b'{"kind": "bizz"}'
    assert "transfer-encoding" not in world.products.received[0].headers
