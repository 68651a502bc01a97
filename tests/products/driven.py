"""Journeys that count, written into the table as their intake leaves them; prices are invented round numbers."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import LiteralString

import psycopg

from tests.parts import owner_of
from tests.products.conftest import NORDLYS, NORDLYS_ROAD, name

STOREBAELT, ORESUND, SVINESUND = "Storebælt", "Øresundsbron", "Svinesund"
SEED = 0.2026


@dataclass(frozen=True)
class Journey:
    """A row of the table, in its order."""

    journey_id: str
    product_id: str = name("product", 1)
    account_id: str = NORDLYS_ROAD
    company_id: str = NORDLYS
    place: str = STOREBAELT
    at: datetime = datetime(2026, 3, 2, 12, tzinfo=UTC)
    amount: Decimal = Decimal("125.00")
    vat: Decimal = Decimal("25.00")
    currency: str = "DKK"
    payment: str = "invoice"
    card_id: str | None = None

    def but(self, journey_id: str, **changed: object) -> "Journey":
        """Another one like it."""
        return replace(self, journey_id=journey_id, **changed)  # type: ignore[arg-type]


def drive(database: str, journeys: Iterable[Journey]) -> None:
    """These have been taken in, in one commit, in this order."""
    with psycopg.connect(owner_of(database)) as owner, owner.cursor() as cursor:
        cursor.executemany(ONE, [astuple(journey) for journey in journeys])


ONE: LiteralString = "INSERT INTO journeys VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
MANY: LiteralString = """
    INSERT INTO journeys
    SELECT 'many-' || %(account)s || '-' || n, 'product-' || md5(%(account)s || n %% 20), %(account)s, %(company)s,
           (ARRAY['Storebælt', 'Øresundsbron', 'Svinesund'])[1 + floor(random() * 3)],
           timestamptz '2026-01-01 00:00:00+01' + random() * interval '300 days',
           100 + floor(random() * 500), 20, 'DKK', CASE WHEN random() < 0.5 THEN 'card' ELSE 'invoice' END
    FROM generate_series(%(first)s::int, %(first)s + %(number)s - 1) n"""


def drive_much(
    database: str, number: int, account: str = NORDLYS_ROAD, company: str = NORDLYS, *, first: int = 1
) -> None:
    """So many journeys of an account, the same ones every time: twenty products, 300 days, three places."""
    with psycopg.connect(owner_of(database)) as owner:
        owner.execute("SELECT setseed(%s)", (SEED,))
        owner.execute(MANY, {"account": account, "company": company, "number": number, "first": first})


def counted(database: str, sql: LiteralString) -> int:
    """What a question of the owner answers, a single number."""
    with psycopg.connect(owner_of(database)) as owner:
        row = owner.execute(sql).fetchone()
    assert row is not None
    return int(row[0])
