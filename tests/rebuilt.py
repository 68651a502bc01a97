"""Views equal a fold of the log: what the tables hold is what the same events make of empty ones."""

from collections.abc import Iterable

from psycopg.sql import SQL, Identifier

from shared.backbone import Backbone
from shared.views import View
from tests.feed import log_of

Tables = dict[str, list[str]]


def tables_of(backbone: Backbone, views: Iterable[View]) -> Tables:
    """What every table of the views holds, each row as text, in an order of its own."""
    held: Tables = {}
    with backbone.connect() as connection:
        for table in (name for view in views for name in view.tables):
            rows = connection.execute(SQL("SELECT t::text FROM {} t ORDER BY 1").format(Identifier(table)))
            held[table] = [row[0] for row in rows]
    return held


def rebuild(backbone: Backbone, views: Iterable[View], into: Backbone) -> None:
    """Make the tables of `into` from nothing but the log of `backbone`."""
    with into.connect() as connection, connection.transaction():
        for recorded in log_of(backbone):
            for view in views:
                for statement in view.changes(recorded):
                    connection.execute(statement.sql, statement.params)
