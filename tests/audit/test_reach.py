"""H3, A13: who is shown what of whose history."""

import pytest

from services.auth.events import CodeAccepted, CodeRefused, SessionStarted
from services.company.events import (
    AccountEnded,
    ContactDetailsChanged,
    FrameworkAgreementEnded,
    MainAdministratorNamed,
)
from services.profiles.events import AccountAdministratorGranted, AccountAdministratorRevoked, ProductAccessGranted
from services.profiles.events import AttemptRefused as ProfilesRefused
from services.profiles.events import ContactDetailsChanged as PersonChanged
from shared.actor import Actor
from shared.events import Event
from tests.audit.conftest import (
    AGREEMENT,
    ANNA,
    BIZZ,
    DORA,
    ERIK,
    FRAMEWORK,
    HANS,
    HARBOUR,
    HAVNEFART,
    HAVNEFART_BIZZ,
    METTE,
    NOON,
    NORDLYS,
    PLATE,
    QUAY,
    ROAD,
    UNDER_QUAY,
    UNDER_ROAD,
    World,
    closed,
    name,
    product_access,
    product_access_ended,
)
from tests.feed import SUSANNE

NOBODY = name("product", 999)


def login(profile: Actor, number: int) -> list[Event]:
    challenge, session = name("challenge", number), name("session", number)
    subject = str(profile)
    return [
        CodeRefused(challenge_id=challenge, subject=subject, by="mailed-code", because="wrong-code"),
        CodeAccepted(challenge_id=challenge, subject=subject, by="mailed-code", completes=True),
        SessionStarted(session_id=session, subject=subject, challenge_id=challenge, ends_at=NOON),
    ]


def refused(number: int, *named: str) -> Event:
    return ProfilesRefused(
        attempt_id=name("attempt", number),
        operation="POST /profiles",
        about=named,
        code="not-permitted",
        rule="A6",
        reason="This is not within your rights.",
    )


async def status(world: World, reader: Actor, entity: str) -> tuple[int, str | None]:
    answer = await world.ask(reader, entity)
    return answer.status_code, answer.json().get("rule")


async def test_h3_customer_service_sees_all_of_it(world: World) -> None:
    for entity in (NORDLYS, HAVNEFART, ROAD, QUAY, AGREEMENT, BIZZ, HAVNEFART_BIZZ, ANNA.id, HANS.id, DORA.id):
        assert (await status(world, SUSANNE, entity))[0] == 200, entity
    assert (await status(world, SUSANNE, NOBODY))[0] == 404


@pytest.mark.parametrize(
    ("reader", "sees", "sees_not"),
    [
        (ANNA, [ROAD, BIZZ, NORDLYS, AGREEMENT, DORA.id, ANNA.id, METTE.id], [HARBOUR, PLATE, QUAY, HAVNEFART]),
        (METTE, [ROAD, HARBOUR, FRAMEWORK, BIZZ, PLATE, NORDLYS, AGREEMENT, DORA.id, ANNA.id], [QUAY, HAVNEFART_BIZZ]),
        (
            HANS,
            [QUAY, HAVNEFART_BIZZ, HAVNEFART, HANS.id],
            [NORDLYS, ROAD, BIZZ, AGREEMENT, DORA.id, ANNA.id, METTE.id],
        ),
    ],
    ids=["account administrator", "main administrator", "another company"],
)
async def test_h3_an_administrator_sees_what_lies_in_their_accounts_and_nothing_else(
    world: World, reader: Actor, sees: list[str], sees_not: list[str]
) -> None:
    for entity in sees:
        assert (await status(world, reader, entity))[0] == 200, entity
    for entity in [*sees_not, NOBODY]:
        assert (await status(world, reader, entity))[0] == 404, entity


async def test_a13_out_of_reach_answers_exactly_like_what_does_not_exist(world: World) -> None:
    for foreign, missing in ((HANS.id, name("profile", 999)), (QUAY, name("account", 999)), (HAVNEFART_BIZZ, NOBODY)):
        answers = [(await world.ask(ANNA, entity)).json() for entity in (foreign, missing)]
        assert {**answers[0], "request_id": ""} == {**answers[1], "request_id": ""}


async def test_h3_product_access_shows_no_history_not_even_ones_own(world: World) -> None:
    for entity in (BIZZ, DORA.id, ROAD):
        answer = await world.ask(DORA, entity)
        assert (answer.status_code, answer.json()["rule"], answer.json()["code"]) == (403, "H3", "not-permitted")
        assert "account administrator" in answer.json()["who_could"]


