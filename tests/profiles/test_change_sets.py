"""Several grants in one command, all or nothing: A4, A5, A8, A10, A12, A13, A14, with real concurrency."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import httpx

from services.profiles.events import ProductAccessGranted, ProductAccessRevoked
from shared.actor import Actor
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

Grants = Sequence[tuple[str, str]]
HARBOUR_BIZZ = name("product", 9)


async def change(world: World, by: Actor, profile: str, *, grant: Grants = (), revoke: Grants = ()) -> httpx.Response:
    body = {
        what: [{"kind": kind, "id": target} for kind, target in grants]
        for what, grants in (("grant", grant), ("revoke", revoke))
    }
    return await world.asked_by(by)("POST", f"/profiles/{profile}/changes", body)


async def held(world: World, profile: str) -> set[str]:
    rows = await world.backbone.database.rows("SELECT target_id FROM reach_grants WHERE profile_id = %s", (profile,))
    return {row["target_id"] for row in rows}


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


async def given_dora(world: World) -> tuple[Actor, str]:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    return anna, await world.new_person(anna, DORA, "product-access", BIZZ)


async def test_a8_a_driver_is_moved_from_one_product_to_another_in_one_commit(world: World) -> None:
    anna, dora = await given_dora(world)
    answer = await change(
        world, anna, dora, grant=[("product-access", PLATE_PAYMENT)], revoke=[("product-access", BIZZ)]
    )
    assert (answer.status_code, answer.json()) == (200, {"profile_id": dora})
    assert await held(world, dora) == {PLATE_PAYMENT}
    revoked, granted = list(log_of(world.backbone))[-2:]
    assert (type(revoked.data), type(granted.data)) == (ProductAccessRevoked, ProductAccessGranted)
    assert answer.headers["seen"] == f"{dora}@{granted.version}"


async def test_a8_a_change_that_would_reach_two_products_changes_nothing(world: World) -> None:
    anna, dora = await given_dora(world)
    both = [("account-administrator", NORDLYS_ROAD), ("product-access", PLATE_PAYMENT)]
    assert outcome(await change(world, anna, dora, grant=both)) == (409, "email-has-product-access")
    assert await held(world, dora) == {BIZZ}


async def test_a10_one_closed_product_among_the_grants_and_nothing_changes(world: World) -> None:
    anna, dora = await given_dora(world)
    await world.feed.given(closed(PLATE_PAYMENT, NORDLYS_ROAD))
    answer = await change(
        world, anna, dora, grant=[("product-access", PLATE_PAYMENT)], revoke=[("product-access", BIZZ)]
    )
    assert outcome(answer) == (409, "product-closed")
    assert await held(world, dora) == {BIZZ}


async def test_a5_one_grant_out_of_reach_and_nothing_changes(world: World) -> None:
    anna, dora = await given_dora(world)
    in_reach = [("account-administrator", NORDLYS_ROAD)]
    for foreign in (("account-administrator", NORDLYS_HARBOUR), ("product-access", HAVNEFART_BIZZ)):
        for give, take in (([*in_reach, foreign], []), (in_reach, [foreign])):
            assert outcome(await change(world, anna, dora, grant=give, revoke=take)) == (404, "not-found")
    assert await held(world, dora) == {BIZZ}


async def test_a4_one_grant_beyond_the_rights_and_nothing_changes(world: World) -> None:
    anna, dora = await given_dora(world)
    await main_administrator(world)
    main = ("main-administrator", AGREEMENT)
    for give, take in (([main], [("product-access", BIZZ)]), ([("account-administrator", NORDLYS_ROAD)], [main])):
        answer = await change(world, anna, dora, grant=give, revoke=take)
        assert (*outcome(answer), answer.json()["rule"]) == (403, "not-permitted", "A5")
    assert await held(world, dora) == {BIZZ}


async def test_a4_a_main_administrator_moves_a_person_across_the_accounts_of_the_agreement(world: World) -> None:
    """H1: each event names the grant that it was made under, the move across two accounts, too."""
    anna, dora = await given_dora(world)
    mette = await main_administrator(world)
    await world.feed.given(bizz(HARBOUR_BIZZ, NORDLYS_HARBOUR, NORDLYS))
    moves = {"grant": [("product-access", HARBOUR_BIZZ)], "revoke": [("product-access", BIZZ)]}
    assert outcome(await change(world, anna, dora, **moves)) == (404, "not-found"), "Anna has only one of the two"
    grant = ("account-administrator", NORDLYS_HARBOUR)
    assert (await change(world, mette, anna.id, grant=[grant])).status_code == 200
    assert (await change(world, anna, dora, **moves)).status_code == 200
    revoked, granted = list(log_of(world.backbone))[-2:]
    assert revoked.grant == f"account-administrator:{NORDLYS_ROAD}"
    assert granted.grant == f"account-administrator:{NORDLYS_HARBOUR}"


async def test_a12_what_counts_is_who_is_left_in_the_end_not_at_each_step(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    mette = await main_administrator(world)
    assert (await change(world, mette, anna.id, revoke=[("account-administrator", NORDLYS_ROAD)])).status_code == 200
    steps = {"grant": [("account-administrator", a) for a in (NORDLYS_ROAD, NORDLYS_HARBOUR)]}
    alone = await change(world, mette, mette.id, revoke=[("main-administrator", AGREEMENT)], **steps)
    assert outcome(alone) == (409, "last-administrator"), "the framework account would have nobody"
    steps["grant"].append(("account-administrator", name("account", 4)))
    whole = await change(world, mette, mette.id, revoke=[("main-administrator", AGREEMENT)], **steps)
    assert whole.status_code == 200
    assert await held(world, mette.id) == {NORDLYS_ROAD, NORDLYS_HARBOUR, name("account", 4)}


async def test_a12_customer_service_may_take_the_last_administrator_away(world: World) -> None:
    anna, _ = await given_dora(world)
    last = [("account-administrator", NORDLYS_ROAD)]
    assert outcome(await change(world, anna, anna.id, revoke=last)) == (409, "last-administrator")
    assert (await change(world, SUSANNE, anna.id, revoke=last)).status_code == 200


async def test_a13_a_person_out_of_reach_is_changed_like_one_that_does_not_exist(world: World) -> None:
    anna, _ = await given_dora(world)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    give = [("product-access", BIZZ)]
    answers = [await change(world, anna, who, grant=give) for who in (hans.id, name("profile", 999))]
    assert len({str({**answer.json(), "request_id": ""}) for answer in answers}) == 1
    assert answers[0].status_code == 404


async def test_asking_again_changes_nothing_and_a_contradiction_is_refused(world: World) -> None:
    anna, dora = await given_dora(world)
    road = [("account-administrator", NORDLYS_ROAD)]
    for _ in range(2):
        answer = await change(world, anna, dora, grant=road, revoke=[("product-access", BIZZ)])
        assert answer.status_code == 200
        assert (await change(world, anna, anna.id)).status_code == 200, "nothing at all"
    assert Counter(world.types_in_log())["product-access-revoked"] == 1
    assert Counter(world.types_in_log())["account-administrator-granted"] == 2
    assert outcome(await change(world, anna, anna.id, grant=road, revoke=road)) == (422, "grant-given-and-taken")
    many = [("account-administrator", name("account", n)) for n in range(51)]
    assert outcome(await change(world, anna, anna.id, grant=many)) == (422, "invalid-request")


# Creating for several accounts at once --------------------------------------------------------------------------------


async def create(world: World, by: Actor, email: str, grants: Grants) -> httpx.Response:
    named = [{"kind": kind, "id": target} for kind, target in grants]
    return await world.asked_by(by)("POST", "/profiles", {"email": email, "name": "Dora Dahl", "grants": named})


async def test_a10_a_profile_is_created_for_several_accounts_at_once(world: World) -> None:
    mette = await main_administrator(world)
    road, harbour = ("account-administrator", NORDLYS_ROAD), ("account-administrator", NORDLYS_HARBOUR)
    answer = await create(world, mette, DORA, [road, harbour, ("product-access", BIZZ)])
    assert await held(world, answer.json()["profile_id"]) == {NORDLYS_ROAD, NORDLYS_HARBOUR, BIZZ}


async def test_a10_one_account_out_of_reach_and_nobody_is_created(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    before = len(world.types_in_log())
    for foreign in (
        ("account-administrator", NORDLYS_HARBOUR),
        ("account-administrator", name("account", 999)),
        ("product-access", HAVNEFART_BIZZ),
    ):
        answer = await create(world, anna, DORA, [("account-administrator", NORDLYS_ROAD), foreign])
        assert outcome(answer) == (404, "not-found")
    assert set(world.types_in_log()[before:]) == {"attempt-refused"}


# Concurrency ----------------------------------------------------------------------------------------------------------


async def test_a8_of_two_administrators_who_move_a_driver_at_the_same_moment_one_does(
    world: World, database: str
) -> None:
    anna, dora = await given_dora(world)
    erik = Actor("profile", await world.new_person(anna, HANS, "account-administrator", NORDLYS_ROAD))
    products = [name("product", 400 + n) for n in range(20)]
    await world.feed.given(*(bizz(product, NORDLYS_ROAD, NORDLYS) for product in products))
    other = replica(database)
    async with running(other.backbone):
        for one, two in zip(products[::2], products[1::2], strict=True):
            [now] = await held(world, dora)
            answers = await asyncio.gather(
                *(
                    change(at, by, dora, grant=[("product-access", to)], revoke=[("product-access", now)])
                    for at, by, to in ((world, anna, one), (other, erik, two))
                )
            )
            assert Counter(map(outcome, answers)) == {(200, None): 1, (409, "email-has-product-access"): 1}
            assert await held(world, dora) <= {one, two}


async def test_a10_two_administrators_who_create_somebody_at_the_same_moment_add_to_one_profile(
    world: World, database: str
) -> None:
    mette = await main_administrator(world)
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    other = replica(database)
    async with running(other.backbone):
        for round_ in range(8):
            email = f"new{round_}@nordlys.example.com"
            answers = await asyncio.gather(
                create(world, mette, email, [("account-administrator", NORDLYS_HARBOUR), ("product-access", BIZZ)]),
                create(
                    other, anna, email, [("account-administrator", NORDLYS_ROAD), ("product-access", PLATE_PAYMENT)]
                ),
            )
            assert sorted(map(outcome, answers)) == [(201, None), (409, "email-has-product-access")]
            [profile] = [answer.json()["profile_id"] for answer in answers if answer.status_code == 201]
            assert await held(world, profile) in ({NORDLYS_HARBOUR, BIZZ}, {NORDLYS_ROAD, PLATE_PAYMENT})


async def test_a12_two_administrators_who_replace_each_other_at_the_same_moment_leave_one(
    world: World, database: str
) -> None:
    """A14: whoever comes second has lost the right to it by then."""
    other = replica(database)
    async with running(other.backbone):
        for round_ in range(8):
            account, product = name("account", 50 + round_), name("product", 500 + round_)
            await world.feed.given(opened(NORDLYS, account), bizz(product, account, NORDLYS))
            one = await world.administrator(f"one{round_}@nordlys.example.com", account, NORDLYS)
            two = await world.administrator(f"two{round_}@nordlys.example.com", account, NORDLYS)
            admin, driver = [("account-administrator", account)], [("product-access", product)]
            answers = await asyncio.gather(
                change(world, one, two.id, revoke=admin, grant=driver),
                change(other, two, one.id, revoke=admin, grant=driver),
            )
            assert min(answer.status_code for answer in answers) == 200
            assert {answer.status_code for answer in answers} & {403, 404, 409}, "not both"
            left = await world.backbone.database.rows(
                "SELECT kind FROM reach_grants WHERE target_id = ANY(%s)", ([account, product],)
            )
            assert sorted(row["kind"] for row in left) == ["account-administrator", "product-access"]
