"""The second wall: what each of the three roles of a service may do in its database, whatever our code forgets.

The *owner* makes the tables; no running service logs in as it. The *service* adds to the log and keeps its views, and
owns nothing. The *reader* is whom the service becomes for a question that is asked on somebody's behalf: it may only
read, only tables of which a view says which rows are whose (`views.RowsForReader`), and only the rows of whoever asks.

Who asks is said anew in each transaction and ends with it, so nobody inherits it with a connection of a pool. Where it
was not said, no row is seen.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString, Self

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shared.views import RowsForReader, View

MECHANISM: Mapping[str, LiteralString] = {
    "events": "SELECT, INSERT",
    "relay": "SELECT, INSERT, UPDATE",
    "inbox": "SELECT, INSERT, UPDATE",
    "heard": "SELECT, INSERT, UPDATE",
    "dead_letters": "SELECT, INSERT, UPDATE, DELETE",
    "idempotency": "SELECT, INSERT, DELETE",
}
"""What the service may do with the tables of the mechanism."""
VIEWS: LiteralString = "SELECT, INSERT, UPDATE, DELETE"
"""What it may do with those of its views."""

SAY_WHO_ASKS: LiteralString = "SELECT set_config('selfservice.actor', %s, true)"
"""For the transaction that it stands in, and no longer."""
WHO_ASKS: LiteralString = """
CREATE OR REPLACE FUNCTION asker(kind text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN split_part(current_setting('selfservice.actor', true), ':', 1) = kind
                THEN split_part(current_setting('selfservice.actor', true), ':', 2) END
$$;
"""
"""For the policies: the id of whoever asks, if they are of that kind of actor, else null."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles that log in or are taken on in one service's database; the reader is called after the service."""

    service: str

    @classmethod
    def of(cls, dsn: str) -> Self:
        """The roles of the service that has this address. Raises ValueError when it names no role."""
        if not (user := conninfo_to_dict(dsn).get("user")):
            raise ValueError("the address of a database must name the role to log in as")
        return cls(str(user))

    @property
    def reader(self) -> str:
        return f"{self.service}_reader"


def as_reader(dsn: str) -> str:
    """The address with which a service becomes its reader, from the first moment of the connection on."""
    given = str(conninfo_to_dict(dsn).get("options") or "")
    reader = Roles.of(dsn).reader.replace("\\", "\\\\").replace(" ", "\\ ")
    return make_conninfo(dsn, options=f"{given} -c role={reader} -c default_transaction_read_only=on".strip())


def privileges(roles: Roles, tables: Mapping[str, LiteralString]) -> Iterator[sql.Composed]:
    """What the service may do with each of these tables, and nothing else; the reader nothing."""
    service, reader = sql.Identifier(roles.service), sql.Identifier(roles.reader)
    for name, allowed in tables.items():
        table = sql.Identifier("public", name)
        yield sql.SQL("REVOKE ALL ON {} FROM PUBLIC, {}, {}").format(table, service, reader)
        yield sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(allowed), table, service)
    yield sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(service)


def row_security(roles: Roles, views: Iterable[View], tables: Collection[str]) -> Iterator[sql.Composed]:
    """The policies of those of the tables that the reader may read.

    The owner is bound, too (FORCE): that it and the service see every row stands in a policy of its own.
    """
    for name, whose in rows_for_reader(views).items():
        if name not in tables:
            continue
        names = {
            "table": sql.Identifier("public", name),
            "service": sql.Identifier(roles.service),
            "reader": sql.Identifier(roles.reader),
            "whose": sql.SQL(whose),
        }
        for statement in _ROW_SECURITY:
            yield sql.SQL(statement).format(**names)


_ROW_SECURITY: Sequence[LiteralString] = (
    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "DROP POLICY IF EXISTS kept_by_the_service ON {table}",
    "CREATE POLICY kept_by_the_service ON {table} TO CURRENT_USER, {service} USING (true) WITH CHECK (true)",
    "DROP POLICY IF EXISTS within_reach_of_the_asker ON {table}",
    "CREATE POLICY within_reach_of_the_asker ON {table} FOR SELECT TO {reader} USING ({whose})",
    "GRANT SELECT ON {table} TO {reader}",
)


def rows_for_reader(views: Iterable[View]) -> dict[str, LiteralString]:
    """Each table that the reader may read, with the condition on its rows."""
    return {
        table: whose
        for view in views
        if isinstance(view, RowsForReader)
        for table, whose in view.rows_for_reader.items()
    }
