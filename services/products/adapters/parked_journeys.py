"""Journeys that are parked: records of the feed that do not count, or not yet, each with its reason (P7).

A row is there until its journey counts. A record that comes again is the same row: its id is made of what it says.
Customer service sees them, nobody else does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, LiteralString, Self

from psycopg import Connection

from services.products.adapters.journey_feed import Coming, Malformed
from services.products.adapters.journeys import INTAKE_LOCK
from services.products.domain.journeys import JourneyIsParkedNoMore, Verdict
from services.products.events import JourneyAttributed, ParkedReason
from services.profiles.reach import ASKER_IS_STAFF
from shared.actor import Actor
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

PAGE = 100
"""The most parked journeys on one page."""


class ParkedJourneys:
    """One row a record; `number` is in the order in which they were parked, `redriven` how far the log was followed."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "parked_journeys": """
            CREATE TABLE IF NOT EXISTS parked_journeys (
                number bigint GENERATED ALWAYS AS IDENTITY UNIQUE, parked_id text PRIMARY KEY, reason text NOT NULL,
                detail text NOT NULL, raw bytea NOT NULL, fingerprint bytea NOT NULL, came_from text NOT NULL,
                parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                journey_id text, operator text, place text, at timestamptz, what text,
                amount numeric(12, 2), vat numeric(12, 2), currency text, product_id text);
            CREATE UNIQUE INDEX IF NOT EXISTS parked_journeys_that_may_count ON parked_journeys (journey_id)
                WHERE reason NOT IN ('contradiction', 'malformed');
            CREATE INDEX IF NOT EXISTS parked_journeys_what ON parked_journeys (what);
            CREATE INDEX IF NOT EXISTS parked_journeys_product ON parked_journeys (product_id);""",
        "parked_journeys_redriven": """
            CREATE TABLE IF NOT EXISTS parked_journeys_redriven (
                one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL) WITH (fillfactor = 10);
            INSERT INTO parked_journeys_redriven VALUES (true, 0) ON CONFLICT DO NOTHING;""",
        "attribute_parked_journey": f"""
            CREATE OR REPLACE FUNCTION attribute_parked_journey(
                parked text, product text, account text, company text, paid_by text) RETURNS void LANGUAGE plpgsql AS $$
            DECLARE journey parked_journeys;
            BEGIN
                PERFORM pg_advisory_xact_lock({INTAKE_LOCK});
                DELETE FROM parked_journeys p WHERE p.parked_id = parked
                    AND p.reason NOT IN ('contradiction', 'malformed') RETURNING * INTO journey;
                IF NOT FOUND THEN
                    RAISE check_violation USING CONSTRAINT = 'journey_is_parked_no_more', MESSAGE = 'parked no more';
                END IF;
                INSERT INTO journeys VALUES (journey.journey_id, product, account, company, journey.place, journey.at,
                    journey.amount, journey.vat, journey.currency, paid_by,
                    CASE WHEN paid_by = 'card' THEN card_charged(account, product) END, journey.fingerprint);
            END $$;""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {
        "journey_is_parked_no_more": JourneyIsParkedNoMore,
        "journeys_pkey": JourneyIsParkedNoMore,
    }
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {"parked_journeys": ASKER_IS_STAFF}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case JourneyAttributed(parked_id=parked, product_id=product, account_id=account, company_id=company):
                yield Statement(
                    "SELECT attribute_parked_journey(%s, %s, %s, %s, "
                    "(SELECT payment FROM account_payment WHERE account_id = %s))",
                    (parked, product, account, company, account),
                )
            case _:
                pass


