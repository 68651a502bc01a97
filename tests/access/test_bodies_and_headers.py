"""Z-05, Z-06, Z-10: who asks is told by the session alone, and a request says nothing but what it is asked for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.access.asking import Request, filled, requests
from tests.access.conftest import World, at_once
from tests.access.expected import ACTORS, YES, Expectation
from tests.access.test_out_of_reach import shape
from tests.contracts.test_contracts import read

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]

NEVER_ASKED_FOR = ("tenant_id", "role", "is_admin", "actor", "grant", "version", "created_by", "verified", "__proto__")
PARTS = 5
"""The fields go in so many requests: some bodies are refused for their size before they are read."""
ANNA, HANS = "administrator of the account", "administrator of another company"


def who_may(request: Request) -> str:
    """Somebody who may do it, so that nothing but the request itself is wrong."""
    return next(actor.name for actor in ACTORS[::-1] if Expectation().of(request.ask, actor) == YES)


def answered_fields() -> set[str]:
    """Every field of every answer: what people read, and most of which nobody may write."""
    schemas = read("openapi", "gateway.json")["components"]["schemas"].values()
    return {name for schema in schemas for name in schema.get("properties", {})}


def asked_for(request: Request) -> set[str]:
    """Every field that an operation's body may have, at any depth."""
    document = read("openapi", "gateway.json")
    return set(
        _properties(
            document, document["paths"][request.operation.template][request.operation.method.lower()]["requestBody"]
        )
    )


