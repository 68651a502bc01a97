"""A15, A8, A9: a profile gets the e-mail address that its person has proven, or its person is told why not."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from services.auth.events import AddressProven
from services.profiles.events import EmailChanged, EmailChangeRefused, ProfileCreated
from shared.actor import Actor
from tests.feed import SUSANNE, log_of, running
from tests.profiles.conftest import (
    ANNA,
    BIZZ,
    DORA,
    HANS,
    HAVNEFART,
    HAVNEFART_BIZZ,
    HAVNEFART_MAIN,
    NORDLYS,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    name,
    replica,
)

NEW = "Dora.Dahl@nordlys.example.com"
NUMBERS = itertools.count(1)


def proven(who: str, email: str) -> AddressProven:
    """Auth says that the address is this profile's person's."""
    return AddressProven(
        challenge_id=name("email-change", next(NUMBERS)),
        subject=f"profile:{who}",
        email=email,
        address=email.strip().lower(),
    )


async def given_dora(world: World) -> tuple[Actor, Actor]:
    """Anna administers Nordlys' road account; Dora drives with its bizz."""
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    return anna, Actor("profile", await world.new_person(anna, DORA, "product-access", BIZZ))


async def me(world: World, person: Actor) -> dict[str, Any]:
    answer = await world.asked_by(person)("GET", "/profiles/me")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def create(world: World, by: Actor, email: str, kind: str, target: str) -> Any:
    grants = [{"kind": kind, "id": target}]
    return await world.asked_by(by)("POST", "/profiles", {"email": email, "name": "Dora", "grants": grants})


async def a_little_later(round_: int, doing: Coroutine[Any, Any, None]) -> None:
    """Each round at another moment of what goes on beside it."""
    await asyncio.sleep(0.02 * round_)
    await doing


async def test_a15_whenever_an_address_is_proven_its_profile_gets_it_and_keeps_its_grants(world: World) -> None:
    anna, dora = await given_dora(world)
    await world.feed.given(proven(dora.id, f" {NEW} "), by=dora)
    assert await me(world, dora) == {
        "profile_id": dora.id,
        "email": NEW,
        "name": "Dora Dahl",
        "phone": None,
        "cancelled": False,
        "grants": [{"kind": "product-access", "id": BIZZ}],
        "email_change": {"email": NEW, "state": "changed", "because": None},
    }
    seen_by_anna = (await world.asked_by(anna)("GET", f"/profiles/{dora.id}")).json()
    assert (seen_by_anna["email"], "email_change" in seen_by_anna) == (NEW, False)
    [changed] = [recorded for recorded in log_of(world.backbone) if isinstance(recorded.data, EmailChanged)]
    assert str(changed.actor) == str(dora)
    assert changed.data == EmailChanged(profile_id=dora.id, email=NEW, address=NEW.lower())


async def test_a15_a_client_that_waits_for_the_proof_sees_what_came_of_it(world: World) -> None:
    _, dora = await given_dora(world)
    proof = proven(dora.id, NEW)
    await world.feed.given(proof, by=dora)
    answer = await world.asked_by(dora)("GET", "/profiles/me", require_seen=f"{proof.challenge_id}@1")
    assert (answer.status_code, answer.json()["email"]) == (200, NEW)


async def test_a8_product_access_moves_to_the_new_address_and_the_old_one_is_free(world: World) -> None:
    anna, dora = await given_dora(world)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    await world.feed.given(proven(dora.id, NEW), by=dora)
    new = await create(world, hans, NEW, "product-access", HAVNEFART_BIZZ)
    assert (new.status_code, new.json()["code"]) == (409, "email-has-product-access")
    old = await create(world, anna, DORA, "product-access", PLATE_PAYMENT)
    assert old.status_code == 201
    assert old.json()["profile_id"] != dora.id, "A9: whoever has the old address now is somebody else"


async def test_a8_the_new_address_is_free_once_its_access_ended(world: World) -> None:
    anna, dora = await given_dora(world)
    await world.feed.given(proven(dora.id, NEW), by=dora)
    revoked = await world.asked_by(anna)("POST", f"/profiles/{dora.id}/revoke", {"kind": "product-access", "id": BIZZ})
    assert revoked.status_code == 200
    again = await create(world, anna, NEW, "product-access", PLATE_PAYMENT)
    assert (again.status_code, again.json()["profile_id"]) == (201, dora.id)


