"""Z-07: with our own checks taken away, the database shows everybody the people in their reach, and themselves."""

from services.profiles.views import people
from shared.actor import Actor
from tests.feed import SUSANNE
from tests.profiles.conftest import (
    ANNA,
    BIZZ,
    DORA,
    HANS,
    HAVNEFART,
    HAVNEFART_MAIN,
    NORDLYS,
    NORDLYS_ROAD,
    World,
    name,
)

NOBODY = Actor("profile", name("profile", 9))


async def shown(world: World, actor: Actor) -> set[str]:
    """Whose addresses somebody is shown by a question without any condition."""
    return {row["email"] for row in await world.backbone.database.asked_by(actor).rows("SELECT email FROM people")}


async def the_people(world: World) -> tuple[Actor, Actor, Actor]:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    dora = Actor("profile", await world.new_person(anna, DORA, "product-access", BIZZ))
    return anna, hans, dora


async def test_a13_a_question_that_forgot_its_condition_shows_each_their_reach(world: World) -> None:
    anna, hans, dora = await the_people(world)
    assert await shown(world, anna) == {ANNA, DORA}
    assert await shown(world, hans) == {HANS}
    assert await shown(world, dora) == {DORA}
    assert await shown(world, SUSANNE) == {ANNA, DORA, HANS}
    assert await shown(world, NOBODY) == await shown(world, Actor("staff", anna.id)) == set()


async def test_a9_grants_elsewhere_are_not_shown_of_somebody_in_reach_who_is_taken_for_staff_or_not(
    world: World,
) -> None:
    anna, hans, dora = await the_people(world)
    await world.new_person(hans, DORA, "account-administrator", HAVNEFART_MAIN)
    (seen,) = await people.visible_to(world.backbone.database, anna, staff=True, one=dora.id)
    assert seen["grants"] == [{"kind": "product-access", "id": BIZZ}]
    assert len((await people.visible_to(world.backbone.database, SUSANNE, staff=True, one=dora.id))[0]["grants"]) == 2


async def test_who_has_which_address_cannot_be_asked_on_anybody_s_behalf(world: World) -> None:
    readable = await world.backbone.database.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
        "AND has_table_privilege('test_reader', oid, 'SELECT') ORDER BY 1"
    )
    assert [row["relname"] for row in readable] == [
        *("grant_origins", "people", "reach_accounts", "reach_grants", "reach_products")
    ]
