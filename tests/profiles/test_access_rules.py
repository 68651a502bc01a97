"""A1–A6, A9–A13 through the real application: who may create, grant, revoke and cancel, and what each is told."""

import pytest

from services.company.events import MainAdministratorNamed
from services.profiles.service import NAME
from shared.actor import Actor
from tests.feed import SUSANNE, token
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
    agreement_opened,
    closed,
    name,
)

GRANT_BIZZ = {"kind": "product-access", "id": BIZZ}


async def main_administrator(world: World, email: str = "mette@nordlys.example.com") -> Actor:
    await world.feed.given(
        *agreement_opened(),
        MainAdministratorNamed(company_id=NORDLYS, agreement_id=AGREEMENT, email=email, name="Mette Main"),
        by=SUSANNE,
    )
    return await world.profile_of(email)


async def test_a1_a_profile_type_that_is_none_of_the_three_is_refused(world: World) -> None:
    answer = await world.asked_by(SUSANNE)(
        "POST", "/profiles", {"email": DORA, "name": "Dora", "grants": [{"kind": "superuser", "id": BIZZ}]}
    )
    assert answer.status_code == 422


async def test_a2_a_main_administrator_exists_only_where_there_is_a_framework_agreement(world: World) -> None:
    answer = await world.asked_by(SUSANNE)(
        "POST",
        "/profiles",
        {"email": DORA, "name": "Dora", "grants": [{"kind": "main-administrator", "id": AGREEMENT}]},
    )
    assert answer.status_code == 404


