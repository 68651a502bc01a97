"""A8, A9, A12 with real concurrency: two replicas over one database."""

import asyncio
from collections import Counter

import httpx
import psycopg

from services.profiles.events import ProductAccessGranted, ProductAccessRevoked
from shared.actor import Actor
from shared.events import Event
from shared.eventstore.recorder import APPEND_LOCK
from tests.feed import log_of, running
from tests.profiles.conftest import (
    ANNA,
    DORA,
    HANS,
    HAVNEFART,
    HAVNEFART_MAIN,
    NORDLYS,
    NORDLYS_ROAD,
    World,
    bizz,
    closed,
    name,
    opened,
    replica,
)
from tests.waiting import started_and_held

PRODUCTS = 60


async def test_a8_of_many_grants_at_the_same_moment_on_two_replicas_exactly_one_succeeds(
    world: World, database: str
) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    products = [name("product", 100 + n) for n in range(PRODUCTS)]
    await world.feed.given(
        *(
            bizz(p, NORDLYS_ROAD, NORDLYS) if n % 2 else bizz(p, HAVNEFART_MAIN, HAVNEFART)
            for n, p in enumerate(products)
        )
    )
    other = replica(database)
    async with running(other.backbone):

        async def grant(number: int, product: str) -> httpx.Response:
            asked = (world, other)[number % 3 % 2].asked_by(anna if number % 2 else hans)
            grants = [{"kind": "product-access", "id": product}]
            return await asked("POST", "/profiles", {"email": DORA, "name": "Dora", "grants": grants})

        answers = await asyncio.gather(*(grant(n, p) for n, p in enumerate(products)))
    outcomes = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert outcomes == {(201, None): 1, (409, "email-has-product-access"): PRODUCTS - 1}
    assert world.types_in_log().count("product-access-granted") == 1
    assert sum(recorded.type == "profiles.attempt-refused.v1" for recorded in log_of(world.backbone)) == PRODUCTS - 1


async def test_a12_two_administrators_removing_each_other_never_leave_an_account_without_one(
    world: World, database: str
) -> None:
    other = replica(database)
    async with running(other.backbone):
        for round_ in range(10):
            account = name("account", 50 + round_)
            await world.feed.given(*_account(account))
            one = await world.administrator(f"one{round_}@nordlys.example.com", account, NORDLYS)
            two = await world.administrator(f"two{round_}@nordlys.example.com", account, NORDLYS)
            grant = {"kind": "account-administrator", "id": account}
            answers = await asyncio.gather(
                world.asked_by(one)("POST", f"/profiles/{two.id}/revoke", grant),
                other.asked_by(two)("POST", f"/profiles/{one.id}/revoke", grant),
            )
            assert min(answer.status_code for answer in answers) == 200
            left = await world.backbone.database.rows("SELECT 1 FROM reach_grants WHERE target_id = %s", (account,))
            assert len(left) == 1


def _account(account: str) -> list[Event]:
    return [opened(NORDLYS, account)]


async def test_a14_a_right_revoked_between_check_and_commit_refuses_the_command(world: World, database: str) -> None:
    """Z-12: both are held at their commit on two replicas, the revocation first."""
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    boss = await world.administrator("boss@nordlys.example.com", NORDLYS_ROAD, NORDLYS)
    other, before = replica(database), world.types_in_log()
    road = {"kind": "account-administrator", "id": NORDLYS_ROAD}
    revoke = world.asked_by(boss)("POST", f"/profiles/{anna.id}/revoke", road)
    create = other.asked_by(anna)("POST", "/profiles", {"email": DORA, "name": "Dora", "grants": [road]})
    with psycopg.connect(database) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        async with (
            running(other.backbone),
            started_and_held(revoke, database) as revoking,
            started_and_held(create, database) as creating,
        ):
            holder.commit()
            revoked, refused = await revoking, await creating
    assert revoked.status_code == 200
    assert (refused.status_code, refused.json()["code"], refused.json()["rule"]) == (403, "grant-withdrawn", "A14")
    assert world.types_in_log() == [*before, "account-administrator-revoked", "attempt-refused"]


async def test_p4_a_grant_made_while_the_product_closes_either_ends_with_it_or_is_refused(
    world: World, database: str
) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    other = replica(database)
    async with running(other.backbone):
        for round_ in range(10):
            product = name("product", 200 + round_)
            await world.feed.given(bizz(product, NORDLYS_ROAD, NORDLYS))
            grants = [{"kind": "product-access", "id": product}]
            person = {"email": f"driver{round_}@nordlys.example.com", "name": "Dora", "grants": grants}
            await asyncio.gather(
                other.asked_by(anna)("POST", "/profiles", person),
                world.feed.given(closed(product, NORDLYS_ROAD)),
            )
    granted = {r.data.product_id for r in log_of(world.backbone) if isinstance(r.data, ProductAccessGranted)}
    ended = {r.data.product_id for r in log_of(world.backbone) if isinstance(r.data, ProductAccessRevoked)}
    assert granted == ended


async def test_a9_an_address_gets_one_profile_whoever_creates_it_first(world: World, database: str) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    other = replica(database)
    async with running(other.backbone):
        answers = await asyncio.gather(
            *(
                _create((world, other)[n % 2], anna, {"kind": "account-administrator", "id": NORDLYS_ROAD})
                for n in range(20)
            )
        )
    assert len(set(answers)) == 1
    assert world.types_in_log().count("account-administrator-granted") == 2


async def _create(world: World, by: Actor, grant: dict[str, str]) -> str:
    answer = await world.asked_by(by)("POST", "/profiles", {"email": DORA, "name": "Dora", "grants": [grant]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["profile_id"])
