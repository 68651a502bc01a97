"""What each account pays in a month: sums that grow with the journeys they are of. Kept beside the log.

P8   Payments show the amounts per account and month, by invoice or card; currencies are never added together.

A month is one in Copenhagen. The database itself keeps the sums in the commit of the journeys, whoever writes them, so
they are never behind. Journeys are only ever added, and so is what they cost; a month of 100,000 journeys is looked at
as quickly as one of three.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.profiles.reach import ASKER_IS_STAFF
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

# Rows are taken in one order, so that two commits with the same accounts wait for each other and never in a ring.
_ADD: LiteralString = """
    INSERT INTO payments AS p (account_id, month, payment, currency, journeys, amount, vat)
    SELECT account_id, date_trunc('month', at AT TIME ZONE 'Europe/Copenhagen')::date, payment, currency,
           count(*), sum(amount), sum(vat)
    FROM came GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (account_id, month, payment, currency) DO UPDATE SET
        journeys = p.journeys + excluded.journeys, amount = p.amount + excluded.amount, vat = p.vat + excluded.vat;"""


class Payments:
    """One row an account, month, way of paying and currency; the table of journeys has to be there first."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "payments": f"""
            CREATE TABLE IF NOT EXISTS payments (
                account_id text NOT NULL, month date NOT NULL, payment text NOT NULL, currency text NOT NULL,
                journeys bigint NOT NULL, amount numeric(20, 2) NOT NULL, vat numeric(20, 2) NOT NULL,
                PRIMARY KEY (account_id, month, payment, currency)) WITH (fillfactor = 50);
            CREATE OR REPLACE FUNCTION payments_take_in() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                {_ADD}
                RETURN NULL;
            END $$;
            CREATE OR REPLACE TRIGGER payments_take_in AFTER INSERT ON journeys REFERENCING NEW TABLE AS came
                FOR EACH STATEMENT EXECUTE FUNCTION payments_take_in();""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "payments": f"{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())"
    }

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()
