"""The contract: what the services' documents offer is what the gateway offers, in one document (OpenAPI 3.1)."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from services.gateway import contract
from services.gateway.contract import ContractClash, ContractMissing, Operation, load, must_be_whole, operations
from services.gateway.public import public
from services.gateway.routing import Routes
from services.gateway.service import Settings, build
from tests.gateway.conftest import BIZZ, DOCUMENTS, ONE_FIELD, SEEN_KEY, World, document, operation

PUBLIC = "/api/v1"


@pytest.fixture
def described(world: World) -> Any:
    answer = world.ask("GET", "/api/v1/openapi.json", session=None)
    assert answer.status_code == 200
    return answer.json()


def every_operation(described: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in described["paths"].items():
        for method, described_one in item.items():
            yield path, method, described_one


def test_the_document_is_valid_and_has_every_operation_and_no_internal_one(described: Any) -> None:
    validate(described)
    assert described["openapi"].startswith("3.1")
    offered = {(method.upper(), path) for path, method, _ in every_operation(described)}
    assert offered == {(op.method, PUBLIC + op.template) for op in operations(DOCUMENTS)} | {
        ("POST", "/api/v1/login/codes"),
        ("POST", "/api/v1/login/sessions"),
    }
    assert ("POST", "/api/v1/tokens") not in offered
    assert ("POST", "/api/v1/products/{product_id}/dispatch") not in offered


def test_a_dry_run_is_offered_by_what_grants_revokes_cancels_closes_or_ends_and_refused_elsewhere() -> None:
    """Where it is not understood it must not get through: the command would be done."""
    offered = {op.id for op in operations(load()) if "dry-run" in op.queries}
    assert offered == {
        *("createProfile", "grant", "revoke", "changeGrants", "cancelProfile"),
        *("closeProduct", "endAccount", "endFrameworkAgreement"),
    }


def test_every_operation_of_the_contract_reaches_its_service(world: World) -> None:
    for op in (op for op in operations(DOCUMENTS) if op.rows):
        path = PUBLIC + op.template.replace("{product_id}", BIZZ).replace("{entity_id}", BIZZ)
        path = path.replace("{session_id}", f"session-{'2' * 32}")
        answer = world.ask(op.method, path, {} if op.method == "POST" else None)
        assert answer.status_code == 200, op
        assert world.upstreams[op.service].received[-1].target == path.removeprefix(PUBLIC)
        world.auth.sessions.add("session-secret-of-anna-0123456789")


def test_every_operation_says_how_to_ask_and_what_may_go_wrong(described: Any) -> None:
    for path, method, described_one in every_operation(described):
        responses = described_one["responses"]
        assert {"403", "422", "429", "503"} <= set(responses), path
        for status, response in responses.items():
            assert "X-Request-ID" in response["headers"], (path, status)
            if status in {"429", "503"}:
                assert "Retry-After" in response["headers"]
            if status[0] in "45":
                (content,) = response["content"].values()
                assert content["example"]["status"] == int(status)
                assert list(response["content"]) == ["application/problem+json"]
        if "requestBody" in described_one:
            assert {"413", "415"} <= set(responses), path
        if method != "post" or "login" not in path:
            assert "401" in responses, path
    headers = described["paths"]["/api/v1/products"]["post"]["parameters"]
    assert {"$ref": "#/components/parameters/Require-Seen"} in headers


def test_sessions_are_a_cookie_or_a_bearer_except_for_logging_in(described: Any) -> None:
    assert described["security"] == [{"session": []}, {"bearer": []}]
    schemes = described["components"]["securitySchemes"]
    assert (schemes["session"]["name"], schemes["bearer"]["scheme"]) == ("__Host-session", "bearer")
    assert described["paths"]["/api/v1/login/codes"]["post"]["security"] == []
    assert described["paths"]["/api/v1/login/sessions"]["post"]["security"] == [{"challenge": []}]


def test_one_name_for_two_things_becomes_two_names(described: Any) -> None:
    schemas = described["components"]["schemas"]
    assert schemas["CompanyForm"] == ONE_FIELD
    assert schemas["ProductsForm"]["properties"] == {"confirm": {"type": "boolean"}}
    assert "Form" not in schemas
    assert "AuthForm" not in schemas, "what only internal operations need is not shown"
    body = described["paths"]["/api/v1/companies"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/CompanyForm"}


def test_what_refers_to_two_things_of_one_name_is_two_things_itself() -> None:
    documents = deepcopy(DOCUMENTS)
    for name in ("company", "products"):
        documents[name]["components"]["schemas"]["Page"] = {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Form"},
        }
        for item in documents[name]["paths"].values():
            for each in item.values():
                each["responses"]["200"]["content"] = {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Page"}}
                }
    schemas = public(documents, document({}))["components"]["schemas"]
    assert schemas["CompanyPage"]["items"] == {"$ref": "#/components/schemas/CompanyForm"}
    assert schemas["ProductsPage"]["items"] == {"$ref": "#/components/schemas/ProductsForm"}


def test_two_services_cannot_offer_the_same() -> None:
    clashing = {**DOCUMENTS, "audit": document({"/products/{id}": {"get": operation("getProductToo")}})}
    with pytest.raises(ContractClash, match=r"GET /products/\{id\}"):
        operations(clashing)
    same_name = {**DOCUMENTS, "audit": document({"/elsewhere": {"get": operation("getProduct")}})}
    with pytest.raises(ContractClash, match="getProduct"):
        public(same_name, document({}))


async def test_a_gateway_without_its_whole_contract_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text(json.dumps(DOCUMENTS["auth"]))
    with pytest.raises(ContractMissing, match="company, products, profiles, audit"):
        must_be_whole(load(tmp_path))
    _, app = build(Settings(contracts_folder=tmp_path, seen_key=SEEN_KEY))
    with pytest.raises(ContractMissing):
        async with app.router.lifespan_context(app):
            pass


def test_a_literal_segment_goes_before_a_parameter() -> None:
    routes = Routes(
        [
            Operation("products", "GET", "/products/{product_id}", "one", frozenset()),
            Operation("products", "GET", "/products/mine", "mine", frozenset()),
            Operation("audit", "GET", "/a/{x}/b/{y}", "two", frozenset()),
        ]
    )
    assert (found := routes.find("products/mine")) is not None
    assert found.methods["GET"].id == "mine"
    assert (found := routes.find(f"products/{BIZZ}")) is not None
    assert found.path_of(found.methods["GET"]) == f"/products/{BIZZ}"
    other = "account-" + "0" * 32
    assert (found := routes.find(f"a/{BIZZ}/b/{other}")) is not None
    assert found.path_of(found.methods["GET"]) == f"/a/{BIZZ}/b/{other}"
    for nothing in ("products", "products/", f"products/{BIZZ}/", "", f"a/{BIZZ}/b", f"a/{BIZZ}/b/{other}/c", "mine"):
        assert routes.find(nothing) is None, nothing


@pytest.mark.skipif(
    not all((contract.FOLDER / f"{service}.json").exists() for service in contract.SERVICES),
    reason="not every service has written its OpenAPI document yet",
)
def test_the_services_own_documents_make_a_valid_api() -> None:
    whole = build(Settings(seen_key=SEEN_KEY))[1].openapi()
    validate(whole)
    offered = {(method.upper(), path) for path, method, _ in every_operation(whole)}
    assert len(offered) == len(operations(load())) + 2
    assert not any(path.endswith(("/tokens", "/metrics", "/health/ready")) for _, path in offered)
