"""P6, A5, A13, C7: payment cards through the real application, with two replicas, and what is kept of a token."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from psycopg import errors

from services.company.events import AccountEnded
from services.products.events import PaymentCardExpired, PaymentCardExpiring
from services.products.use_cases.cards import CareOfCards
from services.products.views.cards import PaymentCards
from services.products.views.open_on_account import OpenOnAccount, nothing_is_left
from services.profiles.access import Access
from services.profiles.reach import Reach
from shared.actor import Actor
from shared.eventstore.statement import run
from tests.feed import SUSANNE, log_of, running
from tests.products.conftest import (
    ANNA,
    BIZZ,
    DORA,
    HANS,
    HAVNEFART,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS_ROAD,
    World,
    name,
    opened,
    replica,
)
from tests.rebuilt import rebuild, tables_of

CARDS = f"/accounts/{HAVNEFART_MAIN}/cards"
FIRST = "tok_Zq7Canary0001"
ENDED = AccountEnded(company_id=HAVNEFART, account_id=HAVNEFART_MAIN)


def this_year() -> int:
    return datetime.now(UTC).year


def card(token: str = FIRST, **other: Any) -> dict[str, Any]:
    face = {"brand": "visa", "last_four": "4242", "expiry_month": 12, "expiry_year": this_year() + 1}
    return {"token": token, **face, **other}


async def added(world: World, token: str = FIRST, by: Actor = HANS, **other: Any) -> str:
    answer = await world.asked_by(by)("POST", CARDS, card(token, **other))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["card_id"])


async def listed(world: World, by: Actor = HANS) -> list[dict[str, Any]]:
    answer = await world.asked_by(by)("GET", CARDS)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def code_of(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


def tokens(world: World) -> set[str]:
    with world.backbone.connect() as connection:
        return {row[0] for row in connection.execute("SELECT token FROM card_tokens")}


async def test_p6_a_card_is_added_chosen_replaced_and_removed(world: World) -> None:
    one, two = await added(world), await added(world, "tok_Zq7Canary0002", brand="dankort", last_four="0002")
    assert [(each["card_id"], each["charged"]) for each in await listed(world)] == [(one, True), (two, False)]
    await world.done(HANS, "POST", f"{CARDS}/{two}/choose")
    three = await world.asked_by(HANS)("POST", f"{CARDS}/{two}/replace", card("tok_Zq7Canary0003", last_four="0003"))
    assert three.status_code == 201
    await world.done(HANS, "POST", f"{CARDS}/{one}/remove")
    [left] = await listed(world)
    assert (left["card_id"], left["last_four"], left["charged"]) == (three.json()["card_id"], "0003", True)
    assert world.types_in_log() == [
        *("payment-card-added", "payment-card-chosen", "payment-card-added", "payment-card-chosen"),
        *("payment-card-replaced", "payment-card-removed"),
    ]


async def test_p6_a_token_is_kept_as_long_as_its_card_and_is_never_answered_or_said(world: World) -> None:
    one = await added(world)
    two = await added(world, "tok_Zq7Canary0002")
    refused = await world.asked_by(HANS)("POST", CARDS, card())
    assert code_of(refused) == (409, "card-kept-already")
    answers = [await world.asked_by(who)("GET", CARDS) for who in (HANS, SUSANNE)]
    assert "Zq7Canary" not in "".join(answer.text for answer in [refused, *answers])
    assert "Zq7Canary" not in "".join(recorded.data.to_json().decode() for recorded in log_of(world.backbone))
    assert tokens(world) == {"tok_Zq7Canary0001", "tok_Zq7Canary0002"}
    await world.asked_by(HANS)("POST", f"{CARDS}/{one}/replace", card("tok_Zq7Canary0003"))
    await world.done(HANS, "POST", f"{CARDS}/{two}/remove")
    assert tokens(world) == {"tok_Zq7Canary0003"}


async def test_p6_the_same_token_may_come_back_in_the_place_of_its_own_card(world: World) -> None:
    one = await added(world)
    again = await world.asked_by(HANS)("POST", f"{CARDS}/{one}/replace", card(expiry_month=11))
    assert again.status_code == 201
    assert tokens(world) == {"tok_Zq7Canary0001"}


async def test_p6_a_token_can_be_read_on_nobody_s_behalf(world: World) -> None:
    await added(world)
    for who in (HANS, SUSANNE):
        with pytest.raises(errors.InsufficientPrivilege):
            await world.backbone.database.asked_by(who).rows("SELECT token FROM card_tokens")


@pytest.mark.parametrize("token", ["4111 1111 1111 1111", "4111111111111111", "tok-4111-1111-1111-1111"])
async def test_p6_a_token_that_is_the_number_of_a_card_is_refused(world: World, token: str) -> None:
    answer = await world.asked_by(HANS)("POST", CARDS, card(token))
    assert code_of(answer) == (422, "looks-like-a-card-number")
    assert tokens(world) == set()


@pytest.mark.parametrize("token", ["short", "with space", "tok_æøå_0001", "x" * 201])
async def test_p6_what_cannot_be_a_token_is_refused_without_repeating_it(world: World, token: str) -> None:
    answer = await world.asked_by(HANS)("POST", CARDS, card(token))
    assert answer.status_code == 422
    assert token not in answer.text


async def test_p6_no_form_or_error_shows_a_token_that_stands_in_it(world: World) -> None:
    answer = await world.asked_by(HANS)("POST", CARDS, card(expiry_month="April"))
    assert answer.status_code == 422
    assert "Zq7Canary" not in answer.text


async def test_a5_administrators_in_reach_and_customer_service_look_after_cards(world: World) -> None:
    one = await added(world, by=SUSANNE)
    await world.drives(DORA, await world.ordered(BIZZ, HANS, HAVNEFART_MAIN), HAVNEFART_MAIN, HAVNEFART)
    asks = (("GET", CARDS, None), ("POST", CARDS, card("tok_other")), ("POST", f"{CARDS}/{one}/remove", None))
    for who, expected in ((ANNA, 404), (METTE, 404), (DORA, 403)):
        for method, path, body in asks:
            assert (await world.asked_by(who)(method, path, body)).status_code == expected, (who, path)
    assert [each["card_id"] for each in await listed(world, SUSANNE)] == [one]


async def test_p6_an_account_that_is_paid_by_invoice_is_refused_a_card(world: World) -> None:
    answer = await world.asked_by(ANNA)("POST", f"/accounts/{NORDLYS_ROAD}/cards", card())
    assert code_of(answer) == (409, "account-pays-by-invoice")
    assert tokens(world) == set()


async def test_a13_a_card_of_another_account_is_no_card_of_this_one(world: World) -> None:
    one = await added(world)
    for what in ("choose", "remove"):
        answer = await world.asked_by(ANNA)("POST", f"/accounts/{NORDLYS_ROAD}/cards/{one}/{what}")
        assert code_of(answer) == (404, "not-found")


async def test_p6_a_command_sent_again_with_its_key_adds_one_card(world: World) -> None:
    answers = [await world.asked_by(HANS)("POST", CARDS, card(), idempotency_key="card-1") for _ in range(3)]
    assert {answer.json()["card_id"] for answer in answers} == {(await listed(world))[0]["card_id"]}
    with world.backbone.connect() as connection:
        kept = connection.execute("SELECT answer::text FROM idempotency").fetchall()
    assert "Zq7Canary" not in str(kept)


async def test_p6_of_one_card_added_on_two_replicas_at_once_one_is_kept_and_one_is_charged(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *((world, other)[n % 2].asked_by(HANS)("POST", CARDS, card()) for n in range(16))
        )
    assert Counter(map(code_of, answers)) == {(201, None): 1, (409, "card-kept-already"): 15}
    assert [each["charged"] for each in await listed(world)] == [True]


async def test_p6_many_cards_added_and_chosen_on_two_replicas_at_once_leave_10_of_which_one_is_charged(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *((world, other)[n % 2].asked_by(HANS)("POST", CARDS, card(f"tok_race_{n:04}")) for n in range(24))
        )
        assert Counter(map(code_of, answers)) == {(201, None): 10, (409, "too-many-cards"): 14}
        kept = [each["card_id"] for each in await listed(world)]
        chosen = await asyncio.gather(
            *((world, other)[n % 2].asked_by(HANS)("POST", f"{CARDS}/{kept[n]}/choose") for n in range(10))
        )
    assert {answer.status_code for answer in chosen} == {200}
    assert sorted(each["charged"] for each in await listed(world)) == [False] * 9 + [True]
    assert len(tokens(world)) == 10


async def test_p6_removing_the_charged_card_while_another_is_added_leaves_a_card_that_is_charged(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        for n in range(8):
            [last] = [each["card_id"] for each in await listed(world)] or [await added(world, f"tok_last_{n:04}")]
            await asyncio.gather(
                world.asked_by(HANS)("POST", f"{CARDS}/{last}/remove"),
                other.asked_by(HANS)("POST", CARDS, card(f"tok_new_{n:04}")),
            )
            left = await listed(world)
            assert [each["charged"] for each in left].count(True) == 1
            for each in sorted(left, key=lambda each: bool(each["charged"])):
                await world.done(HANS, "POST", f"{CARDS}/{each['card_id']}/remove")


async def test_c7_the_cards_of_an_account_that_ended_are_removed_with_their_tokens(world: World) -> None:
    one, two = await added(world), await added(world, "tok_Zq7Canary0002")
    await world.ordered(BIZZ, HANS, HAVNEFART_MAIN)
    await world.feed.given(ENDED, by=SUSANNE)
    assert Counter(world.types_in_log())["payment-card-removed"] == 2
    removed = [r for r in log_of(world.backbone) if r.type == "products.payment-card-removed.v1"]
    assert {json.loads(r.data.to_json())["card_id"] for r in removed} == {one, two}
    assert {(r.actor, json.loads(r.data.to_json())["because"]) for r in removed} == {(SUSANNE, "account-ended")}
    assert tokens(world) == set()
    assert await listed(world, SUSANNE) == []


async def test_c7_a_card_that_is_added_while_an_account_s_products_are_closed_has_it_done_again(world: World) -> None:
    await added(world)
    with world.backbone.connect() as connection, pytest.raises(errors.CheckViolation) as refused:
        run(connection, [nothing_is_left(HAVNEFART_MAIN)])
    assert refused.value.diag.constraint_name in OpenOnAccount.refusals


async def test_c7_no_card_is_added_to_an_account_that_ended_nor_left_on_it_by_a_race(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        ending = asyncio.create_task(world.feed.given(ENDED))
        answers = await asyncio.gather(
            *(other.asked_by(HANS)("POST", CARDS, card(f"tok_late_{n:04}")) for n in range(8))
        )
        await ending
    assert {answer.status_code for answer in answers} <= {201, 403, 404, 409}
    assert tokens(world) == set()
    assert await listed(world, SUSANNE) == []
    late = await world.asked_by(SUSANNE)("POST", CARDS, card("tok_late_9999"))
    assert code_of(late) == (409, "account-ended")


def upkeep(world: World, now: datetime) -> CareOfCards:
    """What a replica does by itself, at a time of the test's."""
    return CareOfCards(world.backbone.streams, world.backbone.database, Access(world.backbone.database), lambda: now)


