"""P6, C7: the payment cards of one account, as pure decisions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest

from services.products.domain.card import (
    MOST_CARDS,
    CardIsCharged,
    Cards,
    Payment,
    PaysByInvoice,
    TooManyCards,
    add_card,
    choose_card,
    evolve,
    remove_all,
    remove_card,
    replace_card,
    tell_of_expiry,
)
from services.products.domain.card_face import (
    MOST_YEARS,
    BrandUnknown,
    CardHasExpired,
    ExpiryMalformed,
    Face,
    LastFourMalformed,
    good_until,
)
from services.products.events import (
    CardEvent,
    PaymentCardAdded,
    PaymentCardChosen,
    PaymentCardExpired,
    PaymentCardExpiring,
    PaymentCardRemoved,
    PaymentCardReplaced,
)
from shared.errors import NotFound, Refusal

ACCOUNT = "account-" + "0" * 31 + "1"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
VISA = Face("visa", "4242", 4, 2026)
DANKORT = Face("dankort", "0001", 12, 2028)
THE_30_DAYS_BEGIN = datetime(2026, 3, 31, 22, 0, tzinfo=UTC)
THE_VISA_ENDS = datetime(2026, 4, 30, 22, 0, tzinfo=UTC)
"""Midnight in Copenhagen, where it is summer."""
INSTANT = timedelta(microseconds=1)


def given(*decisions: list[CardEvent]) -> Cards:
    return reduce(evolve, [event for events in decisions for event in events], Cards())


def added(
    cards: Cards, card: str, face: Face = VISA, now: datetime = NOON, payment: Payment = "card"
) -> list[CardEvent]:
    return add_card(
        cards, card_id=card, account_id=ACCOUNT, company_id="company-1", payment=payment, face=face, now=now
    )


def with_two() -> Cards:
    one = given(added(Cards(), "card-1"))
    return reduce(evolve, added(one, "card-2", DANKORT), one)


def types(events: list[CardEvent]) -> list[type[CardEvent]]:
    return [type(event) for event in events]


def test_p6_the_first_card_is_charged_and_a_second_one_is_not() -> None:
    assert types(added(Cards(), "card-1")) == [PaymentCardAdded, PaymentCardChosen]
    assert types(added(given(added(Cards(), "card-1")), "card-2")) == [PaymentCardAdded]
    assert with_two().charged == "card-1"


def test_p6_no_event_of_a_card_has_room_for_a_token() -> None:
    every = (PaymentCardAdded, PaymentCardReplaced, PaymentCardChosen, PaymentCardRemoved)
    assert not [
        name
        for event in (*every, PaymentCardExpiring, PaymentCardExpired)
        for name in event.model_fields
        if "token" in name or "number" in name
    ]


def test_p6_an_account_that_is_paid_by_invoice_has_no_cards() -> None:
    with pytest.raises(PaysByInvoice):
        added(Cards(), "card-1", payment="invoice")
    with pytest.raises(PaysByInvoice):
        choose_card(with_two(), card_id="card-2", payment="invoice", now=NOON)
    with pytest.raises(PaysByInvoice):
        replace_card(with_two(), card_id="card-2", new_card_id="card-3", payment="invoice", face=VISA, now=NOON)


def test_p6_a_card_that_was_paid_with_before_the_company_went_over_to_invoice_can_still_be_removed() -> None:
    assert types(remove_card(with_two(), card_id="card-2")) == [PaymentCardRemoved]


def test_p6_another_card_is_charged_once_somebody_chooses_it() -> None:
    chosen = choose_card(with_two(), card_id="card-2", payment="card", now=NOON)
    assert types(chosen) == [PaymentCardChosen]
    after = reduce(evolve, chosen, with_two())
    assert after.charged == "card-2"
    assert choose_card(after, card_id="card-2", payment="card", now=NOON) == []


def test_p6_a_card_that_takes_the_place_of_the_charged_one_is_charged() -> None:
    for old, charged in (("card-1", "card-3"), ("card-2", "card-1")):
        events = replace_card(with_two(), card_id=old, new_card_id="card-3", payment="card", face=VISA, now=NOON)
        after = reduce(evolve, events, with_two())
        assert (old in after.kept, after.charged) == (False, charged)


def test_p6_the_charged_card_is_removed_only_when_it_is_the_last() -> None:
    with pytest.raises(CardIsCharged):
        remove_card(with_two(), card_id="card-1")
    alone = reduce(evolve, remove_card(with_two(), card_id="card-2"), with_two())
    assert types(remove_card(alone, card_id="card-1")) == [PaymentCardRemoved]


def test_p6_what_the_account_does_not_have_is_no_card() -> None:
    decisions: tuple[Callable[[], list[CardEvent]], ...] = (
        lambda: remove_card(with_two(), card_id="card-9"),
        lambda: choose_card(with_two(), card_id="card-9", payment="card", now=NOON),
        lambda: replace_card(
            with_two(), card_id="card-9", new_card_id="card-3", payment="invoice", face=VISA, now=NOON
        ),
    )
    for decide in decisions:
        with pytest.raises(NotFound):
            decide()


@pytest.mark.parametrize(
    ("face", "refusal"),
    [
        (replace(VISA, brand="gold"), BrandUnknown),
        (replace(VISA, brand=""), BrandUnknown),
        (replace(VISA, last_four="424"), LastFourMalformed),
        (replace(VISA, last_four="42424"), LastFourMalformed),
        (replace(VISA, last_four="٤٢٤٢"), LastFourMalformed),
        (replace(VISA, month=0), ExpiryMalformed),
        (replace(VISA, month=13), ExpiryMalformed),
        (replace(VISA, year=26), ExpiryMalformed),
        (replace(VISA, year=2026 + MOST_YEARS + 1), ExpiryMalformed),
        (replace(VISA, year=10**9), ExpiryMalformed),
        (replace(VISA, month=2), CardHasExpired),
        (replace(VISA, year=1000), CardHasExpired),
    ],
)
def test_p6_what_cannot_be_a_card_is_refused(face: Face, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        added(Cards(), "card-1", face)


@pytest.mark.parametrize("face", [replace(VISA, month=3), replace(VISA, month=12), replace(VISA, year=2046)])
def test_p6_a_card_of_this_month_and_one_of_20_years_ahead_are_taken(face: Face) -> None:
    assert added(Cards(), "card-1", face)


def test_p6_an_account_has_at_most_10_cards() -> None:
    cards = Cards()
    for number in range(MOST_CARDS):
        cards = reduce(evolve, added(cards, f"card-{number}"), cards)
    assert len(cards.kept) == MOST_CARDS == 10
    with pytest.raises(TooManyCards):
        added(cards, "card-10")
    assert replace_card(cards, card_id="card-3", new_card_id="card-10", payment="card", face=VISA, now=NOON)


@pytest.mark.parametrize(
    ("month", "year", "until"),
    [
        (4, 2026, THE_VISA_ENDS),
        (12, 2026, datetime(2026, 12, 31, 23, 0, tzinfo=UTC)),
        (2, 2028, datetime(2028, 2, 29, 23, 0, tzinfo=UTC)),
        (3, 2026, datetime(2026, 3, 31, 22, 0, tzinfo=UTC)),  # summer time began on the 29th
        (10, 2026, datetime(2026, 10, 31, 23, 0, tzinfo=UTC)),  # and ended on the 25th
    ],
)
def test_p6_a_card_is_good_to_the_end_of_its_month_in_copenhagen(month: int, year: int, until: datetime) -> None:
    assert good_until(month, year) == until


@pytest.mark.parametrize(("off", "refused"), [(-INSTANT, False), (timedelta(0), True), (INSTANT, True)])
def test_p6_a_card_is_taken_and_chosen_until_the_instant_in_which_it_ends(off: timedelta, refused: bool) -> None:
    at, cards = THE_VISA_ENDS + off, given(added(Cards(), "card-1", DANKORT))
    cards = reduce(evolve, added(cards, "card-2", VISA), cards)
    decisions: tuple[Callable[[], list[CardEvent]], ...] = (
        lambda: added(Cards(), "card-1", now=at),
        lambda: choose_card(cards, card_id="card-2", payment="card", now=at),
        lambda: replace_card(cards, card_id="card-1", new_card_id="card-3", payment="card", face=VISA, now=at),
    )
    for decide in decisions:
        if refused:
            with pytest.raises(CardHasExpired):
                decide()
        else:
            assert decide()


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (THE_30_DAYS_BEGIN - INSTANT, []),
        (THE_30_DAYS_BEGIN, [PaymentCardExpiring]),
        (THE_30_DAYS_BEGIN + INSTANT, [PaymentCardExpiring]),
        (THE_VISA_ENDS - INSTANT, [PaymentCardExpiring]),
        (THE_VISA_ENDS, [PaymentCardExpired]),
        (THE_VISA_ENDS + INSTANT, [PaymentCardExpired]),
    ],
)
def test_p6_it_is_said_30_days_before_that_the_charged_card_expires_and_once_it_has(
    at: datetime, said: list[type[CardEvent]]
) -> None:
    cards = given(added(Cards(), "card-1"))
    events = tell_of_expiry(cards, now=at)
    assert types(events) == said
    after = reduce(evolve, events, cards)
    assert tell_of_expiry(after, now=at) == []


def test_p6_of_one_card_both_are_said_each_once() -> None:
    cards = given(added(Cards(), "card-1"))
    said: list[CardEvent] = []
    for day in range(90):
        for _ in range(2):
            events = tell_of_expiry(cards, now=NOON + timedelta(days=day))
            cards = reduce(evolve, events, cards)
            said += events
    assert types(said) == [PaymentCardExpiring, PaymentCardExpired]


def test_p6_of_a_card_that_is_not_charged_nothing_is_said_until_it_is() -> None:
    cards = given(added(Cards(), "card-1", DANKORT))
    cards = reduce(evolve, added(cards, "card-2", VISA), cards)
    late = THE_30_DAYS_BEGIN + timedelta(days=1)
    assert tell_of_expiry(cards, now=late) == []
    cards = reduce(evolve, choose_card(cards, card_id="card-2", payment="card", now=late), cards)
    assert types(tell_of_expiry(cards, now=late)) == [PaymentCardExpiring]


def test_c7_an_account_that_ends_keeps_no_card() -> None:
    events = remove_all(with_two())
    assert {(event.card_id, event.because) for event in events if isinstance(event, PaymentCardRemoved)} == {
        ("card-1", "account-ended"),
        ("card-2", "account-ended"),
    }
    after = reduce(evolve, events, with_two())
    assert (after.kept, after.charged, remove_all(after)) == ({}, None, [])
