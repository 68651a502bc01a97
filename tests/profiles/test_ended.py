"""C7: what follows here when an account or a framework agreement ends, late, twice, out of order and in a race."""

import asyncio
from collections import Counter
from itertools import permutations

import psycopg
import pytest

from services.company.events import AccountEnded, FrameworkAgreementEnded
from services.profiles.events import (
    AccountAdministratorRevoked,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
)
from services.profiles.use_cases import AT_ONCE
from shared.actor import Actor
from shared.dead_letters import Letter
from shared.eventstore.recorder import APPEND_LOCK
from tests.feed import SUSANNE, log_of, running
from tests.profiles.conftest import (
    AGREEMENT,
    ANNA,
    BIZZ,
    DORA,
    HANS,
    HAVNEFART,
    HAVNEFART_BIZZ,
    HAVNEFART_MAIN,
    NORDLYS,
    NORDLYS_FRAMEWORK,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    bizz,
    closed,
    name,
    opened,
    replica,
)
from tests.profiles.test_access_rules import main_administrator
from tests.waiting import started_and_held

ROAD_ENDED = AccountEnded(company_id=NORDLYS, account_id=NORDLYS_ROAD)
AGREEMENT_ENDED = FrameworkAgreementEnded(
    company_id=NORDLYS, agreement_id=AGREEMENT, account_ids=(NORDLYS_ROAD, NORDLYS_HARBOUR, NORDLYS_FRAMEWORK)
)
Ended = AccountAdministratorRevoked | MainAdministratorRevoked | ProductAccessRevoked


def what_ended(world: World) -> Counter[tuple[str, str, str]]:
    """Whose grant on what ended, and why."""
    return Counter(
        (event.profile_id, _target(event), event.because)
        for recorded in log_of(world.backbone)
        if isinstance(event := recorded.data, Ended)
    )


def _target(event: Ended) -> str:
    match event:
        case AccountAdministratorRevoked(account_id=target) | MainAdministratorRevoked(agreement_id=target):
            return target
        case ProductAccessRevoked(product_id=target):
            return target


async def reached(world: World, target: str) -> int:
    """By how many grants somebody reaches it."""
    return len(await world.backbone.database.rows("SELECT 1 FROM reach_grants WHERE target_id = %s", (target,)))


async def takes(world: World, *letters: Letter) -> None:
    assert world.backbone.inbox is not None
    await world.backbone.inbox.take_letters(letters)


async def asked_to_grant(world: World, by: Actor, kind: str, target: str, email: str = DORA) -> tuple[int, str | None]:
    grants = [{"kind": kind, "id": target}]
    answer = await world.asked_by(by)("POST", "/profiles", {"email": email, "name": "Dora Dahl", "grants": grants})
    return answer.status_code, answer.json().get("code")


