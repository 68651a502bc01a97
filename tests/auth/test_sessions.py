"""Sessions and the tokens they are exchanged for."""

import base64
import json
from datetime import timedelta

import pytest

from services.auth.domain.limits import Limits
from services.auth.events import SessionEnded, SigningKeyPublished
from services.auth.keys import find_key
from services.company.events import AccountEnded
from services.profiles.events import AccountAdministratorGranted, AccountAdministratorRevoked
from shared.tokens import TokenRefused, Verifier
from tests.auth.conftest import (
    ANNA,
    ANNAS_ID,
    DORA,
    SUSANNE,
    TurningClock,
    World,
    cancelled,
    moved_in,
    name,
    replica,
)
from tests.feed import Asking, running


async def bearer(world: World, secret: str) -> str:
    """The header that a token of the session for auth itself goes in."""
    return f"Bearer {(await world.exchange(secret, 'auth')).json()['token']}"


def verifier(world: World, audience: str) -> Verifier:
    async def find(key_id: str) -> bytes | None:
        return await find_key(world.auth.backbone.database, key_id)

    return Verifier(audience, find, world.clock)


async def test_a_session_is_exchanged_for_a_token_of_one_minute_and_one_audience(world: World) -> None:
    """S-06, S-08, S-10"""
    session = await world.logged_in(ANNA)
    answer = await world.exchange(session["session"], "profiles")
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert (token["expires_in"], token["subject"]) == (60, session["subject"])
    claims = await verifier(world, "profiles").verify(token["token"])
    assert (str(claims.actor), claims.session) == (f"profile:{ANNAS_ID}", session["session_id"])
    with pytest.raises(TokenRefused):
        await verifier(world, "company").verify(token["token"])
    world.clock.turn(seconds=66)
    with pytest.raises(TokenRefused):
        await verifier(world, "profiles").verify(token["token"])


async def test_s08_settings_make_a_token_live_shorter_and_never_longer(database: str, clock: TurningClock) -> None:
    shorter = moved_in(replica(database, clock, limits=Limits(token_life=timedelta(seconds=10))))
    async with running(shorter.auth.backbone):
        token = (await shorter.exchange((await shorter.logged_in(ANNA))["session"])).json()
        assert token["expires_in"] == 10
        clock.turn(seconds=16)
        with pytest.raises(TokenRefused):
            await verifier(shorter, "profiles").verify(token["token"])
    for life in (timedelta(seconds=61), timedelta(seconds=4)):
        with pytest.raises(ValueError, match="60 seconds"):
            Limits(token_life=life)


async def test_s09_the_token_says_what_it_is_and_nothing_about_the_person(world: World) -> None:
    session = await world.logged_in(ANNA)
    parts = (await world.exchange(session["session"])).json()["token"].split(".")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in parts[:2])
    assert (header["typ"], header["alg"]) == ("at+jwt", "EdDSA")
    assert set(claims) == {"iss", "aud", "sub", "act", "sid", "jti", "iat", "nbf", "exp"}
    assert ANNA not in json.dumps(claims)


async def test_s03_idle_for_15_minutes_is_over(world: World) -> None:
    secret = (await world.logged_in(ANNA))["session"]
    for idle, status in ((timedelta(minutes=14, seconds=59), 200), (timedelta(minutes=15, seconds=5), 401)):
        world.clock.now += idle
        assert (await world.exchange(secret)).status_code == status


async def test_s03_holds_whatever_the_grain_of_last_use(world: World) -> None:
    """Use just after the last one is not written down; it must count all the same."""
    secret = (await world.logged_in(ANNA))["session"]
    for unwritten in (1.0, 3.9):
        world.clock.turn(seconds=unwritten)
        assert (await world.exchange(secret)).status_code == 200
        world.clock.turn(minutes=14, seconds=59)
        assert (await world.exchange(secret)).status_code == 200
    world.clock.turn(minutes=15, seconds=5)
    assert (await world.exchange(secret)).status_code == 401


