"""Z-03, A13: what is out of reach and what does not exist go the same way, so that time cannot tell them apart.

Not measured but counted: a replica of each service is asked, in this process, about both; it must put the same
questions to its database in the same order.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi import FastAPI

from shared.database import Asked, Database, Row
from shared.ids import kind_of
from tests.access.asking import Request, ask, identifiers, requests, service_of, twin
from tests.access.conftest import World
from tests.access.operations import ABOUT
from tests.access.test_out_of_reach import THEIRS, about_rights, of_nobody

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]


@pytest.fixture
def asked_of_the_database(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every question that is put to a database in this process; the answers are the real ones."""
    asked: list[str] = []
    as_the_service, on_somebodys_behalf = Database.rows, Asked.rows

    async def asked_by_the_service(database: Database, sql: Any, params: Any = ()) -> list[Row]:
        asked.append(sql)
        return await as_the_service(database, sql, params)

    async def asked_by_somebody(database: Asked, sql: Any, params: Any = ()) -> list[Row]:
        asked.append(sql)
        return await on_somebodys_behalf(database, sql, params)

    monkeypatch.setattr(Database, "rows", asked_by_the_service)
    monkeypatch.setattr(Asked, "rows", asked_by_somebody)
    return asked


def places(world: World) -> Iterator[tuple[Request, str, Mapping[str, str]]]:
    """Every place for an identifier in every operation, and in its dry run."""
    for request in requests():
        if service_of(request):
            names = identifiers(world.theirs, request)
            yield from ((request, name, more) for name in names for more in request.ways())


def way(asked: list[str]) -> list[str]:
    """The questions that were put to the database but for those after keys, which are asked when they are due."""
    return [sql for sql in asked if "signing_keys" not in sql]


async def test_z03_the_same_questions_are_put_to_the_database(
    world: World, replicas: dict[str, FastAPI], asked_of_the_database: list[str]
) -> None:
    differing = []
    for request, name, more in places(world):
        service = str(service_of(request))
        for who in THEIRS:
            ways, token = [], world.token(who, service)  # they live for a minute, all of this may take longer
            for identifier in (world.ours[name], twin(world.ours[name])):
                asked_of_the_database.clear()
                path, body = request.sent({**world.theirs, name: identifier}, more)
                answer = await ask(replicas[service], token, request.operation.method, path, body)
                assert answer.status_code == of_nobody(world, request, name, identifier, who), (
                    f"{request}: {answer.text}"
                )
                ways.append(way(asked_of_the_database))
            assert ways[0], f"{request}: nothing was asked"
            if ways[0] != ways[1]:
                differing.append(f"{request} {more}, as {name}, {who}: {len(ways[0])} questions and {len(ways[1])}")
    assert differing == []


async def test_z03_questions_about_rights_go_the_same_way(
    world: World, replicas: dict[str, FastAPI], asked_of_the_database: list[str]
) -> None:
    """Of every row of the policy: whose thing it is makes no difference to what is looked up."""
    thing = {kind_of(own): own for name in ABOUT.values() if (own := world.ours[name])}
    token = world.token(THEIRS[1], "profiles")
    for path, kind in about_rights(world, THEIRS[1]):
        ways = []
        for identifier in (thing[kind], twin(thing[kind])):
            asked_of_the_database.clear()
            answer = await ask(replicas["profiles"], token, "GET", path.format(id=identifier))
            assert answer.status_code == 404, f"{path}: {answer.text}"
            ways.append(way(asked_of_the_database))
        assert ways[0] == ways[1], path
