"""The schema of a service's database: made by its owner, looked at by the service when it starts.

What was made last is remembered in the database itself (a digest, as the comment of the schema), so that whoever starts
next has nothing to do, and whoever starts with other code hears of it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, sql

from shared import heard, idempotency, inbox, relay, wall
from shared.eventstore.recorder import ORDER_OF_THE_LOG, OrderedRecorder, datastore
from shared.logs import log
from shared.views import View
from shared.wall import Roles

MIGRATION_LOCK = 0x5E1F5E11
MECHANISM: Sequence[LiteralString] = (relay.TABLE, inbox.TABLES, heard.TABLE, idempotency.TABLE, wall.WHO_ASKS)


class SchemaNotReady(Exception):
    """The database is not, or not yet, what this service needs; the message says what to do."""


class NotForProduction(Exception):
    """The database server or the role is set up as only development may have it."""


def migrate(owner: str, roles: Roles, views: Sequence[View]) -> None:
    """Create what is missing, as the owner at that address; those who start together take turns."""
    with psycopg.connect(owner, autocommit=True, options="-c lock_timeout=10s") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        if _made_last(connection) == digest(roles, views):
            return
        _make_log(owner)
        for statement in (*MECHANISM, *(table for view in views for table in view.tables.values())):
            connection.execute(statement)
        with connection.transaction():
            _build_wall(connection, roles, views)
            made = sql.SQL("COMMENT ON SCHEMA public IS {}").format(sql.Literal(digest(roles, views)))
            connection.execute(made)


def look(connection: Connection[Any], roles: Roles, views: Sequence[View]) -> None:
    """See that what the service needs is there. Raises SchemaNotReady."""
    needed = [
        *wall.MECHANISM,
        *(table for view in views for table, made in view.tables.items() if "CREATE TABLE" in made),
    ]
    rows = connection.execute("SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL", (needed,))
    if missing := [row[0] for row in rows]:
        raise SchemaNotReady(
            f"the database of {roles.service} has no {', '.join(missing)}: run `selfservice migrate`, which needs "
            "DATABASE_OWNER_URL, with this version"
        )
    if _made_last(connection) != digest(roles, views):
        log.warning("the schema was made last by another version; `selfservice migrate` makes it this one's")


def refuse_what_is_for_development(connection: Connection[Any]) -> None:
    """A server that may forget what it has confirmed, or a role that may do more than it must. Raises NotForProduction.

    M-11: what is committed is on disk, and a page that was damaged there is noticed. T-10: the log is only added to.
    """
    off = [row[0] for row in connection.execute(_OFF).fetchall()]
    mighty = connection.execute(_MIGHTY).fetchone()
    if off:
        raise NotForProduction(f"PostgreSQL must have {', '.join(off)} on")
    if mighty is not None and mighty[0]:
        raise NotForProduction("DATABASE_URL must name a role that owns nothing and is no superuser")


_OFF: LiteralString = (
    "SELECT name FROM pg_settings WHERE setting = 'off' "
    "AND name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums') ORDER BY name"
)
_MIGHTY: LiteralString = (
    "SELECT r.rolsuper OR r.rolbypassrls OR EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid) "
    "FROM pg_roles r WHERE r.rolname = session_user"
)


def digest(roles: Roles, views: Sequence[View]) -> str:
    """What the schema is made of, in short."""
    parts: list[object] = [ORDER_OF_THE_LOG, *MECHANISM, wall.MECHANISM, wall.VIEWS, roles, wall.rows_for_reader(views)]
    parts += [statement for view in views for statement in view.tables.values()]
    return f"selfservice {hashlib.sha256(repr(parts).encode()).hexdigest()}"


def _made_last(connection: Connection[Any]) -> str | None:
    row = connection.execute("SELECT obj_description('public'::regnamespace, 'pg_namespace')").fetchone()
    return None if row is None else row[0]


def _make_log(owner: str) -> None:
    store = datastore(owner, connections=1)
    store.pool.timeout = 10.0  # nobody waits for an answer here, as they do of a service that runs
    try:
        OrderedRecorder(store).create_table()
    finally:
        store.close()


def _build_wall(connection: Connection[Any], roles: Roles, views: Sequence[View]) -> None:
    tables = _tables(connection, (table for view in views for table in view.tables))
    for statement in wall.privileges(roles, {**wall.MECHANISM, **tables}):
        connection.execute(statement)
    for statement in wall.row_security(roles, views, tables):
        connection.execute(statement)


def _tables(connection: Connection[Any], names: Iterable[str]) -> Mapping[str, LiteralString]:
    """Those that are tables; some views declare functions only."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename = ANY(%s) ORDER BY 1"
    return {row[0]: wall.VIEWS for row in connection.execute(query, (list(names),))}
