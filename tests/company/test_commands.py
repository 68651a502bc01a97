"""Every command is repeatable with its key, and nothing that is sent breaks the service."""

from typing import Any
from urllib.parse import quote

from shared.actor import Actor
from tests.bad_input import RAW, must_be_a_problem, raw_status, wrong_bodies, wrong_ids
from tests.company.conftest import AGREEMENT_FORM, ANNA, CONTACT, HANS, HAVNEFART, METTE, NORDLYS, World
from tests.feed import SUSANNE

COMMANDS: tuple[tuple[Actor, str, str, dict[str, Any], dict[str, Any]], ...] = (
    (SUSANNE, "POST", "/companies", HAVNEFART, {**HAVNEFART, "legal_name": "Havnefart ApS"}),
    (
        SUSANNE,
        "POST",
        "/companies/{other_company_id}/framework-agreement",
        AGREEMENT_FORM,
        {"main_administrator": {"email": "maja@nordlys.example.com", "name": "Maja Holm"}},
    ),
    (METTE, "POST", "/agreements/{agreement_id}/accounts", {"name": "Odense"}, {"name": "Aarhus"}),
    (ANNA, "PUT", "/companies/{company_id}/contact-details", CONTACT, {**CONTACT, "contact_person": "Nora Nord"}),
    (ANNA, "PUT", "/accounts/{account_id}/name", {"name": "Odense"}, {"name": "Aarhus"}),
    (
        ANNA,
        "POST",
        "/companies/{company_id}/change-requests",
        {"kind": "invoice-format", "invoice_format": "ean", "ean": "5790000000005"},
        {"kind": "invoice-format", "invoice_format": "ean", "ean": "5790000000012"},
    ),
    (
        ANNA,
        "POST",
        "/companies/{company_id}/change-requests",
        {"kind": "payment", "payment": "card", "expected_yearly_usage_dkk": 36000},
        {"kind": "payment", "payment": "card"},
    ),
    (SUSANNE, "POST", "/change-requests/{change_request_id}/decline", {"reason": "No."}, {"reason": "Yes."}),
    (METTE, "POST", "/accounts/{account_id}/end", {"confirm": True}, {"confirm": False}),
    (SUSANNE, "POST", "/agreements/{agreement_id}/end", {"confirm": True}, {"confirm": False}),
)
"""Every command of company: by whom, what, and with another body."""

OPTIONAL = ("phone", "postal_address", "invoice_email", "expected_yearly_usage_dkk")


async def ready(world: World) -> dict[str, str]:
    """A world in which every command can be done; answers the identifiers that their paths name."""
    ids = await world.registered(NORDLYS, ANNA)
    agreement = await world.agreement_of(ids["company_id"], METTE)
    other = await world.registered({**NORDLYS, "cvr": "11223344"}, HANS)
    wish = {"kind": "legal-name", "legal_name": "Nordlys A/S"}
    request = await world.done(ANNA, "POST", f"/companies/{ids['company_id']}/change-requests", wish)
    more = {"agreement_id": agreement["agreement_id"], "other_company_id": other["company_id"]}
    return {**ids, **more, "change_request_id": request["change_request_id"]}


async def test_the_same_key_and_body_get_the_same_answer_and_are_done_once(world: World) -> None:
    ids = await ready(world)
    for number, (who, method, path, body, other) in enumerate(COMMANDS):
        ask, at, key = world.asked_by(who), path.format(**ids), f"monday-{number}"
        first = await ask(method, at, body, idempotency_key=key)
        assert first.is_success, first.text
        done = world.types_in_log()
        again = await ask(method, at, body, idempotency_key=key)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers["Seen"] == first.headers["Seen"]
        assert world.types_in_log() == done
        reused = await ask(method, at, other, idempotency_key=key)
        must_be_a_problem(reused, 409)
        assert reused.json()["code"] == "idempotency-key-reused"


