"""Deny by default: a route that names no row of the policy is answered 403, whatever it would do."""

from typing import Any

from fastapi import Request

from shared.errors import Forbidden

ROWS = "x-operations"
"""Where a route's description names the rows of the policy that it decides by."""


class NoRow(Forbidden):
    """Nothing says who may do this, so nobody may."""

    code = "not-permitted"


def must_name_its_rows(request: Request) -> None:
    """A dependency of every route of an API. Raises NoRow."""
    described: dict[str, Any] = getattr(request.scope["route"], "openapi_extra", None) or {}
    if not described.get(ROWS):
        raise NoRow