async def test_last_use_is_written_at_most_every_few_seconds(world: World) -> None:
    secret = (await world.logged_in(ANNA))["session"]
    for seconds, moved in ((3.0, False), (1.0, True), (3.9, False)):
        before = (await world.row("SELECT last_used_at FROM session_secrets"))["last_used_at"]
        world.clock.turn(seconds=seconds)
        await world.exchange(secret)
        after = (await world.row("SELECT last_used_at FROM session_secrets"))["last_used_at"]
        assert (after > before) is moved


async def test_s05_twelve_hours_are_the_end_however_busy(world: World) -> None:
    secret = (await world.logged_in(ANNA))["session"]
    for _ in range(12 * 6 - 1):
        world.clock.turn(minutes=10)
        assert (await world.exchange(secret)).status_code == 200
    world.clock.turn(minutes=9, seconds=59)
    assert (await world.exchange(secret)).status_code == 200
    world.clock.turn(seconds=1)
    assert (await world.exchange(secret)).status_code == 401


async def test_a_session_that_time_ended_becomes_history_once(world: World, other: World) -> None:
    session = await world.logged_in(ANNA)
    await world.auth.upkeep.end_what_is_over()
    assert not world.said(SessionEnded)
    world.clock.turn(minutes=16)
    await world.auth.upkeep.end_what_is_over()
    await other.auth.upkeep.end_what_is_over()
    assert [(e.session_id, e.because) for e in world.said(SessionEnded)] == [(session["session_id"], "expired")]
    assert (await world.row("SELECT count(*) FROM session_secrets"))["count"] == 0


async def test_a11_every_session_of_a_cancelled_profile_ends_in_one_commit(world: World) -> None:
    annas = [await world.logged_in(ANNA), await world.logged_in(ANNA)]
    doras = await world.logged_in(DORA)
    await world.feed.given(cancelled(ANNA))
    ended = world.said(SessionEnded)
    assert {e.session_id for e in ended} == {session["session_id"] for session in annas}
    assert {e.because for e in ended} == {"profile-cancelled"}
    assert len({recorded.causation for recorded in world.log()[-2:]}) == 1
    for session in annas:
        assert (await world.exchange(session["session"])).status_code == 401
    assert (await world.exchange(doras["session"])).status_code == 200


async def test_l3_a_session_goes_on_when_an_account_ends_and_with_it_the_last_that_its_person_held(
    world: World,
) -> None:
    secret = (await world.logged_in(ANNA))["session"]
    company, account = name("company", 1), name("account", 1)
    await world.feed.given(
        AccountAdministratorGranted(profile_id=ANNAS_ID, account_id=account, company_id=company),
        AccountEnded(company_id=company, account_id=account),
        AccountAdministratorRevoked(
            profile_id=ANNAS_ID, account_id=account, company_id=company, because="account-ended"
        ),
    )
    assert (await world.exchange(secret)).status_code == 200
    assert world.said(SessionEnded) == []


async def test_c13_a_session_that_slipped_in_beside_the_cancelling_is_refused_and_ended(world: World) -> None:
    session = await world.logged_in(ANNA)
    await world.auth.backbone.database.execute("UPDATE people SET cancelled = true WHERE profile_id = %s", (ANNAS_ID,))
    assert (await world.exchange(session["session"])).status_code == 401
    await world.auth.upkeep.end_what_is_over()
    assert [e.because for e in world.said(SessionEnded)] == ["profile-cancelled"]


async def test_s02_each_login_is_a_session_of_its_own(world: World) -> None:
    one, two = await world.logged_in(ANNA), await world.logged_in(ANNA)
    assert one["session_id"] != two["session_id"]
    assert one["session"] != two["session"]


