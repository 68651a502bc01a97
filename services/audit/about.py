"""What an event is about, and where it lies.

H1   An event is about everything that it identifies: its stream, who acted, each identifier in a pseudonym field.
H3   An event lies in the accounts and products that it names; if it names none, in the agreements; if none of those, in
     the company (it is company-level). Who has one of them in reach sees it.
A9   What names no place lies with its people: whom it is about, who did it, and the place of the grant that it was done
     under. Only who has all of them in reach sees it, so it tells nothing of what a person holds elsewhere.
"""

import re
from collections.abc import Iterator
from functools import cache

from shared.envelope import Recorded
from shared.events import Event, Privacy, privacy_of
from shared.ids import kind_of

PERSON = "profile"
_CLOSEST_FIRST = (("account", "product"), ("agreement",), ("company",))
_IDENTIFIER = re.compile(r"(?:[a-z-]+:)?([a-z]+(?:-[a-z]+)*-[0-9a-f]{32})", re.ASCII)
"""An identifier, alone or as `kind:identifier`."""


def about(recorded: Recorded) -> list[str]:
    """The identifiers of all entities that the event is about, each once."""
    return list(dict.fromkeys([*_subjects(recorded), *_identifiers(recorded.actor.id)]))


def places(recorded: Recorded) -> list[str]:
    """Where the event lies: who has one of these in reach sees it (H3). None when it lies with people."""
    subjects = _subjects(recorded)
    for kinds in _CLOSEST_FIRST:
        if found := [subject for subject in subjects if kind_of(subject) in kinds]:
            return found
    return []


def people(recorded: Recorded) -> list[str]:
    """With whom an event lies that names no place: who has all of these in reach sees it (A9)."""
    concerned = [subject for subject in _subjects(recorded) if kind_of(subject) == PERSON]
    if recorded.actor.kind == PERSON:
        concerned.append(recorded.actor.id)
    return list(dict.fromkeys([*concerned, *_identifiers(recorded.grant)])) if concerned else []


def _subjects(recorded: Recorded) -> list[str]:
    event = recorded.data
    values = (getattr(event, name) for name in _pseudonyms(type(event)))
    return list(dict.fromkeys([recorded.stream, *(found for value in values for found in _identifiers(value))]))


@cache
def _pseudonyms(event: type[Event]) -> tuple[str, ...]:
    return tuple(name for name, field in event.model_fields.items() if privacy_of(field) is Privacy.PSEUDONYM)


def _identifiers(value: object) -> Iterator[str]:
    if isinstance(value, str) and (match := _IDENTIFIER.fullmatch(value)):
        yield match[1]
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _identifiers(part)
