"""The second wall: what the service's role and its reader may do, with nothing of our code in between (T-10, Z-07)."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, ClassVar, LiteralString

import psycopg
import pytest
from psycopg import Connection
from psycopg.errors import DivisionByZero, InsufficientPrivilege, ReadOnlySqlTransaction

from shared import wall
from shared.actor import Actor
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement
from shared.rebuild import Sources, rebuild
from shared.wall import Roles, as_reader
from tests.parts import owner_of
from tests.shared.shop import ANNA as ANNAS_CAUSE
from tests.shared.shop import PRODUCT, NoteAdded, Shop, note, open_shop

ANNA, HANS = Actor("profile", "product-anna"), Actor("profile", "product-hans")
NOBODY = Actor("profile", "product-nobody")


class Lockers:
    """Whose note is this? Everybody is shown their own: notes lie in streams that are called after people here."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "lockers": "CREATE TABLE IF NOT EXISTS lockers (whose text NOT NULL, note text NOT NULL)"
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {"lockers": "whose = (SELECT asker('profile'))"}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case NoteAdded(product_id=whose, note=text):
                yield Statement("INSERT INTO lockers VALUES (%s, %s)", (whose, text))


ALL: LiteralString = "SELECT whose, note FROM lockers ORDER BY whose, note"
HERS, HIS = [{"whose": ANNA.id, "note": "hers"}], [{"whose": HANS.id, "note": "his"}]


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    """A shop with lockers: in one is a note of Anna's, in one a note of Hans's."""
    async with open_shop(database, [Lockers()]) as opened:
        await opened.streams.change(PRODUCT, ANNA.id, note(ANNA.id, "hers"), ANNAS_CAUSE)
        await opened.streams.change(PRODUCT, HANS.id, note(HANS.id, "his"), ANNAS_CAUSE)
        yield opened


@pytest.fixture
async def asking(shop: Shop) -> AsyncIterator[Database]:
    """Questions over one single connection, which everybody who asks has to share."""
    database = Database(shop.dsn, connections=1)
    await database.open()
    yield database
    await database.close()


# Rows ----------------------------------------------------------------------------------------------------------------


async def test_z07_a_question_without_any_condition_shows_whoever_asks_their_rows_only(asking: Database) -> None:
    assert await asking.asked_by(ANNA).rows(ALL) == HERS
    assert await asking.asked_by(HANS).rows(ALL) == HIS
    assert await asking.asked_by(NOBODY).rows(ALL) == []
    assert await asking.asked_by(Actor("staff", ANNA.id)).rows(ALL) == []
    assert await asking.rows(ALL) == [*HERS, *HIS], "the service itself sees all"


def test_z07_where_nobody_was_named_no_row_is_seen(shop: Shop) -> None:
    with psycopg.connect(as_reader(shop.dsn)) as reader:
        assert reader.execute(ALL).fetchall() == []


async def test_z07_what_no_view_opens_cannot_be_asked_on_anybody_s_behalf(asking: Database) -> None:
    for table in ("events", "inbox", "idempotency", "relay", "dead_letters", "plates", "notebook"):
        with pytest.raises(InsufficientPrivilege):
            await asking.asked_by(ANNA).rows(f"SELECT * FROM {table}")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO lockers VALUES ('product-anna', 'x')",
        "UPDATE lockers SET note = 'x'",
        "DELETE FROM lockers",
        "TRUNCATE lockers",
        "INSERT INTO events (originator_id, originator_version, topic, state) VALUES ('x', 1, 'x', 'x')",
        "CREATE TABLE mine (id text)",
        "CREATE TEMP TABLE mine (id text)",
        "SELECT nextval('events_notification_id_seq')",
        "DROP POLICY within_reach_of_the_asker ON lockers",
    ],
)
async def test_the_reader_cannot_write(shop: Shop, asking: Database, sql: LiteralString) -> None:
    with pytest.raises((InsufficientPrivilege, ReadOnlySqlTransaction)):
        await asking.asked_by(ANNA).rows(sql)
    with psycopg.connect(as_reader(shop.dsn)) as reader:
        reader.execute("SET TRANSACTION READ WRITE")  # nor by privilege
        with pytest.raises(InsufficientPrivilege):
            reader.execute(sql)


# One connection for everybody ----------------------------------------------------------------------------------------


_WHO_THIS_IS: LiteralString = (
    "SELECT pg_backend_pid() AS pid, current_user AS role, current_setting('selfservice.actor', true) AS who"
)


async def the_connection(asking: Database) -> tuple[int, str, str | None]:
    """Which one it is, whom it acts as, and who asks: looked at past our code."""
    async with asking._asking.connection() as connection:
        row = await (await connection.execute(_WHO_THIS_IS)).fetchone()
        assert row is not None
        return row["pid"], row["role"], row["who"]


async def test_z07_who_asked_does_not_stay_with_the_connection(asking: Database) -> None:
    before = await the_connection(asking)
    assert await asking.asked_by(ANNA).rows(ALL) == HERS
    with pytest.raises(DivisionByZero):
        await asking.asked_by(ANNA).rows("SELECT 1 / 0 FROM lockers")
    with pytest.raises(InsufficientPrivilege):
        await asking.asked_by(ANNA).rows("SELECT * FROM events")
    with pytest.raises(psycopg.DataError):
        await asking.asked_by(ANNA).rows("SELECT %s::text", ("\x00",))  # refused before it was sent
    after = await the_connection(asking)
    assert after == (before[0], "test_reader", "")
    assert await asking.asked_by(HANS).rows(ALL) == HIS


