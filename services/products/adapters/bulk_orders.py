"""The bulk orders and their rows: what waits to be ordered, and what became of each row. Kept beside the log.

A row is written in the commit of its file, and its outcome in that of its order or its refusal. What it orders (a
plate, a VIN) is forgotten with its outcome: from then on it stands in the product that was ordered, or nowhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal, LiteralString, Self

import orjson

from services.products.domain.bulk_order import Mode, Order, Wrong
from services.profiles.reach import ASKER_IS_STAFF
from shared.database import Asked, Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

Outcome = Literal["waiting", "done", "refused", "invalid", "not-ordered"]
"""`not-ordered`: there was nothing against it, but the file was to be ordered whole or not at all."""
LEASE = timedelta(seconds=30)
"""A bulk order that somebody works on is anybody's again after this, in case they are gone."""
PAGE: Final = 500
"""The most rows on one page."""
BULK_ORDERS_PAGE: Final = 50


class BulkOrders:
    """One row a bulk order, one row each of its rows."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "bulk_orders": """
            CREATE TABLE IF NOT EXISTS bulk_orders (
                bulk_id text PRIMARY KEY, account_id text NOT NULL, mode text NOT NULL, name text,
                actor text NOT NULL, correlation text NOT NULL,
                received_at timestamptz NOT NULL, leased_until timestamptz, finished_at timestamptz);
            CREATE INDEX IF NOT EXISTS bulk_orders_account ON bulk_orders (account_id, bulk_id);
            CREATE INDEX IF NOT EXISTS bulk_orders_open ON bulk_orders (received_at) WHERE finished_at IS NULL;""",
        "bulk_rows": """
            CREATE TABLE IF NOT EXISTS bulk_rows (
                bulk_id text NOT NULL, line int NOT NULL, account_id text NOT NULL, product_id text, ordered jsonb,
                outcome text NOT NULL CHECK (outcome IN ('waiting', 'done', 'refused', 'invalid', 'not-ordered')),
                of_column text, code text, rule text, detail text,
                PRIMARY KEY (bulk_id, line));""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "bulk_orders": f"{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())",
        "bulk_rows": f"{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())",
    }

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


