"""The contract: which operations the services offer to the outside, read from their own OpenAPI documents.

This is the gateway's whole routing table. What is not in a document, or is marked `x-internal` there, has no way in.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.http.denied import ROWS

PREFIX = "/api/v1"
SERVICES = ("auth", "company", "products", "profiles", "audit")
FOLDER = Path(__file__).parents[2] / "deploy" / "contracts" / "openapi"
METHODS = ("get", "post", "put", "patch", "delete")

Document = dict[str, Any]


class ContractClash(Exception):
    """Two services offer the same operation."""


class ContractMissing(Exception):
    """A service has no OpenAPI document here; `selfservice contracts` writes them."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one service: the method and the template of its path there."""

    service: str
    method: str
    template: str
    id: str
    queries: frozenset[str]
    """The names of its query parameters."""
    rows: tuple[str, ...] = ()
    """The rows of the policy that it is decided by; without one, nobody may ask for it."""
    background: bool = False
    """Whether asking for it is no sign of a person at work (S-04)."""
    streamed: bool = False
    """Whether its answer may be of any length, so that it is passed back while it comes."""


def load(folder: Path = FOLDER) -> dict[str, Document]:
    """The documents that are there, by service."""
    files = {service: folder / f"{service}.json" for service in SERVICES}
    return {service: json.loads(file.read_text()) for service, file in files.items() if file.exists()}


def must_be_whole(documents: Mapping[str, Document]) -> None:
    """Raises ContractMissing, which says for which services."""
    if missing := [service for service in SERVICES if service not in documents]:
        raise ContractMissing(f"no OpenAPI document of {', '.join(missing)}: write them with `selfservice contracts`")


def described(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Template, method and description of every operation of a document that is for the outside."""
    for template, item in document["paths"].items():
        for method in METHODS:
            if method in item and not item[method].get("x-internal"):
                yield template, method, item[method]


def operations(documents: Mapping[str, Document]) -> list[Operation]:
    """Every operation for the outside. Raises ContractClash."""
    found: dict[tuple[str, str], Operation] = {}
    for service, document in documents.items():
        for template, method, description in described(document):
            queries = frozenset(p["name"] for p in description.get("parameters", ()) if p["in"] == "query")
            rows = tuple(description.get(ROWS, ()))
            operation = Operation(
                service,
                method.upper(),
                template,
                description["operationId"],
                queries,
                rows,
                background=bool(description.get("x-background")),
                streamed=bool(description.get("x-streamed")),
            )
            known = found.setdefault((operation.method, _shape(template)), operation)
            if known is not operation:
                raise ContractClash(f"{operation.method} {template}: {known.service} and {service} both offer it")
    return list(found.values())


def _shape(template: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in template.split("/"))
