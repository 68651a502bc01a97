"""The payment provider's tokens of the cards that are kept: what a card is charged with, and nobody is ever told.

P6   A token stands in no event, log or answer: whatever an event holds is read by every subscriber, by auditors and by
     administrators, for ever. It is kept here, beside the log, and is gone in the commit in which its card is.

The same token twice on one account, or on one product, is the same card twice. Whatever refuses that names no token,
since a database server writes its complaints into a log. Not derived from events: nothing could build it anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, LiteralString

from services.products.events import PaymentCardRemoved, PaymentCardReplaced
from shared.envelope import Recorded
from shared.errors import Conflict, Refusal
from shared.events import Event
from shared.eventstore.statement import Statement


class CardKeptAlready(Conflict):
    """This card is here already."""

    code = "card-kept-already"
    rule = "P6"


class CardTokens:
    """One row a card that is kept; only the service itself may read it, on nobody's behalf."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "card_tokens": """
            CREATE TABLE IF NOT EXISTS card_tokens (
                card_id text PRIMARY KEY, kept_for text NOT NULL, token text NOT NULL);
            CREATE INDEX IF NOT EXISTS card_tokens_kept_for ON card_tokens (kept_for);
            CREATE OR REPLACE FUNCTION keep_card_token(card text, whom text, secret text) RETURNS void
            LANGUAGE plpgsql AS $$ BEGIN
                IF EXISTS (SELECT 1 FROM card_tokens WHERE kept_for = whom AND token = secret) THEN
                    RAISE unique_violation USING CONSTRAINT = 'card_kept_already', MESSAGE = 'the card is kept already';
                END IF;
                INSERT INTO card_tokens (card_id, kept_for, token) VALUES (card, whom, secret);
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"card_kept_already": CardKeptAlready}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


def keep(card_id: str, kept_for: str, token: str) -> Statement:
    """For the commit in which an account's or a product's card is added. Refused as CardKeptAlready when it has it.

    Cards of one account are added one after the other, for they are one stream: looking first is enough.
    """
    return Statement("SELECT keep_card_token(%s, %s, %s)", (card_id, kept_for, token))


def forgotten(events: Sequence[Event]) -> Iterable[Statement]:
    """Of the cards that these events remove, for their commit."""
    gone = [event.card_id for event in events if isinstance(event, (PaymentCardRemoved, PaymentCardReplaced))]
    if gone:
        yield Statement("DELETE FROM card_tokens WHERE card_id = ANY(%s)", (gone,))
