"""A change to a table, as data: views, guards and bookkeeping say what to run, one writer runs it."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, NamedTuple


class Statement(NamedTuple):
    """One SQL statement that writes or checks and answers nothing.

    A statement that must refuse violates a named constraint (or raises with one, see `shared.eventstore.refusing`).
    """

    sql: LiteralString
    params: Sequence[Any] | Mapping[str, Any] = ()
