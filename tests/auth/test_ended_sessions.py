"""S-15, S-16, Z-17 at every service: a token that is still young is worth nothing once what it speaks for has ended."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from services.audit import service as audit
from services.auth.ended_sessions import EndedSessions
from services.auth.events import SessionEnded, SessionStarted
from services.company import service as company
from services.products import service as products
from services.profiles import service as profiles
from services.profiles.events import ProfileCancelled, ProfileCreated
from shared.actor import Actor
from shared.backbone import Backbone
from shared.envelope import Recorded
from shared.ids import new_id, uuid7
from tests.feed import SYSTEM, Asking, Feed, running, settings_for, settings_of_audit, token
from tests.parts import owner_of
from tests.rebuilt import tables_of
from tests.shared.cable import Cable

ANNA, DORA = (Actor("profile", f"profile-{number:032x}") for number in (1, 2))
Build = Callable[..., tuple[Backbone, FastAPI]]
SERVICES: dict[str, tuple[Build, str]] = {
    "company": (company.build, "/companies"),
    "products": (products.build, "/products"),
    "profiles": (profiles.build, "/profiles"),
    "audit": (audit.build, f"/history/{ANNA.id}"),
}
"""Each service that somebody may reach directly, and a question that it answers."""
ANSWERED = {200, 403, 404}
"""What somebody is told who has a session and reaches nothing."""
COMMANDS = {
    "company": ("PUT", f"/accounts/{'account-' + '1' * 32}/name", {"name": "Odense"}),
    "products": ("POST", f"/products/{'product-' + '1' * 32}/close", {"confirm": True}),
    "profiles": ("POST", f"/profiles/{DORA.id}/cancel", {"confirm": True}),
}


@dataclass
class World:
    """One service with what it was told, and somebody who holds a token for it."""

    name: str
    question: str
    backbone: Backbone
    app: FastAPI
    feed: Feed

    async def asks(self, session: str, who: Actor = ANNA) -> httpx.Response:
        return await self.asked("GET", self.question, session=session, who=who)

    async def asked(
        self, method: str, path: str, body: Any = None, *, session: str, who: Actor = ANNA
    ) -> httpx.Response:
        bearer = f"Bearer {token(who, self.name, session)}"
        return await Asking(self.app, self.name, who)(method, path, body, authorization=bearer)

    async def believes(self, session: str, who: Actor = ANNA) -> bool:
        """Whether the token is believed; what may then be seen is another question."""
        answer = await self.asks(session, who)
        if answer.status_code == 401:
            assert (answer.json()["code"], answer.json()["rule"]) == ("session-not-valid", "L3")
        return answer.status_code != 401

    async def heard_last(self, ago: timedelta) -> None:
        """The service has heard no revocation since then."""
        await self.backbone.database.execute("UPDATE heard SET heard_until = %s", (datetime.now(UTC) - ago,))
        await self.backbone.heard.note({})


@pytest.fixture(params=SERVICES)
async def world(request: pytest.FixtureRequest, new_database: Callable[[], str]) -> AsyncIterator[World]:
    build, question = SERVICES[request.param]
    settings = settings_of_audit if request.param == "audit" else settings_for
    backbone, app = build(settings(new_database()))
    async with running(backbone):
        feed = Feed(backbone)
        await feed.given_the_house()
        yield World(request.param, question, backbone, app, feed)


def started(session: str, who: Actor = ANNA) -> SessionStarted:
    ends_at = datetime.now(UTC) + timedelta(hours=12)
    return SessionStarted(session_id=session, subject=str(who), challenge_id=new_id("challenge"), ends_at=ends_at)


def ended(session: str, because: Any = "logged-out", who: Actor = ANNA) -> SessionEnded:
    return SessionEnded(session_id=session, subject=str(who), because=because)


async def test_s15_a_session_that_ended_is_worth_nothing_and_the_persons_other_one_still_is(world: World) -> None:
    one, other = new_id("session"), new_id("session")
    await world.feed.given(started(one), started(other))
    assert await world.believes(one)
    await world.feed.given(ended(one))
    assert not await world.believes(one)
    assert await world.believes(other)


async def test_a_token_is_believed_before_its_session_was_heard_of(world: World) -> None:
    assert await world.believes(new_id("session"))


async def test_s15_a_command_of_an_ended_session_is_refused_before_anything_is_looked_at(world: World) -> None:
    session = new_id("session")
    await world.feed.given(started(session), ended(session))
    if world.name in COMMANDS:
        answer = await world.asked(*COMMANDS[world.name], session=session)
        assert (answer.status_code, answer.json()["code"]) == (401, "session-not-valid")


async def test_s16_of_a_cancelled_profile_nothing_is_worth_anything_once_auth_has_ended_a_session(world: World) -> None:
    one, other = new_id("session"), new_id("session")
    await world.feed.given(started(one), ended(one, "profile-cancelled"))
    assert not await world.believes(one)
    assert not await world.believes(other), "one that auth began before it heard of the cancelling"
    assert await world.believes(new_id("session"), DORA)


async def test_s16_of_a_cancelled_profile_nothing_is_worth_anything_before_auth_says_so(world: World) -> None:
    if world.name == "profiles":
        return  # says so itself, see tests/profiles/test_access_rules.py
    session = new_id("session")
    await world.feed.given(started(session), _created(ANNA), ProfileCancelled(profile_id=ANNA.id))
    assert not await world.believes(session)
    assert not await world.believes(new_id("session"))
    assert await world.believes(new_id("session"), DORA)


async def test_sessions_that_ended_an_hour_before_are_forgotten_and_cancelled_profiles_are_not(world: World) -> None:
    now = datetime.now(UTC)
    hours = [recorded(ended(name(n), "profile-cancelled"), now - timedelta(minutes=61 * n)) for n in (3, 2, 1, 0)]
    apply(world, hours)
    held = tables_of(world.backbone, ["ended_sessions", "ended_subjects"])
    assert [row[1 : 1 + len(name(0))] for row in held["ended_sessions"]] == [name(0)]
    assert held["ended_subjects"] == [f"({ANNA})"]


async def test_a_clock_that_runs_ahead_makes_nobody_forget_who_has_just_gone(world: World) -> None:
    now = datetime.now(UTC)
    apply(world, [recorded(ended(name(1)), now), recorded(ended(name(2)), now + timedelta(hours=5))])
    assert not await world.believes(name(1))


async def test_s16_without_a_word_of_revocations_for_30_seconds_commands_are_refused_and_questions_answered(
    world: World,
) -> None:
    session = new_id("session")
    await world.heard_last(timedelta(seconds=29))
    assert await commanded(world, session) in {None, 404}
    await world.heard_last(timedelta(seconds=31))
    assert await commanded(world, session) in {None, "revocations-not-heard"}
    assert (await world.asks(session)).status_code in ANSWERED
    assert (await world.backbone.look()).revocations_heard_seconds_ago == pytest.approx(31, abs=2)
    for path, names in (
        ("/health/lag", '"revocations_heard_seconds_ago":3'),
        ("/metrics", 'heard_seconds_ago{service="'),
    ):
        assert names in (await Asking(world.app, world.name, None)("GET", path)).text
    await world.heard_last(timedelta(seconds=0))
    assert await commanded(world, session) in {None, 404}


async def test_s16_what_was_never_heard_is_not_heard(world: World) -> None:
    fresh, app = SERVICES[world.name][0](world.backbone.settings)
    with psycopg.connect(owner_of(world.backbone.settings.database_url.get_secret_value())) as owner:
        owner.execute("DELETE FROM heard WHERE partition = 0")
    await fresh.open_store()
    try:
        await fresh.heard.note({})
        assert not (await fresh.look()).ready
        session = new_id("session")
        there = World(world.name, world.question, fresh, app, world.feed)
        assert await commanded(there, session) in {None, "revocations-not-heard"}
        assert (await there.asks(session)).status_code in ANSWERED
    finally:
        await fresh.close_store()


async def test_z17_when_nobody_can_say_who_has_ended_the_answer_is_503(world: World) -> None:
    dsn = world.backbone.settings.database_url.get_secret_value()
    cable = Cable(int(str(conninfo_to_dict(dsn)["port"])))
    settings = settings_of_audit if world.name == "audit" else settings_for
    backbone, app = SERVICES[world.name][0](settings(make_conninfo(dsn, host="127.0.0.1", port=cable.port)))
    async with running(backbone):
        there = World(world.name, world.question, backbone, app, world.feed)
        assert (await there.asks(new_id("session"))).status_code in ANSWERED
        cable.cut()
        cable.close()
        assert (await there.asks(new_id("session"))).status_code == 503


def name(number: int) -> str:
    return f"session-{number:032x}"


def _created(who: Actor) -> ProfileCreated:
    address = "anna@nordlys.example.com"
    return ProfileCreated(profile_id=who.id, email=address, address=address, name="Anna Aas")


def recorded(event: SessionEnded, at: datetime) -> Recorded:
    return Recorded(
        id=uuid7().hex,
        source="auth",
        stream=event.session_id,
        version=2,
        position=1,
        time=at,
        actor=SYSTEM,
        grant=None,
        correlation="given",
        causation=None,
        data=event,
    )


def apply(world: World, events: Sequence[Recorded]) -> None:
    """What the view makes of these."""
    with world.backbone.connect() as connection:
        for each in events:
            for statement in EndedSessions().changes(each):
                connection.execute(statement.sql, statement.params)


async def commanded(world: World, session: str) -> int | str | None:
    """Status or code that a command is answered with; None where there are none."""
    if world.name not in COMMANDS:
        return None
    answer = await world.asked(*COMMANDS[world.name], session=session)
    if answer.status_code == 503:
        assert int(answer.headers["retry-after"]) > 0
        return str(answer.json()["code"])
    return answer.status_code
