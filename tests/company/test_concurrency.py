"""C6 and the customer numbers with real concurrency: two replicas over one database. Views equal a fold of the log."""

import asyncio
from collections import Counter
from collections.abc import Callable

from services.company.events import AccountOpened
from services.company.views.accounts import Accounts
from services.company.views.change_requests import RequestedChanges
from services.company.views.companies import Companies
from services.company.views.company_by_cvr import CompanyByCvr
from services.company.views.customer_numbers import CustomerNumbers
from services.profiles.reach import Reach
from tests.company.conftest import AGREEMENT_FORM, ANNA, CONTACT, HANS, HAVNEFART, METTE, NORDLYS, World, replica
from tests.feed import SUSANNE, log_of, running
from tests.rebuilt import rebuild, tables_of

AT_ONCE = 30


async def test_c6_of_many_registrations_of_one_cvr_number_on_two_replicas_exactly_one_succeeds(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *((world, other)[n % 2].asked_by(SUSANNE)("POST", "/companies", NORDLYS) for n in range(AT_ONCE))
        )
    outcomes = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert outcomes == {(201, None): 1, (409, "cvr-already-registered"): AT_ONCE - 1}
    assert Counter(world.types_in_log()) == {
        "company-registered": 1,
        "account-opened": 1,
        "account-administrator-named": 1,
        "attempt-refused": AT_ONCE - 1,
    }


async def test_c6_of_many_agreements_of_one_company_on_two_replicas_exactly_one_is_opened(
    world: World, database: str
) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    path = f"/companies/{ids['company_id']}/framework-agreement"
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *((world, other)[n % 2].asked_by(SUSANNE)("POST", path, AGREEMENT_FORM) for n in range(10))
        )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}
    assert world.types_in_log().count("framework-agreement-opened") == 1


async def test_accounts_created_at_the_same_moment_on_two_replicas_have_customer_numbers_of_their_own(
    world: World, database: str
) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    path = f"/agreements/{agreement['agreement_id']}/accounts"
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *((world, other)[n % 2].asked_by(METTE)("POST", path, {"name": f"Odense {n}"}) for n in range(AT_ONCE))
        )
    told = [answer.json()["customer_number"] for answer in answers]
    logged = [r.data.customer_number for r in log_of(world.backbone) if isinstance(r.data, AccountOpened)]
    assert len(set(told)) == AT_ONCE
    assert len(set(logged)) == len(logged) == AT_ONCE + 2


async def test_the_same_key_sent_to_two_replicas_at_once_is_done_once(world: World, database: str) -> None:
    other = replica(database)
    async with running(other.backbone):
        for round_ in range(5):
            form = {**NORDLYS, "cvr": f"1000000{round_}"}
            answers = await asyncio.gather(
                *(
                    each.asked_by(SUSANNE)("POST", "/companies", form, idempotency_key=f"monday-{round_}")
                    for each in (world, other)
                )
            )
            assert [answer.status_code for answer in answers] == [201, 201]
            assert answers[0].json() == answers[1].json()
    assert world.types_in_log().count("company-registered") == 5


async def test_views_equal_a_fold_of_the_log(world: World, new_database: Callable[[], str]) -> None:
    nordlys = await world.registered(NORDLYS, ANNA)
    await world.registered(HAVNEFART, HANS)
    agreement = await world.agreement_of(nordlys["company_id"], METTE)
    sub = await world.done(METTE, "POST", f"/agreements/{agreement['agreement_id']}/accounts", {"name": "Odense"})
    await world.done(METTE, "PUT", f"/accounts/{sub['account_id']}/name", {"name": "Aarhus"}, 200)
    await world.done(ANNA, "PUT", f"/companies/{nordlys['company_id']}/contact-details", CONTACT, 200)
    for wish, end, body in (
        ({"kind": "legal-name", "legal_name": "Nordlys A/S"}, "approve", None),
        ({"kind": "cvr", "cvr": "10150817"}, "approve", None),
        ({"kind": "invoice-format", "invoice_format": "ean", "ean": "5790000000005"}, "approve", None),
        ({"kind": "payment", "payment": "card"}, "approve", None),
        ({"kind": "cvr", "cvr": "12345678"}, "decline", {"reason": "No."}),
    ):
        asked = await world.done(ANNA, "POST", f"/companies/{nordlys['company_id']}/change-requests", wish)
        await world.done(SUSANNE, "POST", f"/change-requests/{asked['change_request_id']}/{end}", body, 200)
    await world.done(METTE, "POST", f"/accounts/{nordlys['account_id']}/end", {"confirm": True}, 200)
    await world.done(SUSANNE, "POST", f"/agreements/{agreement['agreement_id']}/end", {"confirm": True}, 200)
    views = (Reach(), CompanyByCvr(), CustomerNumbers(), Companies(), Accounts(), RequestedChanges())
    fresh = replica(new_database()).backbone
    rebuild(world.backbone, views, fresh)
    tables = (
        *("company_by_cvr", "customer_numbers", "companies", "accounts", "change_requests"),
        *("reach_accounts", "reach_agreements"),
    )
    assert tables_of(fresh, tables) == tables_of(world.backbone, tables)
    assert all(tables_of(fresh, tables).values())
