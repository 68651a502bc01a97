"""What every operation's description has in common: its problems, its headers, the base of its answers."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.http.problems import MEDIA_TYPE, TITLE, Problem


class Answer(BaseModel):
    """An answer's body: only the fields it declares."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _problem(status: int, code: str, detail: str, rule: str | None = None) -> dict[str, Any]:
    example = {
        "type": f"urn:selfservice:problem:{code}",
        "title": TITLE[status],
        "status": status,
        "detail": detail,
        "code": code,
        **({"rule": rule} if rule else {}),
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "model": Problem,
        "description": TITLE[status],
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }


QUERY: dict[int | str, dict[str, Any]] = {
    400: _problem(400, "malformed-request", "The request cannot be read."),
    401: _problem(401, "unauthenticated", "Nobody is logged in here."),
    403: _problem(403, "not-permitted", "This is not within your rights; main administrator could do it.", "A5"),
    404: _problem(404, "not-found", "There is no such thing within the asker's reach."),
    422: _problem(422, "invalid-request", "Some fields are not valid."),
    429: _problem(429, "too-many-requests", "Too many requests; ask again later."),
    503: _problem(503, "not-seen-yet", "This service has not applied yet what you have seen; ask again in a moment."),
}
"""What can go wrong with a question."""

COMMAND: dict[int | str, dict[str, Any]] = {
    **QUERY,
    409: _problem(409, "email-has-product-access", "This e-mail address has access to another product.", "A8"),
    413: _problem(413, "body-too-large", "At most 262144 bytes are read."),
}
"""What can go wrong with a command."""
