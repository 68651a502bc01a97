"""An authenticator app is enrolled, chosen and removed (C-23, C-25, C-26)."""

import base64
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from services.auth.adapters.sealing import SealBroken, Sealer
from services.auth.domain.login import login_id_of
from services.auth.events import (
    AttemptRefused,
    AuthenticatorAppEnrolled,
    AuthenticatorAppOffered,
    AuthenticatorAppRemoved,
    LoginMethodChosen,
    RecoveryCodesIssued,
)
from shared.events import Event
from tests.auth.conftest import ANNA, DORA, SECRETS_KEY, SUSANNE, TurningClock, World
from tests.auth.people import fresh, notices, other_than, shown, with_app


async def test_c23_an_app_is_offered_with_a_160_bit_seed_an_address_and_pictures_of_it(world: World) -> None:
    person = await fresh(world)
    answer = await person("POST", "/login/authenticator-app")
    offered = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert len(base64.b32decode(offered["secret"])) * 8 == 160
    address = urlsplit(offered["uri"])
    assert (address.scheme, address.netloc, address.path.rpartition(":")[2]) == (
        "otpauth",
        "totp",
        "anna%40nordlys.example.com",
    )
    assert parse_qs(address.query)["secret"] == [offered["secret"]]
    assert offered["qr_svg"].startswith("<svg")
    assert base64.b64decode(offered["qr_png"]).startswith(b"\x89PNG")
    assert (datetime.fromisoformat(offered["expires_at"]) - world.clock()) == timedelta(minutes=10)


async def test_c23_the_seed_is_shown_once_and_kept_nowhere_in_clear(world: World) -> None:
    person = await fresh(world)
    first = (await person("POST", "/login/authenticator-app", idempotency_key="app")).json()
    again = (await person("POST", "/login/authenticator-app", idempotency_key="app")).json()
    assert "secret" not in again
    assert again["app_id"] == first["app_id"]
    kept = await world.row("SELECT answer::text FROM idempotency")
    assert first["secret"] not in kept["answer"]
    row = await world.row("SELECT app_id, sealed_seed FROM offered_apps")
    about = f"authenticator_apps/{row['app_id']}/seed"
    assert Sealer(SECRETS_KEY).open(bytes(row["sealed_seed"]), about=about).decode() == first["secret"]
    with pytest.raises(SealBroken):
        Sealer(SECRETS_KEY).open(bytes(row["sealed_seed"]), about="authenticator_apps/another/seed")


async def test_c23_an_app_counts_once_a_code_of_it_was_given_and_that_step_is_taken(world: World) -> None:
    person = await fresh(world)
    person.seed = (await person("POST", "/login/authenticator-app")).json()["secret"]
    assert (await person("GET", "/login/methods")).json()["method"] == "mailed-code"
    login = await world.ask(ANNA)
    assert (await world.give(login.challenge, person.code(), by="authenticator-app")).status_code == 401
    wrong = await person("POST", "/login/authenticator-app/confirm", {"code": other_than(person.code())})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "authenticator-app-not-proven")
    proven = await person("POST", "/login/authenticator-app/confirm", {"code": person.code()})
    assert (proven.status_code, len(set(proven.json()["recovery_codes"]))) == (200, 10)
    methods = (await person("GET", "/login/methods")).json()
    assert (methods["method"], methods["recovery_codes_left"]) == ("either", 10)
    assert (await person.app_login()).status_code == 401, "the step that proved it logs nobody in"
    assert (await person.app_login(steps=1)).status_code == 401, "and the next one is not yet there"
    world.clock.turn(seconds=30)
    assert (await person.app_login()).status_code == 201
    in_order: list[type[Event]] = [AuthenticatorAppOffered, AuthenticatorAppEnrolled, RecoveryCodesIssued]
    assert [type(event) for event in world.said(*in_order)] == in_order
    assert len(world.said(AttemptRefused)) == 1, "H1, C-29: the wrong code is part of the history"
    assert (await notices(world))[0] == "app-enrolled"


@pytest.mark.parametrize(("after", "status"), [(599, 200), (600, 409), (601, 409)])
async def test_c23_an_offer_dies_in_ten_minutes(world: World, after: int, status: int) -> None:
    person = await fresh(world)
    person.seed = (await person("POST", "/login/authenticator-app")).json()["secret"]
    world.clock.turn(seconds=after)
    assert (await person("POST", "/login/authenticator-app/confirm", {"code": person.code()})).status_code == status
    await world.auth.upkeep.forget_old()
    assert (await world.row("SELECT count(*) FROM offered_apps"))["count"] == 0


