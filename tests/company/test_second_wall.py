"""Z-07: with our own checks taken away, the database shows everybody the companies and accounts in their reach only."""

from services.company.views import accounts, companies
from shared.actor import Actor
from tests.company.conftest import ANNA, DORA, HANS, HAVNEFART, METTE, NORDLYS, World, name
from tests.feed import SUSANNE

NOBODY = Actor("profile", name("profile", 9))


async def shown(world: World, actor: Actor, of: str) -> set[str]:
    """What somebody is shown of companies or accounts by a question without any condition."""
    if of == "change_requests":
        rows = await world.backbone.database.asked_by(actor).rows("SELECT change_request_id AS id FROM change_requests")
    elif of == "companies":
        rows = await world.backbone.database.asked_by(actor).rows("SELECT company_id AS id FROM companies")
    else:
        rows = await world.backbone.database.asked_by(actor).rows("SELECT account_id AS id FROM accounts")
    return {row["id"] for row in rows}


async def test_a13_a_question_that_forgot_its_condition_shows_each_their_reach(world: World) -> None:
    nordlys, havnefart = await world.registered(NORDLYS, ANNA), await world.registered(HAVNEFART, HANS)
    agreement = await world.agreement_of(nordlys["company_id"], METTE)
    await world.drives(DORA, nordlys["account_id"], nordlys["company_id"])
    every_account = {nordlys["account_id"], havnefart["account_id"], agreement["framework_account_id"]}
    wanted = {
        ANNA: ({nordlys["company_id"]}, {nordlys["account_id"]}),
        METTE: ({nordlys["company_id"]}, {nordlys["account_id"], agreement["framework_account_id"]}),
        HANS: ({havnefart["company_id"]}, {havnefart["account_id"]}),
        DORA: (set(), set()),
        NOBODY: (set(), set()),
        SUSANNE: ({nordlys["company_id"], havnefart["company_id"]}, every_account),
    }
    found = {actor: (await shown(world, actor, "companies"), await shown(world, actor, "accounts")) for actor in wanted}
    assert found == wanted


async def test_a13_c3_a_question_that_forgot_its_condition_shows_each_the_requests_of_their_companies(
    world: World,
) -> None:
    nordlys, havnefart = await world.registered(NORDLYS, ANNA), await world.registered(HAVNEFART, HANS)
    await world.drives(DORA, nordlys["account_id"], nordlys["company_id"])
    wish = {"kind": "legal-name", "legal_name": "Another name"}
    asked = {
        who: (await world.done(who, "POST", f"/companies/{ids['company_id']}/change-requests", wish))[
            "change_request_id"
        ]
        for who, ids in ((ANNA, nordlys), (HANS, havnefart))
    }
    found = {actor: await shown(world, actor, "change_requests") for actor in (ANNA, HANS, DORA, NOBODY, SUSANNE)}
    assert found == {
        ANNA: {asked[ANNA]},
        HANS: {asked[HANS]},
        DORA: set(),
        NOBODY: set(),
        SUSANNE: set(asked.values()),
    }


async def test_a13_who_is_taken_for_customer_service_by_mistake_sees_no_more(world: World) -> None:
    nordlys = await world.registered(NORDLYS, ANNA)
    await world.registered(HAVNEFART, HANS)
    database = world.backbone.database
    seen = await companies.in_reach(database, ANNA, staff=True), await accounts.in_reach(database, ANNA, staff=True)
    assert [row["company_id"] for row in seen[0]] == [nordlys["company_id"]]
    assert [row["account_id"] for row in seen[1]] == [nordlys["account_id"]]
    assert await companies.in_reach(database, NOBODY, staff=True) == []
