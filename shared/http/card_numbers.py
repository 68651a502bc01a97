"""No request carries the number of a payment card, wherever in it: it is refused before anything is done with it.

P6   Anything that looks like a full card number is refused and never stored or logged. Not in a body, at any depth and
     under whatever name, not in a query, not as an Idempotency-Key: what is kept of a request (its key, a digest of
     it, a refused attempt) is kept after this.

Identifiers, whose digits are random, are no text that somebody wrote; neither is a field or parameter that says
`NUMBER_OF_ITS_OWN`, which its own rule knows: an EAN number may well pass the check of the payment cards, and so may
the id that an operator has given a journey.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import orjson
from fastapi import Request
from pydantic import BaseModel

from shared.free_text import LooksLikeACardNumber, holds_a_card_number
from shared.http.fields import NUMBER_OF_ITS_OWN

_IDENTIFIER = re.compile(
    r"(?<![0-9A-Za-z-])(?:(?:[a-z]+-)*[0-9a-f]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"(?![0-9A-Za-z-])",
    re.ASCII,
)
KEY = "idempotency-key"


async def must_carry_no_card_number(request: Request) -> None:
    """A dependency of every route of an API. Raises LooksLikeACardNumber."""
    known = _numbers_of(request.scope["route"].endpoint)
    for name, value in request.query_params.multi_items():
        _look_at(name)
        if name not in known:
            _look_at(value)
    _look_at(request.headers.get(KEY, ""))
    if "json" in request.headers.get("content-type", ""):
        for text in _texts(await _body(request), known):
            _look_at(text)


async def _body(request: Request) -> Any:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return None  # it is refused as what it is


def written_as_a_card_number(text: str) -> bool:
    """Whether somebody has written one there, identifiers aside."""
    return holds_a_card_number(_IDENTIFIER.sub("x", text))


def _look_at(text: str) -> None:
    if written_as_a_card_number(text):
        raise LooksLikeACardNumber


def _texts(value: Any, known: frozenset[str]) -> Iterator[str]:
    """Every text in a body, names too, and every whole number as it is written."""
    match value:
        case dict():
            yield from value
            yield from (text for name, part in value.items() if name not in known for text in _texts(part, known))
        case list():
            yield from (text for part in value for text in _texts(part, known))
        case str() | int():
            yield str(value)
        case _:
            pass


@lru_cache
def _numbers_of(endpoint: Callable[..., Any]) -> frozenset[str]:
    """The names of what is no free text in a request to this: its own parameters, and the fields of its forms."""
    asked = get_type_hints(endpoint, include_extras=True)
    return frozenset(found for name, annotation in asked.items() for found in _marked(name, annotation))


def _marked(name: str, annotation: Any) -> Iterator[str]:
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    if NUMBER_OF_ITS_OWN in metadata:
        yield name
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for field, known in annotation.model_fields.items():
            if NUMBER_OF_ITS_OWN in known.metadata:
                yield field
            yield from _marked(field, known.annotation)
    else:
        for part in get_args(annotation):
            yield from _marked(name, part)
