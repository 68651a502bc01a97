"""Which payment cards has this account, and of which is there something to say? (P6)"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final, LiteralString

from services.products.domain.card import PaysByInvoice
from services.products.domain.card_face import good_until
from services.products.events import (
    PaymentCardAdded,
    PaymentCardChosen,
    PaymentCardExpired,
    PaymentCardExpiring,
    PaymentCardRemoved,
    PaymentCardReplaced,
)
from services.profiles.reach import ASKER_IS_STAFF
from shared.actor import Actor
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

PAGE: Final = 100
"""The most cards on one page."""


class PaymentCards:
    """One row a card; `said` is what was said of its expiry: nothing, `expiring` or `expired`.

    Of a card that was removed what is written on it stays known, for the receipts of what was charged to it.
    """

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "payment_cards": """
            CREATE TABLE IF NOT EXISTS payment_cards (
                card_id text PRIMARY KEY, cards_id text NOT NULL, account_id text NOT NULL, product_id text,
                brand text NOT NULL, last_four text NOT NULL, expiry_month int NOT NULL, expiry_year int NOT NULL,
                good_until timestamptz NOT NULL, charged boolean NOT NULL, added_at timestamptz NOT NULL,
                said text NOT NULL DEFAULT '', removed_at timestamptz);
            CREATE INDEX IF NOT EXISTS payment_cards_account ON payment_cards (account_id) WHERE removed_at IS NULL;
            CREATE INDEX IF NOT EXISTS payment_cards_product ON payment_cards (product_id) WHERE removed_at IS NULL;
            CREATE INDEX IF NOT EXISTS payment_cards_charged ON payment_cards (account_id) WHERE charged;
            CREATE INDEX IF NOT EXISTS payment_cards_expire ON payment_cards (good_until)
                WHERE (charged OR product_id IS NOT NULL) AND removed_at IS NULL AND said <> 'expired';
            CREATE OR REPLACE FUNCTION card_charged(account text, product text) RETURNS text STABLE LANGUAGE sql AS $$
                SELECT coalesce(
                    (SELECT card_id FROM payment_cards WHERE product_id = product AND removed_at IS NULL),
                    (SELECT card_id FROM payment_cards WHERE account_id = account AND charged)) $$;
            CREATE OR REPLACE FUNCTION account_must_pay_by_card(account text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT 1 FROM account_payment WHERE account_id = account AND payment <> 'card') THEN
                    RAISE check_violation USING CONSTRAINT = 'account_pays_by_invoice', MESSAGE = 'pays by invoice';
                END IF;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"account_pays_by_invoice": PaysByInvoice}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "payment_cards": f"""{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())
            OR product_id IN (SELECT asker_products())"""
    }

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case PaymentCardAdded(card_id=card, product_id=product) as added:
                yield _kept(recorded, added, card, product)
            case PaymentCardReplaced(card_id=old, new_card_id=new) as replaced:
                yield _kept(recorded, replaced, new)
                yield Statement(
                    "UPDATE payment_cards n SET charged = o.charged, product_id = o.product_id FROM payment_cards o "
                    "WHERE o.card_id = %s AND n.card_id = %s",
                    (old, new),
                )
                yield _gone(recorded, old)
            case PaymentCardChosen(account_id=account, card_id=card):
                yield Statement(
                    "UPDATE payment_cards SET charged = (card_id = %s) WHERE account_id = %s", (card, account)
                )
            case PaymentCardRemoved(card_id=card):
                yield _gone(recorded, card)
            case PaymentCardExpiring(card_id=card):
                yield _said(card, "expiring")
            case PaymentCardExpired(card_id=card):
                yield _said(card, "expired")
            case _:
                pass


def _kept(
    recorded: Recorded, event: PaymentCardAdded | PaymentCardReplaced, card_id: str, product_id: str | None = None
) -> Statement:
    return Statement(
        "INSERT INTO payment_cards (card_id, cards_id, account_id, product_id, brand, last_four, expiry_month, "
        "expiry_year, good_until, charged, added_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, false, %s)",
        (
            *(card_id, event.cards_id, event.account_id, product_id, event.brand, event.last_four),
            *(event.expiry_month, event.expiry_year, good_until(event.expiry_month, event.expiry_year), recorded.time),
        ),
    )


def _gone(recorded: Recorded, card_id: str) -> Statement:
    return Statement(
        "UPDATE payment_cards SET removed_at = %s, charged = false WHERE card_id = %s", (recorded.time, card_id)
    )


def _said(card_id: str, said: str) -> Statement:
    return Statement("UPDATE payment_cards SET said = %s WHERE card_id = %s", (said, card_id))


def account_must_pay_by_card(account_id: str) -> Statement:
    """A guard: the account is paid by card at the commit, or the command is refused (PaysByInvoice)."""
    return Statement("SELECT account_must_pay_by_card(%s)", (account_id,))


_SHOWN: LiteralString = """
    SELECT card_id, product_id, brand, last_four, expiry_month, expiry_year, good_until, charged, added_at
    FROM payment_cards"""


async def cards_of(database: Database, actor: Actor, account_id: str, after: str = "") -> list[Row]:
    """A page of the cards of an account as the actor may see them, the oldest first. Raises Unavailable."""
    return await database.asked_by(actor).rows(
        f"{_SHOWN} WHERE account_id = %s AND removed_at IS NULL AND card_id > %s ORDER BY card_id LIMIT %s",
        (account_id, after, PAGE),
    )


async def card_of(database: Database, actor: Actor, product_id: str) -> Row | None:
    """The card that is linked to a product, if one is. Raises Unavailable."""
    return await database.asked_by(actor).row(f"{_SHOWN} WHERE product_id = %s AND removed_at IS NULL", (product_id,))


async def product_of(database: Database, card_id: str) -> str | None:
    """The product that a card is linked to; None for a card of the account. Raises Unavailable."""
    row = await database.row("SELECT product_id FROM payment_cards WHERE card_id = %s", (card_id,))
    return row["product_id"] if row else None


async def written_on(database: Database, card_id: str) -> Row | None:
    """Brand and last four digits of a card, kept or removed since. Raises Unavailable."""
    return await database.row("SELECT brand, last_four FROM payment_cards WHERE card_id = %s", (card_id,))


async def with_something_to_say(database: Database, now: datetime, told_before: timedelta, *, most: int) -> list[str]:
    """The streams of cards of which one expires soon, or has, and it was not said. Raises Unavailable."""
    rows = await database.rows(
        "SELECT cards_id FROM payment_cards WHERE (charged OR product_id IS NOT NULL) AND removed_at IS NULL "
        "AND said <> 'expired' AND (good_until <= %(now)s OR said = '' AND good_until <= %(soon)s) "
        "ORDER BY good_until LIMIT %(most)s",
        {"now": now, "soon": now + told_before, "most": most},
    )
    return list(dict.fromkeys(row["cards_id"] for row in rows))
