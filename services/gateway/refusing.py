"""What the gateway itself says no to: requests that no service should have to look at."""

from typing import ClassVar

from starlette.responses import Response

from shared.errors import Forbidden, Refusal
from shared.http import problems


class NotOverHttp(Exception):
    """Base of what the protocol refuses, not a rule: each kind has its status and its code."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "malformed-request"


class Malformed(NotOverHttp):
    """A part of the request is there twice, or holds what it cannot."""


class BodyNotJson(NotOverHttp):
    """A body must be application/json."""

    status = 415
    code = "body-not-json"


class UnknownParameter(NotOverHttp):
    """The operation does not know this query parameter."""

    status = 422
    code = "invalid-request"


class TooSlow(NotOverHttp):
    """The body did not come in time."""

    status = 408
    code = "request-timeout"


class CrossSite(Forbidden):
    """A page of another site may have sent this; send JSON from our own pages, or the session as a bearer."""

    code = "cross-site-request"


def answer(refused: Refusal | NotOverHttp, request_id: str) -> Response:
    """The problem that answers a refusal."""
    if isinstance(refused, Refusal):
        status = problems.status_of(refused)
        return problems.answer(
            problems.body_of(refused, status) | {"request_id": request_id}, problems.headers_of(refused)
        )
    detail = str(refused) or (refused.__doc__ or "").splitlines()[0]
    return problems.problem(refused.status, refused.code, detail, request_id=request_id)
