"""C7: what follows here when an account or a framework agreement ends, late, twice, out of order and in a race."""

import asyncio
from collections import Counter
from collections.abc import Callable

import psycopg

from services.company.events import AccountEnded, FrameworkAgreementEnded
from services.products.events import BizzOrdered, ProductClosed
from services.products.use_cases.products import AT_ONCE
from services.products.views.open_product_by_plate import OpenProductByPlate
from services.products.views.products import Products
from services.profiles.events import AccountAdministratorGranted, ProductAccessGranted
from services.profiles.reach import Reach
from shared.actor import Actor
from shared.dead_letters import Letter
from shared.eventstore.recorder import APPEND_LOCK
from tests.feed import SUSANNE, log_of, running
from tests.products.conftest import (
    AGREEMENT,
    ANNA,
    BIZZ,
    CONFIRMED,
    DEVICE,
    DORA,
    ETICKET,
    HANS,
    HAVNEFART,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    name,
    opened,
    replica,
)
from tests.rebuilt import rebuild, tables_of
from tests.waiting import started_and_held

ROAD_ENDED = AccountEnded(company_id=NORDLYS, account_id=NORDLYS_ROAD)
AGREEMENT_ENDED = FrameworkAgreementEnded(
    company_id=NORDLYS, agreement_id=AGREEMENT, account_ids=(NORDLYS_HARBOUR, name("account", 4))
)


def closings(world: World) -> Counter[str]:
    """How often each product was closed."""
    return Counter(r.data.product_id for r in log_of(world.backbone) if isinstance(r.data, ProductClosed))


async def takes(world: World, *letters: Letter) -> None:
    assert world.backbone.inbox is not None
    await world.backbone.inbox.take_letters(letters)


async def test_c7_when_an_account_ends_its_open_products_are_closed_and_no_others(world: World) -> None:
    on_it = [await world.ordered(order) for order in (BIZZ, PLATE_PAYMENT, ETICKET)]
    await world.done(ANNA, "POST", f"/products/{on_it[0]}/close", CONFIRMED)
    elsewhere = await world.ordered({**PLATE_PAYMENT, "plate": "CD67890"}, HANS, HAVNEFART_MAIN)
    await world.feed.given(ROAD_ENDED)
    assert closings(world) == dict.fromkeys(on_it, 1)
    assert (await world.seen(elsewhere, HANS))["state"] == "active"


async def test_p2_the_plates_of_an_account_that_ended_are_free_again(world: World) -> None:
    await world.ordered(PLATE_PAYMENT)
    await world.feed.given(ROAD_ENDED)
    await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)


async def test_h1_what_is_closed_with_an_account_says_who_ended_that_and_by_which_event(world: World) -> None:
    await world.ordered(BIZZ)
    await world.feed.given(ROAD_ENDED, by=SUSANNE)
    last = list(log_of(world.backbone))[-1]
    assert (last.type, last.actor) == ("products.product-closed.v1", SUSANNE)
    assert last.causation


async def test_c7_nothing_is_ordered_on_an_account_that_ended(world: World) -> None:
    await world.feed.given(ROAD_ENDED)
    for order in (BIZZ, PLATE_PAYMENT, ETICKET):
        answer = await world.asks_to_order(METTE, order)
        assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, "account-ended", "C7")
    await world.ordered(BIZZ, METTE, NORDLYS_HARBOUR)


async def test_c7_what_was_granted_on_an_ended_account_stops_at_once_and_is_as_if_it_did_not_exist(
    world: World,
) -> None:
    bizz = await world.ordered(BIZZ)
    await world.drives(DORA, bizz)
    await world.feed.given(ROAD_ENDED)
    for who in (ANNA, DORA):
        ask = world.asked_by(who)
        assert (await world.asks_to_order(who, PLATE_PAYMENT)).status_code == 404
        assert (await ask("PUT", f"/products/{bizz}/vehicle", {"make": "Volvo"})).status_code == 404
        assert (await ask("GET", f"/products/{bizz}")).status_code == 404
        assert await world.listed(who) == []
    assert (await world.seen(bizz, METTE))["state"] == "closed"


