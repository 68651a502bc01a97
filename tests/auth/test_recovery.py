"""Who lost the app has recovery codes; who lost everything is invited anew by two people (C-27)."""

import asyncio
import base64
import json
from collections import Counter

import httpx
import pytest

from services.auth.events import (
    AttemptRefused,
    RecoveryCodeUsed,
    ReinvitationProposed,
    Reinvited,
    SessionEnded,
)
from services.company.events import AccountOpened
from services.products.events import BizzOrdered
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    ProductAccessGranted,
    ProfileCreated,
)
from shared.events import Event
from tests.auth.conftest import ANNA, ANNAS_ID, DORA, DORAS_ID, SUSANNE, World, name
from tests.auth.people import Person, fresh, notices, with_app


async def test_c27_a_recovery_code_stands_for_the_app_once_however_it_is_typed(world: World) -> None:
    person = await with_app(world)
    await person.choose("both")
    typed = person.recovery_codes[0].lower().replace("-", " ")
    login = await world.ask(ANNA)
    assert (await world.give(login.challenge, login.code)).status_code == 202
    assert (await world.give(login.challenge, typed, by="recovery-code")).status_code == 201
    login = await world.ask(ANNA)
    await world.give(login.challenge, login.code)
    assert (await world.give(login.challenge, typed, by="recovery-code")).status_code == 401
    assert len(world.said(RecoveryCodeUsed)) == 1
    assert (await person("GET", "/login/methods")).json()["recovery_codes_left"] == 9
    assert (await notices(world))[-1] == "recovery-code-used"


