"""The gateway in front of small services that offer a product, its closing, and a history."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.gateway.contract import SERVICES
from services.gateway.service import Settings, build
from shared.http.denied import ROWS
from tests.gateway.servers import SESSION, Auth, Server, Upstream, ok, serving

BIZZ = "product-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
SEEN_KEY = SecretStr("seen key of the tests, 32 letters!")


def operation(name: str, *, body: bool = False, queries: tuple[str, ...] = (), internal: bool = False) -> Any:
    """The description of an operation as FastAPI writes it."""
    described: dict[str, Any] = {
        "operationId": name,
        ROWS: [f"products.{name}"],
        "tags": ["products"],
        "parameters": [
            *({"name": query, "in": "query", "schema": {"type": "string"}} for query in queries),
            {"name": "require-seen", "in": "header", "schema": {"type": "string"}},
        ],
        "responses": {"200": {"description": "Done"}},
    }
    if body:
        described["requestBody"] = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Form"}}}}
    return {**described, "x-internal": True} if internal else described


def document(paths: dict[str, Any], **schemas: Any) -> dict[str, Any]:
    for template, item in paths.items():
        for described in item.values():
            named = [part[1:-1] for part in template.split("/") if part.startswith("{")]
            described["parameters"] += [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named
            ]
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}


ONE_FIELD = {"type": "object", "properties": {"name": {"type": "string"}}}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "auth": document(
        {
            "/tokens": {"post": operation("exchangeSession", body=True, internal=True)},
            "/login/sessions": {
                "post": operation("logIn", body=True, internal=True),
                "get": operation("listOwnSessions") | {"x-background": True},
            },
            "/login/sessions/current": {
                "get": operation("getOwnSession") | {"x-background": True},
                "delete": operation("logOut"),
            },
            "/login/sessions/{session_id}": {"delete": operation("endOwnSession")},
        },
        Form={"type": "object", "properties": {"session": {"type": "string"}}},
    ),
    "company": document({"/companies": {"post": operation("registerCompany", body=True)}}, Form=ONE_FIELD),
    "products": document(
        {
            "/products": {
                "get": operation("listProducts", queries=("after", "reference")),
                "post": operation("orderProduct", body=True),
            },
            "/products/mine": {"get": operation("listOwnProducts")},
            "/products/forgotten": {"get": operation("forgotten") | {ROWS: []}},
            "/products/{product_id}": {"get": operation("getProduct"), "delete": operation("forgetProduct")},
            "/products/{product_id}/journeys.csv": {"get": operation("downloadJourneys") | {"x-streamed": True}},
            "/products/{product_id}/close": {"post": operation("closeProduct", body=True)},
            "/products/{product_id}/dispatch": {"post": operation("dispatch", body=True, internal=True)},
        },
        Form={"type": "object", "properties": {"confirm": {"type": "boolean"}}},
    ),
    "profiles": document({"/profiles": {"get": operation("listProfiles", queries=("after",))}}),
    "audit": document({"/history/{entity_id}": {"get": operation("readHistory", queries=("after", "limit"))}}),
}


@dataclass
class World:
    """A running gateway, the services behind it, and somebody who asks."""

    gateway: Server
    auth: Auth
    upstreams: dict[str, Upstream]
    http: httpx.Client

    @property
    def products(self) -> Upstream:
        return self.upstreams["products"]

    def ask(self, method: str, path: str, body: Any = None, *, session: str | None = SESSION, **more: Any) -> Any:
        """One request of a script that is logged in."""
        headers = {"Authorization": f"Bearer {session}"} if session else {}
        content = more.pop("content", None if body is None else json.dumps(body))
        if content is not None:
            headers["Content-Type"] = "application/json"
        headers |= more.pop("headers", {})
        return self.http.request(method, path, content=content, headers=headers, **more)

    def received(self) -> int:
        """How many requests have come to any service."""
        return sum(len(upstream.received) for upstream in self.upstreams.values())


@pytest.fixture(scope="session")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openapi")
    for service, content in DOCUMENTS.items():
        (folder / f"{service}.json").write_text(json.dumps(content))
    return folder


@contextmanager
def world_of(contracts: Path, **told: Any) -> Iterator[World]:
    """A gateway with services of its own; `told` are settings."""
    auth = Auth()
    upstreams: dict[str, Upstream] = {name: Upstream(name) for name in SERVICES} | {"auth": auth}
    with serving(*upstreams.values()) as servers:
        urls = {
            f"{upstream.name}_url": server.url for upstream, server in zip(upstreams.values(), servers, strict=True)
        }
        settings = Settings(**{"contracts_folder": contracts, "seen_key": SEEN_KEY, **urls, **told})
        with serving(build(settings)[0]) as (gateway,), httpx.Client(base_url=gateway.url, timeout=20) as http:
            yield World(gateway, auth, upstreams, http)


@pytest.fixture(scope="module")
def shared_world(contracts: Path) -> Iterator[World]:
    with world_of(contracts, login_codes_per_minute=10_000, login_tries_per_minute=10_000) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    """The module's world, as new; the gateway forgets its tokens because somebody logs out."""
    shared_world.auth.sessions = {SESSION}
    assert shared_world.ask("DELETE", "/api/v1/login/sessions/current").status_code == 200
    for upstream in shared_world.upstreams.values():
        upstream.received.clear()
        upstream.delay, upstream.breaks, upstream.pieces = 0, None, None
    shared_world.auth.sessions = {SESSION}
    shared_world.auth.exchanges.clear()
    shared_world.auth.asked.clear()
    shared_world.auth.renewed = None
    shared_world.products.answer = Upstream("").answer
    return shared_world


def given_out(world: World, entry: str) -> str:
    """A version as this gateway tells it to the outside."""
    before, world.products.answer = world.products.answer, lambda _: ok({}, seen=entry)
    sealed = world.ask("GET", "/api/v1/products/mine").headers["seen"]
    world.products.answer = before
    world.products.received.pop()
    return str(sealed)
