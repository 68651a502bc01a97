"""Where and when was driven, with which product and at which price, newest first? (P8)

Asked of one account or of one product, so a page is read from one end of an index and costs the same however many
journeys of others are stored. The same rows are answered as pages and as lines of CSV.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, LiteralString, Self

from shared.actor import Actor
from shared.clock import microseconds, moment_of
from shared.database import Database, Row
from shared.free_text import folded

PAGE: Final = 100
"""The most journeys on one page."""
LINES: Final = 5000
"""The most lines of CSV that are made at once: so much of a download is in memory, however long it is."""
COLUMNS: Final[tuple[LiteralString, ...]] = (
    *("journey_id", "at", "place", "product_id", "kind", "reference", "plate", "device_number"),
    *("payment", "currency", "net", "vat", "amount"),
)
"""What is told of a journey, in the order of the file; another order or name would break whoever reads files."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The journey that a page ends with; the next one begins after it, whatever has arrived meanwhile."""

    at: datetime
    journey_id: str

    @classmethod
    def read(cls, text: str) -> Self:
        """From the text that `str` makes of it: microseconds and the journey, with a dot between."""
        at, _, journey_id = text.partition(".")
        return cls(moment_of(int(at)), journey_id)

    def __str__(self) -> str:
        return f"{microseconds(self.at)}.{self.journey_id}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of which account or product, and which of its journeys; what is None does not matter. Days are Copenhagen's."""

    account_id: str | None = None
    product_id: str | None = None
    reference: str | None = None
    """A part of it, in capital letters or not; only of an account's products."""
    place: str | None = None
    payment: str | None = None
    first: date | None = None
    last: date | None = None
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """A piece of a file, and where the next one begins; nowhere after the last piece."""

    text: str
    next: Cursor | None


def _started(day: LiteralString) -> LiteralString:
    return f"({day})::timestamp AT TIME ZONE 'Europe/Copenhagen'"


def _conditions(wanted: Wanted) -> Iterator[LiteralString]:
    """Only those that are asked for: the plan of a prepared question must not depend on what is left out."""
    if wanted.account_id is not None:
        yield "j.account_id = %(account_id)s"
    if wanted.product_id is not None:
        yield "j.product_id = %(product_id)s"
    if wanted.reference is not None:
        yield """j.product_id = ANY (ARRAY(SELECT f.product_id FROM products f
            WHERE f.account_id = %(account_id)s AND strpos(f.searched, %(reference)s) > 0))"""
    if wanted.place is not None:
        yield "j.place = %(place)s"
    if wanted.payment is not None:
        yield "j.payment = %(payment)s"
    if wanted.first is not None:
        yield "j.at >= " + _started("%(first)s::date")
    if wanted.last is not None:
        yield "j.at < " + _started("%(last)s::date + 1")
    if wanted.after is not None:
        yield "(j.at, j.journey_id) < (%(after_at)s, %(after_id)s)"


def _page(wanted: Wanted) -> LiteralString:
    conditions: LiteralString = " AND ".join(_conditions(wanted))
    return f"""WITH page AS MATERIALIZED (
        SELECT j.* FROM journeys j WHERE {conditions} ORDER BY j.at DESC, j.journey_id DESC LIMIT %(limit)s)"""


# The offset tells the two hours apart that have one name in the night when summer time ends.
LOCAL: LiteralString = """
    to_char(j.at AT TIME ZONE 'Europe/Copenhagen', 'YYYY-MM-DD"T"HH24:MI:SS+')
    || to_char((j.at AT TIME ZONE 'Europe/Copenhagen') - (j.at AT TIME ZONE 'UTC'), 'HH24:MI')"""
"""When a journey `j` was made, on the clocks of Copenhagen, with how far these are ahead of UTC."""
TOLD: LiteralString = f"""
    j.journey_id, {LOCAL} AS at, j.place, j.product_id, p.kind, p.reference, p.plate, p.device_number,
    j.payment, j.currency, j.amount - j.vat AS net, j.vat, j.amount"""
"""All that is told of a journey `j` and its product `p`: `COLUMNS`."""
_ROWS: LiteralString = f"""SELECT {TOLD}, j.at AS instant FROM page j LEFT JOIN products p USING (product_id)
    ORDER BY j.at DESC, j.journey_id DESC"""


def _text(column: LiteralString) -> LiteralString:
    """A text in the file: quoted, and harmless to programs that take what begins like a formula for one."""
    formula: LiteralString = rf"strpos(E'=+-@\t\r\n＝＋－＠', left({column}, 1)) > 0 AND {column} <> ''"
    harmless: LiteralString = f"""CASE WHEN {formula} THEN '''' ELSE '' END || replace({column}, '"', '""')"""
    return f"""coalesce('"' || {harmless} || '"', '')"""


_OURS: Final = {"at", "product_id", "kind", "payment", "net", "vat", "amount"}
"""Columns in which no text from outside stands."""


def _line() -> LiteralString:
    told: list[LiteralString] = [f"coalesce({c}::text, '')" if c in _OURS else _text(c) for c in COLUMNS]
    return " || ',' || ".join(told) + r" || E'\n'"


HEADER: Final = ",".join(COLUMNS) + "\n"
_LINES: LiteralString = f""", told AS (
        SELECT {TOLD}, j.at AS instant FROM page j LEFT JOIN products p USING (product_id))
    SELECT coalesce(string_agg({_line()}, '' ORDER BY instant DESC, journey_id DESC), '') AS lines, count(*) AS number,
           min(instant) AS at, (SELECT journey_id FROM page ORDER BY at, journey_id LIMIT 1) AS journey_id
    FROM told"""


async def page(database: Database, actor: Actor, wanted: Wanted) -> list[Row]:
    """The next page of the journeys that the actor may see. Raises Unavailable."""
    return await database.asked_by(actor).rows(_page(wanted) + _ROWS, _asked(wanted, PAGE))


async def lines(database: Database, actor: Actor, wanted: Wanted) -> Lines:
    """The next piece of the same as a file. Raises Unavailable."""
    (row,) = await database.asked_by(actor).rows(_page(wanted) + _LINES, _asked(wanted, LINES))
    more = Cursor(row["at"], row["journey_id"]) if row["number"] == LINES else None
    return Lines(row["lines"], more)


def next_after(rows: list[Row]) -> str | None:
    """Where the next page begins, None after the last one."""
    return str(Cursor(rows[-1]["instant"], rows[-1]["journey_id"])) if len(rows) == PAGE else None


def going_on(wanted: Wanted, after: Cursor) -> Wanted:
    """The same, from a journey on."""
    return replace(wanted, after=after)


def _asked(wanted: Wanted, limit: int) -> dict[str, Any]:
    return {
        "account_id": wanted.account_id,
        "product_id": wanted.product_id,
        "reference": folded(wanted.reference),
        "place": wanted.place,
        "payment": wanted.payment,
        "first": wanted.first,
        "last": wanted.last,
        "after_at": wanted.after and wanted.after.at,
        "after_id": wanted.after and wanted.after.journey_id,
        "limit": limit,
    }
