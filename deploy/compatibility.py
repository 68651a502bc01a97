"""The gate: may the schema of a released event become another one?

Only if whoever reads by the released schema can read everything that the new one allows: nothing removed, renamed,
added or retyped, no value more. Anything else is a new version of the event, with an upcaster from the old one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

SILENT = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "default", "x-privacy"})
"""Keywords that do not decide what is valid."""


def breaks(released: Schema, new: Schema, where: str = "") -> Iterator[str]:
    """Every way in which something that `new` allows could not be read by `released`; nothing when there is none."""
    if not released.keys() - SILENT:
        return  # it allows everything
    if "anyOf" in new:
        for kind in new["anyOf"]:
            yield from breaks(released, kind, where)
        return
    if "anyOf" in released:
        ways = [list(breaks(kind, new, where)) for kind in released["anyOf"]]
        if all(ways):
            yield f"{where or 'event'}: {_kind(new)} is none of {', '.join(map(_kind, released['anyOf']))}"
        return
    if _kind(released) != _kind(new):
        yield f"{where or 'event'}: was {_kind(released)}, is {_kind(new)}"
        return
    yield from _values(released, new, where)
    yield from _fields(released, new, where)
    yield from _keywords(released, new, where)
    if "items" in released:
        yield from breaks(released["items"], new.get("items", {}), f"{where}[]")


def _kind(schema: Schema) -> str:
    return str(schema.get("type", "anything"))


def _values(released: Schema, new: Schema, where: str) -> Iterator[str]:
    before, after = _allowed(released), _allowed(new)
    if before is None:
        return
    if after is None:
        yield f"{where}: had fixed values, has any"
    elif added := [value for value in after if value not in before]:
        yield f"{where}: new values {added}"


def _allowed(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _fields(released: Schema, new: Schema, where: str) -> Iterator[str]:
    before, after = released.get("properties", {}), new.get("properties", {})
    prefix = f"{where}." if where else ""
    for name in before.keys() - after.keys():
        yield f"{prefix}{name}: removed"
    for name in after.keys() - before.keys():
        yield f"{prefix}{name}: added"
    for name in (set(released.get("required", ())) - set(new.get("required", ()))) & after.keys():
        yield f"{prefix}{name}: was always there, need not be any more"
    for name in before.keys() & after.keys():
        yield from breaks(before[name], after[name], prefix + name)


_COMPARED = frozenset({"type", "anyOf", "enum", "const", "properties", "required", "items"})


def _keywords(released: Schema, new: Schema, where: str) -> Iterator[str]:
    """Every other keyword that the released schema has (a format, a length, a pattern) must still be so."""
    for keyword in sorted(released.keys() - _COMPARED - SILENT):
        if new.get(keyword) != released[keyword]:
            yield f"{where or 'event'}: {keyword} was {released[keyword]!r}, is {new.get(keyword)!r}"
