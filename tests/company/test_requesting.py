"""C1, C3, C4 through the real application: who asks for a change, who decides it, and what each is shown of it."""

from typing import Any

import httpx
import psycopg
import pytest

from shared.actor import Actor
from shared.eventstore.recorder import APPEND_LOCK
from tests.company.conftest import ANNA, DORA, HANS, HAVNEFART, METTE, NORDLYS, Ids, World, name, replica
from tests.feed import SUSANNE, log_of, running
from tests.waiting import started_and_held

NAMED: dict[str, Any] = {"kind": "legal-name", "legal_name": "Nordlys Logistik ApS"}
CVR: dict[str, Any] = {"kind": "cvr", "cvr": "10150817"}
AS_EAN: dict[str, Any] = {"kind": "invoice-format", "invoice_format": "ean", "ean": "5790000000005"}
TO_CARD: dict[str, Any] = {"kind": "payment", "payment": "card"}
TO_INVOICE: dict[str, Any] = {"kind": "payment", "payment": "invoice", "expected_yearly_usage_dkk": 36_000}
REASON = {"reason": "The register has another name."}


async def asked(world: World, who: Actor, ids: Ids, wish: dict[str, Any]) -> str:
    """A request that is open now."""
    told = await world.done(who, "POST", f"/companies/{ids['company_id']}/change-requests", wish)
    return told["change_request_id"]


async def ends(world: World, who: Actor, request: str, how: str, body: Any = None) -> None:
    told = await world.done(who, "POST", f"/change-requests/{request}/{how}", body, 200)
    assert told == {"change_request_id": request}