@dataclass(frozen=True, slots=True)
class Sent:
    """A bulk order that somebody works on."""

    bulk_id: str
    account_id: str
    mode: Mode
    actor: str
    correlation: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that is yet to be ordered."""

    line: int
    product_id: str
    order: Order

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(row["line"], row["product_id"], Order(**row["ordered"]))


# Written in the commit of what they are about ------------------------------------------------------------------------


def received(
    sent: Sent, name: str | None, now: datetime, rows: Sequence[Waiting | tuple[int, Wrong]]
) -> list[Statement]:
    """A file was sent, with these rows: the orders in it wait, what is wrong has its outcome at once."""
    return [
        Statement(
            "INSERT INTO bulk_orders (bulk_id, account_id, mode, name, actor, correlation, received_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (sent.bulk_id, sent.account_id, sent.mode, name, sent.actor, sent.correlation, now),
        ),
        Statement(
            "INSERT INTO bulk_rows SELECT %s, line, %s, product_id, ordered, outcome, of_column, code, rule, detail "
            "FROM jsonb_to_recordset(%s) AS r (line int, product_id text, ordered jsonb, outcome text, of_column text, "
            "code text, rule text, detail text)",
            (sent.bulk_id, sent.account_id, orjson.dumps([_as_kept(row) for row in rows]).decode()),
        ),
    ]


def _as_kept(row: Waiting | tuple[int, Wrong]) -> dict[str, Any]:
    if isinstance(row, Waiting):
        return {"line": row.line, "product_id": row.product_id, "ordered": asdict(row.order), "outcome": "waiting"}
    line, wrong = row
    return {"line": line, "outcome": "invalid", "of_column": wrong.column, **_why(wrong.refusal)}


def _why(refusal: Refusal) -> dict[str, str | None]:
    return {"code": refusal.code, "rule": refusal.rule, "detail": refusal.detail}


def done(bulk_id: str, line: int) -> Statement:
    """What the row orders is ordered."""
    return Statement(
        "UPDATE bulk_rows SET outcome = 'done', ordered = NULL "
        "WHERE bulk_id = %s AND line = %s AND outcome = 'waiting'",
        (bulk_id, line),
    )


def refused(bulk_id: str, line: int, refusal: Refusal) -> Statement:
    """A rule refused the row."""
    return Statement(
        "UPDATE bulk_rows SET outcome = 'refused', ordered = NULL, product_id = NULL, code = %(code)s, "
        "rule = %(rule)s, detail = %(detail)s WHERE bulk_id = %(bulk)s AND line = %(line)s AND outcome = 'waiting'",
        {"bulk": bulk_id, "line": line, **_why(refusal)},
    )


def left_out(bulk_id: str) -> Statement:
    """The rows that nothing speaks against are not ordered: others of the file were refused."""
    return Statement(
        "UPDATE bulk_rows SET outcome = 'not-ordered', ordered = NULL, product_id = NULL "
        "WHERE bulk_id = %s AND outcome = 'waiting'",
        (bulk_id,),
    )


def finished(bulk_id: str, now: datetime) -> Statement:
    """Nothing is left to be done."""
    return Statement("UPDATE bulk_orders SET finished_at = %s WHERE bulk_id = %s", (now, bulk_id))


# The work -------------------------------------------------------------------------------------------------------------


async def claim(database: Database, now: datetime) -> Sent | None:
    """The oldest bulk order that nobody works on, for as long as a lease lasts; None for none. Raises Unavailable."""
    row = await database.row(
        "UPDATE bulk_orders SET leased_until = %(until)s WHERE bulk_id = ("
        "SELECT bulk_id FROM bulk_orders WHERE finished_at IS NULL AND coalesce(leased_until, '-infinity') < %(now)s "
        "ORDER BY received_at LIMIT 1 FOR UPDATE SKIP LOCKED) "
        "RETURNING bulk_id, account_id, mode, actor, correlation",
        {"now": now, "until": now + LEASE},
    )
    return Sent(**row) if row else None


async def hold(database: Database, bulk_id: str, until: datetime | None) -> None:
    """Go on working on it until then, or no longer. Raises Unavailable."""
    await database.execute("UPDATE bulk_orders SET leased_until = %s WHERE bulk_id = %s", (until, bulk_id))


async def waiting(database: Database, bulk_id: str, *, most: int) -> list[Waiting]:
    """The next rows to order, in the order of the file. Raises Unavailable."""
    rows = await database.rows(
        "SELECT line, product_id, ordered FROM bulk_rows WHERE bulk_id = %s AND outcome = 'waiting' "
        "ORDER BY line LIMIT %s",
        (bulk_id, most),
    )
    return [Waiting.of(row) for row in rows]


async def outcomes(database: Database | Asked, bulk_id: str) -> dict[Outcome, int]:
    """How many rows have each outcome. Raises Unavailable."""
    rows = await database.rows(
        "SELECT outcome, count(*) AS times FROM bulk_rows WHERE bulk_id = %s GROUP BY outcome", (bulk_id,)
    )
    counted: dict[Outcome, int] = {"waiting": 0, "done": 0, "refused": 0, "invalid": 0, "not-ordered": 0}
    return counted | {row["outcome"]: row["times"] for row in rows}


# Questions ------------------------------------------------------------------------------------------------------------


async def account_of(database: Database, bulk_id: str) -> str | None:
    """The account that a bulk order is for, None for one that there is not. Raises Unavailable."""
    row = await database.row("SELECT account_id FROM bulk_orders WHERE bulk_id = %s", (bulk_id,))
    return row["account_id"] if row else None


_SHOWN: LiteralString = """
    SELECT b.bulk_id, b.account_id, b.mode, b.name, b.received_at, b.finished_at, count(r.line) AS rows,
        count(r.line) FILTER (WHERE r.outcome = 'waiting') AS waiting,
        count(r.line) FILTER (WHERE r.outcome = 'done') AS done,
        count(r.line) FILTER (WHERE r.outcome = 'refused') AS refused,
        count(r.line) FILTER (WHERE r.outcome = 'invalid') AS invalid,
        count(r.line) FILTER (WHERE r.outcome = 'not-ordered') AS not_ordered
    FROM bulk_orders b LEFT JOIN bulk_rows r USING (bulk_id)"""


async def one(asked: Asked, bulk_id: str) -> Row | None:
    """A bulk order and how far it is, as somebody may see it. Raises Unavailable."""
    return await asked.row(f"{_SHOWN} WHERE b.bulk_id = %s GROUP BY b.bulk_id", (bulk_id,))


async def of_account(asked: Asked, account_id: str, before: str) -> list[Row]:
    """The bulk orders of an account, the latest first, from before one of them on. Raises Unavailable."""
    return await asked.rows(
        f"{_SHOWN} WHERE b.account_id = %(account)s AND (%(before)s = '' OR b.bulk_id < %(before)s) "
        "GROUP BY b.bulk_id ORDER BY b.bulk_id DESC LIMIT %(limit)s",
        {"account": account_id, "before": before, "limit": BULK_ORDERS_PAGE},
    )


async def rows_of(asked: Asked, bulk_id: str, outcome: Outcome | None, after: int) -> list[Row]:
    """What became of the rows, in the order of the file, behind a line of it. Raises Unavailable."""
    return await asked.rows(
        'SELECT line, outcome, product_id, of_column AS "column", code, rule, detail FROM bulk_rows '
        "WHERE bulk_id = %(bulk)s AND line > %(after)s AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s) "
        "ORDER BY line LIMIT %(limit)s",
        {"bulk": bulk_id, "outcome": outcome, "after": after, "limit": PAGE},
    )