async def test_a3_an_account_may_have_any_number_of_administrators(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    for number in range(5):
        await world.new_person(anna, f"admin{number}@nordlys.example.com", "account-administrator", NORDLYS_ROAD)


async def test_a4_a_main_administrator_grants_every_type_on_all_accounts_of_the_agreement(world: World) -> None:
    mette = await main_administrator(world)
    await world.new_person(mette, "a@nordlys.example.com", "main-administrator", AGREEMENT)
    await world.new_person(mette, "b@nordlys.example.com", "account-administrator", NORDLYS_HARBOUR)
    await world.new_person(mette, "c@nordlys.example.com", "product-access", BIZZ)


async def test_a5_an_account_administrator_grants_on_their_accounts_and_no_others(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    await world.new_person(anna, DORA, "product-access", BIZZ)
    for target in (
        {"kind": "account-administrator", "id": NORDLYS_HARBOUR},
        {"kind": "product-access", "id": HAVNEFART_BIZZ},
    ):
        answer = await world.asked_by(anna)("POST", "/profiles", {"email": HANS, "name": "Hans", "grants": [target]})
        assert answer.status_code == 404, target


async def test_a5_an_account_administrator_cannot_touch_a_main_administrator(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    mette = await main_administrator(world)
    ask = world.asked_by(anna)
    revoke = await ask("POST", f"/profiles/{mette.id}/revoke", {"kind": "main-administrator", "id": AGREEMENT})
    assert (revoke.status_code, revoke.json()["rule"]) == (403, "A5")
    assert "main administrator" in revoke.json()["who_could"]
    cancel = await ask("POST", f"/profiles/{mette.id}/cancel", {"confirm": True})
    assert (cancel.status_code, cancel.json()["rule"]) == (403, "A11")


async def test_a6_product_access_may_not_give_anyone_access_to_anything(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = Actor("profile", await world.new_person(anna, DORA, "product-access", BIZZ))
    answer = await world.asked_by(dora)("POST", "/profiles", {"email": HANS, "name": "Hans", "grants": [GRANT_BIZZ]})
    assert (answer.status_code, answer.json()["rule"]) == (403, "A6")
    assert (await world.asked_by(dora)("GET", "/profiles")).json() == {"items": [], "next": None}


async def test_a9_creating_a_profile_for_an_address_that_has_one_adds_the_grant_to_it(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    first = await world.new_person(anna, DORA, "product-access", BIZZ)
    second = await world.new_person(hans, " DORA@Nordlys.Example.com", "account-administrator", HAVNEFART_MAIN)
    assert first == second
    assert world.types_in_log().count("profile-created") == 3


async def test_a9_an_administrator_learns_nothing_about_grants_elsewhere(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    await world.new_person(hans, DORA, "account-administrator", HAVNEFART_MAIN)
    seen_by_hans = (await world.asked_by(hans)("GET", f"/profiles/{dora}")).json()
    assert seen_by_hans["grants"] == [{"kind": "account-administrator", "id": HAVNEFART_MAIN}]
    listed = (await world.asked_by(anna)("GET", "/profiles")).json()["items"]
    assert {grant["id"] for person in listed for grant in person["grants"]} == {BIZZ, NORDLYS_ROAD}


async def test_a9_a_product_may_have_several_people_with_access(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    assert await world.new_person(anna, DORA, "product-access", BIZZ) != await world.new_person(
        anna, "erik@nordlys.example.com", "product-access", BIZZ
    )


async def test_a10_access_is_granted_only_to_an_open_product(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    await world.feed.given(closed(BIZZ, NORDLYS_ROAD))
    answer = await world.asked_by(anna)("POST", "/profiles", {"email": DORA, "name": "Dora", "grants": [GRANT_BIZZ]})
    assert (answer.status_code, answer.json()["code"]) == (409, "product-closed")


async def test_a11_cancelling_must_be_confirmed_and_ends_every_grant(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    ask = world.asked_by(anna)
    unconfirmed = await ask("POST", f"/profiles/{dora}/cancel", {"confirm": False})
    assert (unconfirmed.status_code, unconfirmed.json()["code"]) == (422, "cancelling-not-confirmed")
    assert (await ask("POST", f"/profiles/{dora}/cancel", {"confirm": True})).status_code == 200
    assert world.types_in_log()[-2:] == ["product-access-revoked", "profile-cancelled"]
    assert (await ask("GET", f"/profiles/{dora}")).status_code == 404


async def test_a11_everyone_may_cancel_their_own_login(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = Actor("profile", await world.new_person(anna, DORA, "product-access", BIZZ))
    assert (await world.asked_by(dora)("POST", f"/profiles/{dora.id}/cancel", {"confirm": True})).status_code == 200


async def test_a11_an_account_administrator_cancels_only_profiles_all_of_whose_grants_lie_in_their_accounts(
    world: World,
) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    await world.new_person(hans, DORA, "account-administrator", HAVNEFART_MAIN)
    answer = await world.asked_by(anna)("POST", f"/profiles/{dora}/cancel", {"confirm": True})
    assert (answer.status_code, answer.json()["rule"]) == (403, "A11")


async def test_a12_an_account_never_loses_its_last_administrator(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    ask = world.asked_by(anna)
    own = {"kind": "account-administrator", "id": NORDLYS_ROAD}
    for answer in (
        await ask("POST", f"/profiles/{anna.id}/revoke", own),
        await ask("POST", f"/profiles/{anna.id}/cancel", {"confirm": True}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last-administrator")
    await world.new_person(anna, DORA, "account-administrator", NORDLYS_ROAD)
    assert (await ask("POST", f"/profiles/{anna.id}/revoke", own)).status_code == 200


async def test_a12_a_main_administrator_of_the_agreement_counts_as_an_administrator(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    mette = await main_administrator(world)
    own = {"kind": "account-administrator", "id": NORDLYS_ROAD}
    assert (await world.asked_by(anna)("POST", f"/profiles/{anna.id}/revoke", own)).status_code == 200
    last = await world.asked_by(mette)("POST", f"/profiles/{mette.id}/cancel", {"confirm": True})
    assert (last.status_code, last.json()["code"]) == (409, "last-administrator")


async def test_a13_out_of_reach_answers_exactly_like_what_does_not_exist(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    ask = world.asked_by(anna)
    foreign, missing = hans.id, name("profile", 999)
    for method, path, body in (
        ("GET", "/profiles/{}", None),
        ("POST", "/profiles/{}/grants", GRANT_BIZZ),
        ("POST", "/profiles/{}/revoke", GRANT_BIZZ),
        ("POST", "/profiles/{}/cancel", {"confirm": True}),
    ):
        of_foreign = (await ask(method, path.format(foreign), body)).json()
        of_missing = (await ask(method, path.format(missing), body)).json()
        assert {**of_foreign, "request_id": ""} == {**of_missing, "request_id": ""}


async def test_a14_a_revoked_right_stops_at_once_in_the_service_that_owns_it(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    erik = Actor(
        "profile", await world.new_person(anna, "erik@nordlys.example.com", "account-administrator", NORDLYS_ROAD)
    )
    await world.asked_by(anna)(
        "POST", f"/profiles/{erik.id}/revoke", {"kind": "account-administrator", "id": NORDLYS_ROAD}
    )
    answer = await world.asked_by(erik)("POST", "/profiles", {"email": DORA, "name": "Dora", "grants": [GRANT_BIZZ]})
    assert answer.status_code == 404


async def test_a15_everyone_may_see_and_change_their_own_contact_details(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = Actor("profile", await world.new_person(anna, DORA, "product-access", BIZZ))
    ask = world.asked_by(dora)
    assert (
        await ask("PUT", "/profiles/me/contact-details", {"name": "Dora D.", "phone": "20304050"})
    ).status_code == 200
    assert (await ask("GET", "/profiles/me")).json() == {
        "profile_id": dora.id,
        "email": DORA,
        "name": "Dora D.",
        "phone": "20304050",
        "cancelled": False,
        "grants": [{"kind": "product-access", "id": BIZZ}],
        "email_change": None,
    }


async def test_a8_the_address_is_free_again_when_the_product_closes(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    other = {"kind": "product-access", "id": PLATE_PAYMENT}
    refused = await world.asked_by(anna)("POST", f"/profiles/{dora}/grants", other)
    assert (refused.status_code, refused.json()["code"]) == (409, "email-has-product-access")
    await world.feed.given(closed(BIZZ, NORDLYS_ROAD))
    assert await world.new_person(anna, "  Dora@NORDLYS.example.com ", "product-access", PLATE_PAYMENT) == dora


@pytest.mark.parametrize(
    "spelling", ["DORA@nordlys.example.com", "ｄｏｒａ@nordlys.example.com", " dora@NORDLYS.example.com "]
)
async def test_a8_another_spelling_of_the_address_is_the_same_address(world: World, spelling: str) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    await world.new_person(anna, DORA, "product-access", BIZZ)
    grants = [{"kind": "product-access", "id": HAVNEFART_BIZZ}]
    answer = await world.asked_by(hans)("POST", "/profiles", {"email": spelling, "name": "Dora", "grants": grants})
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, "email-has-product-access", "A8")


async def test_h1_a_refused_attempt_is_an_event_with_who_what_and_why(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = Actor("profile", await world.new_person(anna, DORA, "product-access", BIZZ))
    await world.asked_by(dora)("POST", "/profiles", {"email": HANS, "name": "Hans", "grants": [GRANT_BIZZ]})
    rows = await world.backbone.database.rows("SELECT state FROM events WHERE topic = 'profiles.attempt-refused.v1'")
    assert len(rows) == 1
    state = bytes(rows[0]["state"]).decode()
    assert dora.id in state
    assert '"operation":"POST /profiles"' in state
    assert BIZZ in state
    assert HANS not in state


async def test_s17_whoever_is_demoted_during_a_session_is_refused_the_next_write(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    boss = await world.administrator("boss@nordlys.example.com", NORDLYS_ROAD, NORDLYS)
    grant_bizz = (f"/profiles/{anna.id}/grants", GRANT_BIZZ)
    assert (await world.asked_by(boss)("POST", *grant_bizz)).status_code == 200
    bearer = f"Bearer {token(anna, NAME)}"
    await world.asked_by(boss)(
        "POST", f"/profiles/{anna.id}/revoke", {"kind": "account-administrator", "id": NORDLYS_ROAD}
    )
    new = {"email": DORA, "name": "Dora", "grants": [GRANT_BIZZ]}
    answer = await world.asked_by(anna)("POST", "/profiles", new, authorization=bearer)
    assert (answer.status_code, answer.json()["rule"]) == (403, "A6")


async def test_s16_whoever_cancelled_themselves_is_nobody_here_at_once_and_a_lost_answer_is_given_again(
    world: World,
) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = Actor("profile", await world.new_person(anna, DORA, "product-access", BIZZ))
    cancel = ("POST", f"/profiles/{dora.id}/cancel", {"confirm": True})
    answers = [await world.asked_by(dora)(*cancel, idempotency_key="bye") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    for again in (await world.asked_by(dora)(*cancel), await world.asked_by(dora)("GET", "/profiles/me")):
        assert (again.status_code, again.json()["code"]) == (401, "session-not-valid")