async def test_a9_an_address_that_has_another_profile_is_refused_and_nothing_is_lost(world: World) -> None:
    anna, dora = await given_dora(world)
    erik = Actor("profile", await world.new_person(anna, "erik@nordlys.example.com", "product-access", PLATE_PAYMENT))
    for taken in (ANNA, "ERIK@nordlys.example.com"):  # with product access of its own and without
        await world.feed.given(proven(dora.id, taken), by=dora)
        mine = await me(world, dora)
        assert mine["email_change"] == {"email": taken, "state": "refused", "because": "address-taken"}
        assert (mine["email"], mine["grants"]) == (DORA, [{"kind": "product-access", "id": BIZZ}])
    assert (await me(world, erik))["email"] == "erik@nordlys.example.com"
    assert (await create(world, anna, DORA, "account-administrator", NORDLYS_ROAD)).json()["profile_id"] == dora.id
    refused = [r for r in log_of(world.backbone) if isinstance(r.data, EmailChangeRefused)]
    assert [(str(r.actor), r.stream) for r in refused] == [(str(dora), dora.id)] * 2, "H1: both attempts are events"


async def test_a9_the_address_of_a_cancelled_profile_may_become_somebody_elses(world: World) -> None:
    anna, dora = await given_dora(world)
    erik = await world.new_person(anna, "erik@nordlys.example.com", "product-access", PLATE_PAYMENT)
    assert (await world.asked_by(anna)("POST", f"/profiles/{erik}/cancel", {"confirm": True})).status_code == 200
    await world.feed.given(proven(dora.id, "erik@nordlys.example.com"), by=dora)
    assert (await me(world, dora))["email"] == "erik@nordlys.example.com"


async def test_a11_a_cancelled_profile_gets_no_address_and_the_attempt_is_recorded(world: World) -> None:
    anna, dora = await given_dora(world)
    assert (await world.asked_by(dora)("POST", f"/profiles/{dora.id}/cancel", {"confirm": True})).status_code == 200
    await world.feed.given(proven(dora.id, NEW), by=dora)
    assert world.types_in_log()[-1] == "email-change-refused"
    assert (await create(world, anna, NEW, "product-access", BIZZ)).json()["profile_id"] != dora.id


async def test_a15_another_spelling_of_the_own_address_only_changes_where_mail_goes(world: World) -> None:
    anna, dora = await given_dora(world)
    await world.feed.given(proven(dora.id, "Dora@Nordlys.example.com"), by=dora)
    assert (await me(world, dora))["email"] == "Dora@Nordlys.example.com"
    assert (await create(world, anna, DORA, "account-administrator", NORDLYS_ROAD)).json()["profile_id"] == dora.id


async def test_a15_customer_service_has_no_profile_to_change(world: World) -> None:
    assert (await world.asked_by(SUSANNE)("GET", "/profiles/me")).status_code == 404


async def test_a9_of_many_who_prove_one_address_at_the_same_moment_exactly_one_gets_it(
    world: World, database: str
) -> None:
    anna, _ = await given_dora(world)
    people = [
        await world.new_person(anna, f"driver{n}@nordlys.example.com", "account-administrator", NORDLYS_ROAD)
        for n in range(12)
    ]
    other = replica(database)
    async with running(other.backbone):
        await asyncio.gather(
            *((world, other)[n % 2].feed.given(proven(who, NEW)) for n, who in enumerate(people)),
            *(create(world, anna, NEW, "product-access", PLATE_PAYMENT) for _ in range(4)),
        )
    outcomes = Counter(type(recorded.data) for recorded in log_of(world.backbone))
    created = [r.data for r in log_of(world.backbone) if isinstance(r.data, ProfileCreated) and r.data.email == NEW]
    assert outcomes[EmailChanged] + len(created) == 1
    assert outcomes[EmailChanged] + outcomes[EmailChangeRefused] == len(people), "each of them is told"
    owner = await world.profile_of(NEW.lower())
    row = await world.backbone.database.row(
        "SELECT profile_id FROM product_access_by_email WHERE address = %s", (NEW.lower(),)
    )
    assert row == {"profile_id": owner.id}, "A9: whoever got the address got the grants for it, too"


async def test_a8_grants_to_an_address_that_is_changing_at_the_same_moment_never_reach_two_products(
    world: World, database: str
) -> None:
    anna, _ = await given_dora(world)
    other = replica(database)
    async with running(other.backbone):
        for round_ in range(8):
            old, new = f"old{round_}@nordlys.example.com", f"new{round_}@nordlys.example.com"
            who = await world.new_person(anna, old, "account-administrator", NORDLYS_ROAD)
            answers = await asyncio.gather(
                create(world, anna, old, "product-access", BIZZ),
                create(other, anna, new, "product-access", PLATE_PAYMENT),
                a_little_later(round_, other.feed.given(proven(who, new))),
            )
            assert {answer.status_code for answer in answers[:2]} <= {201, 409}
    rows = await world.backbone.database.rows(
        "SELECT a.address AS of_access, p.address AS of_profile "
        "FROM product_access_by_email a LEFT JOIN profile_by_email p USING (profile_id)"
    )
    assert len(rows) > 8
    assert all(row["of_access"] == row["of_profile"] for row in rows)
