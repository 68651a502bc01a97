"""Z-09, Z-10: behind the gateway, too, every service decides by whoever asks, and by a token meant for it alone."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.gateway.contract import METHODS, PREFIX, SERVICES
from tests.access.asking import IDENTIFIER, Request, identifiers, requests, twin
from tests.access.conftest import World, at_once
from tests.access.operations import IN_PATH
from tests.access.test_out_of_reach import of_others_is_answered, shape
from tests.contracts.test_contracts import read

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]

ANNA, HANS = "administrator of the account", "administrator of another company"


def operations_of(service: str) -> Iterator[tuple[str, str]]:
    """Method and template of every operation that a service answers with a token."""
    for template, item in read("openapi", f"{service}.json")["paths"].items():
        yield from ((method.upper(), template) for method in METHODS if method in item and _for_people(item[method]))


def _for_people(described: Mapping[str, object]) -> bool:
    return not described.get("x-internal")


def path_of(template: str, things: Mapping[str, str]) -> str:
    for name, thing in IN_PATH.items():
        template = template.replace(f"{{{name}}}", things[thing])
    return template


@pytest.mark.parametrize("service", SERVICES)
def test_z09_without_a_token_of_its_own_a_service_answers_nobody(world: World, service: str) -> None:
    """None, somebody's session, a token that was signed for another service: for every operation."""
    others = [world.token(ANNA, audience) for audience in (*SERVICES, "gateway", "selfservice") if audience != service]
    credentials = [None, "x", world.sessions[ANNA], *others]
    cells = [(*operation, credential) for operation in operations_of(service) for credential in credentials]

    def put(cell: tuple[str, str, str | None]) -> httpx.Response:
        method, template, credential = cell
        headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
        url = world.addresses[service] + path_of(template, world.ours)
        return world.http.request(method, url, headers=headers, json=None if method == "GET" else {})

    for cell, answer in zip(cells, at_once(put, cells), strict=True):
        assert answer.status_code == 401, f"{cell}: {answer.status_code} {answer.text}"
        assert answer.json()["code"] in {"unauthenticated", "token-refused"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def forged(good: str, published: bytes) -> Iterator[str]:
    """Made from a token that was good: each says more than auth has signed, or says it otherwise."""
    header, claims, signature = good.split(".")
    head, said = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims))
    stranger = Ed25519PrivateKey.generate()

    def signed(head: object, said: object) -> str:
        body = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(said).encode())}"
        return f"{body}.{b64(stranger.sign(body.encode()))}"

    for changed in ({"sub": "staff:" + said["sub"].partition(":")[2]}, {"exp": said["exp"] + 3600}, {"scope": "all"}):
        yield f"{header}.{b64(json.dumps({**said, **changed}).encode())}.{signature}"
        yield signed(head, {**said, **changed})
    for changed in ({"alg": "none"}, {"typ": "JWT"}, {"kid": "key-" + "0" * 32}, {"kid": "' OR ''='"}):
        yield signed({**head, **changed}, said)
    yield f"{b64(json.dumps({**head, 'alg': 'none'}).encode())}.{claims}."
    body = f"{b64(json.dumps({**head, 'alg': 'HS256'}).encode())}.{claims}"
    yield f"{body}.{b64(hmac.digest(published, body.encode(), hashlib.sha256))}"
    yield f"{header}.{claims}."
    yield good[:-6]
    yield signed({**head, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(b"0" * 32)}}, said)


@pytest.mark.parametrize("service", SERVICES)
def test_z09_a_forged_token_is_refused_by_every_service_and_the_true_one_is_not(world: World, service: str) -> None:
    question = {
        "auth": "/login/sessions/current",
        "company": "/accounts",
        "products": "/products",
        "profiles": "/profiles/me",
        "audit": f"/history/{world.ours['product']}",
    }[service]
    ((key,),) = world.rows("profiles", "SELECT public_key FROM signing_keys LIMIT 1")
    good = world.token(ANNA, service)
    ask = world.addresses[service] + question
    for token in forged(good, base64.urlsafe_b64decode(key + "==")):
        answer = world.http.get(ask, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "token-refused"), token
    assert world.http.get(ask, headers={"Authorization": f"Bearer {good}"}).status_code == 200


def test_z09_with_a_good_token_others_things_are_still_out_of_reach(world: World) -> None:
    """Hans, straight at each service: what is Nordlys' is answered like what does not exist."""
    services = {
        template: service
        for service in SERVICES
        for template, item in read("openapi", f"{service}.json")["paths"].items()
    }
    ours = {**world.ours, "oneself": world.ours["driver"]}
    none = {name: twin(thing) if IDENTIFIER.fullmatch(thing) else thing for name, thing in ours.items()}
    about_something = [request for request in requests() if identifiers(ours, request)]

    def put(request: Request) -> tuple[httpx.Response, httpx.Response]:
        service = services[request.operation.template.removeprefix(PREFIX)]
        return put_to(service, request, ours), put_to(service, request, none)

    def put_to(service: str, request: Request, things: Mapping[str, str]) -> httpx.Response:
        path, body = request.sent(things)
        url = world.addresses[service] + path.removeprefix(PREFIX)
        headers = {"Authorization": f"Bearer {world.token(HANS, service)}"}
        return world.http.request(request.operation.method, url, json=body, headers=headers)

    assert len(about_something) > 20
    for request, (one, other) in zip(about_something, at_once(put, about_something), strict=True):
        assert one.status_code == of_others_is_answered(request), f"{request}: {one.text}"
        assert shape(one, "-") == shape(other, "-"), f"{request}: {one.text} {other.text}"


def test_z09_a_token_of_the_inside_lives_for_a_minute(world: World) -> None:
    claims = world.token(ANNA, "profiles").split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert said["exp"] - said["iat"] <= 60
    assert said["exp"] - time.time() <= 60
    assert (said["aud"], said["act"]) == ("profiles", {"sub": "gateway"})
