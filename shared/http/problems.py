"""Problems: the one place where refusals become HTTP answers (RFC 9457 problem+json with a stable `code`)."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from shared.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from shared.logs import log

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:selfservice:problem:"

STATUS: Mapping[type[Refusal], int] = {
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooMany: 429,
    Unavailable: 503,
}
TITLE: Mapping[int, str] = {
    400: "The request cannot be read",
    401: "Nobody is logged in",
    403: "Not within your rights",
    404: "There is no such thing",
    405: "The thing does not know this method",
    409: "A rule refuses this now",
    413: "The request is too large",
    415: "The body must be JSON",
    422: "The request is not valid",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "Not available just now",
}


class Problem(BaseModel):
    """An error answer (RFC 9457)."""

    type: str = Field(examples=["urn:selfservice:problem:email-has-product-access"])
    title: str = Field(examples=["A rule refuses this now"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["This e-mail address has access to a product already."])
    code: str = Field(examples=["email-has-product-access"], description="Stable; meant for programs.")
    rule: str | None = Field(default=None, examples=["A8"], description="The number of the rule that refuses.")
    who_could: str | None = Field(default=None, description="Who may do what the asker may not.")
    errors: list[dict[str, str]] | None = Field(default=None, description="What is wrong with which field.")
    most: int | None = Field(default=None, examples=[60], description="The most characters that the text may have.")
    request_id: str | None = Field(default=None, description="Name it when you ask for help.")


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal, by its kind."""
    return next(status for kind, status in STATUS.items() if isinstance(refusal, kind))


def body_of(refusal: Refusal, status: int) -> dict[str, Any]:
    """The problem of a refusal, as it is sent and as it is kept with an idempotency key."""
    return {
        "type": TYPE_PREFIX + refusal.code,
        "title": TITLE[status],
        "status": status,
        "detail": refusal.detail,
        "code": refusal.code,
        **({"rule": refusal.rule} if refusal.rule else {}),
        **refusal.facts,
    }


def answer(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a response."""
    return JSONResponse(dict(body), int(body["status"]), headers=headers, media_type=MEDIA_TYPE)


def problem(status: int, code: str, detail: str, **more: Any) -> Response:
    """A problem that no rule but the protocol raises."""
    title = TITLE.get(status, "Not possible")
    body = {"type": TYPE_PREFIX + code, "title": title, "status": status, "detail": detail, "code": code, **more}
    return answer(body)


def headers_of(refusal: Refusal) -> dict[str, str]:
    """Headers that belong to a refusal: when to ask again, how to log in."""
    if isinstance(refusal, (TooMany, Unavailable)):
        return {"Retry-After": str(refusal.retry_after)}
    return {"WWW-Authenticate": "Bearer"} if isinstance(refusal, Unauthenticated) else {}


def install(app: FastAPI) -> None:
    """Answer everything that can go wrong in a request with a problem."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _defect)


async def _refusal(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)  # noqa: S101 (registered for it)
    return answer(body_of(refusal, status_of(refusal)), headers_of(refusal))


async def _invalid(request: Request, wrong: Exception) -> Response:
    assert isinstance(wrong, RequestValidationError)  # noqa: S101 (registered for it)
    errors = wrong.errors()
    if any(error["type"] == "json_invalid" for error in errors):
        return problem(400, "malformed-json", "The body is not JSON.")
    if any(error["loc"][0] == "path" for error in errors):
        # An identifier that cannot exist is answered like one that does not (A13).
        return _no_such_thing(request)
    fields = [{"field": ".".join(map(str, e["loc"][1:])) or str(e["loc"][0]), "error": e["msg"]} for e in errors]
    return problem(422, "invalid-request", "Some fields are not valid.", errors=fields)


async def _http(request: Request, wrong: Exception) -> Response:
    assert isinstance(wrong, HTTPException)  # noqa: S101 (registered for it)
    if wrong.status_code == 404:
        return _no_such_thing(request)
    codes = {405: "method-not-allowed", 400: "malformed-request"}
    response = problem(wrong.status_code, codes.get(wrong.status_code, "http-error"), TITLE.get(wrong.status_code, ""))
    response.headers.update(wrong.headers or {})
    return response


def _no_such_thing(request: Request) -> Response:
    """To the letter as a rule answers it."""
    return answer(body_of(NotFound(), 404) | {"request_id": request.state.request_id})


async def _defect(_request: Request, defect: Exception) -> Response:
    log.error("defect", error=type(defect).__name__, exc_info=defect)
    return problem(500, "internal-error", "This is our fault. Nothing was changed unless you are told otherwise.")
