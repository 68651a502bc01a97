"""The recorder: the event log on PostgreSQL, as `eventsourcing` keeps it, made safe to read by position.

The library's own insert locks the whole table and notifies inside the transaction. Here a trigger takes one advisory
lock until commit instead, on whatever path a row comes in (this recorder, the group commit, raw SQL), so positions are
in commit order and a reader of `position > last` misses nothing. UPDATE, DELETE and TRUNCATE are refused: history is
only ever added to.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

from eventsourcing.persistence import PersistenceError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, tuple_row
from psycopg.sql import SQL

EVENTS = "events"
APPEND_LOCK = 0x5E1F5E12
"""The advisory lock that every append holds until it commits."""

POOL_SECONDS = 1.0
"""How long a read waits for a connection before it counts as failed and is tried again."""

ORDER_OF_THE_LOG: LiteralString = f"""
ALTER TABLE {EVENTS} RESET (
    autovacuum_enabled, autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor,
    autovacuum_analyze_threshold, autovacuum_analyze_scale_factor);
ALTER TABLE {EVENTS} ADD COLUMN IF NOT EXISTS recorded_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE INDEX IF NOT EXISTS events_recorded_at ON {EVENTS} USING brin (recorded_at);

CREATE OR REPLACE FUNCTION appends_take_turns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({APPEND_LOCK});
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER appends_take_turns BEFORE INSERT ON {EVENTS}
    FOR EACH STATEMENT EXECUTE FUNCTION appends_take_turns();

CREATE OR REPLACE FUNCTION history_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is only ever added to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER history_is_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON {EVENTS}
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_only_added_to();
"""

INSERT: LiteralString = f"""
INSERT INTO {EVENTS} (originator_id, originator_version, topic, state)
SELECT * FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::bytea[])
"""
SELECT_STREAMS: LiteralString = f"""
SELECT originator_id, originator_version, topic, state FROM {EVENTS}
WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version
"""


class PatientDatastore(PostgresDatastore):
    """The library's datastore, which looks into the database at its first use and not when it is put together."""

    _in_use = False

    def register_type_adapters(self) -> None:
        if self._in_use:
            super().register_type_adapters()

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        if not self._in_use:
            self._in_use = True
            try:
                self.register_type_adapters()
            except PersistenceError:
                self._in_use = False  # out of reach: the next one looks again
                raise
        with super().get_connection() as connection:
            yield connection


class OrderedRecorder(PostgresApplicationRecorder):
    """The library's application recorder over the table `events`, ordered by the trigger instead of a table lock."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name=EVENTS)
        self.lock_table_statements = []
        # The library's insert function goes round tracking and locks; it has no place in this log.
        del self.sql_create_statements[self.create_insert_function_statement_index]
        self.sql_create_statements.append(SQL(ORDER_OF_THE_LOG).format())

    def _notify_channel(self, curs: Cursor[DictRow]) -> None:
        """Readers poll: a NOTIFY inside the transaction takes a lock that is global to the cluster."""

    def select_streams(self, names: Sequence[str]) -> Mapping[str, Sequence[StoredEvent]]:
        """The events of several streams by one query, each in order; not tried again. Raises PersistenceError."""
        found: dict[str, list[StoredEvent]] = {name: [] for name in names}
        with self.datastore.get_connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(SELECT_STREAMS, (list(names),), prepare=True, binary=True)
            for name, version, topic, state in cursor:
                found[name].append(StoredEvent(name, version, topic, state))
        return found


def datastore(dsn: str, *, connections: int) -> PatientDatastore:
    """The library's datastore for a DSN (URL or keywords), with text stream names and bounded waits."""
    given = conninfo_to_dict(dsn)
    store = PatientDatastore(
        dbname=str(given.pop("dbname", "")),
        host=str(given.pop("host", "")),
        port=str(given.pop("port", "")),
        user=str(given.pop("user", "")),
        password=str(given.pop("password", "")),
        pool_size=1,
        max_overflow=connections - 1,
        originator_id_type="text",
        lock_timeout=10,
        connect_timeout=POOL_SECONDS,
    )
    # A pool that cannot connect waits twice as long each time, for minutes; this one begins anew when it is asked.
    store.pool.reconnect_timeout = POOL_SECONDS
    # What the constructor has no argument for (TLS, options) reaches the connections all the same.
    assert isinstance(store.pool.kwargs, dict)  # noqa: S101 (narrows what the library leaves open)
    store.pool.kwargs.update(given)
    return store


def insert(connection: Connection[Any], events: Sequence[StoredEvent], *, prepare: bool | None = None) -> None:
    """Queue one statement that adds the events in the order given."""
    connection.execute(
        INSERT,
        (
            [e.originator_id for e in events],
            [e.originator_version for e in events],
            [e.topic for e in events],
            [e.state for e in events],
        ),
        prepare=prepare,
    )
