"""A dry run through the real application: the command's own answer when it refuses, what would come of it when not."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
import psycopg
import pytest

from services.auth.events import SessionEnded, SessionStarted
from services.company.events import AccountAdministratorNamed
from shared.actor import Actor
from shared.eventstore.recorder import APPEND_LOCK
from tests.feed import SUSANNE, token
from tests.profiles.conftest import (
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
    name,
)
from tests.rebuilt import tables_of
from tests.waiting import started_and_held

GRANT_BIZZ = {"kind": "product-access", "id": BIZZ}
GRANT_PLATE_PAYMENT = {"kind": "product-access", "id": PLATE_PAYMENT}
NOTHING: dict[str, Any] = {"accesses": [], "products": [], "sessions": 0}


def everything_in(world: World) -> dict[str, list[str]]:
    """The log, the keys, and every table of every view."""
    of_views = ("product_access_by_email", "profile_by_email", "people", "open_sessions")
    of_reach = ("reach_grants", "reach_accounts", "reach_products", "reach_staff")
    return tables_of(world.backbone, ["events", "idempotency", "inbox", *of_views, *of_reach])


async def dry(world: World, by: Actor, path: str, body: Any, key: str = "dry") -> httpx.Response:
    """Ask for a dry run; whatever it answers, nothing of it is left."""
    before = everything_in(world)
    answer = await world.asked_by(by)("POST", f"{path}?dry-run=true", body, idempotency_key=key)
    assert everything_in(world) == before
    assert "seen" not in answer.headers
    return answer


def person(email: str, *grants: dict[str, str]) -> dict[str, Any]:
    return {"email": email, "name": "Dora Dahl", "grants": list(grants)}


async def logged_in(world: World, profile: str, *sessions: int) -> None:
    for number in sessions:
        started = SessionStarted(
            session_id=name("session", number),
            subject=f"profile:{profile}",
            challenge_id=name("challenge", number),
            ends_at=datetime.now(UTC) + timedelta(hours=12),
        )
        await world.feed.given(started)


async def test_a10_a_profile_that_would_be_created_is_announced_with_its_grants_and_mails(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    answer = await dry(
        world, anna, "/profiles", person(DORA, GRANT_BIZZ, {"kind": "account-administrator", "id": NORDLYS_ROAD})
    )
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "dry_run": True,
            "events": [
                {"type": "profiles.product-access-granted.v1", "about": [BIZZ, NORDLYS_ROAD, NORDLYS]},
                {"type": "profiles.account-administrator-granted.v1", "about": [NORDLYS_ROAD, NORDLYS]},
            ],
            "begins": [
                {"profile_id": None, "kind": "product-access", "id": BIZZ},
                {"profile_id": None, "kind": "account-administrator", "id": NORDLYS_ROAD},
            ],
            "ends": NOTHING,
            "elsewhere": [],
            "mails": 2,
        },
    )


async def test_a9_a_dry_run_does_not_tell_whether_an_address_has_a_login_elsewhere(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    for body in (person("{}", GRANT_BIZZ), {**person("{}", GRANT_BIZZ), "name": "4111 1111 1111 1111"}):
        answers = [await dry(world, anna, "/profiles", {**body, "email": email}) for email in (HANS, DORA)]
        known, unknown = ({**answer.json(), "request_id": ""} for answer in answers)
        assert (answers[0].status_code, known) == (answers[1].status_code, unknown)


async def test_a13_somebody_within_reach_is_named_by_a_dry_run(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await world.new_person(anna, DORA, "account-administrator", NORDLYS_ROAD)
    for by in (anna, SUSANNE):
        for path, body in (("/profiles", person(DORA, GRANT_BIZZ)), (f"/profiles/{dora}/grants", GRANT_BIZZ)):
            answer = await dry(world, by, path, body)
            assert answer.json()["begins"] == [{"profile_id": dora, "kind": "product-access", "id": BIZZ}]


async def test_a_dry_run_of_what_is_so_already_announces_nothing(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    answer = await dry(world, anna, f"/profiles/{dora}/grants", GRANT_BIZZ)
    nothing = {"dry_run": True, "events": [], "begins": [], "ends": NOTHING, "elsewhere": [], "mails": 0}
    assert answer.json() == nothing


async def test_a5_an_access_that_would_be_revoked_is_announced_and_goes_on(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    await logged_in(world, dora, 1)
    answer = await dry(world, anna, f"/profiles/{dora}/revoke", GRANT_BIZZ)
    ended = {"profile_id": dora, "kind": "product-access", "id": BIZZ, "because": "revoked"}
    assert answer.json()["ends"] == {**NOTHING, "accesses": [ended]}
    assert answer.json()["events"] == [
        {"type": "profiles.product-access-revoked.v1", "about": [dora, BIZZ, NORDLYS_ROAD, NORDLYS]}
    ]
    seen = await world.asked_by(anna)("GET", f"/profiles/{dora}")
    assert seen.json()["grants"] == [GRANT_BIZZ]


async def test_a11_every_grant_and_session_of_a_login_that_would_be_cancelled_is_announced(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    await logged_in(world, dora, 1, 2, 3)
    await logged_in(world, anna.id, 4)
    over = SessionEnded(session_id=name("session", 3), subject=f"profile:{dora}", because="logged-out")
    await world.feed.given(over)
    for by in (anna, Actor("profile", dora)):
        answer = await dry(world, by, f"/profiles/{dora}/cancel", {"confirm": True})
        ended = {"profile_id": dora, "kind": "product-access", "id": BIZZ, "because": "profile-cancelled"}
        assert answer.json()["ends"] == {"accesses": [ended], "products": [], "sessions": 2}
        assert answer.json()["elsewhere"] == [{"service": "auth", "type": "auth.session-ended.v1", "times": 2}]
        assert [event["type"] for event in answer.json()["events"]] == [
            "profiles.product-access-revoked.v1",
            "profiles.profile-cancelled.v1",
        ]


async def test_a8_a_driver_who_would_be_moved_to_another_product_is_announced_with_what_ends_and_what_begins(
    world: World,
) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    body = {"grant": [GRANT_PLATE_PAYMENT], "revoke": [GRANT_BIZZ]}
    answer = await dry(world, anna, f"/profiles/{dora}/changes", body)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "dry_run": True,
            "events": [
                {"type": "profiles.product-access-revoked.v1", "about": [dora, BIZZ, NORDLYS_ROAD, NORDLYS]},
                {"type": "profiles.product-access-granted.v1", "about": [dora, PLATE_PAYMENT, NORDLYS_ROAD, NORDLYS]},
            ],
            "begins": [{"profile_id": dora, "kind": "product-access", "id": PLATE_PAYMENT}],
            "ends": {
                **NOTHING,
                "accesses": [{"profile_id": dora, "kind": "product-access", "id": BIZZ, "because": "revoked"}],
            },
            "elsewhere": [],
            "mails": 1,
        },
    )


async def test_a4_a5_of_a_change_set_of_which_one_part_would_be_refused_nothing_would_come(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    own, theirs = ({"kind": "account-administrator", "id": account} for account in (NORDLYS_ROAD, HAVNEFART_MAIN))
    for profile, give, take, status, code in (
        (dora, [GRANT_PLATE_PAYMENT], [], 409, "email-has-product-access"),
        (dora, [own, theirs], [GRANT_BIZZ], 404, "not-found"),
        (dora, [GRANT_BIZZ], [GRANT_BIZZ], 422, "grant-given-and-taken"),
        (anna.id, [GRANT_PLATE_PAYMENT], [own], 409, "last-administrator"),
        (hans.id, [GRANT_PLATE_PAYMENT], [], 404, "not-found"),
    ):
        body = {"grant": give, "revoke": take}
        rehearsed = await dry(world, anna, f"/profiles/{profile}/changes", body)
        assert (rehearsed.status_code, rehearsed.json()["code"]) == (status, code)
        real = await world.asked_by(anna)("POST", f"/profiles/{profile}/changes", body)
        assert rehearsed.json() | {"request_id": ""} == real.json() | {"request_id": ""}


async def test_h1_a_dry_run_is_refused_as_the_command_would_be_and_is_no_attempt(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    dora = await world.new_person(anna, DORA, "product-access", BIZZ)
    await world.asked_by(hans)("POST", "/profiles", person(ANNA, {"kind": "product-access", "id": HAVNEFART_BIZZ}))
    administrator = {"kind": "account-administrator", "id": NORDLYS_ROAD}
    for by, path, body, status, code in (
        (
            anna,
            "/profiles",
            person(DORA, {"kind": "product-access", "id": PLATE_PAYMENT}),
            409,
            "email-has-product-access",
        ),
        (anna, f"/profiles/{anna.id}/revoke", administrator, 409, "last-administrator"),
        (anna, f"/profiles/{dora}/cancel", {"confirm": False}, 422, "cancelling-not-confirmed"),
        (anna, f"/profiles/{hans.id}/cancel", {"confirm": True}, 404, "not-found"),
        (anna, "/profiles", person(DORA, {"kind": "account-administrator", "id": NORDLYS_HARBOUR}), 404, "not-found"),
        (hans, f"/profiles/{anna.id}/cancel", {"confirm": True}, 403, "cannot-cancel"),
        (Actor("profile", dora), "/profiles", person(HANS, GRANT_BIZZ), 403, "not-permitted"),
        (anna, f"/profiles/{dora}/grants", {"kind": "superuser", "id": BIZZ}, 422, "invalid-request"),
    ):
        rehearsed = await dry(world, by, path, body)
        assert (rehearsed.status_code, rehearsed.json()["code"]) == (status, code)
        real = await world.asked_by(by)("POST", path, body)
        assert rehearsed.json() | {"request_id": ""} == real.json() | {"request_id": ""}


async def test_a14_a_right_revoked_between_check_and_commit_refuses_a_dry_run_too(world: World, database: str) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    other = await world.new_person(anna, "bo@nordlys.example.com", "account-administrator", NORDLYS_ROAD)
    with psycopg.connect(database) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        asking = world.asked_by(Actor("profile", other))("POST", "/profiles?dry-run=true", person(DORA, GRANT_BIZZ))
        async with started_and_held(asking, database) as rehearsal:
            holder.execute("DELETE FROM reach_grants WHERE profile_id = %s", (other,))
            holder.commit()
            answer = await rehearsal
    assert (answer.status_code, answer.json()["code"]) == (403, "grant-withdrawn")
    assert "attempt-refused" not in world.types_in_log()


async def test_a_dry_run_neither_uses_up_an_idempotency_key_nor_answers_from_one(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    body = person(DORA, GRANT_BIZZ)
    first = await dry(world, anna, "/profiles", body, key="once")
    created = await world.asked_by(anna)("POST", "/profiles", body, idempotency_key="once")
    assert (first.status_code, created.status_code) == (200, 201)
    after = await dry(world, anna, "/profiles", body, key="once")
    assert (after.status_code, after.json()["events"]) == (200, [])


@pytest.mark.parametrize("because", ["profile-cancelled", "logged-out"])
async def test_s15_s16_an_ended_session_has_lost_answers_given_again_by_their_keys_and_no_dry_run(
    world: World, because: Literal["profile-cancelled", "logged-out"]
) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = Actor("profile", await world.new_person(anna, DORA, "account-administrator", NORDLYS_ROAD))
    bearer = f"Bearer {token(dora, 'profiles', name('session', 1))}"
    own = f"/profiles/{dora.id}"
    kept: list[tuple[str, str, Any]] = [
        (f"{own}/grants", "", GRANT_BIZZ),
        (f"{own}/grants", "?dry-run=false", GRANT_BIZZ),
    ]
    if because == "profile-cancelled":
        kept.append((f"{own}/cancel", "", {"confirm": True}))

    async def asked(path: str, query: str, body: Any, key: int) -> httpx.Response:
        ask = world.asked_by(dora)
        return await ask("POST", path + query, body, authorization=bearer, idempotency_key=f"key-{key}")

    first = [await asked(*command, key) for key, command in enumerate(kept)]
    assert {answer.status_code for answer in first} == {200}
    if because == "logged-out":
        over = SessionEnded(session_id=name("session", 1), subject=f"profile:{dora.id}", because=because)
        await world.feed.given(over)
    before = everything_in(world)
    for key, (path, query, body) in enumerate(kept):
        again = await asked(path, query, body, key)
        assert (again.status_code, again.json()) == (first[key].status_code, first[key].json())
        dry_run = await asked(path, "?dry-run=true", body, key)
        assert (dry_run.status_code, dry_run.json()["code"]) == (401, "session-not-valid")
    assert everything_in(world) == before


@pytest.mark.parametrize("query", ["dry-run=true&dry-run=false", "dry-run=false&dry-run=true", "dry-run=perhaps"])
async def test_what_may_or_may_not_be_a_dry_run_is_refused(world: World, query: str) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    before = everything_in(world)
    answer = await world.asked_by(anna)("POST", f"/profiles?{query}", person(DORA, GRANT_BIZZ))
    assert answer.status_code == 422
    assert everything_in(world) == before


async def test_what_is_said_to_be_no_dry_run_is_done(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    answer = await world.asked_by(anna)("POST", "/profiles?dry-run=false", person(DORA, GRANT_BIZZ))
    assert answer.status_code == 201
    assert "product-access-granted" in world.types_in_log()


async def test_a12_a_dry_run_tells_of_the_last_administrator_before_anybody_is_locked_out(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    refused = await dry(world, anna, f"/profiles/{anna.id}/cancel", {"confirm": True})
    assert (refused.status_code, refused.json()["rule"]) == (409, "A12")
    bo = AccountAdministratorNamed(company_id=NORDLYS, account_id=NORDLYS_ROAD, email="bo@example.com", name="Bo")
    await world.feed.given(bo, by=SUSANNE)
    assert (await dry(world, anna, f"/profiles/{anna.id}/cancel", {"confirm": True})).status_code == 200
