"""The journeys that count: each once, by the id that the operators' feed gave it (P7). Kept beside the log."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.profiles.reach import ASKER_IS_STAFF
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class Journeys:
    """One row a journey: which product, where and when, and what it cost; `amount` holds the `vat` that is in it."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "journeys": """
            CREATE TABLE IF NOT EXISTS journeys (
                journey_id text PRIMARY KEY, product_id text NOT NULL, account_id text NOT NULL,
                company_id text NOT NULL, place text NOT NULL, at timestamptz NOT NULL,
                amount numeric(12, 2) NOT NULL, vat numeric(12, 2) NOT NULL, currency text NOT NULL,
                payment text NOT NULL CHECK (payment IN ('invoice', 'card')), card_id text);
            CREATE INDEX IF NOT EXISTS journeys_of_account ON journeys (account_id, at, journey_id);
            CREATE INDEX IF NOT EXISTS journeys_of_product ON journeys (product_id, at, journey_id);""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "journeys": f"""{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())
            OR product_id IN (SELECT asker_products())"""
    }

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()
