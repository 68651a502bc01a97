"""C5, C7 through the real application: who ends accounts and agreements, what is shown then, and what stops working."""

import asyncio
from collections import Counter

import psycopg

from services.profiles.events import AccountAdministratorGranted, MainAdministratorGranted
from shared.actor import Actor
from shared.eventstore.recorder import APPEND_LOCK
from tests.company.conftest import AGREEMENT_FORM, ANNA, CONTACT, DORA, METTE, NORDLYS, Ids, World, name, replica
from tests.feed import SUSANNE, log_of, running
from tests.waiting import started_and_held

CONFIRMED = {"confirm": True}


async def nordlys_with_two_accounts(world: World) -> Ids:
    """Nordlys has an agreement, run by Mette, over Anna's account and one in Odense."""
    ids = await world.registered(NORDLYS, ANNA)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    sub = await world.done(METTE, "POST", f"/agreements/{agreement['agreement_id']}/accounts", {"name": "Odense"})
    return {**ids, **agreement, "sub_account_id": sub["account_id"]}


async def ended(world: World, account: str, by: Actor = METTE) -> None:
    assert await world.done(by, "POST", f"/accounts/{account}/end", CONFIRMED, 200) == {"account_id": account}


async def agreement_ended(world: World, agreement: str) -> None:
    told = await world.done(SUSANNE, "POST", f"/agreements/{agreement}/end", CONFIRMED, 200)
    assert told == {"agreement_id": agreement}