async def test_c7_a_grant_heard_of_after_the_end_of_its_account_reaches_nothing(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    nils = Actor("profile", name("profile", 7))
    await world.feed.given(
        ROAD_ENDED,
        AccountAdministratorGranted(profile_id=nils.id, account_id=NORDLYS_ROAD, company_id=NORDLYS),
        ProductAccessGranted(profile_id=nils.id, product_id=bizz, account_id=NORDLYS_ROAD, company_id=NORDLYS),
    )
    assert (await world.asks_to_order(nils, BIZZ)).status_code == 404
    assert (await world.asked_by(nils)("GET", f"/products/{bizz}")).status_code == 404
    assert await world.listed(nils) == []


async def test_c7_when_an_agreement_ends_products_stay_and_its_main_administrator_reaches_none(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.feed.given(AGREEMENT_ENDED)
    assert (await world.asked_by(METTE)("GET", f"/products/{bizz}")).status_code == 404
    assert (await world.asks_to_order(METTE, BIZZ)).status_code == 404
    assert await world.listed(METTE) == []
    assert (await world.seen(bizz, ANNA))["state"] == "ordered"


async def test_c7_p4_an_end_heard_again_closes_nothing_again_on_whichever_replica(world: World, database: str) -> None:
    bizz, plate_payment = await world.ordered(BIZZ), await world.ordered(PLATE_PAYMENT)
    letter = world.feed.letter(ROAD_ENDED)
    other = replica(database)
    async with running(other.backbone):
        await asyncio.gather(
            *(takes(each, letter, letter) for each in (world, other, world, other)),
            other.asked_by(METTE)("POST", f"/products/{bizz}/close", CONFIRMED),
        )
    assert closings(world) == {bizz: 1, plate_payment: 1}


async def test_c7_an_order_made_while_its_account_ends_is_either_closed_with_it_or_refused(
    world: World, database: str
) -> None:
    other = replica(database)
    outcomes: Counter[tuple[int, str | None]] = Counter()
    async with running(other.backbone):
        for round_ in range(10):
            account = name("account", 50 + round_)
            await world.feed.given(opened(account, NORDLYS, "invoice", AGREEMENT))
            asked = [(world, other)[n % 2].asks_to_order(METTE, BIZZ, account) for n in range(8)]
            ending = asyncio.create_task(world.feed.given(AccountEnded(company_id=NORDLYS, account_id=account)))
            answers = await asyncio.gather(*asked)
            await ending
            outcomes.update((answer.status_code, answer.json().get("code")) for answer in answers)
    assert set(outcomes) <= {(201, None), (409, "account-ended")}
    ordered = [r.data.product_id for r in log_of(world.backbone) if isinstance(r.data, BizzOrdered)]
    assert len(ordered) == outcomes[201, None]
    assert closings(world) == dict.fromkeys(ordered, 1)


async def test_c7_an_order_on_its_way_to_its_commit_when_the_account_ends_is_refused(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        with psycopg.connect(database) as holder:
            holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
            end, order = takes(world, world.feed.letter(ROAD_ENDED)), other.asks_to_order(METTE, BIZZ)
            async with (
                started_and_held(end, database) as ending,
                started_and_held(order, database) as ordering,
            ):
                holder.commit()
                await ending
                answer = await ordering
    assert (answer.status_code, answer.json()["code"]) == (409, "account-ended")


async def test_c7_an_order_committed_after_the_end_was_looked_at_and_before_it_counts_is_closed_with_it(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        with psycopg.connect(database) as holder:
            holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
            end, order = takes(world, world.feed.letter(ROAD_ENDED)), other.asks_to_order(METTE, BIZZ)
            async with (
                started_and_held(order, database) as ordering,
                started_and_held(end, database) as ending,
            ):
                holder.commit()
                answer = await ordering
                await ending
    assert answer.status_code == 201
    assert closings(world) == {answer.json()["product_id"]: 1}


async def test_c7_very_many_products_are_closed_in_several_commits_each_once_though_the_service_dies_between_them(
    world: World, database: str
) -> None:
    answers = await asyncio.gather(*(world.asks_to_order(ANNA, BIZZ) for _ in range(AT_ONCE + 5)))
    letter = world.feed.letter(ROAD_ENDED)
    dying = asyncio.create_task(takes(world, letter))
    while not closings(world):
        await asyncio.sleep(0.01)
    dying.cancel()
    other = replica(database)
    async with running(other.backbone):
        await takes(other, letter)
    assert closings(world) == dict.fromkeys((answer.json()["product_id"] for answer in answers), 1)


async def test_views_equal_a_fold_of_the_log_after_an_account_ended(
    world: World, new_database: Callable[[], str]
) -> None:
    bizz = await world.ordered(BIZZ)
    await world.done(SUSANNE, "POST", f"/products/{bizz}/dispatch", DEVICE)
    await world.ordered(PLATE_PAYMENT)
    await world.feed.given(ROAD_ENDED, AccountEnded(company_id=HAVNEFART, account_id=HAVNEFART_MAIN))
    fresh = replica(new_database()).backbone
    rebuild(world.backbone, (Reach(), OpenProductByPlate(), Products()), fresh)
    tables = ("open_product_by_plate", "products", "reach_products")
    assert tables_of(fresh, tables) == tables_of(world.backbone, tables)
