"""C5, C6 through the real application: companies, their agreements and their accounts come into being."""

import psycopg

from shared.actor import Actor
from tests.company.conftest import AGREEMENT_FORM, ANNA, DORA, HANS, HAVNEFART, METTE, NORDLYS, World, name
from tests.feed import SUSANNE, log_of
from tests.parts import owner_of


async def test_c6_a_company_is_registered_with_its_first_account_and_that_accounts_first_administrator(
    world: World,
) -> None:
    answer = await world.asked_by(SUSANNE)("POST", "/companies", NORDLYS)
    assert answer.status_code == 201
    told = answer.json()
    assert answer.headers["Seen"] == f"{told['company_id']}@3"
    assert world.types_in_log() == ["company-registered", "account-opened", "account-administrator-named"]
    assert (await world.asked_by(SUSANNE)("GET", f"/companies/{told['company_id']}")).json() == {
        "company_id": told["company_id"],
        "cvr": "12345678",
        "legal_name": "Nordlys Transport ApS",
        "payment": "invoice",
        "invoice_format": "pdf",
        "ean": None,
        "agreement_id": None,
        "contact_person": "Nora Nord",
        "contact_email": "office@nordlys.example.com",
        "phone": None,
        "postal_address": None,
        "invoice_email": None,
        "accounts": [
            {
                "account_id": told["account_id"],
                "company_id": told["company_id"],
                "customer_number": told["customer_number"],
                "name": "Nordlys Transport",
                "payment": "invoice",
                "kind": "account",
                "agreement_id": None,
                "ended_at": None,
            }
        ],
    }


async def test_c6_a_cvr_number_is_registered_once(world: World) -> None:
    await world.registered(NORDLYS, ANNA)
    again = {**HAVNEFART, "cvr": f" {NORDLYS['cvr']} "}
    answer = await world.asked_by(SUSANNE)("POST", "/companies", again)
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, "cvr-already-registered", "C6")
    assert world.types_in_log().count("company-registered") == 1