async def test_c23_proving_has_five_tries_and_a_new_offer_takes_the_place_of_the_old(world: World) -> None:
    person = await fresh(world)
    person.seed = (await person("POST", "/login/authenticator-app")).json()["secret"]
    for _ in range(5):
        await person("POST", "/login/authenticator-app/confirm", {"code": other_than(person.code())})
    assert (await person("POST", "/login/authenticator-app/confirm", {"code": person.code()})).status_code == 409
    old, person.seed = person.seed, (await person("POST", "/login/authenticator-app")).json()["secret"]
    assert (
        await person("POST", "/login/authenticator-app/confirm", {"code": shown(old, world.clock())})
    ).status_code == 409
    assert (await person("POST", "/login/authenticator-app/confirm", {"code": person.code()})).status_code == 200
    taken = await person("POST", "/login/authenticator-app")
    assert (taken.status_code, taken.json()["code"]) == (409, "authenticator-app-enrolled")


async def test_c23_enrolling_anew_touches_no_counter(world: World) -> None:
    person = await with_app(world)
    login = await world.ask(ANNA, by="authenticator-app")
    for _ in range(3):
        await world.give(login.challenge, other_than(person.code()), by="authenticator-app")
    assert (await person("DELETE", "/login/authenticator-app")).status_code == 200
    person.seed = (await person("POST", "/login/authenticator-app")).json()["secret"]
    await person("POST", "/login/authenticator-app/confirm", {"code": person.code()})
    row = await world.row("SELECT failures FROM failed_tries WHERE authenticator = 'authenticator-app'")
    assert row["failures"] == 3


@pytest.mark.parametrize(("after", "status"), [(299, 201), (300, 201), (301, 403)])
async def test_c26_whoever_changes_how_they_log_in_has_logged_in_within_five_minutes(
    world: World, after: int, status: int
) -> None:
    person = await fresh(world)
    world.clock.turn(seconds=after)
    answer = await person("POST", "/login/authenticator-app")
    assert answer.status_code == status
    assert answer.json().get("code") == ("login-not-fresh" if status == 403 else None)


@pytest.mark.parametrize(("after", "status"), [(239, 200), (240, 200), (241, 403)])
async def test_c26_so_has_whoever_chooses_renews_or_removes_but_what_changes_nothing_needs_no_fresh_login(
    world: World, after: int, status: int
) -> None:
    """The app was proven within the first of the five minutes."""
    person = await with_app(world)
    world.clock.turn(seconds=after)
    assert (await person("PUT", "/login/methods", {"method": "either"})).status_code == 200, "as it is"
    for method, path, body in (
        ("PUT", "/login/methods", {"method": "both"}),
        ("POST", "/login/recovery-codes", None),
        ("DELETE", "/login/authenticator-app", None),
    ):
        answer = await person(method, path, body)
        assert answer.status_code == status, path
        assert answer.json().get("code") == ("login-not-fresh" if status == 403 else None)


async def test_c25_removing_the_app_removes_its_recovery_codes_and_is_told(world: World) -> None:
    person = await with_app(world)
    await person.choose("both")
    assert (await person("DELETE", "/login/authenticator-app")).json() == {"method": "mailed-code"}
    assert (await person("DELETE", "/login/authenticator-app")).status_code == 200
    assert len(world.said(AuthenticatorAppRemoved)) == 1
    for code, by in ((person.code(), "authenticator-app"), (person.recovery_codes[0], "recovery-code")):
        login = await world.ask(ANNA, by="authenticator-app")
        assert (await world.give(login.challenge, code, by=by)).status_code == 401
    await world.logged_in(ANNA)
    assert await notices(world) == ["app-enrolled", "method-chosen", "app-removed"]
    refused = await person("PUT", "/login/methods", {"method": "both"})
    assert (refused.status_code, refused.json()["code"]) == (409, "no-authenticator-app")


async def test_l1_choosing_the_same_again_changes_nothing_and_tells_nobody(world: World) -> None:
    person = await with_app(world)
    for _ in range(3):
        await person.choose("both")
    assert len(world.said(LoginMethodChosen)) == 1
    assert (await notices(world)).count("method-chosen") == 1


async def test_l1_customer_service_has_an_app_in_the_same_way(world: World) -> None:
    person = await with_app(world, SUSANNE)
    assert (await person.app_login()).status_code == 201
    enrolled = world.said(AuthenticatorAppEnrolled)[0]
    assert enrolled.login_id == login_id_of(enrolled.subject)


async def test_two_people_have_two_apps(world: World, clock: TurningClock) -> None:
    anna, dora = await with_app(world), await with_app(world, DORA)
    clock.turn(minutes=1)
    login = await world.ask(ANNA, by="authenticator-app")
    assert (await world.give(login.challenge, dora.code(), by="authenticator-app")).status_code == 401
    assert (await anna.app_login()).status_code == 201
