"""P6, A6, C7: in every history of an account's cards what is kept and charged is what was accepted."""

from collections.abc import Callable
from datetime import timedelta
from functools import reduce

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.products.domain.card import (
    MOST_CARDS,
    Cards,
    Payment,
    choose_card,
    evolve,
    link_card,
    remove_all,
    remove_card,
    replace_card,
    tell_of_expiry,
)
from services.products.domain.card_face import Face, good_until
from services.products.events import CardEvent
from shared.errors import Refusal
from tests.products.test_card import ACCOUNT, NOON, added

CARD = st.sampled_from([f"card-{number}" for number in range(13)])
PRODUCT = st.sampled_from(["product-1", "product-2"])
FACE = st.builds(Face, st.just("visa"), st.just("4242"), st.integers(1, 12), st.integers(2026, 2028))
PAYMENT: st.SearchStrategy[Payment] = st.sampled_from(("card", "card", "card", "invoice"))


class CardsOfAnAccount(RuleBasedStateMachine):
    """Any commands in any order, while time passes; beside it the plainest model of what is kept and charged."""

    def __init__(self) -> None:
        super().__init__()
        self.cards, self.now = Cards(), NOON
        self.faces: dict[str, Face] = {}
        self.charged: str | None = None
        self.linked: dict[str, str] = {}
        self.said: list[tuple[type[CardEvent], str]] = []

    def ask(self, decide: Callable[[], list[CardEvent]]) -> list[CardEvent]:
        try:
            events = decide()
        except Refusal:
            return []
        self.cards = reduce(evolve, events, self.cards)
        return events

    @rule(card=CARD, face=FACE, payment=PAYMENT)
    def add(self, card: str, face: Face, payment: Payment) -> None:
        usable = payment == "card" and self.now < good_until(face.month, face.year)
        taken = card not in self.faces and usable and len(self.of_account()) < MOST_CARDS
        assert bool(self.ask(lambda: added(self.cards, card, face, self.now, payment))) == taken
        if taken:
            self.faces[card] = face
            self.charged = self.charged or card

    def of_account(self) -> set[str]:
        return set(self.faces) - set(self.linked.values())

    @rule(card=CARD, product=PRODUCT, face=FACE, payment=PAYMENT)
    def link(self, card: str, product: str, face: Face, payment: Payment) -> None:
        usable = payment == "card" and self.now < good_until(face.month, face.year)
        told = {"account_id": ACCOUNT, "company_id": "company-1", "product_id": product}
        events = self.ask(lambda: link_card(self.cards, card_id=card, **told, payment=payment, face=face, now=self.now))
        assert bool(events) == (card not in self.faces and usable)
        if events:
            self.faces.pop(self.linked.get(product, ""), None)
            self.faces[card], self.linked[product] = face, card

    @rule(old=CARD, new=CARD, face=FACE, payment=PAYMENT)
    def replace(self, old: str, new: str, face: Face, payment: Payment) -> None:
        events = self.ask(
            lambda: replace_card(self.cards, card_id=old, new_card_id=new, payment=payment, face=face, now=self.now)
        )
        usable = payment == "card" and self.now < good_until(face.month, face.year)
        assert bool(events) == (old in self.faces and new not in self.faces and usable)
        if events:
            del self.faces[old]
            self.faces[new] = face
            self.charged = new if self.charged == old else self.charged
            self.linked = {product: new if card == old else card for product, card in self.linked.items()}

    @rule(card=CARD, payment=PAYMENT)
    def choose(self, card: str, payment: Payment) -> None:
        if self.ask(lambda: choose_card(self.cards, card_id=card, payment=payment, now=self.now)):
            assert payment == "card"
            assert card in self.of_account()
            assert self.now < good_until(self.faces[card].month, self.faces[card].year)
            self.charged = card

    @rule(card=CARD)
    def remove(self, card: str) -> None:
        gone = card in self.faces and (card != self.charged or len(self.of_account()) == 1)
        assert bool(self.ask(lambda: remove_card(self.cards, card_id=card))) == gone
        if gone:
            del self.faces[card]
            self.charged = None if card == self.charged else self.charged
            self.linked = {product: kept for product, kept in self.linked.items() if kept != card}

    @rule()
    def the_account_ends(self) -> None:
        assert len(self.ask(lambda: remove_all(self.cards))) == len(self.faces)
        self.faces, self.charged, self.linked = {}, None, {}

    @rule(days=st.integers(0, 60))
    def time_passes_and_the_upkeep_comes(self, days: int) -> None:
        self.now += timedelta(days=days)
        for event in self.ask(lambda: tell_of_expiry(self.cards, now=self.now)):
            assert event.card_id in {self.charged, *self.linked.values()}
            self.said.append((type(event), event.card_id))

    @invariant()
    def what_is_kept_and_charged_is_what_was_accepted(self) -> None:
        assert {card: kept.face for card, kept in self.cards.kept.items()} == self.faces
        assert {kept.product_id: card for card, kept in self.cards.kept.items() if kept.product_id} == self.linked
        assert self.cards.charged == self.charged

    @invariant()
    def p6_a_card_of_the_account_is_charged_if_and_only_if_there_is_one(self) -> None:
        assert (self.charged in self.of_account()) if self.of_account() else self.charged is None

    @invariant()
    def p6_nothing_more_is_said_at_the_same_moment(self) -> None:
        again = reduce(evolve, tell_of_expiry(self.cards, now=self.now), self.cards)
        assert tell_of_expiry(again, now=self.now) == []


TestCardsOfAnAccount = CardsOfAnAccount.TestCase
TestCardsOfAnAccount.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