async def test_a_refused_command_with_a_key_is_refused_alike_when_it_is_sent_again(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    ask = world.asked_by(SUSANNE)
    path = f"/companies/{ids['company_id']}/framework-agreement"
    await world.agreement_of(ids["company_id"], METTE)
    first = await ask("POST", path, AGREEMENT_FORM, idempotency_key="monday-1")
    again = await ask("POST", path, AGREEMENT_FORM, idempotency_key="monday-1")
    must_be_a_problem(first, 409)
    assert again.json() == first.json()
    assert world.types_in_log().count("attempt-refused") == 1


async def test_what_a_client_has_seen_is_in_every_later_answer(world: World) -> None:
    registered = await world.asked_by(SUSANNE)("POST", "/companies", NORDLYS)
    seen, path = registered.headers["Seen"], f"/companies/{registered.json()['company_id']}"
    assert (await world.asked_by(SUSANNE)("GET", path, require_seen=seen)).status_code == 200
    for header, statuses in (
        (seen.replace("@3", "@4"), [503]),
        ("nonsense", [422]),
        ("company-1@1", [422]),
        (seen.replace("@3", "@99999999999999999999"), [422]),
    ):
        answer = await world.asked_by(SUSANNE)("GET", path, require_seen=header)
        assert answer.status_code in statuses, header


async def test_a_body_that_cannot_be_read_is_a_problem_and_changes_nothing(world: World) -> None:
    ids = await ready(world)
    before = world.types_in_log()
    for who, method, path, _, _ in COMMANDS:
        for sent, raw in RAW.items():
            answer = await world.asked_by(who)(method, path.format(**ids), content=raw)
            must_be_a_problem(answer, *raw_status(raw), sent=f"{path}: {sent}")
    assert world.types_in_log() == before


async def test_a_field_that_is_wrong_missing_or_unknown_is_a_problem_and_changes_nothing(world: World) -> None:
    ids = await ready(world)
    before = world.types_in_log()
    for who, method, path, body, _ in COMMANDS:
        for sent, wrong in wrong_bodies(body, optional=OPTIONAL):
            answer = await world.asked_by(who)(method, path.format(**ids), wrong)
            must_be_a_problem(answer, 400, 422, sent=f"{path}: {sent}")
    assert world.types_in_log() == before


async def test_an_identifier_that_is_none_answers_like_a_thing_that_does_not_exist(world: World) -> None:
    await world.registered(NORDLYS, ANNA)
    for method, path, body, kind in (
        ("GET", "/companies/{}", None, "company"),
        ("GET", "/accounts/{}", None, "account"),
        ("PUT", "/companies/{}/contact-details", CONTACT, "company"),
        ("PUT", "/accounts/{}/name", {"name": "Odense"}, "account"),
        ("POST", "/agreements/{}/accounts", {"name": "Odense"}, "agreement"),
        ("POST", "/companies/{}/change-requests", {"kind": "cvr", "cvr": "87654321"}, "company"),
        ("GET", "/change-requests/{}", None, "change-request"),
        ("POST", "/change-requests/{}/approve", None, "change-request"),
        ("POST", "/change-requests/{}/decline", {"reason": "No."}, "change-request"),
        ("POST", "/change-requests/{}/withdraw", None, "change-request"),
    ):
        for wrong in wrong_ids(kind):
            for who in (ANNA, SUSANNE):
                answer = await world.asked_by(who)(method, path.format(wrong), body)
                must_be_a_problem(answer, 404, sent=f"{method} {path} {wrong[:80]}")


async def test_wrong_queries_and_headers_are_problems(world: World) -> None:
    ask = world.asked_by(SUSANNE)
    for query in ("after=%00", "after=A", f"after={'a' * 81}", "company_id=1", "company_id=%F0%9F", "after=%27"):
        must_be_a_problem(await ask("GET", f"/accounts?{query}"), 422, sent=query)
    for key in ("", "a b", "x" * 101, quote("ø")):
        answer = await ask("POST", "/companies", {**NORDLYS, "cvr": "1"}, idempotency_key=key)
        must_be_a_problem(answer, 422, sent=key)
    must_be_a_problem(await ask("DELETE", "/companies"), 405)
    must_be_a_problem(await ask("GET", "/nothing"), 404)
