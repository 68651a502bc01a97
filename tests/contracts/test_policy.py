"""Who may do what stands in one table; what is not in it, nobody may do (Z-01, Z-02)."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from deploy.contracts import FOLDER, openapi_of
from services.gateway.contract import METHODS
from services.profiles.policy import BY_NAME, POLICY, WHO
from shared.http.denied import ROWS
from tests.contracts.test_contracts import read

SERVICES = ("auth", "company", "products", "profiles", "audit", "gateway")


@pytest.fixture(params=SERVICES)
def with_a_forgotten_route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The service put together as it is, with one more route in its API that nobody thought of."""
    made: list[FastAPI] = []
    include = FastAPI.include_router

    def including_one_more(app: FastAPI, router: APIRouter, **how: object) -> None:
        if how.get("dependencies"):
            router.add_api_route("/forgotten" if router.prefix else "/api/v1/forgotten", lambda: {"secret": 1})
            made.append(app)
        include(app, router, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(FastAPI, "include_router", including_one_more)
    openapi_of(request.param, {name: read("openapi", f"{name}.json") for name in SERVICES if name != "gateway"})
    return made[0]


def rows_of_routes() -> Iterator[tuple[str, list[str]]]:
    for service in SERVICES:
        for template, item in read("openapi", f"{service}.json")["paths"].items():
            for method in set(item) & set(METHODS):
                yield f"{service}: {method.upper()} {template}", item[method].get(ROWS, [])


def test_every_route_of_every_service_names_rows_of_the_policy() -> None:
    wrong = [route for route, rows in rows_of_routes() if not rows or not set(rows) <= set(BY_NAME)]
    assert wrong == []


def test_every_row_of_the_policy_is_decided_by_somewhere() -> None:
    decided_by = {row for _, rows in rows_of_routes() for row in rows}
    assert decided_by == set(BY_NAME)


def test_a_row_is_named_once_and_names_only_whom_there_is() -> None:
    assert len(BY_NAME) == len(POLICY)
    assert {who for row in POLICY for who in row.may} <= set(WHO)
    assert all(row.may for row in POLICY)


async def test_z02_a_route_without_a_row_is_denied_in_every_service(with_a_forgotten_route: FastAPI) -> None:
    app = with_a_forgotten_route
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inside.example.com") as http:
        answer = await http.get("/api/v1/forgotten")
    assert answer.status_code == 403
    assert answer.json()["code"] == "not-permitted"


def test_the_table_for_people_has_a_line_for_every_row() -> None:
    table = (FOLDER / "policy.md").read_text()
    assert [f"`{row.name}`" for row in POLICY if f"(`{row.name}`)" not in table] == []
