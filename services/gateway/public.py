"""The public OpenAPI document: the services' operations and the gateway's own as one API.

What each service says of an operation stays as it is; added here is what the gateway adds to every operation: the
prefix, how to say who asks, the headers it passes and answers with, and the problems that it may answer itself.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from services.gateway.contract import PREFIX, ContractClash, Document, described
from services.gateway.credentials import CHALLENGE, SESSION
from services.gateway.seals import EXAMPLE
from shared.http.openapi import COMMAND
from shared.http.problems import MEDIA_TYPE, Problem

ABOUT: Final = """Companies look after their toll, ferry and parking products.

Log in with a mailed code, a code of an authenticator app, or both (`/login/codes`, `/login/sessions`). A browser keeps
the session as a cookie; a program sends its value as `Authorization: Bearer`. Commands take an `Idempotency-Key`; what
a command wrote is answered as `Seen`, and a request that carries it as `Require-Seen` is never answered from before it.
`Seen` is a list whose entries mean nothing to anybody but this system: keep the newest that you were given, or were
told by others, and send any of them, separated by commas, fifty at most. An entry that was not given out is refused as
`seen-unknown`. What grants, revokes, cancels, closes or ends something may be asked with `?dry-run=true` first: it
answers what would come of it, or the refusal, and does nothing. Every refusal is a problem (RFC 9457) with a stable
`code` and, where a rule refuses, its number."""
SCHEMAS: Final = "#/components/schemas/"
OWN: Final = "gateway"

_PARAMETERS: Final[Document] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key and body get the same answer for 24 hours, and are done once.",
        "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,100}$"},
        "example": "1f0c9a52-order-7",
    },
    "Require-Seen": {
        "name": "Require-Seen",
        "in": "header",
        "description": "Answer no earlier than these: entries that `Seen` gave, separated by commas, fifty at most.",
        "schema": {"type": "string"},
        "example": EXAMPLE,
    },
}
_HEADERS: Final[Document] = {
    "X-Request-ID": {
        "description": "The request, in logs and in the history. Name it when you ask for help.",
        "schema": {"type": "string"},
        "example": "0192f1c0a1b27c3d8e4f5a6b7c8d9e0f",
    },
    "Seen": {
        "description": "What a command wrote, or a question was decided on: sealed entries, separated by commas; "
        "absent when all was so already.",
        "schema": {"type": "string"},
        "example": EXAMPLE,
    },
    "Retry-After": {
        "description": "Seconds after which to ask again.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 1,
    },
}
_SECURITY: Final[Document] = {
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION, "description": "Browsers."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "Programs: the session cookie's value."},
    "challenge": {"type": "apiKey", "in": "cookie", "name": CHALLENGE, "description": "Set when a code is asked for."},
}
_OF_EVERY_OPERATION: Final = (400, 403, 422, 429, 503)


def public(documents: Mapping[str, Document], own: Document) -> Document:
    """One document of everything for the outside. Raises ContractClash."""
    parts = {name: _outside(document) for name, document in {**documents, OWN: own}.items()}
    _rename_what_differs(parts)
    paths: dict[str, Document] = {}
    for name, document in parts.items():
        for template, method, operation in described(document):
            path = template if name == OWN else PREFIX + template
            paths.setdefault(path, {})[method] = _polished(operation)
    _must_have_names_of_their_own(paths)
    schemas = {name: schema for part in parts.values() for name, schema in _schemas(part).items()}
    schemas["Problem"] = Problem.model_json_schema(ref_template=SCHEMAS + "{model}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Business self-service", "version": "1", "description": ABOUT},
        "servers": [{"url": "/", "description": "This gateway."}],
        "security": [{"session": []}, {"bearer": []}],
        "tags": [{"name": tag} for tag in sorted({tag for op in _operations(paths) for tag in op.get("tags", ())})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


def _outside(document: Document) -> Document:
    """A copy with only what is for the outside: operations, and the schemas that they need."""
    paths: dict[str, Document] = {}
    for template, method, operation in described(deepcopy(document)):
        paths.setdefault(template, {})[method] = operation
    return {"paths": paths, "components": {"schemas": _used(_schemas(document), paths)}}


def _polished(operation: Document) -> Document:
    parameters = [_parameter(parameter) for parameter in operation.pop("parameters", ())]
    responses = {**_missing_problems(operation), **operation["responses"]}
    return {
        **operation,
        **({"parameters": parameters} if parameters else {}),
        "responses": {status: _response(status, responses[status]) for status in sorted(responses)},
    }


def _parameter(parameter: Document) -> Document:
    """A header that the gateway passes on is described once."""
    shared = {name.lower(): name for name in _PARAMETERS}.get(parameter["name"].lower())
    if parameter["in"] == "header" and shared:
        return {"$ref": f"#/components/parameters/{shared}"}
    return parameter


def _missing_problems(operation: Document) -> Document:
    of_bodies = (413, 415) if "requestBody" in operation else ()
    of_sessions = () if operation.get("security") == [] else (401,)
    return {str(status): _problem(status) for status in (*_OF_EVERY_OPERATION, *of_sessions, *of_bodies)}


def _problem(status: int) -> Document:
    if status in COMMAND:
        return {key: value for key, value in COMMAND[status].items() if key != "model"}
    example = {
        "type": "urn:selfservice:problem:body-not-json",
        "title": "The body must be JSON",
        "status": status,
        "detail": "A body must be application/json.",
        "code": "body-not-json",
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": SCHEMAS + "Problem"}, "example": example}}
    return {"description": "The body must be JSON", "content": content}


def _response(status: str, response: Document) -> Document:
    names = ["X-Request-ID"]
    if status.startswith("2"):
        names.append("Seen")
    if status in {"429", "503"}:
        names.append("Retry-After")
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    content = response.get("content", {})
    if status[0] in "45":
        content = {media: of for media, of in content.items() if media == MEDIA_TYPE}
    return {
        **response,
        "headers": {**response.get("headers", {}), **headers},
        **({"content": content} if content else {}),
    }


# Names ----------------------------------------------------------------------------------------------------------------


def _schemas(document: Document) -> Document:
    schemas: Document = document.get("components", {}).get("schemas", {})
    return schemas


def _rename_what_differs(parts: Mapping[str, Document]) -> None:
    """Two services may use one name for two things: there each gets its service's name in front."""
    differing = _differing(parts)
    for service, document in parts.items():
        new = {name: f"{service.capitalize()}{name}" for name in _schemas(document) if name in differing}
        document["components"] = {
            "schemas": {new.get(name, name): schema for name, schema in _schemas(document).items()}
        }
        _point_to(new, document)


