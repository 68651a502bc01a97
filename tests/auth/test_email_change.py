"""A15: one's own e-mail address changes once a code that was mailed to the new one comes back."""

import asyncio
from collections import Counter
from itertools import product
from typing import Any

import httpx
import pytest

from services.auth.adapters import mail_queue
from services.auth.adapters.sealing import Sealer
from services.auth.events import (
    AddressProven,
    CodeAccepted,
    CodeRefused,
    CodeRequested,
    CodeWithheld,
    EmailChangeRequested,
)
from services.profiles.events import EmailChanged, ProfileCreated
from tests.auth.conftest import ANNA, ANNAS_ID, DORA, DORAS_ID, NOBODY, SECRETS_KEY, SUSANNE, World, name
from tests.auth.people import with_app
from tests.auth.test_no_enumeration import shape
from tests.auth.test_sessions import bearer
from tests.feed import Asking

NEW = "Anna.Holm@nordlys.example.com"


class Session:
    """One person logged in once, changing their address."""

    def __init__(self, world: World, started: dict[str, Any]) -> None:
        self.world = world
        self.secret, self.id = started["session"], started["session_id"]

    async def ask(self, path: str, body: object, **headers: str) -> httpx.Response:
        held = await bearer(self.world, self.secret)
        headers["authorization"] = held
        return await Asking(self.world.app, "auth", None)("POST", path, body, content=None, **headers)

    async def request(self, email: str = NEW, **headers: str) -> str:
        """Ask for a code to the new address, and read it where only the mailer can."""
        answer = await self.ask("/login/email-change", {"email": email}, **headers)
        assert (answer.status_code, answer.json()) == (202, {"expires_in": 300})
        newest = await self.world.row(
            "SELECT mail_id, sealed_code FROM mails WHERE kind = 'email-change' ORDER BY mail_id DESC LIMIT 1"
        )
        about = mail_queue.sealed_about(newest["mail_id"])
        return Sealer(SECRETS_KEY).open(bytes(newest["sealed_code"]), about=about).decode()

    async def confirm(self, code: str, **headers: str) -> httpx.Response:
        return await self.ask("/login/email-change/confirm", {"code": code}, **headers)


async def logged_in(world: World, email: str = ANNA) -> Session:
    return Session(world, await world.logged_in(email))


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def refusals(world: World) -> list[str]:
    return [refused.because for refused in world.said(CodeRefused)]


def moved(profile_id: str, email: str) -> EmailChanged:
    return EmailChanged(profile_id=profile_id, email=email, address=email.lower())


async def test_a15_the_code_that_was_mailed_to_the_new_address_proves_it(world: World) -> None:
    anna = await logged_in(world)
    answer = await anna.confirm(await anna.request())
    assert answer.status_code == 202
    [proven] = [recorded for recorded in world.log() if isinstance(recorded.data, AddressProven)]
    change = answer.json()["email_change_id"]
    assert proven.data == AddressProven(
        challenge_id=change, subject=f"profile:{ANNAS_ID}", email=NEW, address=NEW.lower()
    )
    assert (str(proven.actor), proven.stream) == (f"profile:{ANNAS_ID}", change)
    assert answer.headers["seen"] == f"{change}@{proven.version}", "so that the own profile can be asked for it"


async def test_a15_nothing_is_proven_before_the_code_comes_back(world: World) -> None:
    anna = await logged_in(world)
    code = await anna.request()
    assert (await anna.confirm(wrong(code))).json()["code"] == "address-not-proven"
    assert [type(event) for event in world.said(EmailChangeRequested, AddressProven)] == [EmailChangeRequested]
    assert (await world.row("SELECT email FROM people WHERE profile_id = %s", ANNAS_ID))["email"] == ANNA


async def test_l2_asking_is_answered_alike_whoever_has_the_new_address(world: World) -> None:
    """C-15: with the same rows beside the log, too."""
    anna = await logged_in(world)
    answers = []
    for to in (DORA, NOBODY, SUSANNE, ANNA):
        answers.append(await anna.ask("/login/email-change", {"email": to}))
        world.clock.turn(minutes=1)
    assert {(shape(a)[0], a.text, len(a.headers["seen"])) for a in answers} == {(202, answers[0].text, 47)}
    queued = await world.auth.backbone.database.rows("SELECT subject, about FROM mails WHERE kind = 'email-change'")
    assert {row["subject"] for row in queued} == {f"profile:{ANNAS_ID}"}
    assert {row["about"]["email"] for row in queued} == {DORA, NOBODY, SUSANNE, ANNA}, "each gets its code"


