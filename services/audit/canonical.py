"""The canonical bytes of an entry: what its leaf in the tree is made of, written the same way by whoever reads it.

H4   Every attribute of the envelope and every field of the event stands in them, so none can be altered unnoticed.
H5   Of a personal field only a commitment stands there, SHA-256 over the entry's salt and the field. Once the values
     and the salt are gone, nothing leads back to the person, and the entry still proves itself: commitments are kept.

JSON with sorted keys, without white space, in UTF-8; times are UTC with six decimals and `Z`. Events hold no fractions,
which each language writes in its own way; a test sees to it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any, Final

import orjson

from shared.events import Event, Privacy, class_of, declared, privacy_of

SALT: Final = 16
"""Bytes of salt an entry."""
ENVELOPE: Final = ("id", "service", "stream", "version", "type", "actor", "grant", "correlation", "causation")
"""What stands in the canonical bytes as it is; besides it the time and the data."""
LEAF: Final = b"\x00"
"""RFC 6962: what a leaf's hash begins with."""


def leaf_hash(entry: Mapping[str, Any], salt: bytes | None) -> bytes:
    """The hash of an entry's leaf."""
    return sha256(LEAF + canonical(entry, salt)).digest()


def canonical(entry: Mapping[str, Any], salt: bytes | None) -> bytes:
    """The canonical bytes of an entry; without a salt its personal fields hold their commitments already."""
    data = dict(entry["data"])
    if salt is not None:
        for name in personal_fields(entry["type"]):
            if name in data:
                data[name] = commitment(salt, name, data[name])
    head = {name: entry[name] for name in ENVELOPE}
    return _written({**head, "time": written_time(entry["time"]), "data": data})


def commitment(salt: bytes, name: str, value: Any) -> dict[str, str]:
    """What stands for a personal value."""
    return {"sha256": sha256(salt + _written([name, value])).hexdigest()}


def written_time(moment: datetime) -> str:
    """A moment as it stands in the canonical bytes."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@cache
def personal_fields(name: str) -> tuple[str, ...]:
    """The personal fields of an event of this name."""
    return tuple(_personal(class_of(name)))


def personal_fields_of(services: Iterable[str]) -> dict[str, list[str]]:
    """The personal fields of every event of these services that has any."""
    names = (event.type for service in services for event in declared(service))
    return {name: list(fields) for name in names if (fields := personal_fields(name))}


def _personal(event: type[Event]) -> Iterator[str]:
    return (name for name, field in event.model_fields.items() if privacy_of(field) is Privacy.PERSONAL)


def _written(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