async def test_a4_a_main_administrator_ends_an_account_of_their_agreement(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    await ended(world, ids["account_id"])
    last = list(log_of(world.backbone))[-1]
    assert (last.type, last.grant) == ("company.account-ended.v1", f"main-administrator:{ids['agreement_id']}")


async def test_a5_an_account_administrator_does_not_end_their_account(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    answer = await world.asked_by(ANNA)("POST", f"/accounts/{ids['account_id']}/end", CONFIRMED)
    assert (answer.status_code, answer.json()["rule"]) == (403, "A5")
    assert answer.json()["who_could"] == "main administrator or customer service"


async def test_c7_only_customer_service_ends_a_framework_agreement(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    for who, rule in ((METTE, "A4"), (ANNA, "A5")):
        answer = await world.asked_by(who)("POST", f"/agreements/{ids['agreement_id']}/end", CONFIRMED)
        assert (answer.status_code, answer.json()["rule"]) == (403, rule)
        assert answer.json()["who_could"] == "customer service"
    await agreement_ended(world, ids["agreement_id"])


async def test_a13_what_is_out_of_reach_ends_like_what_does_not_exist(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    for foreign, missing in (
        (f"/accounts/{ids['account_id']}/end", f"/accounts/{name('account', 9)}/end"),
        (f"/agreements/{ids['agreement_id']}/end", f"/agreements/{name('agreement', 9)}/end"),
    ):
        answers = [(await world.asked_by(DORA)("POST", path, CONFIRMED)) for path in (foreign, missing)]
        answers.append(await world.asked_by(SUSANNE)("POST", missing, CONFIRMED))
        assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_c7_ending_is_confirmed_and_asking_again_changes_nothing(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    for path in (f"/accounts/{ids['account_id']}/end", f"/agreements/{ids['agreement_id']}/end"):
        answer = await world.asked_by(SUSANNE)("POST", path, {"confirm": False})
        assert (answer.status_code, answer.json()["code"]) == (422, "ending-not-confirmed")
        await world.done(SUSANNE, "POST", path, CONFIRMED, 200)
        before = world.types_in_log()
        await world.done(SUSANNE, "POST", path, CONFIRMED, 200)
        assert world.types_in_log() == before


async def test_c7_an_account_that_ended_is_shown_as_ended_to_its_main_administrator(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    await ended(world, ids["account_id"])
    items = (await world.asked_by(METTE)("GET", "/accounts")).json()["items"]
    shown = {item["account_id"]: (item["kind"], item["ended_at"] is None) for item in items}
    assert shown == {
        ids["account_id"]: ("sub-account", False),
        ids["framework_account_id"]: ("framework-account", True),
        ids["sub_account_id"]: ("sub-account", True),
    }


async def test_c7_accounts_of_an_agreement_that_ended_are_shown_outside_any(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    await ended(world, ids["sub_account_id"])
    await agreement_ended(world, ids["agreement_id"])
    company = (await world.asked_by(SUSANNE)("GET", f"/companies/{ids['company_id']}")).json()
    assert company["agreement_id"] is None
    assert [(a["kind"], a["agreement_id"]) for a in company["accounts"]] == [("account", None)] * 3
    mine = (await world.asked_by(ANNA)("GET", f"/accounts/{ids['account_id']}")).json()
    assert (mine["kind"], mine["agreement_id"], mine["ended_at"]) == ("account", None, None)


async def test_c7_grants_on_an_ended_account_stop_working_here_before_profiles_has_ended_them(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    await world.drives(DORA, ids["account_id"], ids["company_id"])
    await ended(world, ids["account_id"])
    for who in (ANNA, DORA):
        ask = world.asked_by(who)
        assert (await ask("PUT", f"/accounts/{ids['account_id']}/name", {"name": "Mine"})).status_code == 404
        assert (await ask("GET", f"/accounts/{ids['account_id']}")).status_code == 404
        assert (await ask("PUT", f"/companies/{ids['company_id']}/contact-details", CONTACT)).status_code == 404
        assert (await ask("GET", "/companies")).json()["items"] == []


async def test_c7_an_account_that_ended_is_not_renamed_by_whoever_still_sees_it(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    await ended(world, ids["account_id"])
    answer = await world.asked_by(METTE)("PUT", f"/accounts/{ids['account_id']}/name", {"name": "Mine"})
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, "account-ended", "C7")


async def test_c7_a_main_administrator_of_an_agreement_that_ended_reaches_nothing_any_more(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    await agreement_ended(world, ids["agreement_id"])
    ask = world.asked_by(METTE)
    assert (await ask("POST", f"/agreements/{ids['agreement_id']}/accounts", {"name": "More"})).status_code == 404
    assert (await ask("PUT", f"/accounts/{ids['account_id']}/name", {"name": "Mine"})).status_code == 404
    assert (await ask("GET", "/accounts")).json()["items"] == []
    answer = await world.asked_by(SUSANNE)("POST", f"/agreements/{ids['agreement_id']}/accounts", {"name": "More"})
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, "agreement-ended", "C7")


async def test_c7_a_grant_that_arrives_after_the_end_of_what_it_is_on_reaches_nothing(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    await ended(world, ids["sub_account_id"])
    await agreement_ended(world, ids["agreement_id"])
    late = name("profile", 7)
    await world.feed.given(
        AccountAdministratorGranted(profile_id=late, account_id=ids["sub_account_id"], company_id=ids["company_id"]),
        MainAdministratorGranted(profile_id=late, agreement_id=ids["agreement_id"], company_id=ids["company_id"]),
    )
    ask = world.asked_by(Actor("profile", late))
    assert (await ask("GET", f"/accounts/{ids['sub_account_id']}")).status_code == 404
    assert (await ask("GET", f"/companies/{ids['company_id']}")).status_code == 404
    assert (await ask("POST", f"/agreements/{ids['agreement_id']}/accounts", {"name": "More"})).status_code == 404


async def test_c7_a_command_on_its_way_while_its_account_ends_is_refused(world: World, database: str) -> None:
    ids = await nordlys_with_two_accounts(world)
    other = replica(database)
    async with running(other.backbone):
        with psycopg.connect(database) as holder:
            holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
            end = world.asked_by(METTE)("POST", f"/accounts/{ids['account_id']}/end", CONFIRMED)
            change = other.asked_by(ANNA)("PUT", f"/companies/{ids['company_id']}/contact-details", CONTACT)
            async with (
                started_and_held(end, database) as ending,
                started_and_held(change, database) as changing,
            ):
                holder.commit()
                assert (await ending).status_code == 200
                answer = await changing
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (403, "grant-withdrawn", "A14")


async def test_c5_of_two_last_sub_accounts_ended_at_the_same_moment_on_two_replicas_one_stays(
    world: World, database: str
) -> None:
    ids = await nordlys_with_two_accounts(world)
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            world.asked_by(METTE)("POST", f"/accounts/{ids['account_id']}/end", CONFIRMED),
            other.asked_by(METTE)("POST", f"/accounts/{ids['sub_account_id']}/end", CONFIRMED),
        )
    outcomes = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert outcomes == {(200, None): 1, (409, "last-sub-account"): 1}


async def test_c5_a_company_whose_agreement_ended_may_get_another_one(world: World) -> None:
    ids = await nordlys_with_two_accounts(world)
    await agreement_ended(world, ids["agreement_id"])
    path = f"/companies/{ids['company_id']}/framework-agreement"
    again = await world.done(SUSANNE, "POST", path, AGREEMENT_FORM)
    assert again["agreement_id"] != ids["agreement_id"]
    company = (await world.asked_by(SUSANNE)("GET", f"/companies/{ids['company_id']}")).json()
    kinds = {account["account_id"]: account["kind"] for account in company["accounts"]}
    assert kinds[again["framework_account_id"]] == "framework-account"
    assert kinds[ids["framework_account_id"]] == "sub-account"