async def test_c27_of_40_simultaneous_uses_of_a_recovery_code_exactly_one_is_let_in(world: World, other: World) -> None:
    person = await with_app(world)
    logins = [await world.ask(ANNA, by="authenticator-app") for _ in range(40)]
    answers = await asyncio.gather(
        *(
            (world, other)[n % 2].give(login.challenge, person.recovery_codes[0], by="recovery-code")
            for n, login in enumerate(logins)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 401: 39}


async def test_c27_there_are_ten_of_120_bits_each_kept_as_digests_and_new_ones_replace_them(world: World) -> None:
    person = await with_app(world)
    old = person.recovery_codes
    assert len(set(old)) == 10
    assert all(len(base64.b32decode(code.replace("-", ""))) * 8 >= 112 for code in old)
    row = await world.row(
        "SELECT string_agg(recovery_codes::text, ' ') AS text, min(length(digest)) AS bytes FROM recovery_codes"
    )
    assert row["bytes"] == 32
    assert not any(code in row["text"] for code in old)
    renewed = (await person("POST", "/login/recovery-codes", idempotency_key="new")).json()["recovery_codes"]
    again = (await person("POST", "/login/recovery-codes", idempotency_key="new")).json()
    assert "recovery_codes" not in again
    assert len({*renewed, *old}) == 20
    for code, status in ((old[0], 401), (renewed[0], 201)):
        login = await world.ask(ANNA, by="authenticator-app")
        assert (await world.give(login.challenge, code, by="recovery-code")).status_code == status
    assert (
        json.dumps(renewed[0])
        not in (await world.row("SELECT string_agg(answer::text, '') AS all FROM idempotency"))["all"]
    )


# Invited anew ---------------------------------------------------------------------------------------------------------

METTE, HANS = "mette@nordlys.example.com", "hans@havnefart.example.com"
METTES_ID, HANS_ID = name("profile", 3), name("profile", 4)
NORDLYS, HAVNEFART = name("company", 1), name("company", 2)
ROAD, MAIN = name("account", 1), name("account", 2)
BIZZ = name("product", 1)


def administers(profile_id: str, account: str, company: str) -> Event:
    return AccountAdministratorGranted(profile_id=profile_id, account_id=account, company_id=company)


@pytest.fixture
async def house(world: World) -> World:
    """Anna and Mette administer Nordlys, Hans Havnefart; Dora drives for Nordlys."""
    await world.feed.given(
        *(
            AccountOpened(
                company_id=company,
                account_id=account,
                customer_number="1000001",
                name="Main",
                payment="invoice",
                agreement_id=None,
            )
            for company, account in ((NORDLYS, ROAD), (HAVNEFART, MAIN))
        ),
        BizzOrdered(product_id=BIZZ, account_id=ROAD, company_id=NORDLYS, reference=None),
        ProfileCreated(profile_id=METTES_ID, email=METTE, address=METTE, name="Mette Main"),
        ProfileCreated(profile_id=HANS_ID, email=HANS, address=HANS, name="Hans Havn"),
        administers(ANNAS_ID, ROAD, NORDLYS),
        administers(METTES_ID, ROAD, NORDLYS),
        administers(HANS_ID, MAIN, HAVNEFART),
        ProductAccessGranted(profile_id=DORAS_ID, product_id=BIZZ, account_id=ROAD, company_id=NORDLYS),
    )
    return world


async def proposes(person: Person, profile_id: str, confirm: bool = True) -> httpx.Response:
    return await person("POST", f"/logins/{profile_id}/reinvitation", {"confirm": confirm})


async def confirms(person: Person, profile_id: str, confirm: bool = True) -> httpx.Response:
    return await person("POST", f"/logins/{profile_id}/reinvitation/confirm", {"confirm": confirm})


async def test_c27_two_administrators_in_reach_let_somebody_begin_again_and_learn_nothing(house: World) -> None:
    dora = await with_app(house, DORA)
    await dora.choose("both")
    device = (await house.row("SELECT count(*) FROM known_devices WHERE account = %s", f"profile:{DORAS_ID}"))["count"]
    assert device == 1
    await house.auth.backbone.database.execute(
        "UPDATE failed_tries SET failures = 80 WHERE account = %s AND authenticator = 'mailed-code'",
        (f"profile:{DORAS_ID}",),
    )
    anna, mette = await fresh(house, ANNA), await fresh(house, METTE)
    proposed = await proposes(anna, DORAS_ID)
    assert (proposed.status_code, proposed.json()) == (200, {"profile_id": DORAS_ID, "state": "proposed"})
    assert (await house.exchange(dora.session)).status_code == 200, "nothing has happened yet"
    agreed = await confirms(mette, DORAS_ID)
    assert (agreed.status_code, agreed.json()) == (200, {"profile_id": DORAS_ID, "state": "re-invited"})
    assert (await house.exchange(dora.session)).status_code == 401
    assert [ended.because for ended in house.said(SessionEnded)] == ["re-invited"]
    [anew] = house.said(Reinvited)
    assert (anew.proposed_by, anew.confirmed_by) == (f"profile:{ANNAS_ID}", f"profile:{METTES_ID}")
    assert house.log()[-1].grant == f"account-administrator:{ROAD}"
    for table in ("authenticator_apps", "recovery_codes", "login_methods", "known_devices"):
        column = "account" if table == "known_devices" else "subject"
        rows = await house.auth.backbone.database.rows(f"SELECT {column} AS whose FROM {table}")
        assert f"profile:{DORAS_ID}" not in [row["whose"] for row in rows], table
    await house.logged_in(DORA)  # by a mailed code alone, though its hard stop was reached: it is bound anew (C-07)
    assert (await notices(house))[-1] == "re-invited"


async def test_c27_where_there_is_one_administrator_customer_service_is_the_second(house: World) -> None:
    idas_id, ida = name("profile", 5), "ida@havnefart.example.com"
    await house.feed.given(
        ProfileCreated(profile_id=idas_id, email=ida, address=ida, name="Ida"),
        administers(idas_id, MAIN, HAVNEFART),
    )
    hans, susanne = await fresh(house, HANS), await fresh(house, SUSANNE)
    assert (await proposes(hans, idas_id)).status_code == 200
    assert (await confirms(susanne, idas_id)).status_code == 200
    assert house.said(Reinvited)[0].confirmed_by.startswith("staff:")


async def test_c27_nobody_is_two_people(house: World) -> None:
    anna, mette = await fresh(house, ANNA), await fresh(house, METTE)
    await proposes(anna, DORAS_ID)
    same = await confirms(anna, DORAS_ID)
    assert (same.status_code, same.json()["code"]) == (403, "second-person-needed")
    assert (await proposes(anna, ANNAS_ID)).json()["code"] == "second-person-needed", "nor is it about oneself"
    await proposes(mette, ANNAS_ID)
    assert (await confirms(anna, ANNAS_ID)).json()["code"] == "second-person-needed"
    assert not house.said(Reinvited)
    assert len(house.said(AttemptRefused)) == 3, "H1"


async def test_a13_whoever_is_out_of_reach_does_not_exist_and_whoever_reaches_more_is_left_alone(house: World) -> None:
    anna, dora, hans = await fresh(house, ANNA), await fresh(house, DORA), await fresh(house, HANS)
    for profile_id in (DORAS_ID, METTES_ID, name("profile", 99)):
        assert (await proposes(hans, profile_id)).status_code == 404
    assert (await proposes(dora, METTES_ID)).status_code == 404
    await house.feed.given(administers(METTES_ID, MAIN, HAVNEFART))
    more = await proposes(anna, METTES_ID)
    assert (more.status_code, more.json()["code"]) == (403, "cannot-reinvite")
    assert not house.said(ReinvitationProposed)


async def test_a14_a_right_that_is_revoked_between_the_two_ends_what_it_was_for(house: World) -> None:
    anna, mette = await fresh(house, ANNA), await fresh(house, METTE)
    await proposes(anna, DORAS_ID)
    await house.feed.given(
        AccountAdministratorRevoked(profile_id=METTES_ID, account_id=ROAD, company_id=NORDLYS, because="revoked")
    )
    assert (await confirms(mette, DORAS_ID)).status_code == 404
    assert not house.said(Reinvited)


@pytest.mark.parametrize(("after", "status"), [(86_399, 200), (86_400, 409), (86_401, 409)])
async def test_c27_a_proposal_waits_for_a_day(house: World, after: int, status: int) -> None:
    await proposes(await fresh(house, ANNA), DORAS_ID)
    house.clock.turn(seconds=after)
    answer = await confirms(await fresh(house, METTE), DORAS_ID)
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "nothing-proposed"


async def test_c27_of_simultaneous_confirmations_one_counts(house: World, other: World) -> None:
    anna, mette, susanne = await fresh(house, ANNA), await fresh(house, METTE), await fresh(house, SUSANNE)
    await proposes(anna, DORAS_ID)
    answers = await asyncio.gather(*(confirms(person, DORAS_ID) for person in [mette, susanne] * 5))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    assert len(house.said(Reinvited)) == 1


async def test_c27_setting_a_login_back_must_be_confirmed_by_both(house: World) -> None:
    anna, mette = await fresh(house, ANNA), await fresh(house, METTE)
    unconfirmed = await proposes(anna, DORAS_ID, confirm=False)
    assert (unconfirmed.status_code, unconfirmed.json()["code"]) == (422, "reinvitation-not-confirmed")
    await proposes(anna, DORAS_ID)
    assert (await confirms(mette, DORAS_ID, confirm=False)).status_code == 422
    assert not house.said(Reinvited)
