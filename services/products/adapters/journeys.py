"""The journeys that count: each once, by the id that the operators' feed gave it (P7). Kept beside the log.

Not derived from events: no event is told of each of a million journeys a day. The history holds how many count and the
sum of their fingerprints (`JourneysTakenIn`), so the table is only ever added to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, LiteralString

from psycopg import Connection

from services.products.domain.intake import FINGERPRINTS, Tally
from services.products.domain.journeys import Carrier, Facts, Journey, Verdict
from services.profiles.reach import ASKER_IS_STAFF
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

INTAKE_LOCK = 0x5E1F5E17
"""Whoever makes journeys count takes turns, so that what a batch was told stays so to its commit.

Whoever takes this one and that of the appends takes the appends' first.
"""


class Journeys:
    """One row a journey: which product, where and when, and what it cost; `amount` holds the `vat` that is in it.

    How it is paid, and by which card, is what the account had agreed on when the journey was taken in.
    """

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "journeys": """
            CREATE TABLE IF NOT EXISTS journeys (
                journey_id text PRIMARY KEY, product_id text NOT NULL, account_id text NOT NULL,
                company_id text NOT NULL, place text NOT NULL, at timestamptz NOT NULL,
                amount numeric(12, 2) NOT NULL, vat numeric(12, 2) NOT NULL, currency text NOT NULL,
                payment text NOT NULL CHECK (payment IN ('invoice', 'card')), card_id text, fingerprint bytea);
            CREATE INDEX IF NOT EXISTS journeys_of_account ON journeys (account_id, at, journey_id);
            CREATE INDEX IF NOT EXISTS journeys_of_product ON journeys (product_id, at, journey_id);
            CREATE OR REPLACE TRIGGER journeys_are_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON journeys
                FOR EACH STATEMENT EXECUTE FUNCTION history_is_only_added_to();""",
        "journey_tally": """
            CREATE TABLE IF NOT EXISTS journey_tally (
                one boolean PRIMARY KEY DEFAULT true CHECK (one), counted bigint NOT NULL, parked bigint NOT NULL,
                fingerprint numeric(39) NOT NULL) WITH (fillfactor = 10);
            INSERT INTO journey_tally VALUES (true, 0, 0, 0) ON CONFLICT DO NOTHING;""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "journeys": f"""{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())
            OR product_id IN (SELECT asker_products())"""
    }

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch."""

    counted: int = 0
    parked: int = 0
    repeated: int = 0

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(self.counted + other.counted, self.parked + other.parked, self.repeated + other.repeated)


def take_turn(connection: Connection[Any]) -> None:
    """Wait until nobody else makes journeys count; held until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (INTAKE_LOCK,))
    # The plan may not be one for the empty table of the first day: each look is by an index.
    connection.execute("SET LOCAL enable_seqscan = off")


def facts_of(connection: Connection[Any], journeys: Sequence[Journey]) -> list[Facts]:
    """What is known of each of these."""
    given = ([j.id for j in journeys], [j.what for j in journeys], [j.at for j in journeys])
    return [Facts(row[0], row[1], Carrier(*row[2:]) if row[2] else None) for row in connection.execute(_FACTS, given)]


_FACTS: LiteralString = """
    SELECT j.fingerprint, p.fingerprint, c.product_id, c.account_id, c.company_id, c.payment,
        CASE WHEN c.payment = 'card' THEN card_charged(c.account_id, c.product_id) END, c.closed_at, c.active,
        CASE WHEN c.trips IS NOT NULL
            THEN (c.trips - (SELECT count(*) FROM journeys d WHERE d.product_id = c.product_id))::int END
    FROM unnest(%b::text[], %b::text[], %b::timestamptz[]) WITH ORDINALITY AS come (journey_id, what, at, n)
    LEFT JOIN LATERAL (
        SELECT coalesce(fingerprint, '') AS fingerprint FROM journeys k WHERE k.journey_id = come.journey_id LIMIT 1
    ) j ON true
    LEFT JOIN LATERAL (
        SELECT fingerprint FROM parked_journeys k WHERE k.journey_id = come.journey_id
            AND k.reason NOT IN ('contradiction', 'malformed') LIMIT 1
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT k.*, a.payment FROM carriers k JOIN account_payment a USING (account_id)
        WHERE k.what = come.what AND k.since <= come.at ORDER BY k.since DESC, k.product_id DESC LIMIT 1
    ) c ON true
    ORDER BY come.n"""


def count(connection: Connection[Any], verdicts: Iterable[Verdict]) -> None:
    """Add those that count. COPY would be a little faster, and is not to be had where rows have policies."""
    rows = [_row(verdict.journey, verdict.carrier) for verdict in verdicts if verdict.counts and verdict.carrier]
    if rows:
        connection.execute(_COUNT, [list(column) for column in zip(*rows, strict=True)])


def _row(journey: Journey, to: Carrier) -> tuple[object, ...]:
    return (
        *(journey.id, to.product_id, to.account_id, to.company_id, journey.place, journey.at),
        *(journey.amount, journey.vat, journey.currency, to.payment, to.card_id, journey.fingerprint),
    )


_COUNT: LiteralString = (
    "INSERT INTO journeys (journey_id, product_id, account_id, company_id, place, at, amount, vat, currency, payment, "
    "card_id, fingerprint) SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], "
    "%b::timestamptz[], %b::numeric[], %b::numeric[], %b::text[], %b::text[], %b::text[], %b::bytea[])"
)


def add_up(connection: Connection[Any], taken: Taken, verdicts: Iterable[Verdict]) -> None:
    """Add what a batch has counted and parked to the tally."""
    fingerprint = sum(int.from_bytes(v.journey.fingerprint) for v in verdicts if v.counts) % FINGERPRINTS
    if taken.counted or taken.parked:
        connection.execute(_ADD_UP, (taken.counted, taken.parked, fingerprint, FINGERPRINTS))


_ADD_UP: LiteralString = (
    "UPDATE journey_tally SET counted = counted + %s, parked = parked + %s, "
    "fingerprint = mod(fingerprint + %s::numeric, %s::numeric)"
)


def counts_one_more(journey: Journey) -> Statement:
    """One more counts, by somebody's word."""
    return Statement(_ADD_UP, (1, 0, int.from_bytes(journey.fingerprint), FINGERPRINTS))


def tally(connection: Connection[Any]) -> Tally:
    """How many count, and how many were ever parked."""
    row = connection.execute("SELECT counted, parked, fingerprint FROM journey_tally").fetchone()
    return Tally(row[0], row[1], int(row[2])) if row else Tally()


def trips_of_open_etickets(connection: Connection[Any]) -> list[tuple[str, str]]:
    """Every journey that counts for an eTicket which is open: somebody may not have been told of the last ones."""
    return connection.execute(
        "SELECT j.product_id, j.journey_id FROM carriers c JOIN journeys j USING (product_id) "
        "WHERE c.what = c.product_id AND c.trips IS NOT NULL AND c.closed_at IS NULL"
    ).fetchall()