def parked_id(fingerprint: bytes) -> str:
    """How a parked record is called: the same for whatever says the same."""
    return f"parked-{fingerprint.hex()}"


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that is parked."""

    number: int
    parked_id: str
    raw: bytes
    came_from: str


def park(connection: Connection[Any], verdicts: Iterable[tuple[Coming, Verdict | None]], came_from: str) -> int:
    """Keep those of these that neither count nor were here before; answers how many are new."""
    rows = [_row(coming, verdict, came_from) for coming, verdict in verdicts]
    if not rows:
        return 0
    columns = [list(column) for column in zip(*rows, strict=True)]
    return connection.execute(_PARK, columns).rowcount


_COLUMNS: LiteralString = (
    "parked_id, reason, detail, raw, fingerprint, came_from, journey_id, operator, place, at, what, amount, vat, "
    "currency, product_id"
)
_PARK: LiteralString = f"""
    INSERT INTO parked_journeys ({_COLUMNS})
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::text[], %s::text[],
        %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::numeric[], %s::numeric[], %s::text[], %s::text[])
    ON CONFLICT (parked_id) DO NOTHING"""


def _row(coming: Coming, verdict: Verdict | None, came_from: str) -> tuple[Any, ...]:
    if isinstance(coming.says, Malformed):
        detail, fingerprint = coming.says.detail, coming.says.fingerprint
        head = (parked_id(fingerprint), "malformed", detail, coming.raw, fingerprint, came_from)
        return (*head, *(None,) * 9)
    j, reason = coming.says, verdict.reason if verdict else None
    carrier = verdict.carrier if verdict else None
    return (
        *(parked_id(j.fingerprint), reason, "", coming.raw, j.fingerprint, came_from, j.id, j.operator, j.place),
        *(j.at, j.what, j.amount, j.vat, j.currency, carrier.product_id if carrier else None),
    )


# Trying again --------------------------------------------------------------------------------------------------------


def some_of_things(connection: Connection[Any], things: Sequence[str], after: int, most: int) -> list[Parked]:
    """Parked records that saw one of these things or wait for one of these products."""
    return _parked(
        connection,
        "SELECT number, parked_id, raw, came_from FROM parked_journeys WHERE number > %s AND (what = ANY(%s) OR "
        "product_id = ANY(%s)) ORDER BY number LIMIT %s",
        (after, list(things), list(things), most),
    )


def some_of(connection: Connection[Any], wanted: "Wanted", most: int) -> list[Parked]:
    """Parked records by what is known of them."""
    sql: LiteralString = f"SELECT number, parked_id, raw, came_from FROM parked_journeys {_WANTED}"
    return _parked(connection, sql, wanted.asked(most))


def _parked(connection: Connection[Any], sql: LiteralString, params: Any) -> list[Parked]:
    return [Parked(row[0], row[1], bytes(row[2]), row[3]) for row in connection.execute(sql, params).fetchall()]


def take_away(connection: Connection[Any], parked_ids: Sequence[str]) -> None:
    """These count now, did already, or are parked by what they say from now on."""
    connection.execute("DELETE FROM parked_journeys WHERE parked_id = ANY(%s)", (list(parked_ids),))


def wait_for(connection: Connection[Any], verdicts: Iterable[tuple[Parked, Verdict]]) -> None:
    """These stay, some of them with another reason than before."""
    connection.cursor().executemany(
        "UPDATE parked_journeys SET reason = %s, product_id = %s WHERE parked_id = %s AND reason <> %s",
        [(v.reason, v.carrier.product_id if v.carrier else None, p.parked_id, v.reason) for p, v in verdicts],
    )


def followed_to(connection: Connection[Any]) -> int:
    """The position of the service's own log up to which parked journeys were tried again."""
    row = connection.execute("SELECT position FROM parked_journeys_redriven").fetchone()
    return int(row[0]) if row else 0


def follow_to(connection: Connection[Any], position: int) -> None:
    """All that the log says up to there has been heeded; a replica that is slower does not lead back."""
    connection.execute("UPDATE parked_journeys_redriven SET position = greatest(position, %s)", (position,))


# Questions -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which parked journeys are asked for; what is None does not matter."""

    reason: ParkedReason | None = None
    operator: str | None = None
    journey_id: str | None = None
    what: str | None = None
    since: datetime | None = None
    """Driven then or later."""
    until: datetime | None = None
    parked_id: str | None = None
    after: int = 0
    """The number of the last one of the page before."""

    def after_number(self, number: int) -> Self:
        """The same, further on."""
        return replace(self, after=number)

    def asked(self, most: int) -> dict[str, Any]:
        """As parameters of a question."""
        return {name: getattr(self, name) for name in self.__slots__} | {"most": most}


_WANTED: LiteralString = """
    WHERE number > %(after)s
      AND (%(reason)s::text IS NULL OR reason = %(reason)s)
      AND (%(operator)s::text IS NULL OR operator = %(operator)s)
      AND (%(journey_id)s::text IS NULL OR journey_id = %(journey_id)s)
      AND (%(what)s::text IS NULL OR what = %(what)s)
      AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
      AND (%(parked_id)s::text IS NULL OR parked_id = %(parked_id)s)
    ORDER BY number LIMIT %(most)s"""
_SHOWN: LiteralString = """
    number, parked_id, reason, detail, journey_id, operator, place, at, what, amount::text, vat::text, currency,
    product_id, came_from, parked_at, raw"""


async def parked(database: Database, actor: Actor, wanted: Wanted) -> list[Row]:
    """A page of what is parked, in the order in which it was; nothing for whoever is not customer service."""
    rows = await database.asked_by(actor).rows(f"SELECT {_SHOWN} FROM parked_journeys {_WANTED}", wanted.asked(PAGE))
    return [{**row, "raw": bytes(row["raw"]).decode(errors="replace")} for row in rows]


async def one(database: Database, parked: str) -> tuple[bytes, ParkedReason] | None:
    """The record of one that is parked, as it came, and why it is. Raises Unavailable."""
    row = await database.row("SELECT raw, reason FROM parked_journeys WHERE parked_id = %s", (parked,))
    return (bytes(row["raw"]), row["reason"]) if row else None