async def test_c6_a_cvr_number_is_eight_digits_and_an_administrator_has_an_address(world: World) -> None:
    for wrong, code in (
        ({"cvr": "1234567"}, "cvr-malformed"),
        ({"cvr": "１２３４５６７８"}, "cvr-malformed"),
        ({"administrator": {"email": "anna", "name": "Anna Lund"}}, "email-malformed"),
        ({"contact_email": "office@"}, "email-malformed"),
    ):
        answer = await world.asked_by(SUSANNE)("POST", "/companies", {**NORDLYS, **wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, code), wrong
    assert world.types_in_log() == []


async def test_c6_only_customer_service_registers_a_company(world: World) -> None:
    await world.registered(NORDLYS, ANNA)
    for who in (ANNA, DORA, Actor("staff", name("staff", 9))):
        answer = await world.asked_by(who)("POST", "/companies", HAVNEFART)
        assert answer.status_code in {403, 404}, who
    assert world.types_in_log().count("company-registered") == 1


async def test_c6_an_administrator_is_told_which_rule_refuses_and_who_could(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    answer = await world.asked_by(ANNA)("POST", "/companies", HAVNEFART)
    assert (answer.status_code, answer.json()["rule"]) == (403, "A5")
    assert answer.json()["who_could"] == "customer service"
    path = f"/companies/{ids['company_id']}/framework-agreement"
    answer = await world.asked_by(ANNA)("POST", path, AGREEMENT_FORM)
    assert (answer.status_code, answer.json()["who_could"]) == (403, "customer service")


async def test_c5_a_framework_agreement_is_opened_over_the_accounts_there_are(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    made = await world.done(SUSANNE, "POST", f"/companies/{ids['company_id']}/framework-agreement", AGREEMENT_FORM)
    assert world.types_in_log()[-3:] == ["framework-agreement-opened", "account-opened", "main-administrator-named"]
    company = (await world.asked_by(SUSANNE)("GET", f"/companies/{ids['company_id']}")).json()
    assert company["agreement_id"] == made["agreement_id"]
    kinds = {account["account_id"]: (account["kind"], account["agreement_id"]) for account in company["accounts"]}
    assert kinds == {
        ids["account_id"]: ("sub-account", made["agreement_id"]),
        made["framework_account_id"]: ("framework-account", made["agreement_id"]),
    }


async def test_c6_a_company_has_one_framework_agreement(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.agreement_of(ids["company_id"], METTE)
    answer = await world.asked_by(SUSANNE)(
        "POST", f"/companies/{ids['company_id']}/framework-agreement", AGREEMENT_FORM
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "framework-agreement-exists")


async def test_c6_a_framework_agreement_needs_a_company(world: World) -> None:
    path = f"/companies/{name('company', 9)}/framework-agreement"
    assert (await world.asked_by(SUSANNE)("POST", path, AGREEMENT_FORM)).status_code == 404


async def test_c5_main_administrators_and_customer_service_create_sub_accounts(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    path = f"/agreements/{agreement['agreement_id']}/accounts"
    for who in (METTE, SUSANNE):
        sub = await world.done(who, "POST", path, {"name": "Nordlys Odense"})
        account = (await world.asked_by(METTE)("GET", f"/accounts/{sub['account_id']}")).json()
        assert (account["kind"], account["payment"], account["name"]) == ("sub-account", "invoice", "Nordlys Odense")


async def test_a5_an_account_administrator_creates_no_account(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    path = f"/agreements/{agreement['agreement_id']}/accounts"
    answer = await world.asked_by(ANNA)("POST", path, {"name": "Mine"})
    assert (answer.status_code, answer.json()["rule"]) == (403, "A5")


async def test_a13_an_agreement_out_of_reach_answers_like_one_that_does_not_exist(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.registered(HAVNEFART, HANS)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    foreign, missing = [
        (await world.asked_by(HANS)("POST", f"/agreements/{which}/accounts", {"name": "Mine"}))
        for which in (agreement["agreement_id"], name("agreement", 9))
    ]
    assert foreign.status_code == missing.status_code == 404
    assert {**foreign.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    assert (
        await world.asked_by(SUSANNE)("POST", f"/agreements/{name('agreement', 9)}/accounts", {"name": "x"})
    ).status_code == 404


async def test_every_account_has_a_customer_number_of_its_own(world: World) -> None:
    nordlys, havnefart = await world.registered(NORDLYS, ANNA), await world.registered(HAVNEFART, HANS)
    agreement = await world.agreement_of(nordlys["company_id"], METTE)
    sub = await world.done(METTE, "POST", f"/agreements/{agreement['agreement_id']}/accounts", {"name": "Odense"})
    numbers = [each["customer_number"] for each in (nordlys, havnefart, agreement, sub)]
    assert numbers == ["1000001", "1000002", "1000003", "1000004"]


async def test_customer_numbers_in_use_are_passed_over_when_the_sequence_begins_again(
    world: World, database: str
) -> None:
    nordlys = await world.registered(NORDLYS, ANNA)
    agreement = await world.agreement_of(nordlys["company_id"], METTE)
    for number in range(10):
        await world.done(METTE, "POST", f"/agreements/{agreement['agreement_id']}/accounts", {"name": f"Van {number}"})
    with psycopg.connect(owner_of(database), autocommit=True) as owner:
        owner.execute("ALTER SEQUENCE customer_number RESTART")
    assert (await world.registered(HAVNEFART, HANS))["customer_number"] == "1000013"


async def test_h1_who_registered_and_under_which_grant_stands_in_the_envelope(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    await world.done(METTE, "POST", f"/agreements/{agreement['agreement_id']}/accounts", {"name": "Odense"})
    first, *_, last = log_of(world.backbone)
    assert (first.actor, first.grant) == (SUSANNE, "customer-service")
    assert (last.actor, last.grant) == (METTE, f"main-administrator:{agreement['agreement_id']}")