async def test_c12_a_code_works_only_for_its_account_its_session_and_its_purpose(world: World) -> None:
    """The cross product of two accounts, two sessions of each, and both purposes: only the diagonal passes."""
    codes, logins = {}, {}
    for email in (ANNA, DORA):
        first, second = await logged_in(world, email), await logged_in(world, email)
        codes[await first.request(f"new-{email}")] = (first, second)
        logins[email] = await world.ask(email)
    assert len({*codes, *(login.code for login in logins.values())}) == 4
    sessions = [session for pair in codes.values() for session in pair]
    everything = [*codes, *(login.code for login in logins.values())]
    right = {code: pair[0] for code, pair in codes.items()}
    for session, code in product(sessions, everything):
        if right.get(code) is not session:
            assert (await session.confirm(code)).status_code == 422
    for login, code in product(logins.values(), everything):
        if code != login.code:
            assert (await world.give(login.challenge, code)).status_code == 401
    world.clock.turn(minutes=4)  # nothing was right for a while, so nothing is looked at for a while (C-08)
    assert not world.said(AddressProven)
    for code, session in right.items():
        assert (await session.confirm(code)).status_code == 202
    for login in logins.values():
        assert (await world.give(login.challenge, login.code)).status_code == 201


async def test_c03_only_the_newest_code_of_an_account_is_live_whichever_session_asked(world: World) -> None:
    one, other = await logged_in(world), await logged_in(world)
    first = await one.request()
    world.clock.turn(minutes=1)
    second = await one.request()
    assert (await one.confirm(first)).status_code == 422, "for the code that is live it is a wrong one"
    world.clock.turn(minutes=1)
    third = await other.request()
    assert (await one.confirm(second)).status_code == 422
    assert (await other.confirm(third)).status_code == 202
    assert refusals(world) == ["wrong-code", "superseded"]


async def test_c03_a_login_code_is_left_alone_by_the_code_for_a_new_address(world: World) -> None:
    anna = await logged_in(world)
    login = await world.ask(ANNA)
    await anna.request()
    assert (await world.give(login.challenge, login.code)).status_code == 201


async def test_c04_of_many_simultaneous_right_codes_exactly_one_proves_the_address(world: World, other: World) -> None:
    anna = await logged_in(world)
    there = Session(other, {"session": anna.secret, "session_id": anna.id})
    code = await anna.request()
    answers = await asyncio.gather(*((anna, there)[number % 2].confirm(code) for number in range(20)))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 422: 19}
    assert len(world.said(AddressProven)) == 1
    assert len(refusals(world)) == 19, "C-29: every attempt is an event"
    assert set(refusals(world)) <= {"already-used", "tries-spent"}


async def test_c05_c06_five_tries_and_failures_count_on_the_account_as_those_of_logins_do(world: World) -> None:
    anna = await logged_in(world)
    code = await anna.request()
    for _ in range(5):
        assert (await anna.confirm(wrong(code))).status_code == 422
    assert (await anna.confirm(code)).status_code == 422
    assert refusals(world) == ["wrong-code"] * 5 + ["tries-spent"]
    account = f"profile:{ANNAS_ID}"
    assert (await world.row("SELECT failures FROM failed_tries WHERE account = %s", account))["failures"] == 5


async def test_c07_after_the_hard_stop_no_address_is_proven(world: World) -> None:
    anna = await logged_in(world)
    code = await anna.request()
    await world.auth.backbone.database.execute("UPDATE failed_tries SET failures = 100")
    assert (await anna.confirm(code)).status_code == 422
    assert refusals(world) == ["account-paused"]


@pytest.mark.parametrize(("after", "status"), [(299.9, 202), (300.0, 422)])
async def test_c02_a_code_for_a_new_address_dies_at_five_minutes(world: World, after: float, status: int) -> None:
    anna = await logged_in(world)
    code = await anna.request()
    world.clock.turn(seconds=after)
    assert (await anna.confirm(code)).status_code == status


@pytest.mark.parametrize(("after", "status"), [(300, 202), (301, 403)])
async def test_c26_only_a_fresh_login_may_ask(world: World, after: float, status: int) -> None:
    anna = await logged_in(world)
    world.clock.turn(seconds=after)
    answer = await anna.ask("/login/email-change", {"email": NEW})
    assert answer.status_code == status
    assert answer.json().get("code") == (None if status == 202 else "login-not-fresh")


