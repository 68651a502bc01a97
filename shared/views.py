"""Views: read models that answer one question each, as tables that events change.

A view is a pure function from an event to statements. The same function serves the inline view (in the commit of the
event), the copy of another service's facts (in the commit of the inbox) and the rebuild from zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import LiteralString, Protocol, runtime_checkable

from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class View(Protocol):
    """What every view has."""

    @property
    def tables(self) -> Mapping[str, LiteralString]:
        """Each table's name and the statement that creates it if it is not there, with its indexes."""

    @property
    def refusals(self) -> Mapping[str, type[Refusal]]:
        """The refusal that each named constraint of these tables stands for; most views refuse nothing."""

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        """What an event changes in the tables; nothing for events that do not matter here."""


@runtime_checkable
class Incidental(Protocol):
    """What a view has, too, that keeps something besides what the log says: when it came, what is still to be done."""

    @property
    def incidental(self) -> Mapping[str, Sequence[str]]:
        """The columns of each such table that are as they happen to be; of a table without any, all of it."""


@runtime_checkable
class RowsForReader(Protocol):
    """What a view has, too, of whose tables people are shown rows: no other table can be read on anybody's behalf."""

    @property
    def rows_for_reader(self) -> Mapping[str, LiteralString]:
        """The condition on the rows of each such table, asking `asker(kind)` for whoever asks; it runs for every row.

        What it looks up in tables of other views it asks of functions: a view could not be built anew without them.
        """


def incidental(views: Iterable[View]) -> dict[str, Sequence[str]]:
    """What of the tables of these views is as it happens to be."""
    found = (view.incidental for view in views if isinstance(view, Incidental))
    return {table: columns for each in found for table, columns in each.items()}
