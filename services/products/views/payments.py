"""What does an account pay, month by month, by invoice or by card? (P8)"""

from dataclasses import dataclass
from datetime import date
from typing import Final, LiteralString, Self

from shared.actor import Actor
from shared.database import Database, Row

PAGE: Final = 100
"""The most sums on one page."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The sum that a page ends with."""

    month: date
    payment: str
    currency: str

    @classmethod
    def read(cls, text: str) -> Self:
        """From the text that `of` makes of it. Raises ValueError for a month that there is not."""
        month, payment, currency = text.split(".")
        return cls(date.fromisoformat(f"{month}-01"), payment, currency)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The sums of which account; `first` and `last` are days in the months that begin and end it."""

    account_id: str
    first: date | None = None
    last: date | None = None
    after: Cursor | None = None


_SUMS: LiteralString = """
    SELECT to_char(month, 'YYYY-MM') AS month, payment, currency, journeys, amount - vat AS net, vat, amount
    FROM payments
    WHERE account_id = %(account)s
      AND month >= coalesce(%(first)s::date, '-infinity'::date) AND month <= coalesce(%(last)s::date, 'infinity'::date)
      AND (month, payment, currency) < (coalesce(%(month)s::date, 'infinity'::date), %(payment)s, %(currency)s)
    ORDER BY month DESC, payment DESC, currency DESC LIMIT %(limit)s"""


async def page(database: Database, actor: Actor, wanted: Wanted) -> list[Row]:
    """The next page of an account's sums, the newest month first. Raises Unavailable."""
    after = wanted.after
    asked = {
        "account": wanted.account_id,
        "first": wanted.first and wanted.first.replace(day=1),
        "last": wanted.last,
        "month": after and after.month,
        "payment": after.payment if after else "",
        "currency": after.currency if after else "",
        "limit": PAGE,
    }
    return await database.asked_by(actor).rows(_SUMS, asked)


def next_after(rows: list[Row]) -> str | None:
    """Where the next page begins, None after the last one."""
    return "{month}.{payment}.{currency}".format(**rows[-1]) if len(rows) == PAGE else None