async def test_h3_strangers_and_drivers_are_told_nothing_of_what_they_do_not_see(world: World) -> None:
    for entity in (PLATE, HARBOUR, QUAY, ANNA.id, HANS.id, name("session", 1)):
        assert (await status(world, DORA, entity))[0] == 404, entity
        assert (await status(world, ERIK, entity))[0] == 404, entity
    assert await status(world, ERIK, ERIK.id) == (403, "H3")
    assert (await world.ask(None, BIZZ)).status_code == 401


async def test_h3_the_history_of_a_product_tells_who_did_what_under_which_grant(world: World) -> None:
    await world.happened(closed(BIZZ, ROAD), by=ANNA, grant=UNDER_ROAD)
    await world.happened(product_access_ended(DORA, BIZZ, ROAD), by=ANNA, grant=UNDER_ROAD)
    entries = await world.read(ANNA, BIZZ)
    assert [entry["type"].split(".")[1] for entry in entries] == [
        "bizz-ordered",
        "product-access-granted",
        "product-closed",
        "product-access-revoked",
    ]
    assert {(entry["actor"], entry["grant"]) for entry in entries} == {(str(ANNA), UNDER_ROAD)}
    assert entries[0]["data"]["account_id"] == ROAD


async def test_h3_a_drivers_history_has_logins_and_refused_attempts(world: World) -> None:
    await world.happened(*login(DORA, 1), by=DORA)
    await world.happened(refused(1), by=DORA)
    await world.happened(refused(2, BIZZ), by=DORA)
    for reader in (ANNA, METTE, SUSANNE):
        assert (await world.types_read(reader, DORA.id))[:7] == [
            "profile-created",
            "product-access-granted",
            "code-refused",
            "code-accepted",
            "session-started",
            "attempt-refused",
            "attempt-refused",
        ]


async def test_h3_an_attempt_that_names_only_what_lies_elsewhere_is_not_shown(world: World) -> None:
    await world.happened(refused(1, HAVNEFART_BIZZ), refused(2, HANS.id), by=DORA)
    assert "attempt-refused" not in await world.types_read(ANNA, DORA.id)
    assert (await world.types_read(SUSANNE, DORA.id)).count("attempt-refused") == 2
    assert await world.types_read(HANS, HAVNEFART_BIZZ) == ["bizz-ordered", "attempt-refused"]


async def test_a9_nothing_is_shown_of_what_a_person_holds_elsewhere(world: World) -> None:
    await world.happened(
        AccountAdministratorGranted(profile_id=DORA.id, account_id=QUAY, company_id=HAVNEFART),
        by=HANS,
        grant=UNDER_QUAY,
    )
    await world.happened(*login(DORA, 1), by=DORA)
    assert "account-administrator-granted" not in await world.types_read(ANNA, DORA.id)
    await world.happened(refused(1, DORA.id), by=ANNA)
    seen_by_hans = await world.read(HANS, DORA.id)
    types = [entry["type"].split(".")[1] for entry in seen_by_hans]
    assert types == ["account-administrator-granted", "code-refused", "code-accepted", "session-started"]
    for elsewhere in (ROAD, NORDLYS, BIZZ, ANNA.id):
        assert elsewhere not in str(seen_by_hans)


async def test_h3_what_customer_service_did_is_shown_as_far_as_it_lies_in_reach(world: World) -> None:
    assert len(await world.read(SUSANNE, SUSANNE.id)) > len(await world.read(HANS, SUSANNE.id))
    assert NORDLYS not in str(await world.read(HANS, SUSANNE.id))


async def test_a13_identifiers_of_places_out_of_reach_are_withheld(world: World) -> None:
    await world.happened(refused(1, BIZZ, PLATE, HAVNEFART_BIZZ), by=HANS)
    attempt = (await world.read(ANNA, BIZZ))[-1]
    assert attempt["data"]["about"] == [BIZZ]
    opened = next(entry for entry in await world.read(ANNA, ROAD) if "agreement-opened" in entry["type"])
    assert (opened["data"]["sub_account_ids"], opened["data"]["framework_account_id"]) == ([ROAD], None)
    whole = next(entry for entry in await world.read(METTE, ROAD) if "agreement-opened" in entry["type"])
    assert (whole["data"]["sub_account_ids"], whole["data"]["framework_account_id"]) == ([ROAD, HARBOUR], FRAMEWORK)


