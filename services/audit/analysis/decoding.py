"""From a row to a typed event, fast: what an analyst gets is what a service once said, lifted to today's version.

H5   Of what was erased there is only a commitment; a typed event says `(erased)` there, and 0 where it holds a number.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, Final

import orjson
from pydantic import ValidationError

from services.audit.canonical import personal_fields
from shared.actor import Actor
from shared.clock import moment_of
from shared.envelope import Recorded
from shared.events import Event, class_of, decode, newest

SPEAKING: Final = ("audit", "auth", "company", "products", "profiles")
"""The services that say something."""
for _service in SPEAKING:
    import_module(f"services.{_service}.events")

Row = tuple[int, str, str, str, int, str, int, str, str | None, str, str | None, str]
"""Leaf, id, service, stream, version, type, microseconds since 1970, actor, grant, correlation, causation, JSON."""
ERASED: Final = "(erased)"


def typed(row: Row) -> Recorded:
    """The event of a row; its position is its leaf, the place that it has in the order of the proof.

    Raises UnknownEventError for a name that this version does not know, ValidationError for what does not fit.
    """
    leaf, event_id, service, stream, version, name, time, actor, grant, correlation, causation, data = row
    return Recorded(
        event_id,
        service,
        stream,
        version,
        leaf,
        moment_of(time),
        _actor(actor),
        grant,
        correlation,
        causation,
        _reader(name)(data),
    )


_actor = lru_cache(maxsize=10_000)(Actor.parse)


@cache
def _reader(name: str) -> Callable[[str], Event]:
    if newest(name) != name:
        return lambda text: decode(name, orjson.loads(text))
    validate = class_of(name).__pydantic_validator__.validate_json

    def read(text: str) -> Event:
        try:
            event: Event = validate(text)
        except ValidationError:
            return decode(name, _without_what_was_erased(name, orjson.loads(text)))
        return event

    return read


def _without_what_was_erased(name: str, content: dict[str, Any]) -> dict[str, Any]:
    """The content with something readable where a commitment stands for a personal value."""
    fields = class_of(name).model_fields
    for field in personal_fields(name):
        if isinstance(content.get(field), dict):
            content[field] = 0 if fields[field].annotation is int else ERASED
    return content