async def test_a15_customer_service_has_no_profile_and_nobody_else_is_listened_to(world: World) -> None:
    susanne = await logged_in(world, SUSANNE)
    for path, body in (("/login/email-change", {"email": NEW}), ("/login/email-change/confirm", {"code": "012345"})):
        answer = await susanne.ask(path, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
        assert (await Asking(world.app, "auth", None)("POST", path, body)).status_code == 401


async def test_c13_whoever_logged_out_or_is_cancelled_after_asking_proves_nothing(world: World) -> None:
    anna, dora = await logged_in(world, ANNA), await logged_in(world, DORA)
    annas, doras = await anna.request(), await dora.request("dora.new@nordlys.example.com")
    late = await bearer(world, anna.secret)
    ask = Asking(world.app, "auth", None)
    assert (await ask("DELETE", "/login/sessions/current", authorization=late)).status_code == 200
    answer = await ask("POST", "/login/email-change/confirm", {"code": annas}, authorization=late)
    assert (answer.status_code, answer.json()["code"]) == (401, "session-not-valid")
    late = await bearer(world, dora.secret)
    await world.auth.backbone.database.execute("UPDATE people SET cancelled = true WHERE profile_id = %s", (DORAS_ID,))
    assert (await ask("POST", "/login/email-change/confirm", {"code": doras}, authorization=late)).status_code == 401
    assert not world.said(AddressProven)


async def test_a_command_with_a_key_is_done_once_and_answered_the_same(world: World) -> None:
    anna = await logged_in(world)
    code = await anna.request(idempotency_key="ask-1")
    assert await anna.request(idempotency_key="ask-1") == code
    assert len(world.said(EmailChangeRequested)) == 1
    first, again = [await anna.confirm(code, idempotency_key="give-1") for _ in range(2)]
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert len(world.said(AddressProven)) == 1


@pytest.mark.parametrize(
    "email", ["", "no address", "a@b", "anna@nordlys.example.com\r\nBcc: x@y.example.com", 1, None]
)
async def test_what_is_no_address_is_refused_before_anything_is_done(world: World, email: object) -> None:
    anna = await logged_in(world)
    assert (await anna.ask("/login/email-change", {"email": email})).status_code == 422
    assert not world.said(EmailChangeRequested)


async def test_a15_the_new_address_logs_in_at_once_and_the_old_one_no_more(world: World) -> None:
    await world.feed.given(moved(ANNAS_ID, NEW))
    assert (await world.logged_in(NEW))["subject"] == f"profile:{ANNAS_ID}"
    await world.ask(ANNA)
    assert [requested.subject for requested in world.said(CodeRequested)][-1] is None


async def test_a15_a_code_on_its_way_to_the_old_address_is_worth_nothing_any_more(world: World) -> None:
    login = await world.ask(ANNA)
    await world.feed.given(moved(ANNAS_ID, NEW))
    assert (await world.give(login.challenge, login.code)).status_code == 401
    assert refusals(world) == ["superseded"]
    assert not world.said(CodeAccepted)


async def test_a15_the_old_address_is_free_for_somebody_else(world: World) -> None:
    """Whoever got an address last has it, in whatever order the two streams are heard of."""
    erik = name("profile", 3)
    created = ProfileCreated(profile_id=erik, email=ANNA, address=ANNA, name="Erik Eng")
    left, taken = world.feed.letter(moved(ANNAS_ID, NEW)), world.feed.letter(created)
    assert world.auth.backbone.inbox is not None
    await world.auth.backbone.inbox.take_letters([taken])
    assert (await world.logged_in(ANNA))["subject"] == f"profile:{erik}"
    await world.auth.backbone.inbox.take_letters([left])
    assert (await world.logged_in(ANNA))["subject"] == f"profile:{erik}"
    dora = world.feed.letter(moved(DORAS_ID, NEW))
    await world.feed.given(moved(ANNAS_ID, "anna@elsewhere.example.com"))
    await world.auth.backbone.inbox.take_letters([dora])
    assert (await world.logged_in(NEW))["subject"] == f"profile:{DORAS_ID}"


async def test_c14_codes_for_a_new_address_are_asked_for_as_seldom_as_those_of_logins(world: World) -> None:
    """Whatever the address is: nobody fills somebody else's mailbox with them."""
    anna = await logged_in(world)
    await anna.request("one@elsewhere.example.com")
    too_soon = await anna.ask("/login/email-change", {"email": "other@elsewhere.example.com"})
    assert (too_soon.status_code, too_soon.headers["retry-after"]) == (429, "60")
    [withheld] = world.said(CodeWithheld)
    assert (withheld.purpose, withheld.subject) == ("email-change", f"profile:{ANNAS_ID}")
    await world.ask(ANNA)  # the code of a login is another matter


async def test_l1_whoever_logs_in_with_an_app_only_proves_a_new_address_with_the_mailed_code(world: World) -> None:
    person = await with_app(world)
    await person.choose("authenticator-app")
    anna = Session(world, {"session": person.session, "session_id": ""})
    assert (await anna.confirm(await anna.request())).status_code == 202
