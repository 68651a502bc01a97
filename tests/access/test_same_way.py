"""Z-03, A13: what is out of reach and what does not exist go the same way, so that time cannot tell them apart.

Not measured but counted: a replica of each service is asked, in this process, about both; it must put the same
questions to its database in the same order.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.audit import service as audit
from services.company import service as company
from services.gateway.contract import PREFIX
from services.products import service as products
from services.profiles import service as profiles
from shared.database import Database, Row
from tests.access.asking import Request, identifiers, requests, twin
from tests.access.conftest import World
from tests.access.test_out_of_reach import THEIRS
from tests.contracts.test_contracts import read
from tests.feed import running, settings_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]

SERVICES = {"company": company, "products": products, "profiles": profiles, "audit": audit}


@pytest.fixture
def asked_of_the_database(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every question that is put to a database in this process; the answers are the real ones."""
    asked: list[str] = []
    rows = Database.rows

    async def written_down(database: Database, sql: Any, params: Any = ()) -> list[Row]:
        asked.append(sql)
        return await rows(database, sql, params)

    monkeypatch.setattr(Database, "rows", written_down)
    return asked


@pytest.fixture
async def replicas(world: World) -> AsyncIterator[dict[str, FastAPI]]:
    """One more replica of each service, on the database of the running one."""
    async with AsyncExitStack() as stack:
        apps = {}
        for name, service in SERVICES.items():
            backbone, apps[name] = service.build(settings_for(world.databases[name]))
            await stack.enter_async_context(running(backbone))
        yield apps


def service_of(request: Request) -> str | None:
    template = request.operation.template.removeprefix(PREFIX)
    return next((name for name in SERVICES if template in read("openapi", f"{name}.json")["paths"]), None)


async def ask(app: FastAPI, token: str, request: Request, things: Mapping[str, str]) -> httpx.Response:
    path, body = request.sent(things)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inside.example.com") as http:
        return await http.request(request.operation.method, path.removeprefix(PREFIX), json=body, headers=headers)


def places(world: World) -> Iterator[tuple[Request, str]]:
    """Every place for an identifier in every operation."""
    for request in requests():
        if service_of(request):
            yield from ((request, name) for name in identifiers(world.theirs, request))


async def test_z03_the_same_questions_are_put_to_the_database(
    world: World, replicas: dict[str, FastAPI], asked_of_the_database: list[str]
) -> None:
    tokens = {(who, service): world.token(who, service) for who in THEIRS for service in SERVICES}
    differing = []
    for request, name in places(world):
        service = str(service_of(request))
        for who in THEIRS:
            ways = []
            for identifier in (world.ours[name], twin(world.ours[name])):
                asked_of_the_database.clear()
                things = {**world.theirs, name: identifier}
                answer = await ask(replicas[service], tokens[who, service], request, things)
                assert answer.status_code == 404, f"{request}: {answer.text}"
                ways.append([sql for sql in asked_of_the_database if "signing_keys" not in sql])
            if ways[0] != ways[1]:
                differing.append(f"{request}, as {name}, {who}: {len(ways[0])} questions and {len(ways[1])}")
    assert differing == []
