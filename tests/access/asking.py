"""From an entry of `operations.py` to a request: the path, the body and the headers, with the things of a company."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from services.gateway.contract import METHODS, PREFIX
from shared.http.denied import ROWS
from shared.ids import kind_of, uuid7
from tests.access.conftest import REPLICATED, World
from tests.access.operations import OPERATIONS, Ask
from tests.contracts.test_contracts import read

NAME = re.compile(r"\{([a-z_]+)\}")
DRY_RUN: Mapping[str, str] = {"dry-run": "true"}
IDENTIFIER = re.compile(r"\b[a-z]+(?:-[a-z]+)*-[0-9a-f]{32}\b")


@dataclass(frozen=True, slots=True)
class Described:
    """An operation as the public description has it."""

    id: str
    method: str
    template: str
    rows: tuple[str, ...]
    queries: Mapping[str, Any]
    """The schema of each parameter of its query, by name."""

    def takes(self, parameter: str, value: str) -> bool:
        """Whether this can stand in a parameter of the query at all."""
        return bool(Draft202012Validator(self.queries[parameter]).is_valid(value))


@cache
def described() -> Mapping[str, Described]:
    """Every operation of the public OpenAPI document, by its name."""
    found = [
        Described(
            operation["operationId"],
            method.upper(),
            template,
            tuple(operation.get(ROWS, ())),
            {given["name"]: given["schema"] for given in operation.get("parameters", ()) if given.get("in") == "query"},
        )
        for template, item in read("openapi", "gateway.json")["paths"].items()
        for method in METHODS
        if (operation := item.get(method))
    ]
    return {operation.id: operation for operation in found}


@dataclass(frozen=True, slots=True)
class Request:
    """An entry, and the operation that it asks."""

    operation: Described
    ask: Ask

    def __str__(self) -> str:
        return f"{self.operation.id} by {self.ask.row.name}"

    def ways(self) -> tuple[Mapping[str, str], ...]:
        """As it is, and as a dry run where there is one: who may not do a thing may not try it either."""
        return ({}, DRY_RUN) if "dry-run" in self.operation.queries else ({},)

    def fits(self, name: str, identifier: str) -> bool:
        """Whether an identifier can stand where this name does: in a body any can, else only one of the right kind."""
        in_path = [parameter for parameter, thing in self.ask.things(self.operation.template) if thing == name]
        asked = [parameter for parameter, text in self.ask.query.items() if name in names_in(text)]
        own = ("entity_id", f"{kind_of(identifier).replace('-', '_')}_id")
        return all(parameter in own for parameter in in_path) and all(
            self.operation.takes(parameter, identifier) for parameter in asked
        )

    def names(self) -> list[str]:
        """The things that stand in the path, in the query and in the body, each once."""
        in_path = [thing for _, thing in self.ask.things(self.operation.template)]
        return list(dict.fromkeys([*in_path, *names_in(self.ask.query), *names_in(self.ask.body)]))

    def sent(self, things: Mapping[str, str], more: Mapping[str, str] | None = None) -> tuple[str, Any]:
        """The path with its query, and the body, about these things; `more` stands in the query, too."""
        path = self.operation.template
        for parameter, thing in self.ask.things(self.operation.template):
            path = path.replace(f"{{{parameter}}}", things[thing])
        query = {**filled(dict(self.ask.query), things), **(more or {})}
        return path + (f"?{httpx.QueryParams(query)}" if query else ""), filled(self.ask.body, things)

    def send(
        self, world: World, who: str, things: Mapping[str, str], more: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask as somebody, about these things."""
        path, body = self.sent(things, more)
        return world.ask(who, self.operation.method, path, body, self.ask.headers)


def requests() -> list[Request]:
    """Everything that can be asked."""
    return [Request(described()[name], ask) for name, asks in OPERATIONS.items() for ask in asks]


def service_of(request: Request) -> str | None:
    """The service that answers it, of those that decide by who reaches what."""
    template = request.operation.template.removeprefix(PREFIX)
    return next((name for name in REPLICATED if template in read("openapi", f"{name}.json")["paths"]), None)


async def ask(replica: FastAPI, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
    """Ask a replica in this process, as the gateway would."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(replica), base_url="http://inside.example.com") as http:
        return await http.request(method, path.removeprefix(PREFIX), json=body, headers=headers)


def filled(part: Any, things: Mapping[str, str]) -> Any:
    """A body with the names in it replaced by the things."""
    match part:
        case str():
            return NAME.sub(lambda name: things[name[1]], part)
        case dict():
            return {key: filled(value, things) for key, value in part.items()}
        case list():
            return [filled(value, things) for value in part]
        case _:
            return part


def names_in(part: Any) -> Iterator[str]:
    """The names that stand in a body or a query."""
    match part:
        case str():
            yield from NAME.findall(part)
        case dict():
            for value in part.values():
                yield from names_in(value)
        case list():
            for value in part:
                yield from names_in(value)
        case _:
            pass


def identifiers(things: Mapping[str, str], request: Request) -> list[str]:
    """Those of a request's names that stand for an identifier."""
    return [name for name in request.names() if IDENTIFIER.fullmatch(things.get(name, ""))]


def twin(identifier: str) -> str:
    """An identifier that nothing has: of the same kind and of the same moment, so it sorts where the other does."""
    before, _, own = identifier.rpartition("-")
    return f"{before}-{own[:16]}{uuid7().hex[16:]}"
