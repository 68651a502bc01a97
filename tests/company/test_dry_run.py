"""C7 as a dry run: what would come of ending an account or an agreement, in every service, told to whoever could."""

from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from services.company.events import AccountEnded
from services.products.events import BizzOrdered, ProductClosed
from services.profiles.consequences import foresee
from services.profiles.events import MainAdministratorGranted, ProductAccessGranted
from shared.actor import Actor
from shared.eventstore.recorder import APPEND_LOCK
from tests.company.conftest import ANNA, DORA, HANS, HAVNEFART, METTE, Ids, World, name
from tests.company.test_ended import CONFIRMED, agreement_ended, ended, nordlys_with_two_accounts
from tests.feed import SUSANNE
from tests.rebuilt import tables_of
from tests.waiting import started_and_held

BIZZ, OTHER_BIZZ, CLOSED_BIZZ, ODENSE_BIZZ = (name("product", number) for number in range(1, 5))
NOTHING: dict[str, Any] = {"accesses": [], "products": [], "sessions": 0}


def everything_in(world: World) -> dict[str, list[str]]:
    of_reach = ("reach_grants", "reach_accounts", "reach_agreements", "reach_products")
    return tables_of(world.backbone, ["events", "idempotency", "accounts", "companies", *of_reach])


async def dry(world: World, by: Actor, path: str, body: Any = CONFIRMED) -> httpx.Response:
    """Ask for a dry run; whatever it answers, nothing of it is left."""
    before = everything_in(world)
    answer = await world.asked_by(by)("POST", f"{path}?dry-run=true", body, idempotency_key="dry")
    assert everything_in(world) == before
    assert "seen" not in answer.headers
    return answer


async def nordlys_with_products(world: World) -> Ids:
    """Two open products and a closed one on Anna's account, which Dora and Hans drive, and one in Odense."""
    ids = await nordlys_with_two_accounts(world)
    first, odense = ids["account_id"], ids["sub_account_id"]
    on = {BIZZ: first, OTHER_BIZZ: first, CLOSED_BIZZ: first, ODENSE_BIZZ: odense}
    for product, account in on.items():
        await world.feed.given(
            BizzOrdered(product_id=product, account_id=account, company_id=ids["company_id"], reference=None)
        )
    await world.feed.given(
        ProductClosed(product_id=CLOSED_BIZZ, account_id=first, closed_at_partners_by=datetime(2026, 3, 2, tzinfo=UTC))
    )
    for who, product in ((DORA, BIZZ), (HANS, OTHER_BIZZ), (METTE, ODENSE_BIZZ)):
        await world.feed.given(
            ProductAccessGranted(
                profile_id=who.id, product_id=product, account_id=on[product], company_id=ids["company_id"]
            )
        )
    return ids


async def test_c7_an_account_that_would_end_is_announced_with_its_open_products_and_every_grant_on_it(
    world: World,
) -> None:
    ids = await nordlys_with_products(world)
    account = ids["account_id"]
    granted = sorted(
        [
            {"profile_id": ANNA.id, "kind": "account-administrator", "id": account},
            {"profile_id": DORA.id, "kind": "product-access", "id": BIZZ},
            {"profile_id": HANS.id, "kind": "product-access", "id": OTHER_BIZZ},
        ],
        key=lambda grant: grant["id"],
    )
    for by in (METTE, SUSANNE):
        answer = await dry(world, by, f"/accounts/{account}/end")
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "dry_run": True,
                "events": [{"type": "company.account-ended.v1", "about": [ids["company_id"], account]}],
                "begins": [],
                "ends": {
                    "accesses": [{**grant, "because": "account-ended"} for grant in granted],
                    "products": [BIZZ, OTHER_BIZZ],
                    "sessions": 0,
                },
                "elsewhere": [
                    {"service": "products", "type": "products.product-closed.v1", "times": 2},
                    {"service": "profiles", "type": "profiles.account-administrator-revoked.v1", "times": 1},
                    {"service": "profiles", "type": "profiles.product-access-revoked.v1", "times": 2},
                ],
                "mails": 0,
            },
        )
    assert (await world.asked_by(ANNA)("GET", f"/accounts/{account}")).json()["ended_at"] is None


async def test_c7_an_agreement_that_would_end_is_announced_with_its_main_administrators_and_its_accounts_stay(
    world: World,
) -> None:
    ids = await nordlys_with_products(world)
    agreement, company = ids["agreement_id"], ids["company_id"]
    await world.feed.given(
        MainAdministratorGranted(profile_id=HANS.id, agreement_id=agreement, company_id=company),
    )
    answer = await dry(world, SUSANNE, f"/agreements/{agreement}/end")
    ends = [
        {"profile_id": who.id, "kind": "main-administrator", "id": agreement, "because": "agreement-ended"}
        for who in (METTE, HANS)
    ]
    (event,) = answer.json()["events"]
    assert event["type"] == "company.framework-agreement-ended.v1"
    assert event["about"][:2] == [company, agreement]
    assert set(event["about"][2:]) == {ids["account_id"], ids["sub_account_id"], ids["framework_account_id"]}
    assert answer.json()["ends"] == {**NOTHING, "accesses": ends}
    assert answer.json()["elsewhere"] == [
        {"service": "profiles", "type": "profiles.main-administrator-revoked.v1", "times": 2}
    ]