def _differing(parts: Mapping[str, Document]) -> set[str]:
    differing: set[str] = set()
    while True:
        found = set[str]()
        for name in {name for document in parts.values() for name in _schemas(document)} - differing - {"Problem"}:
            variants = [_schemas(document)[name] for document in parts.values() if name in _schemas(document)]
            means_different = any(set(_references(variant)) & differing for variant in variants)
            if len(variants) > 1 and (means_different or any(variant != variants[0] for variant in variants)):
                found.add(name)
        if not found:
            return differing
        differing |= found


def _references(part: Any) -> Iterator[str]:
    """The names of the schemas that something refers to."""
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str) and reference.startswith(SCHEMAS):
            yield reference.removeprefix(SCHEMAS)
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _references(each)


def _point_to(new: Mapping[str, str], part: Any) -> None:
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str) and (name := new.get(reference.removeprefix(SCHEMAS))):
            part["$ref"] = SCHEMAS + name
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            _point_to(new, each)


def _used(known: Document, paths: Mapping[str, Document]) -> Document:
    """The schemas that the operations need, directly or through others."""
    used: Document = {}
    wanted = list(_references(dict(paths)))
    while wanted:
        name = wanted.pop()
        if name not in used and name in known:
            used[name] = deepcopy(known[name])
            wanted += _references(known[name])
    return used


def _operations(paths: Mapping[str, Document]) -> Iterator[Document]:
    for item in paths.values():
        yield from item.values()


def _must_have_names_of_their_own(paths: Mapping[str, Document]) -> None:
    ids = [operation["operationId"] for operation in _operations(paths)]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ContractClash(f"operations of the same name: {', '.join(twice)}")