async def test_h3_what_concerns_the_company_is_seen_by_the_administrators_of_its_accounts(world: World) -> None:
    changed = ContactDetailsChanged(
        company_id=NORDLYS,
        contact_person="Nora Nord",
        contact_email="nora@nordlys.example.com",
        phone=None,
        postal_address=None,
        invoice_email=None,
    )
    await world.happened(changed, by=METTE, grant=f"account-administrator:{HARBOUR}")
    entry = (await world.read(ANNA, NORDLYS))[-1]
    assert entry["type"] == "company.contact-details-changed.v1"
    assert entry["grant"] == "account-administrator"
    assert (await world.read(METTE, NORDLYS))[-2]["grant"] == f"account-administrator:{HARBOUR}"


async def test_h3_an_account_administrator_sees_who_are_main_administrators_above_them(world: World) -> None:
    named = MainAdministratorNamed(
        company_id=NORDLYS, agreement_id=AGREEMENT, email="mette@nordlys.example.com", name="Mette Main"
    )
    await world.happened(named, by=SUSANNE, grant="customer-service")
    assert "main-administrator-named" in await world.types_read(ANNA, AGREEMENT)


async def test_h3_of_somebody_who_left_the_entries_in_ones_accounts_remain_and_their_logins_do_not(
    world: World,
) -> None:
    await world.happened(product_access_ended(DORA, BIZZ, ROAD), by=ANNA, grant=UNDER_ROAD)
    await world.happened(*login(DORA, 1), PersonChanged(profile_id=DORA.id, name="Dora D.", phone=None), by=DORA)
    assert await world.types_read(ANNA, DORA.id) == ["product-access-granted", "product-access-revoked"]


async def test_a14_whoever_lost_the_account_reads_nothing_more(world: World) -> None:
    assert (await status(world, ANNA, BIZZ))[0] == 200
    await world.happened(
        AccountAdministratorRevoked(profile_id=ANNA.id, account_id=ROAD, company_id=NORDLYS, because="revoked"),
        by=METTE,
    )
    assert (await status(world, ANNA, BIZZ))[0] == 404


async def test_h3_an_administrator_who_also_drives_elsewhere_reads_nothing_there(world: World) -> None:
    drives = ProductAccessGranted(profile_id=ANNA.id, product_id=HAVNEFART_BIZZ, account_id=QUAY, company_id=HAVNEFART)
    await world.happened(drives, by=HANS, grant=UNDER_QUAY)
    assert await status(world, ANNA, HAVNEFART_BIZZ) == (403, "H3")
    assert await status(world, ANNA, BIZZ) == (200, None)


async def test_h3_access_to_a_product_of_mine_puts_a_person_within_my_reach(world: World) -> None:
    assert (await status(world, METTE, DORA.id))[0] == 200
    await world.happened(product_access(ERIK, PLATE, HARBOUR), by=METTE)
    assert (await status(world, METTE, ERIK.id))[0] == 200
    assert (await status(world, ANNA, ERIK.id))[0] == 404


async def test_h3_c7_the_end_of_an_account_lies_in_the_account_and_is_read_by_who_still_administers_it(
    world: World,
) -> None:
    await world.happened(
        AccountEnded(company_id=NORDLYS, account_id=ROAD), by=METTE, grant=f"main-administrator:{AGREEMENT}"
    )
    assert (await world.types_read(METTE, ROAD))[-1] == "account-ended"
    assert "account-ended" in await world.types_read(SUSANNE, ROAD)
    assert [(await status(world, ANNA, entity))[0] for entity in (ROAD, BIZZ, NORDLYS)] == [404, 404, 404]
    assert (await status(world, HANS, ROAD))[0] == 404


async def test_h3_c7_the_end_of_an_agreement_lies_in_the_accounts_that_stay_and_names_to_each_only_itself(
    world: World,
) -> None:
    ended = FrameworkAgreementEnded(company_id=NORDLYS, agreement_id=AGREEMENT, account_ids=(ROAD, HARBOUR, FRAMEWORK))
    await world.happened(ended, by=SUSANNE, grant="customer-service")
    entry = (await world.read(ANNA, ROAD))[-1]
    assert entry["type"] == "company.framework-agreement-ended.v1"
    assert entry["data"] == {"company_id": NORDLYS, "agreement_id": None, "account_ids": [ROAD]}
    assert [(await status(world, METTE, entity))[0] for entity in (ROAD, AGREEMENT, NORDLYS)] == [404, 404, 404]
    assert "framework-agreement-ended" in await world.types_read(SUSANNE, AGREEMENT)