async def test_whoever_is_logged_in_sees_themselves(world: World) -> None:
    for email, called in ((ANNA, "Anna Aas"), (SUSANNE, "Susanne Skov")):
        session = await world.logged_in(email)
        held = await bearer(world, session["session"])
        me = (await Asking(world.app, "auth", None)("GET", "/login/sessions/current", authorization=held)).json()
        assert (me["session_id"], me["subject"]) == (session["session_id"], session["subject"])
        assert (me["name"], me["email"]) == (called, email)
    assert (await Asking(world.app, "auth", None)("GET", "/login/sessions/current")).status_code == 401


async def test_logging_out_ends_the_session_at_once_and_only_once(world: World) -> None:
    session, still = await world.logged_in(ANNA), await world.logged_in(ANNA)
    ask, held = Asking(world.app, "auth", None), await bearer(world, session["session"])
    first = await ask("DELETE", "/login/sessions/current", idempotency_key="bye", authorization=held)
    again = await ask("DELETE", "/login/sessions/current", idempotency_key="bye", authorization=held)
    other_key = await ask("DELETE", "/login/sessions/current", authorization=held)
    assert [a.status_code for a in (first, again, other_key)] == [200, 200, 401]
    assert first.json() == again.json() == {"session_id": session["session_id"]}
    assert (await ask("GET", "/login/sessions/current", authorization=held)).status_code == 401
    assert (await world.exchange(session["session"])).json()["code"] == "session-not-valid"
    assert (await world.exchange(still["session"])).status_code == 200
    ended = [recorded for recorded in world.log() if isinstance(recorded.data, SessionEnded)]
    assert [str(recorded.actor) for recorded in ended] == [f"profile:{ANNAS_ID}"]


async def test_c13_a_token_of_a_cancelled_login_is_worth_nothing_here_at_once(world: World) -> None:
    session = await world.logged_in(ANNA)
    held = await bearer(world, session["session"])
    ask = Asking(world.app, "auth", None)
    assert (await ask("GET", "/login/sessions/current", authorization=held)).status_code == 200
    await world.auth.backbone.database.execute("UPDATE people SET cancelled = true WHERE profile_id = %s", (ANNAS_ID,))
    for method in ("GET", "DELETE"):
        answer = await ask(method, "/login/sessions/current", authorization=held)
        assert (answer.status_code, answer.json()["code"]) == (401, "session-not-valid")


async def test_s16_logging_out_is_taken_however_long_no_revocation_was_heard(world: World) -> None:
    """S-18: nobody is kept logged in because a broker is down."""
    session = await world.logged_in(ANNA)
    held = await bearer(world, session["session"])
    backbone = world.auth.backbone
    await backbone.database.execute("UPDATE heard SET heard_until = clock_timestamp() - interval '1 hour'")
    await backbone.heard.note({})
    assert (await backbone.look()).revocations_heard_seconds_ago == pytest.approx(3600, abs=5)
    out = await Asking(world.app, "auth", None)("DELETE", "/login/sessions/current", authorization=held)
    assert out.status_code == 200
    assert (await world.exchange(session["session"])).status_code == 401


async def test_s11_a_new_key_is_published_before_it_is_used_and_the_old_one_known_until_its_end(world: World) -> None:
    secret = (await world.logged_in(ANNA))["session"]

    async def key_used() -> str:
        header = (await world.exchange(secret)).json()["token"].split(".")[0]
        return str(json.loads(base64.urlsafe_b64decode(header + "=="))["kid"])

    first = await key_used()
    await world.auth.upkeep.keep_signing_key_fresh()
    assert len(world.said(SigningKeyPublished)) == 1, "not due yet"
    world.clock.turn(days=29, minutes=1)
    secret = (await world.logged_in(ANNA))["session"]
    await world.auth.upkeep.keep_signing_key_fresh()
    await world.auth.upkeep.keep_signing_key_fresh()
    assert len(published := world.said(SigningKeyPublished)) == 2
    assert await key_used() == first, "others may not have heard of the new one"
    world.clock.turn(minutes=5)
    assert await key_used() == published[1].key_id
    assert await find_key(world.auth.backbone.database, first) is not None