async def test_c7_when_an_account_ends_every_grant_on_it_and_on_its_products_ends_and_no_other(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    await world.new_person(anna, ANNA, "product-access", PLATE_PAYMENT)
    await world.new_person(hans, "nils@havnefart.example.com", "product-access", HAVNEFART_BIZZ)
    await world.feed.given(ROAD_ENDED)
    assert what_ended(world) == {
        (anna.id, NORDLYS_ROAD, "account-ended"): 1,
        (anna.id, PLATE_PAYMENT, "account-ended"): 1,
        (dora, BIZZ, "account-ended"): 1,
    }
    assert [await reached(world, target) for target in (HAVNEFART_MAIN, HAVNEFART_BIZZ)] == [1, 1]


async def test_c7_when_an_agreement_ends_its_main_administrators_end_and_its_account_administrators_stay(
    world: World,
) -> None:
    mette = await main_administrator(world)
    other = await world.new_person(mette, "maja@nordlys.example.com", "main-administrator", AGREEMENT)
    await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    await world.feed.given(AGREEMENT_ENDED)
    assert what_ended(world) == {(mette.id, AGREEMENT, "agreement-ended"): 1, (other, AGREEMENT, "agreement-ended"): 1}
    assert await reached(world, NORDLYS_ROAD) == 1


async def test_h1_what_ends_with_an_account_says_who_ended_that_and_by_which_event(world: World) -> None:
    await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    await world.feed.given(ROAD_ENDED, by=SUSANNE)
    last = list(log_of(world.backbone))[-1]
    assert (last.type, last.actor) == ("profiles.account-administrator-revoked.v1", SUSANNE)
    assert last.causation


async def test_a12_an_account_that_ends_and_one_whose_agreement_ends_may_lose_their_last_administrator(
    world: World,
) -> None:
    await main_administrator(world)
    await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    await world.feed.given(ROAD_ENDED, AGREEMENT_ENDED)
    assert [await reached(world, target) for target in (NORDLYS_ROAD, AGREEMENT, NORDLYS_HARBOUR)] == [0, 0, 0]


async def test_a12_an_account_that_ended_needs_no_administrator(world: World) -> None:
    mette = await main_administrator(world)
    for email, account in (("b@nordlys.example.com", NORDLYS_HARBOUR), ("c@nordlys.example.com", NORDLYS_FRAMEWORK)):
        await world.new_person(mette, email, "account-administrator", account)
    own = {"kind": "main-administrator", "id": AGREEMENT}
    refused = await world.asked_by(mette)("POST", f"/profiles/{mette.id}/revoke", own)
    assert refused.json()["code"] == "last-administrator"  # the road account would have none
    await world.feed.given(ROAD_ENDED)
    answer = await world.asked_by(mette)("POST", f"/profiles/{mette.id}/revoke", own)
    assert answer.status_code == 200, answer.text


async def test_a8_the_address_is_free_again_when_the_account_ends(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    await world.new_person(anna, DORA, "product-access", BIZZ)
    await world.feed.given(ROAD_ENDED)
    await world.new_person(hans, DORA, "product-access", HAVNEFART_BIZZ)


async def test_c7_nothing_is_granted_on_an_account_that_ended_nor_on_its_products_that_are_still_open_here(
    world: World,
) -> None:
    anna, mette = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS), await main_administrator(world)
    await world.feed.given(ROAD_ENDED, bizz(name("product", 9), NORDLYS_ROAD, NORDLYS))
    for who in (mette, SUSANNE):
        assert await asked_to_grant(world, who, "account-administrator", NORDLYS_ROAD) == (409, "account-ended")
        assert await asked_to_grant(world, who, "product-access", BIZZ) == (409, "account-ended")
        assert await asked_to_grant(world, who, "product-access", name("product", 9)) == (409, "account-ended")
    assert await asked_to_grant(world, anna, "product-access", BIZZ) == (404, "not-found")


async def test_c7_nobody_becomes_main_administrator_of_an_agreement_that_ended(world: World) -> None:
    mette = await main_administrator(world)
    await world.feed.given(AGREEMENT_ENDED)
    assert await asked_to_grant(world, SUSANNE, "main-administrator", AGREEMENT) == (409, "agreement-ended")
    assert await asked_to_grant(world, mette, "main-administrator", AGREEMENT) == (404, "not-found")
    assert await asked_to_grant(world, mette, "account-administrator", NORDLYS_HARBOUR) == (404, "not-found")


async def test_c7_what_is_heard_again_ends_nothing_more_on_whichever_replica(world: World, database: str) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    await world.new_person(anna, DORA, "product-access", BIZZ)
    letter = world.feed.letter(ROAD_ENDED)
    other = replica(database)
    async with running(other.backbone):
        await asyncio.gather(*(takes(each, letter, letter) for each in (world, other, world, other)))
    assert set(what_ended(world).values()) == {1}
    assert len(what_ended(world)) == 2


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_p4_c7_access_ends_once_in_whatever_order_the_ends_of_account_agreement_and_product_are_heard(
    world: World, order: tuple[int, ...]
) -> None:
    mette = await main_administrator(world)
    await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await world.new_person(mette, DORA, "product-access", BIZZ)
    # A company's own events stay in their order; where it is turned around, the first one heard has to wait.
    letters = [world.feed.letter(event) for event in (ROAD_ENDED, AGREEMENT_ENDED, closed(BIZZ, NORDLYS_ROAD))]
    for place in order:
        await takes(world, letters[place])
    await takes(world, *letters)
    ended = what_ended(world)
    assert set(ended.values()) == {1}
    assert {profile for profile, target, _ in ended if target == BIZZ} == {dora}
    assert {target for _, target, _ in ended} == {BIZZ, NORDLYS_ROAD, AGREEMENT}
    assert await world.backbone.database.rows("SELECT * FROM dead_letters") == []


async def test_c7_a_grant_made_while_its_account_ends_either_ends_with_it_or_is_refused(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        for round_ in range(10):
            account, product = name("account", 60 + round_), name("product", 60 + round_)
            await world.feed.given(opened(NORDLYS, account), bizz(product, account, NORDLYS))
            await world.administrator(f"admin{round_}@nordlys.example.com", account, NORDLYS)
            outcomes = await asyncio.gather(
                asked_to_grant(other, SUSANNE, "product-access", product, f"driver{round_}@nordlys.example.com"),
                asked_to_grant(world, SUSANNE, "account-administrator", account, f"more{round_}@nordlys.example.com"),
                world.feed.given(AccountEnded(company_id=NORDLYS, account_id=account)),
            )
            assert {outcome for outcome in outcomes if outcome} <= {(201, None), (409, "account-ended")}
            assert [await reached(world, target) for target in (account, product)] == [0, 0]
    granted = Counter(recorded.type for recorded in log_of(world.backbone))
    assert granted["profiles.account-administrator-granted.v1"] == granted["profiles.account-administrator-revoked.v1"]
    assert granted["profiles.product-access-granted.v1"] == granted["profiles.product-access-revoked.v1"]


@pytest.mark.parametrize("first", ["grant", "end"])
async def test_c7_a_grant_on_its_way_to_its_commit_with_the_end_of_its_account_ends_with_it_or_is_refused(
    world: World, database: str, first: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        with psycopg.connect(database) as holder:
            holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
            grant = asked_to_grant(other, SUSANNE, "product-access", BIZZ)
            end = takes(world, world.feed.letter(ROAD_ENDED))
            one, two = (grant, end) if first == "grant" else (end, grant)
            async with (
                started_and_held(one, database) as earlier,
                started_and_held(two, database) as later,
            ):
                holder.commit()
                outcomes = [await earlier, await later]
    assert ((201, None) if first == "grant" else (409, "account-ended")) in outcomes
    assert await reached(world, BIZZ) == 0
    assert len(what_ended(world)) == (1 if first == "grant" else 0)


async def test_c7_very_many_grants_end_in_several_commits_each_once_though_the_service_dies_between_them(
    world: World, database: str
) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    people = [f"driver{number}@nordlys.example.com" for number in range(AT_ONCE + 5)]
    await asyncio.gather(*(asked_to_grant(world, anna, "product-access", BIZZ, email) for email in people))
    letter = world.feed.letter(ROAD_ENDED)
    dying = asyncio.create_task(takes(world, letter))
    while not what_ended(world):
        await asyncio.sleep(0.01)
    dying.cancel()
    other = replica(database)
    async with running(other.backbone):
        await takes(other, letter)
    granted = [r.data.profile_id for r in log_of(world.backbone) if isinstance(r.data, ProductAccessGranted)]
    assert len(granted) == len(people)
    assert what_ended(world) == {
        (anna.id, NORDLYS_ROAD, "account-ended"): 1,
        **{(profile, BIZZ, "account-ended"): 1 for profile in granted},
    }