async def seen(world: World, who: Actor, request: str) -> dict[str, Any]:
    answer = await world.asked_by(who)("GET", f"/change-requests/{request}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def company_of(world: World, ids: Ids) -> dict[str, Any]:
    told: dict[str, Any] = (await world.asked_by(SUSANNE)("GET", f"/companies/{ids['company_id']}")).json()
    return told


def refused(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    return answer.status_code, answer.json().get("code"), answer.json().get("rule")


async def test_c3_an_approved_request_is_changed_in_the_same_commit(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    for wish in (NAMED, CVR, AS_EAN, TO_CARD):
        request = await asked(world, ANNA, ids, wish)
        answer = await world.asked_by(SUSANNE)("POST", f"/change-requests/{request}/approve")
        [last, change] = list(log_of(world.backbone))[-2:]
        assert answer.headers["Seen"] == f"{ids['company_id']}@{change.version}"
        assert (last.type, change.version) == ("company.change-request-approved.v1", last.version + 1)
    company = await company_of(world, ids)
    assert {key: company[key] for key in ("legal_name", "cvr", "invoice_format", "ean", "payment")} == {
        "legal_name": "Nordlys Logistik ApS",
        "cvr": "10150817",
        "invoice_format": "ean",
        "ean": "5790000000005",
        "payment": "card",
    }
    assert [account["payment"] for account in company["accounts"]] == ["card"]


async def test_c3_a_declined_request_says_why_and_changes_nothing(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    before = await company_of(world, ids)
    request = await asked(world, ANNA, ids, NAMED)
    await ends(world, SUSANNE, request, "decline", REASON)
    told = await seen(world, ANNA, request)
    assert (told["state"], told["reason"]) == ("declined", REASON["reason"])
    assert told["closed_at"] > told["requested_at"]
    assert await company_of(world, ids) == before


async def test_c3_a_request_is_shown_to_whoever_asked_to_the_administrators_and_to_customer_service(
    world: World,
) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.agreement_of(ids["company_id"], METTE)
    request = await asked(world, ANNA, ids, CVR)
    for who in (ANNA, METTE, SUSANNE):
        told = await seen(world, who, request)
        told.pop("requested_at")
        assert told == {
            "change_request_id": request,
            "company_id": ids["company_id"],
            "kind": "cvr",
            "to": "10150817",
            "ean": None,
            "expected_yearly_usage_dkk": None,
            "state": "open",
            "reason": None,
            "requested_by": ANNA.id,
            "closed_at": None,
            "warnings": [],
        }


async def test_a13_who_asked_is_named_only_to_whoever_sees_that_person(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    sub = await world.done(METTE, "POST", f"/agreements/{agreement['agreement_id']}/accounts", {"name": "Odense"})
    maja = Actor("profile", name("profile", 7))
    await world.administers(maja, sub["account_id"], ids["company_id"])
    anna, mette = await asked(world, ANNA, ids, NAMED), await asked(world, METTE, ids, CVR)
    assert (await seen(world, maja, anna))["requested_by"] is None
    assert (await seen(world, maja, mette))["requested_by"] == METTE.id, "of the agreement that Maja's account is in"
    assert (await seen(world, METTE, anna))["requested_by"] == ANNA.id


async def test_c1_a_driver_and_customer_service_ask_for_no_change_and_no_stranger_knows_of_the_company(
    world: World,
) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.registered(HAVNEFART, HANS)
    await world.drives(DORA, ids["account_id"], ids["company_id"])
    path = f"/companies/{ids['company_id']}/change-requests"
    for who, wanted in (
        (DORA, (403, "not-permitted", "A6")),
        (SUSANNE, (403, "not-permitted", "C3")),
        (HANS, (404, "not-found", None)),
    ):
        assert refused(await world.asked_by(who)("POST", path, NAMED)) == wanted


async def test_c3_only_customer_service_decides_and_only_administrators_withdraw(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.registered(HAVNEFART, HANS)
    await world.drives(DORA, ids["account_id"], ids["company_id"])
    request = await asked(world, ANNA, ids, NAMED)
    for who, how, body, wanted in (
        (ANNA, "approve", None, (403, "not-permitted", "A5")),
        (ANNA, "decline", REASON, (403, "not-permitted", "A5")),
        (SUSANNE, "withdraw", None, (403, "not-permitted", "C3")),
        (DORA, "withdraw", None, (403, "not-permitted", "A6")),
        (HANS, "approve", None, (404, "not-found", None)),
        (HANS, "withdraw", None, (404, "not-found", None)),
    ):
        path = f"/change-requests/{request}/{how}"
        assert refused(await world.asked_by(who)("POST", path, body)) == wanted, (who, how)
    for who, wanted in ((DORA, (403, "not-permitted", "A6")), (HANS, (404, "not-found", None))):
        assert refused(await world.asked_by(who)("GET", f"/change-requests/{request}")) == wanted
    assert (await seen(world, ANNA, request))["state"] == "open"


async def test_c3_whoever_asked_or_another_administrator_withdraws_a_request_while_it_is_open(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await world.agreement_of(ids["company_id"], METTE)
    for who in (ANNA, METTE):
        request = await asked(world, ANNA, ids, NAMED)
        await ends(world, who, request, "withdraw")
        assert (await seen(world, ANNA, request))["state"] == "withdrawn"
        answer = await world.asked_by(SUSANNE)("POST", f"/change-requests/{request}/approve")
        assert refused(answer) == (409, "change-request-closed", "C3")


async def test_a14_whoever_administers_nothing_there_any_more_neither_sees_nor_withdraws_what_they_asked_for(
    world: World,
) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    request = await asked(world, ANNA, ids, NAMED)
    await world.administers_no_longer(ANNA, ids["account_id"], ids["company_id"])
    assert refused(await world.asked_by(ANNA)("GET", f"/change-requests/{request}")) == (404, "not-found", None)
    assert refused(await world.asked_by(ANNA)("POST", f"/change-requests/{request}/withdraw")) == (
        *(404, "not-found"),
        None,
    )
    assert (await world.asked_by(ANNA)("GET", "/change-requests")).json() == {"items": [], "next": None}


async def test_a14_a_right_revoked_before_the_commit_refuses_the_request(world: World, database: str) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    before, other = world.types_in_log(), replica(database)
    with psycopg.connect(database) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        wish = other.asked_by(ANNA)("POST", f"/companies/{ids['company_id']}/change-requests", NAMED)
        async with running(other.backbone), started_and_held(wish, database) as asking:
            await world.administers_no_longer(ANNA, ids["account_id"], ids["company_id"])
            holder.commit()
            answer = await asking
    assert refused(answer) == (403, "grant-withdrawn", "A14")
    assert world.types_in_log() == [*before, "attempt-refused"]


async def test_c3_the_second_request_of_a_kind_is_refused_while_the_first_is_open(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    path = f"/companies/{ids['company_id']}/change-requests"
    first = await asked(world, ANNA, ids, NAMED)
    other = {**NAMED, "legal_name": "Nordlys A/S"}
    assert refused(await world.asked_by(ANNA)("POST", path, other)) == (409, "change-request-open", "C3")
    await asked(world, ANNA, ids, CVR)
    await ends(world, ANNA, first, "withdraw")
    await asked(world, ANNA, ids, other)


async def test_c3_the_database_itself_refuses_a_second_open_request_of_a_kind(world: World, database: str) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await asked(world, ANNA, ids, NAMED)
    async with await psycopg.AsyncConnection.connect(database) as connection:
        with pytest.raises(psycopg.errors.UniqueViolation, match="one_open_change_request"):
            await connection.execute(
                "INSERT INTO change_requests SELECT 'change-request-2', company_id, kind, 'Another', ean, NULL, state, "
                "NULL, requested_by, requested_at FROM change_requests"
            )


async def test_c4_below_22000_dkk_a_year_a_company_keeps_paying_by_card_and_is_told_at_once(world: World) -> None:
    ids = await world.registered(HAVNEFART, HANS)
    path = f"/companies/{ids['company_id']}/change-requests"
    low = {**TO_INVOICE, "expected_yearly_usage_dkk": 21_999}
    answer = await world.asked_by(HANS)("POST", path, low)
    assert refused(answer) == (409, "expected-usage-too-low", "C4")
    assert answer.json()["least_dkk"] == 22_000
    unsaid = await world.asked_by(HANS)("POST", path, {"kind": "payment", "payment": "invoice"})
    assert refused(unsaid) == (422, "expected-usage-missing", "C4")
    request = await asked(world, HANS, ids, TO_INVOICE)
    assert (await seen(world, SUSANNE, request))["expected_yearly_usage_dkk"] == 36_000
    await ends(world, SUSANNE, request, "approve")
    assert (await company_of(world, ids))["payment"] == "invoice"


async def test_c6_a_number_that_fails_modulus_11_is_taken_with_a_warning(world: World) -> None:
    told = (await world.asked_by(SUSANNE)("POST", "/companies", NORDLYS)).json()
    assert told["warnings"] == ["cvr-fails-modulus-11"]
    await world.administers(ANNA, told["account_id"], told["company_id"])
    path = f"/companies/{told['company_id']}/change-requests"
    for cvr, warnings in (("10150818", ["cvr-fails-modulus-11"]), ("10150817", [])):
        answer = await world.asked_by(ANNA)("POST", path, {"kind": "cvr", "cvr": cvr})
        assert (answer.status_code, answer.json()["warnings"]) == (201, warnings)
        assert (await seen(world, SUSANNE, answer.json()["change_request_id"]))["warnings"] == warnings
        await ends(world, ANNA, answer.json()["change_request_id"], "withdraw")


async def test_c6_a_number_of_another_company_is_asked_for_and_refused_when_it_is_decided(world: World) -> None:
    """Asking tells an administrator nothing of other companies (A13); customer service is told, and may decline."""
    ids = await world.registered(NORDLYS, ANNA)
    havnefart = await world.registered(HAVNEFART, HANS)
    request = await asked(world, ANNA, ids, {"kind": "cvr", "cvr": HAVNEFART["cvr"]})
    answer = await world.asked_by(SUSANNE)("POST", f"/change-requests/{request}/approve")
    assert refused(answer) == (409, "cvr-already-registered", "C6")
    assert (await seen(world, ANNA, request))["state"] == "open"
    freed = await asked(world, HANS, havnefart, CVR)
    await ends(world, SUSANNE, freed, "approve")
    await ends(world, SUSANNE, request, "approve")
    assert (await company_of(world, ids))["cvr"] == HAVNEFART["cvr"]


async def test_c6_the_number_that_a_company_left_may_be_registered(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    await ends(world, SUSANNE, await asked(world, ANNA, ids, CVR), "approve")
    assert (await world.asked_by(SUSANNE)("POST", "/companies", {**HAVNEFART, "cvr": CVR["cvr"]})).status_code == 409
    assert (await world.asked_by(SUSANNE)("POST", "/companies", NORDLYS)).status_code == 201


async def test_p6_a_reason_holds_no_card_number_and_none_is_repeated(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    request = await asked(world, ANNA, ids, NAMED)
    path = f"/change-requests/{request}/decline"
    answer = await world.asked_by(SUSANNE)("POST", path, {"reason": "Use 4111 1111 1111 1111"})
    assert refused(answer) == (422, "looks-like-a-card-number", "P6")
    assert "4111" not in answer.text