async def test_z07_nor_when_a_question_is_abandoned(asking: Database) -> None:
    for number in range(20):
        slow = asyncio.create_task(asking.asked_by(ANNA).rows("SELECT *, pg_sleep(5) FROM lockers"))
        await asyncio.sleep(0.005 * number)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert await asking.asked_by(HANS).rows(ALL) == HIS
        _, role, who = await the_connection(asking)
        assert (role, who or "") == ("test_reader", "")


async def test_z07_nor_when_many_ask_at_once(shop: Shop) -> None:
    asking = Database(shop.dsn, connections=2)
    await asking.open()

    async def ask(number: int) -> None:
        who, theirs = ((ANNA, HERS), (HANS, HIS), (NOBODY, []))[number % 3]
        if number % 7 == 0:
            with pytest.raises(DivisionByZero):
                await asking.asked_by(who).rows("SELECT 1 / 0")
        elif number % 11 == 0:
            gone = asyncio.create_task(asking.asked_by(who).rows(ALL))
            await asyncio.sleep(0)
            gone.cancel()
        else:
            assert await asking.asked_by(who).rows(ALL) == theirs

    await asyncio.gather(*(ask(number) for number in range(600)))
    await asking.close()


# The service's own role ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "DROP TRIGGER history_is_only_added_to ON events",
        "DROP FUNCTION history_is_only_added_to CASCADE",
        "CREATE OR REPLACE FUNCTION asker(kind text) RETURNS text LANGUAGE sql AS 'SELECT kind'",
        "DROP TABLE events",
        "DROP POLICY within_reach_of_the_asker ON lockers",
        "ALTER TABLE lockers DISABLE ROW LEVEL SECURITY",
        "TRUNCATE lockers",
        "SELECT setval('events_notification_id_seq', 1)",
        "CREATE TABLE mine (id text)",
        "CREATE TEMP TABLE mine (id text)",
        "CREATE SCHEMA mine",
        "CREATE TRIGGER mine BEFORE INSERT ON lockers EXECUTE FUNCTION history_is_only_added_to()",
        "DELETE FROM inbox",
        "DELETE FROM relay",
        "UPDATE idempotency SET answer = '{}'",
        "SET ROLE test_owner",
        "SET session_replication_role = replica",
    ],
)
def test_t10_the_service_cannot_undo_the_wall(shop: Shop, sql: LiteralString) -> None:
    with shop.connect() as service, pytest.raises(InsufficientPrivilege):
        service.execute(sql)


def test_t10_nor_give_away_what_it_has(shop: Shop) -> None:
    with shop.connect() as service:
        service.execute("GRANT SELECT ON events TO test_reader")  # of whoever may not give it, a mere warning
        assert service.execute("SELECT has_table_privilege('test_reader', 'events', 'SELECT')").fetchone() == (False,)


def test_t10_the_service_and_the_reader_own_nothing(shop: Shop) -> None:
    owned = (
        "SELECT 'relation', relname FROM pg_class WHERE pg_get_userbyid(relowner) IN ('test', 'test_reader') "
        "UNION SELECT 'function', proname FROM pg_proc WHERE pg_get_userbyid(proowner) IN ('test', 'test_reader') "
        "UNION SELECT 'schema', nspname FROM pg_namespace WHERE pg_get_userbyid(nspowner) IN ('test', 'test_reader') "
        "UNION SELECT 'type', typname FROM pg_type WHERE pg_get_userbyid(typowner) IN ('test', 'test_reader')"
    )
    assert shop.query(owned) == []


def privileges_of(connection: Connection[Any], role: str) -> dict[str, str]:
    query = (
        "SELECT table_name, string_agg(privilege_type, ', ' ORDER BY privilege_type) FROM "
        "information_schema.table_privileges WHERE grantee = %s AND table_schema = 'public' GROUP BY 1"
    )
    return dict(connection.execute(query, (role,)).fetchall())


def test_t10_each_role_has_the_privileges_that_it_needs_and_no_others(shop: Shop) -> None:
    with shop.as_owner() as owner:
        views = dict.fromkeys(("lockers", "notebook", "plates"), wall.VIEWS)
        allowed = {table: ", ".join(sorted(of.split(", "))) for table, of in {**wall.MECHANISM, **views}.items()}
        assert privileges_of(owner, "test") == allowed
        assert privileges_of(owner, "test_reader") == {"lockers": "SELECT"}
    assert wall.MECHANISM["events"] == "SELECT, INSERT"


# Built anew ----------------------------------------------------------------------------------------------------------


def wall_of(shop: Shop) -> list[Any]:
    """Everything that stands: privileges, policies, and for which tables they are forced."""
    with shop.as_owner() as owner:
        privileges = [privileges_of(owner, role) for role in ("test", "test_reader")]
        policies = owner.execute(
            "SELECT tablename, policyname, roles, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2"
        )
        forced = owner.execute(
            "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
        )
        return [*privileges, policies.fetchall(), forced.fetchall()]


async def test_a_view_that_is_built_anew_keeps_its_privileges_and_its_policies(shop: Shop, asking: Database) -> None:
    before, table = wall_of(shop), shop.query("SELECT 'lockers'::regclass::oid")
    assert ("lockers", True, True) in before[-1]
    sources = Sources(
        source="shop",
        owner=owner_of(shop.dsn),
        roles=Roles.of(shop.dsn),
        recorder=shop.recorder,
        views=[Lockers()],
    )
    assert await rebuild(sources) == ["lockers"]
    assert shop.query("SELECT 'lockers'::regclass::oid") != table
    assert wall_of(shop) == before
    assert await asking.asked_by(ANNA).rows(ALL) == HERS
    await shop.streams.change(PRODUCT, ANNA.id, note(ANNA.id, "more"), ANNAS_CAUSE)
    assert len(await asking.asked_by(ANNA).rows(ALL)) == 2
