"""Z-07: with our own checks taken away, the database shows everybody the products in their reach and no others."""

from typing import LiteralString

from services.products.views import products
from services.products.views.products import Wanted
from shared.actor import Actor
from tests.feed import SUSANNE
from tests.products.conftest import (
    ANNA,
    BIZZ,
    CONFIRMED,
    DORA,
    HANS,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS_HARBOUR,
    PLATE_PAYMENT,
    World,
)

NOBODY = Actor("profile", "profile-" + "9" * 32)
NO_STAFF = Actor("staff", "staff-" + "9" * 32)


async def shown(world: World, actor: Actor) -> set[str]:
    """What somebody is shown by a question without any condition."""
    rows = await world.backbone.database.asked_by(actor).rows("SELECT product_id FROM products")
    return {row["product_id"] for row in rows}


async def test_a13_a_question_that_forgot_its_condition_shows_each_their_reach(world: World) -> None:
    road, van = await world.ordered(BIZZ), await world.ordered(PLATE_PAYMENT)
    harbour = await world.ordered(BIZZ, METTE, NORDLYS_HARBOUR)
    quay = await world.ordered(BIZZ, HANS, HAVNEFART_MAIN)
    await world.drives(DORA, road)
    assert await shown(world, ANNA) == {road, van}
    assert await shown(world, METTE) == {road, van, harbour}
    assert await shown(world, HANS) == {quay}
    assert await shown(world, DORA) == {road}
    assert await shown(world, SUSANNE) == {road, van, harbour, quay}
    assert await shown(world, NOBODY) == await shown(world, NO_STAFF) == set()


async def test_a13_who_is_taken_for_customer_service_by_mistake_sees_no_more(world: World) -> None:
    road = await world.ordered(BIZZ)
    await world.ordered(BIZZ, HANS, HAVNEFART_MAIN)
    rows = await products.in_reach(world.backbone.database, ANNA, Wanted(), staff=True)
    assert [row["product_id"] for row in rows] == [road]
    assert await products.in_reach(world.backbone.database, NO_STAFF, Wanted(), staff=True) == []


async def test_a13_a_question_about_one_product_without_a_check_shows_what_is_in_reach(world: World) -> None:
    quay = await world.ordered(BIZZ, HANS, HAVNEFART_MAIN)
    assert await products.one(world.backbone.database.asked_by(ANNA), quay) is None
    assert await products.one(world.backbone.database.asked_by(HANS), quay) is not None


async def test_p4_a_closed_product_is_out_of_its_drivers_reach_in_the_database_too(world: World) -> None:
    road = await world.ordered(BIZZ)
    await world.drives(DORA, road)
    await world.done(ANNA, "POST", f"/products/{road}/close", CONFIRMED)
    assert await shown(world, DORA) == set()
    assert await shown(world, ANNA) == {road}


async def test_a14_a_right_that_is_revoked_is_gone_from_the_database_s_answers_at_once(world: World) -> None:
    await world.ordered(BIZZ)
    await world.administers_no_longer(ANNA)
    assert await shown(world, ANNA) == set()


async def test_a9_who_reaches_what_is_shown_no_further_than_one_s_own_reach(world: World) -> None:
    road, quay = await world.ordered(BIZZ), await world.ordered(BIZZ, HANS, HAVNEFART_MAIN)
    await world.drives(DORA, road)

    async def known(actor: Actor, question: LiteralString) -> set[str]:
        return {row["id"] for row in await world.backbone.database.asked_by(actor).rows(question)}

    who: LiteralString = "SELECT profile_id AS id FROM reach_grants"
    assert await known(ANNA, who) == {ANNA.id, METTE.id, DORA.id}
    assert await known(DORA, who) == {DORA.id}
    assert HAVNEFART_MAIN not in await known(ANNA, "SELECT account_id AS id FROM reach_accounts")
    assert await known(ANNA, "SELECT product_id AS id FROM reach_products") == {road}
    assert await known(HANS, "SELECT product_id AS id FROM reach_products") == {quay}
    others = await world.backbone.database.asked_by(ANNA).rows("SELECT administered_accounts(%s)", (HANS.id,))
    assert others == []