def _properties(document: Any, part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from part.get("properties", ())
        if reference := part.get("$ref"):
            yield from _properties(document, document["components"]["schemas"][reference.rpartition("/")[2]])
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _properties(document, each)


def with_more(body: Any, more: dict[str, Any]) -> Iterator[Any]:
    """The body with more fields in it, at each depth in turn."""
    if isinstance(body, dict):
        yield {**more, **body}
        for name, value in body.items():
            yield from ({**body, name: changed} for changed in with_more(value, more))
    elif isinstance(body, list) and body:
        yield from ([changed, *body[1:]] for changed in with_more(body[0], more))


def test_z05_a_field_that_is_not_asked_for_is_refused_wherever_it_stands(world: World) -> None:
    """Read-only and made-up ones alike; each is named, and not one is passed over."""
    wanted = sorted({*NEVER_ASKED_FOR, *answered_fields()})
    few = [dict.fromkeys(wanted[first::PARTS], "x") for first in range(PARTS)]
    cells = [
        (request, body, more)
        for request in requests()
        if request.ask.body is not None
        for more in few
        for body in with_more(filled(request.ask.body, world.ours), more)
    ]

    def put(cell: tuple[Request, Any, dict[str, str]]) -> httpx.Response:
        request, body, _ = cell
        return Request(request.operation, replace(request.ask, body=body)).send(world, who_may(request), _things(world))

    for (request, _, more), answer in zip(cells, at_once(put, cells), strict=True):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request"), f"{request}: {answer.text}"
        refused = {error["field"].rpartition(".")[2] for error in answer.json()["errors"]}
        assert (set(NEVER_ASKED_FOR) & more.keys()) - asked_for(request) <= refused, f"{request}: {refused}"
        assert more.keys() - refused <= asked_for(request), f"{request}: {more.keys() - refused}"


def _things(world: World) -> dict[str, str]:
    return {**world.ours, "oneself": world.ours["main_administrator"]}


def test_z05_a_parameter_that_is_not_asked_for_is_refused(world: World) -> None:
    for request in requests():
        answer = request.send(world, who_may(request), _things(world), {"tenant_id": "1", "role": "administrator"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request"), f"{request}: {answer.text}"


def smuggled(world: World) -> dict[str, str]:
    """Headers by which some systems are told who asks, for whom, or for what; with true values of Nordlys'."""
    anna, token = world.ours["administrator"], world.token(ANNA, "profiles")
    names = ("X-User-Id", "X-User", "X-Forwarded-User", "X-Remote-User", "X-Auth-Request-User", "X-Actor", "X-Subject")
    return {
        **dict.fromkeys(names, anna),
        "X-User-Email": world.ours["administrator_email"],
        "X-User-Role": "customer-service",
        "X-User-Roles": "main-administrator,customer-service",
        "X-Grant": f"account-administrator:{world.ours['account']}",
        "X-Tenant-Id": world.ours["company"],
        "X-Tenant": world.ours["company"],
        "X-Company-Id": world.ours["company"],
        "X-Account-Id": world.ours["account"],
        "X-Session-Id": world.sessions[ANNA],
        "X-Access-Token": token,
        "X-Authorization": f"Bearer {token}",
        "X-Forwarded-Access-Token": token,
        "Proxy-Authorization": f"Bearer {token}",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "inside.example.com",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Prefix": "/internal",
        "X-Real-IP": "127.0.0.1",
        "Forwarded": "for=127.0.0.1;host=inside.example.com",
        "X-Original-URL": f"/api/v1/accounts/{world.ours['account']}",
        "X-Rewrite-URL": f"/api/v1/accounts/{world.ours['account']}",
        "X-HTTP-Method-Override": "GET",
        "X-Internal": "true",
    }


GROWING = ("readHistory", "proveEntry")
"""Every reading adds an entry, to be read and proven."""


def test_z06_z10_no_header_tells_who_asks_or_for_whom(world: World) -> None:
    """Every operation, about one's own and about others' things, as Hans and as nobody: with and without, alike."""
    more, own = smuggled(world), {**world.theirs, "oneself": world.theirs["administrator"]}
    cells = [
        (request, who, things)
        for request in requests()
        for who in (HANS, "anonymous")
        for things in (own, {**world.ours, "oneself": world.ours["administrator"]})
        if request.operation.id not in GROWING or things is not own
    ]

    def put(cell: tuple[Request, str, dict[str, str]]) -> tuple[httpx.Response, httpx.Response]:
        request, who, things = cell
        with_them = Request(request.operation, replace(request.ask, headers={**more, **request.ask.headers}))
        return request.send(world, who, things), with_them.send(world, who, things)

    for (request, who, _), (without, with_them) in zip(cells, at_once(put, cells), strict=True):
        assert shape(without, "-") == shape(with_them, "-"), f"{request}, {who}: {without.text} {with_them.text}"


def test_z10_a_request_id_is_never_taken_from_outside(world: World) -> None:
    mine = "a-request-id-of-my-own"
    answer = world.ask(HANS, "GET", "/api/v1/accounts", headers={"X-Request-ID": mine})
    assert answer.headers["x-request-id"] != mine


def test_z10_a_token_of_the_inside_opens_nothing_outside(world: World) -> None:
    """Of whichever service, wherever it stands, also beside a session of somebody who may less."""
    path = f"/api/v1/accounts/{world.ours['account']}"
    for audience in world.addresses:
        token = world.token(ANNA, audience)
        for headers, status in (
            ({"Authorization": f"Bearer {token}"}, 401),
            ({"Cookie": f"__Host-session={token}"}, 401),
            ({"Authorization": f"Bearer {token}", "Cookie": f"__Host-session={world.sessions[HANS]}"}, 401),
            ({"Authorization": f"Bearer {world.sessions[HANS]}", "Cookie": f"__Host-session={token}"}, 404),
        ):
            assert world.ask("anonymous", "GET", path, headers=headers).status_code == status, headers


def test_z10_two_credentials_are_none(world: World) -> None:
    """Two of a kind are refused; of a session as a bearer and one as a cookie the bearer is the one that counts."""
    path = f"{world.url}/api/v1/accounts/{world.ours['account']}"
    anna, hans = world.sessions[ANNA], world.sessions[HANS]
    for headers, status in (
        ([("Authorization", f"Bearer {hans}"), ("Authorization", f"Bearer {anna}")], 400),
        ([("Cookie", f"__Host-session={hans}; __Host-session={anna}")], 400),
        ([("Cookie", f"__Host-session={hans}"), ("Cookie", f"__Host-session={anna}")], 400),
        ([("Authorization", f"Bearer {hans},Bearer {anna}")], 401),
        ([("Authorization", f"Bearer {hans}"), ("Cookie", f"__Host-session={anna}")], 404),
        ([("Cookie", f"__Host-session={hans}; session={anna}; __Secure-session={anna}")], 404),
    ):
        assert world.http.get(path, headers=headers).status_code == status, headers


def test_z06_an_idempotency_key_is_its_senders_own(world: World) -> None:
    """What Anna was answered under a key is not what Hans is answered under the same one."""
    name = {"name": world.ours["account_name"]}, {"name": world.theirs["account_name"]}
    paths = [f"/api/v1/accounts/{things['account']}/name" for things in (world.ours, world.theirs)]
    key = {"Idempotency-Key": "rename-7"}
    anna = world.ask(ANNA, "PUT", paths[0], name[0], key)
    assert anna.json() == {"account_id": world.ours["account"]}
    assert world.ask(HANS, "PUT", paths[1], name[1], key).json() == {"account_id": world.theirs["account"]}
    again = world.ask("main administrator of another company", "PUT", paths[0], name[0], key)
    assert (again.status_code, again.json()["code"]) == (404, "not-found")
