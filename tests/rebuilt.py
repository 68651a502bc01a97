"""Views equal a fold of the log: what the tables hold is what the same events make of empty ones."""

from collections.abc import Iterable, Sequence

from psycopg.sql import SQL, Identifier

from shared.backbone import Backbone
from shared.views import View
from tests.feed import log_of

Tables = dict[str, list[str]]


def tables_of(backbone: Backbone, tables: Iterable[str]) -> Tables:
    """What the tables hold, each row as text, in an order of its own."""
    held: Tables = {}
    with backbone.connect() as connection:
        for table in tables:
            rows = connection.execute(SQL("SELECT t::text FROM {} t ORDER BY 1").format(Identifier(table)))
            held[table] = [row[0] for row in rows]
    return held


def rebuild(backbone: Backbone, views: Sequence[View], into: Backbone) -> None:
    """Make the views of an empty database from nothing but the log of `backbone`."""
    into.migrate()
    with into.connect() as connection, connection.transaction():
        for recorded in log_of(backbone):
            for view in views:
                for statement in view.changes(recorded):
                    connection.execute(statement.sql, statement.params)
