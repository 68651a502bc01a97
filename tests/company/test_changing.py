"""C1, C2 and the access rules through the real application: who changes what, and what each is shown and told."""

import psycopg

from services.company.service import NAME
from services.profiles.events import MainAdministratorRevoked
from shared.eventstore.recorder import APPEND_LOCK
from tests.company.conftest import (
    AGREEMENT_FORM,
    ANNA,
    CONTACT,
    DORA,
    HANS,
    HAVNEFART,
    METTE,
    NORDLYS,
    World,
    name,
    replica,
)
from tests.feed import SUSANNE, log_of, running, token
from tests.waiting import started_and_held


async def test_c2_contact_details_are_changed_directly_and_as_a_whole(world: World) -> None:
    ids = await world.registered(HAVNEFART, HANS)
    path = f"/companies/{ids['company_id']}"
    assert await world.done(HANS, "PUT", f"{path}/contact-details", CONTACT, 200) == {"company_id": ids["company_id"]}
    company = (await world.asked_by(HANS)("GET", path)).json()
    assert {field: company[field] for field in CONTACT} == CONTACT
    assert (company["postal_address"], company["invoice_email"]) == (None, None)


async def test_c2_an_account_is_renamed(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    path = f"/accounts/{ids['account_id']}"
    await world.done(ANNA, "PUT", f"{path}/name", {"name": " Nordlys   Aarhus "}, 200)
    assert (await world.asked_by(ANNA)("GET", path)).json()["name"] == "Nordlys Aarhus"


async def test_c2_what_is_already_so_is_accepted_and_changes_nothing(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    company, account = f"/companies/{ids['company_id']}/contact-details", f"/accounts/{ids['account_id']}/name"
    await world.done(ANNA, "PUT", company, CONTACT, 200)
    await world.done(ANNA, "PUT", account, {"name": "Nordlys Aarhus"}, 200)
    before = world.types_in_log()
    await world.done(ANNA, "PUT", company, CONTACT, 200)
    await world.done(ANNA, "PUT", account, {"name": "Nordlys Aarhus"}, 200)
    assert world.types_in_log() == before


async def test_c1_main_and_account_administrators_change_company_information_in_their_reach(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.agreement_of(ids["company_id"], METTE)
    for who, person in ((ANNA, "Anna Lund"), (METTE, "Mette Main")):
        path = f"/companies/{ids['company_id']}/contact-details"
        await world.done(who, "PUT", path, {**CONTACT, "contact_person": person}, 200)
        await world.done(who, "PUT", f"/accounts/{ids['account_id']}/name", {"name": person}, 200)
    granted = {recorded.grant.split(":")[0] for recorded in log_of(world.backbone) if recorded.grant}
    assert granted == {"customer-service", "account-administrator", "main-administrator"}


async def test_c1_a_driver_changes_no_company_information(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.drives(DORA, ids["account_id"], ids["company_id"])
    for method, path, body in (
        ("PUT", f"/companies/{ids['company_id']}/contact-details", CONTACT),
        ("PUT", f"/accounts/{ids['account_id']}/name", {"name": "Mine"}),
        ("GET", f"/companies/{ids['company_id']}", None),
        ("GET", f"/accounts/{ids['account_id']}", None),
    ):
        answer = await world.asked_by(DORA)(method, path, body)
        assert (answer.status_code, answer.json()["rule"]) == (403, "A6"), path
        assert "account administrator" in answer.json()["who_could"]
    for path in ("/companies", "/accounts"):
        assert (await world.asked_by(DORA)("GET", path)).json() == {"items": [], "next": None}


async def test_c1_customer_service_does_not_change_company_information_directly(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    for path, body in (
        (f"/companies/{ids['company_id']}/contact-details", CONTACT),
        (f"/accounts/{ids['account_id']}/name", {"name": "Nordlys Aarhus"}),
    ):
        answer = await world.asked_by(SUSANNE)("PUT", path, body)
        assert (answer.status_code, answer.json()["rule"]) == (403, "C1")


async def test_a5_an_account_administrator_renames_only_accounts_that_they_administer(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    other = f"/accounts/{agreement['framework_account_id']}/name"
    assert (await world.asked_by(ANNA)("PUT", other, {"name": "Mine"})).status_code == 404
    await world.done(METTE, "PUT", other, {"name": "Nordlys samlet"}, 200)


async def test_a13_lists_show_what_is_in_reach_and_customer_service_sees_all(world: World) -> None:
    nordlys, havnefart = await world.registered(NORDLYS, ANNA), await world.registered(HAVNEFART, HANS)
    agreement = await world.agreement_of(nordlys["company_id"], METTE)
    first, framework = nordlys["account_id"], agreement["framework_account_id"]
    for who, companies, accounts in (
        (ANNA, {nordlys["company_id"]}, {first}),
        (METTE, {nordlys["company_id"]}, {first, framework}),
        (HANS, {havnefart["company_id"]}, {havnefart["account_id"]}),
        (SUSANNE, {nordlys["company_id"], havnefart["company_id"]}, {first, framework, havnefart["account_id"]}),
    ):
        ask = world.asked_by(who)
        assert {c["company_id"] for c in (await ask("GET", "/companies")).json()["items"]} == companies
        assert {a["account_id"] for a in (await ask("GET", "/accounts")).json()["items"]} == accounts
        of_nordlys = (await ask("GET", f"/accounts?company_id={nordlys['company_id']}")).json()["items"]
        assert {a["account_id"] for a in of_nordlys} == accounts - {havnefart["account_id"]}
    of_anna = (await world.asked_by(ANNA)("GET", f"/companies/{nordlys['company_id']}")).json()
    assert [account["account_id"] for account in of_anna["accounts"]] == [first]


async def test_a13_out_of_reach_answers_exactly_like_what_does_not_exist(world: World) -> None:
    await world.registered(NORDLYS, ANNA)
    foreign = await world.registered(HAVNEFART, HANS)
    missing = {"company_id": name("company", 9), "account_id": name("account", 9)}
    for method, path, body in (
        ("GET", "/companies/{company_id}", None),
        ("PUT", "/companies/{company_id}/contact-details", CONTACT),
        ("POST", "/companies/{company_id}/framework-agreement", AGREEMENT_FORM),
        ("GET", "/accounts/{account_id}", None),
        ("PUT", "/accounts/{account_id}/name", {"name": "Mine"}),
    ):
        answers = [await world.asked_by(ANNA)(method, path.format(**ids), body) for ids in (foreign, missing)]
        assert [answer.status_code for answer in answers] == [404, 404], path
        of_foreign, of_missing = ({**answer.json(), "request_id": ""} for answer in answers)
        assert of_foreign == of_missing
        assert (await world.asked_by(SUSANNE)(method, path.format(**missing), body)).status_code == 404, path


async def test_a13_nobody_is_shown_anything_without_a_valid_token(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    for path in ("/companies", "/accounts", f"/companies/{ids['company_id']}", f"/accounts/{ids['account_id']}"):
        assert (await world.asked_by(None)("GET", path)).status_code == 401
        assert (await world.asked_by(ANNA)("GET", path, authorization="Bearer nonsense")).status_code == 401


async def test_a14_a_revoked_right_stops_working_here_as_soon_as_it_is_heard_of(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.administers_no_longer(ANNA, ids["account_id"], ids["company_id"])
    ask = world.asked_by(ANNA)
    assert (await ask("PUT", f"/accounts/{ids['account_id']}/name", {"name": "Mine"})).status_code == 404
    assert (await ask("GET", f"/companies/{ids['company_id']}")).status_code == 404


async def test_s17_whoever_is_demoted_during_a_session_is_refused_the_next_write(world: World) -> None:
    ids = await world.registered(NORDLYS, METTE)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    bearer = f"Bearer {token(METTE, NAME)}"
    create = ("POST", f"/agreements/{agreement['agreement_id']}/accounts", {"name": "Odense"})
    assert (await world.asked_by(METTE)(*create, authorization=bearer)).status_code == 201
    await world.feed.given(
        MainAdministratorRevoked(
            profile_id=METTE.id,
            agreement_id=agreement["agreement_id"],
            company_id=ids["company_id"],
            because="revoked",
        )
    )
    answer = await world.asked_by(METTE)(*create, authorization=bearer)
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (403, "not-permitted", "A5")


async def test_a14_a_right_revoked_between_check_and_commit_refuses_the_command(world: World, database: str) -> None:
    """Z-12: the command is held on one replica while another hears that the right is gone."""
    ids = await world.registered(NORDLYS, ANNA)
    before, other = world.types_in_log(), replica(database)
    with psycopg.connect(database) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        rename = other.asked_by(ANNA)("PUT", f"/accounts/{ids['account_id']}/name", {"name": "Mine"})
        async with running(other.backbone), started_and_held(rename, database) as renaming:
            await world.administers_no_longer(ANNA, ids["account_id"], ids["company_id"])
            holder.commit()
            answer = await renaming
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (403, "grant-withdrawn", "A14")
    assert world.types_in_log() == [*before, "attempt-refused"]


async def test_h1_a_refused_attempt_is_an_event_with_who_what_and_why_and_no_personal_data(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.drives(DORA, ids["account_id"], ids["company_id"])
    await world.asked_by(DORA)("PUT", f"/companies/{ids['company_id']}/contact-details", CONTACT)
    refused = list(log_of(world.backbone))[-1]
    assert refused.type == "company.attempt-refused.v1"
    assert refused.actor == DORA
    told = refused.data.model_dump()
    assert told["operation"] == "PUT /companies/{company_id}/contact-details"
    assert (told["about"], told["code"], told["rule"]) == ((ids["company_id"],), "not-permitted", "A6")
    assert CONTACT["contact_email"] not in str(told)


async def test_p6_a_card_number_or_invisible_text_is_no_name(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    for text in ("Kort 4111 1111 1111 1111", "Nord\u202elys"):
        answer = await world.asked_by(ANNA)("PUT", f"/accounts/{ids['account_id']}/name", {"name": text})
        assert answer.status_code == 422
        assert "4111" not in answer.text