async def test_h1_a_dry_run_of_ending_is_refused_as_ending_would_be_and_is_no_attempt(world: World) -> None:
    ids = await nordlys_with_products(world)
    havnefart = await world.registered(HAVNEFART, HANS)
    account, agreement = f"/accounts/{ids['account_id']}/end", f"/agreements/{ids['agreement_id']}/end"
    unconfirmed = {"confirm": False}
    for by, path, body, status, code in (
        (METTE, account, unconfirmed, 422, "ending-not-confirmed"),
        (SUSANNE, agreement, unconfirmed, 422, "ending-not-confirmed"),
        (ANNA, account, CONFIRMED, 403, "not-permitted"),
        (METTE, agreement, CONFIRMED, 403, "not-permitted"),
        (METTE, f"/accounts/{havnefart['account_id']}/end", CONFIRMED, 404, "not-found"),
        (METTE, f"/accounts/{name('account', 9)}/end", CONFIRMED, 404, "not-found"),
        (SUSANNE, f"/agreements/{name('agreement', 9)}/end", CONFIRMED, 404, "not-found"),
        (SUSANNE, f"/accounts/{havnefart['account_id']}/end", CONFIRMED, 409, "last-account"),
        (METTE, f"/accounts/{ids['framework_account_id']}/end", CONFIRMED, 409, "framework-account-stays"),
    ):
        rehearsed = await dry(world, by, path, body)
        assert (rehearsed.status_code, rehearsed.json()["code"]) == (status, code)
        real = await world.asked_by(by)("POST", path, body)
        assert rehearsed.json() | {"request_id": ""} == real.json() | {"request_id": ""}
    await ended(world, ids["sub_account_id"])
    assert (await dry(world, METTE, account)).json()["code"] == "last-sub-account"


async def test_c7_nothing_would_come_of_ending_what_has_ended(world: World) -> None:
    ids = await nordlys_with_products(world)
    await ended(world, ids["account_id"])
    await agreement_ended(world, ids["agreement_id"])
    for path in (f"/accounts/{ids['account_id']}/end", f"/agreements/{ids['agreement_id']}/end"):
        answer = await dry(world, SUSANNE, path)
        nothing = {"dry_run": True, "events": [], "begins": [], "ends": NOTHING, "elsewhere": [], "mails": 0}
        assert (answer.status_code, answer.json()) == (200, nothing)


async def test_a13_a_dry_run_of_ending_says_nothing_of_what_else_a_person_reaches(world: World) -> None:
    ids = await nordlys_with_products(world)
    havnefart = await world.registered(HAVNEFART, HANS)
    alone = await dry(world, METTE, f"/accounts/{ids['account_id']}/end")
    await world.administers(DORA, havnefart["account_id"], havnefart["company_id"])
    again = await dry(world, METTE, f"/accounts/{ids['account_id']}/end")
    assert alone.json() == again.json()


async def test_a9_a13_what_follows_is_told_as_far_as_whoever_asks_sees_it(world: World) -> None:
    """Whoever may end an account sees all that is on it; the question itself does not lean on that."""
    ids = await nordlys_with_products(world)
    would_end = AccountEnded(company_id=ids["company_id"], account_id=ids["account_id"])
    nobody = Actor("profile", name("profile", 9))
    for who, accesses, products in ((ANNA, {ANNA, DORA, HANS}, 2), (HANS, {HANS}, 0), (nobody, set[Actor](), 0)):
        told = await foresee(world.backbone.database, [would_end], who)
        assert {access.profile_id for access in told.ends.accesses} == {each.id for each in accesses}
        assert len(told.ends.products) == products
        assert sum(each.times for each in told.elsewhere) == len(accesses) + products


async def test_a14_a_right_revoked_between_check_and_commit_refuses_a_dry_run_of_ending_too(
    world: World, database: str
) -> None:
    ids = await nordlys_with_products(world)
    with psycopg.connect(database) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        asking = world.asked_by(METTE)("POST", f"/accounts/{ids['account_id']}/end?dry-run=true", CONFIRMED)
        async with started_and_held(asking, database) as rehearsal:
            holder.execute("DELETE FROM reach_grants WHERE kind = 'main-administrator'")
            holder.commit()
            answer = await rehearsal
    assert (answer.status_code, answer.json()["code"]) == (403, "grant-withdrawn")
    assert "attempt-refused" not in world.types_in_log()
