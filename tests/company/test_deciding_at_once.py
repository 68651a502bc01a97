"""C3, C6 with real concurrency: two replicas over one database, two who decide, two who ask."""

import asyncio
from collections import Counter

from shared.actor import Actor
from tests.company.conftest import ANNA, HAVNEFART, METTE, NORDLYS, World, name, replica
from tests.company.test_requesting import CVR, NAMED, REASON, asked, company_of, seen
from tests.feed import SUSANNE, running

ROUNDS = 10


async def test_c3_of_two_who_decide_on_two_replicas_at_once_one_does(world: World, database: str) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    other = replica(database)
    async with running(other.backbone):
        for round_ in range(ROUNDS):
            request = await asked(world, ANNA, ids, {**NAMED, "legal_name": f"Nordlys {round_} ApS"})
            before = (await company_of(world, ids))["legal_name"]
            approved, declined = await asyncio.gather(
                world.asked_by(SUSANNE)("POST", f"/change-requests/{request}/approve"),
                other.asked_by(SUSANNE)("POST", f"/change-requests/{request}/decline", REASON),
            )
            assert sorted((approved.status_code, declined.status_code)) == [200, 409]
            said_yes = approved.status_code == 200
            assert (await seen(world, ANNA, request))["state"] == ("approved" if said_yes else "declined")
            after = (await company_of(world, ids))["legal_name"]
            assert after == (f"Nordlys {round_} ApS" if said_yes else before)
    types = Counter(world.types_in_log())
    assert types["change-request-approved"] + types["change-request-declined"] == ROUNDS
    assert types["legal-name-changed"] == types["change-request-approved"]


async def test_c3_of_a_decision_and_a_withdrawal_at_once_one_counts(world: World, database: str) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    other = replica(database)
    async with running(other.backbone):
        for round_ in range(ROUNDS):
            request = await asked(world, ANNA, ids, {**NAMED, "legal_name": f"Nordlys {round_} ApS"})
            answers = await asyncio.gather(
                world.asked_by(SUSANNE)("POST", f"/change-requests/{request}/approve"),
                other.asked_by(ANNA)("POST", f"/change-requests/{request}/withdraw"),
            )
            assert sorted(answer.status_code for answer in answers) == [200, 409]
    types = Counter(world.types_in_log())
    assert types["change-request-approved"] + types["change-request-withdrawn"] == ROUNDS


async def test_c3_of_two_who_approve_the_same_request_at_once_both_are_told_yes_and_it_is_done_once(
    world: World, database: str
) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    other = replica(database)
    request = await asked(world, ANNA, ids, NAMED)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *(each.asked_by(SUSANNE)("POST", f"/change-requests/{request}/approve") for each in (world, other))
        )
    assert [answer.status_code for answer in answers] == [200, 200]
    assert world.types_in_log().count("legal-name-changed") == 1


async def test_c3_of_many_who_ask_for_the_same_kind_on_two_replicas_at_once_exactly_one_is_open(
    world: World, database: str
) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.agreement_of(ids["company_id"], METTE)
    path = f"/companies/{ids['company_id']}/change-requests"
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *(
                (world, other)[n % 2].asked_by((ANNA, METTE)[n % 2])("POST", path, {**NAMED, "legal_name": f"N{n} ApS"})
                for n in range(20)
            )
        )
    outcomes = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert outcomes == {(201, None): 1, (409, "change-request-open"): 19}
    told = (await world.asked_by(METTE)("GET", "/change-requests?state=open")).json()["items"]
    assert len(told) == 1


async def test_c6_of_many_companies_that_change_to_one_number_or_register_it_at_once_exactly_one_has_it(
    world: World, database: str
) -> None:
    other = replica(database)
    requests = []
    for n in range(6):
        who = Actor("profile", name("profile", 20 + n))
        ids = await world.registered({**NORDLYS, "cvr": f"2000000{n}"}, who)
        requests.append(await asked(world, who, ids, CVR))
    async with running(other.backbone):
        answers = await asyncio.gather(
            *(
                (world, other)[n % 2].asked_by(SUSANNE)("POST", f"/change-requests/{request}/approve")
                for n, request in enumerate(requests)
            ),
            *(
                each.asked_by(SUSANNE)("POST", "/companies", {**HAVNEFART, "cvr": CVR["cvr"]})
                for each in (world, other)
            ),
        )
    outcomes = Counter((answer.is_success, answer.json().get("code")) for answer in answers)
    assert outcomes == {(True, None): 1, (False, "cvr-already-registered"): 7}
    row = await world.backbone.database.row("SELECT count(*) AS n FROM companies WHERE cvr = %s", (CVR["cvr"],))
    assert row is not None
    assert row["n"] == 1