async def test_p6_expiry_is_said_once_however_often_and_on_however_many_replicas_the_upkeep_comes(
    world: World, database: str
) -> None:
    one = await added(world)
    await added(world, "tok_Zq7Canary0002", expiry_month=11)
    end = datetime(this_year() + 1, 12, 31, 23, 0, tzinfo=UTC)
    said: list[int] = []
    other = replica(database)
    async with running(other.backbone):
        for now in (
            end - timedelta(days=30, microseconds=1),
            end - timedelta(days=30),
            end - timedelta(microseconds=1),
            end,
            end + timedelta(days=1),
        ):
            await asyncio.gather(*(upkeep((world, other)[n % 2], now).tell_of_expiry() for n in range(8)))
            said.append(len([1 for kind in world.types_in_log() if kind.startswith("payment-card-expir")]))
    assert said == [0, 1, 1, 2, 2]
    told = [r.data for r in log_of(world.backbone) if isinstance(r.data, (PaymentCardExpiring, PaymentCardExpired))]
    assert [(type(event), event.card_id, event.good_until) for event in told] == [
        (PaymentCardExpiring, one, end),
        (PaymentCardExpired, one, end),
    ]


async def test_p6_the_cards_view_equals_a_fold_of_the_log(world: World, new_database: Callable[[], str]) -> None:
    one, two = await added(world), await added(world, "tok_Zq7Canary0002")
    await world.asked_by(HANS)("POST", f"{CARDS}/{one}/replace", card("tok_Zq7Canary0003"))
    await upkeep(world, datetime(this_year() + 1, 12, 20, tzinfo=UTC)).tell_of_expiry()
    fresh = replica(new_database()).backbone
    rebuild(world.backbone, (Reach(), PaymentCards()), fresh)
    held = tables_of(world.backbone, ["payment_cards"])
    assert tables_of(fresh, ["payment_cards"]) == held
    assert len(held["payment_cards"]) == 3
    assert two in "".join(held["payment_cards"])


async def test_a13_a_question_that_forgot_its_condition_shows_each_the_cards_in_their_reach(world: World) -> None:
    await world.feed.given(opened(name("account", 9), name("company", 9), "card"))
    elsewhere = await world.asked_by(SUSANNE)("POST", f"/accounts/{name('account', 9)}/cards", card())
    one = await added(world)
    for who, cards in ((HANS, {one}), (ANNA, set()), (SUSANNE, {one, elsewhere.json()["card_id"]})):
        rows = await world.backbone.database.asked_by(who).rows("SELECT card_id FROM payment_cards")
        assert {row["card_id"] for row in rows} == cards
