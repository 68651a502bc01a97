"""Routing: from the path of a request to the operation it asks for, by an allow-list and nothing else (S-25).

A path matches as it was sent: nothing is decoded, so no `%2F` or `..` can mean anything. What stands in the place of a
parameter must be an identifier. The path that goes out is made from the operation's template.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.gateway.contract import Operation

LONGEST_IDENTIFIER = 80
_IDENTIFIER = re.compile(r"[a-z]+(?:-[a-z]+)*-[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """A path that exists: its operations by method, and the identifiers in it."""

    methods: Mapping[str, Operation]
    identifiers: tuple[str, ...]

    def path_of(self, operation: Operation) -> str:
        """The path that the service is asked under."""
        identifiers = iter(self.identifiers)
        parts = operation.template.split("/")
        return "/".join(next(identifiers) if part.startswith("{") else part for part in parts)


@dataclass(slots=True)
class _Node:
    literals: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    methods: dict[str, Operation] = field(default_factory=dict)


class Routes:
    """The operations as a tree of path segments; a literal segment goes before a parameter."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        node = self._root
        for part in operation.template.removeprefix("/").split("/"):
            if part.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(part, _Node())
        node.methods[operation.method] = operation

    def find(self, path: str) -> Found | None:
        """What stands at a path below the prefix, as it was sent; None for nothing."""
        node, identifiers = self._root, []
        for part in path.split("/"):
            if (literal := node.literals.get(part)) is not None:
                node = literal
            elif node.parameter is not None and len(part) <= LONGEST_IDENTIFIER and _IDENTIFIER.fullmatch(part):
                node = node.parameter
                identifiers.append(part)
            else:
                return None
        return Found(node.methods, tuple(identifiers)) if node.methods else None
