"""A13, A9, H1 through the real application: why somebody may do something, by whose hand, and who is told."""

from typing import Any

import httpx
import pytest

from services.company.events import MainAdministratorNamed
from shared.actor import Actor
from tests.feed import SUSANNE, log_of
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


async def ask(world: World, asker: Actor | None, what: str, **query: str | int) -> httpx.Response:
    return await world.asked_by(asker)("GET", f"/access/{what}?{httpx.QueryParams(query)}")


async def explained(world: World, asker: Actor, who: Actor, operation: str, resource: str | None = None) -> Any:
    query = {"profile": who.id, "operation": operation, **({"resource": resource} if resource else {})}
    answer = await ask(world, asker, "explain", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def main_administrator(world: World) -> Actor:
    email = "mette@nordlys.example.com"
    await world.feed.given(
        *agreement_opened(),
        MainAdministratorNamed(company_id=NORDLYS, agreement_id=AGREEMENT, email=email, name="Mette Main"),
        by=SUSANNE,
    )
    return await world.profile_of(email)


async def driver(world: World, by: Actor) -> Actor:
    return Actor("profile", await world.new_person(by, DORA, "product-access", BIZZ))


async def test_h1_an_allowance_names_the_grant_and_the_event_that_made_it_and_by_whose_hand(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    made = next(recorded for recorded in log_of(world.backbone) if recorded.type.endswith("product-access-granted.v1"))
    told = await explained(world, anna, dora, "product.read", BIZZ)
    assert (told["decision"], told["rule"], told["missing"], told["who_could"]) == ("allow", "A6", [], [])
    assert told["grant"] == {
        "kind": "product-access",
        "id": BIZZ,
        "event_id": made.id,
        "made_at_version": f"{dora.id}@{made.version}",
        "granted_at": made.time.isoformat().replace("+00:00", "Z"),
        "granted_by": {"kind": "account-administrator", "id": anna.id},
        "granted_under": {"kind": "account-administrator", "id": NORDLYS_ROAD},
    }
    assert told["decided_on"] == [f"{NORDLYS}@3", f"{BIZZ}@1", f"{dora.id}@2"]
    answer = await ask(world, anna, "explain", profile=dora.id, operation="product.read", resource=BIZZ)
    assert answer.headers["seen"] == ", ".join(told["decided_on"])
    again = await world.asked_by(anna)("GET", str(answer.request.url), require_seen=", ".join(told["decided_on"]))
    assert again.json() == told


async def test_a13_a_denial_names_the_missing_grant_and_the_kinds_of_people_who_could_give_it(world: World) -> None:
    mette = await main_administrator(world)
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    told = await explained(world, mette, dora, "product.close", BIZZ)
    assert (told["decision"], told["rule"], told["grant"]) == ("deny", "A6", None)
    assert told["who_could"] == ["main-administrator", "account-administrator"]
    givers = ["main-administrator", "account-administrator", "customer-service"]
    assert told["missing"] == [
        {
            "kind": "main-administrator",
            "on": AGREEMENT,
            "could_be_given_by": ["main-administrator", "customer-service"],
        },
        {"kind": "account-administrator", "on": NORDLYS_ROAD, "could_be_given_by": givers},
    ]
    assert told["also"] == [{"rule": "P4", "says": "Closing must be confirmed."}]


async def test_a13_whoever_asks_about_themselves_is_told_no_names_and_no_places_outside_their_reach(
    world: World,
) -> None:
    await main_administrator(world)
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    told = await explained(world, dora, dora, "product.read", BIZZ)
    assert told["grant"]["granted_by"] == {"kind": "account-administrator", "id": None}
    assert told["grant"]["granted_under"] == {"kind": "account-administrator", "id": None}
    denied = await explained(world, dora, dora, "product.close", BIZZ)
    assert [missing["on"] for missing in denied["missing"]] == [None, None]
    named_by_staff = await explained(world, anna, anna, "product.close", BIZZ)
    assert named_by_staff["grant"]["granted_by"] == {"kind": "customer-service", "id": None}
    seen_by_staff = await explained(world, SUSANNE, anna, "product.close", BIZZ)
    assert seen_by_staff["grant"]["granted_by"] == {"kind": "customer-service", "id": SUSANNE.id}


async def test_a9_an_administrator_is_not_told_what_somebody_holds_elsewhere_in_the_company(world: World) -> None:
    mette = await main_administrator(world)
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    await world.new_person(mette, DORA, "account-administrator", NORDLYS_HARBOUR)
    assert (await explained(world, SUSANNE, dora, "company.read", NORDLYS))["decision"] == "allow"
    told = await explained(world, anna, dora, "company.read", NORDLYS)
    assert (told["decision"], told["rule"]) == ("deny", "A6")
    assert told["also"] == [{"rule": "A9", "says": "Only the person's grants within your reach were looked at."}]


async def test_a11_cancelling_is_denied_when_a_grant_of_the_person_lies_out_of_reach(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    dora = await driver(world, anna)
    assert (await explained(world, anna, anna, "profile.cancel", dora.id))["decision"] == "allow"
    await world.new_person(hans, DORA, "account-administrator", HAVNEFART_MAIN)
    told = await explained(world, anna, anna, "profile.cancel", dora.id)
    assert (told["decision"], told["rule"]) == ("deny", "A11")
    assert {further["rule"] for further in told["also"]} == {"A11", "A12"}
    own = await explained(world, anna, anna, "profile.cancel", anna.id)
    assert (own["decision"], own["operation"]) == ("allow", "profile.cancel-oneself")


async def test_a11_a_cancelled_person_may_not_even_do_what_everybody_may(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    await world.asked_by(anna)("POST", f"/profiles/{dora.id}/cancel", {"confirm": True})
    for operation in ("profile.read-oneself", "product.list"):
        assert (await explained(world, SUSANNE, dora, operation))["decision"] == "deny"
    assert (await explained(world, SUSANNE, dora, "profile.read-oneself"))["rule"] == "A11"


async def test_a10_access_to_a_closed_product_is_not_named_as_what_is_missing(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    kinds = [each["kind"] for each in (await explained(world, SUSANNE, dora, "product.read", PLATE_PAYMENT))["missing"]]
    assert kinds == ["account-administrator", "product-access"]
    await world.feed.given(closed(PLATE_PAYMENT, NORDLYS_ROAD))
    told = await explained(world, SUSANNE, dora, "product.read", PLATE_PAYMENT)
    assert [missing["kind"] for missing in told["missing"]] == ["account-administrator"]


async def test_a13_out_of_reach_answers_exactly_like_what_does_not_exist(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    dora = await driver(world, anna)
    nobody, nothing = name("profile", 999), name("product", 999)
    for asker in (anna, dora):
        for what, foreign, missing in (
            ("explain", {"profile": hans.id, "resource": BIZZ}, {"profile": nobody, "resource": BIZZ}),
            ("explain", {"profile": asker.id, "resource": HAVNEFART_BIZZ}, {"profile": asker.id, "resource": nothing}),
            ("explain", {"profile": hans.id, "resource": HAVNEFART_BIZZ}, {"profile": nobody, "resource": nothing}),
            ("who-can", {"resource": HAVNEFART_BIZZ}, {"resource": nothing}),
            ("reach", {"profile": hans.id}, {"profile": nobody}),
        ):
            of = {} if what == "reach" else {"operation": "product.read"}
            answers = [await ask(world, asker, what, **of, **query) for query in (foreign, missing)]
            assert [answer.status_code for answer in answers] == [404, 404], (what, foreign)
            bodies = [{**answer.json(), "request_id": ""} for answer in answers]
            assert bodies[0] == bodies[1]


async def test_a13_customer_service_is_told_of_all_and_of_nothing_that_does_not_exist(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    assert (await explained(world, SUSANNE, anna, "product.read", HAVNEFART_BIZZ))["rule"] == "A13"
    for what, query in (
        ("explain", {"profile": name("profile", 999), "operation": "product.read", "resource": BIZZ}),
        ("explain", {"profile": anna.id, "operation": "product.read", "resource": name("product", 999)}),
        ("who-can", {"operation": "product.read", "resource": name("product", 999)}),
        ("reach", {"profile": name("profile", 999)}),
    ):
        assert (await ask(world, SUSANNE, what, **query)).status_code == 404
    assert (await ask(world, None, "reach", profile=anna.id)).status_code == 401


async def test_a6_product_access_may_not_ask_who_can(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    answer = await ask(world, dora, "who-can", operation="product.read", resource=BIZZ)
    assert (answer.status_code, answer.json()["rule"]) == (403, "A6")
    assert "account administrator" in answer.json()["who_could"]
    about_anna = await ask(world, dora, "explain", profile=anna.id, operation="product.read", resource=BIZZ)
    assert about_anna.status_code == 404


@pytest.mark.parametrize(
    ("operation", "resource", "code"),
    [
        ("product.steal", BIZZ, "unknown-operation"),
        ("product.close", NORDLYS_ROAD, "resource-does-not-fit"),
        ("product.close", "", "resource-does-not-fit"),
        ("product.list", BIZZ, "resource-does-not-fit"),
        ("history.read", name("profile", 1), "resource-does-not-fit"),
        ("product.close", "product-1", "invalid-request"),
        ("\x00", BIZZ, "invalid-request"),
    ],
)
async def test_a_question_about_nothing_that_could_be_is_refused(
    world: World, operation: str, resource: str, code: str
) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    query = {"profile": anna.id, "operation": operation, **({"resource": resource} if resource else {})}
    answer = await ask(world, anna, "explain", **query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_h1_a_refused_question_is_an_event_that_says_about_what(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    await ask(world, dora, "who-can", operation="product.read", resource=BIZZ)
    refused = [recorded.data for recorded in log_of(world.backbone) if recorded.type.endswith("attempt-refused.v1")]
    assert [(each.operation, each.about) for each in refused] == [("GET /access/who-can", (BIZZ,))]  # type: ignore[attr-defined]


async def test_a13_who_can_names_everybody_in_reach_with_since_when_and_by_whom(world: World) -> None:
    mette = await main_administrator(world)
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    for asker in (anna, mette, SUSANNE):
        listed = (await ask(world, asker, "who-can", operation="product.read", resource=BIZZ)).json()
        assert listed["next"] is None
        assert {each["profile_id"]: each["grant"]["kind"] for each in listed["items"]} == {
            mette.id: "main-administrator",
            anna.id: "account-administrator",
            dora.id: "product-access",
        }
        assert {each["email"]: each["grant"]["granted_by"]["id"] for each in listed["items"]}[DORA] == anna.id
    closing = (await ask(world, anna, "who-can", operation="product.close", resource=BIZZ)).json()
    assert {each["profile_id"] for each in closing["items"]} == {mette.id, anna.id}


async def test_a13_of_a_company_an_administrator_is_told_who_can_in_their_own_accounts(world: World) -> None:
    mette = await main_administrator(world)
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    harald = await world.administrator("harald@nordlys.example.com", NORDLYS_HARBOUR, NORDLYS)
    for asker, expected in ((anna, {anna, mette}), (harald, {harald, mette}), (mette, {anna, harald, mette})):
        listed = (await ask(world, asker, "who-can", operation="company.read", resource=NORDLYS)).json()
        assert {each["profile_id"] for each in listed["items"]} == {each.id for each in expected}
        below = (await ask(world, asker, "who-can", operation="history.read", resource=AGREEMENT)).json()
        assert {each["profile_id"] for each in below["items"]} == {each.id for each in expected}


async def test_a13_reach_lists_all_of_ones_own_and_of_others_what_lies_in_ones_reach(world: World) -> None:
    mette = await main_administrator(world)
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await driver(world, anna)
    own = (await ask(world, mette, "reach", profile=mette.id)).json()["items"]
    assert [each["kind"] for each in own] == ["agreement", "account", "product", "product", "account", "account"]
    seen_by_anna = (await ask(world, anna, "reach", profile=mette.id)).json()["items"]
    assert [each["id"] for each in seen_by_anna] == [AGREEMENT, NORDLYS_ROAD, BIZZ, PLATE_PAYMENT]
    of_dora = (await ask(world, dora, "reach", profile=dora.id)).json()["items"]
    assert [(each["kind"], each["id"], each["account_id"]) for each in of_dora] == [("product", BIZZ, NORDLYS_ROAD)]
    assert (await ask(world, anna, "reach", profile=dora.id)).json()["items"][0]["grant"]["granted_by"]["id"] == anna.id
