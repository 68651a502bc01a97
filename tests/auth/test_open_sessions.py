"""Sessions as their owner sees them: listed, ended one by one or all others, five at most, ended by administrators."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.adapters import mail_queue, session_secrets
from services.auth.adapters.codes import Codes, new_secret
from services.auth.adapters.letters import Reader, security
from services.auth.domain import session as sessions
from services.auth.domain.limits import Limits
from services.auth.domain.session import LAST_USE_GRAIN, SessionInUse, room_for_one_more
from services.auth.domain.whereabouts import NOWHERE, Whereabouts
from services.auth.events import SessionEnded, SessionStarted
from services.auth.use_cases.categories import SESSIONS
from shared.actor import Actor
from shared.cause import Cause
from shared.errors import NotFound
from shared.eventstore.streams import Change
from shared.ids import new_id
from tests.auth.conftest import ANNA, ANNAS_ID, DORA, World, name
from tests.auth.test_rules import NOON, SESSION, started
from tests.feed import Asking

FIREFOX = {"browser": "Firefox, Windows", "place": "192.0.2.0/24"}
PHONE = {"browser": "Chrome, Android", "place": "198.51.100.0/24"}


async def ask(world: World, session: dict[str, Any], method: str, path: str, body: Any = None) -> httpx.Response:
    """Ask auth as somebody who is logged in."""
    token = (await world.exchange(session["session"], "auth")).json()["token"]
    return await Asking(world.app, "auth", None)(method, path, body, authorization=f"Bearer {token}")


async def listed(world: World, session: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await ask(world, session, "GET", "/login/sessions")
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def is_good(world: World, session: dict[str, Any]) -> bool:
    return (await world.exchange(session["session"])).status_code == 200


def endings(world: World) -> list[tuple[str, str]]:
    return [(ended.session_id, ended.because) for ended in world.said(SessionEnded)]


async def mailed(world: World, subject: str) -> list[str]:
    """The notices that somebody gets, but those that each login without a known device brings."""
    rows = await world.auth.backbone.database.rows(
        "SELECT about->>'what' AS what FROM mails WHERE kind = 'security' AND subject = %s "
        "AND about->>'what' <> 'new-device'",
        (subject,),
    )
    return [row["what"] for row in rows]


async def test_s19_everybody_sees_where_they_are_logged_in_and_nothing_of_others(world: World) -> None:
    first = await world.logged_in(ANNA, where=FIREFOX)
    world.clock.turn(minutes=1)
    second = await world.logged_in(ANNA, where=PHONE)
    await world.logged_in(DORA, where=PHONE)
    found = await listed(world, second)
    assert [item["session_id"] for item in found] == [second["session_id"], first["session_id"]]
    assert [item["current"] for item in found] == [True, False]
    assert [(item["browser"], item["place"]) for item in found] == [tuple(PHONE.values()), tuple(FIREFOX.values())]
    assert found[0]["started_at"] > found[1]["started_at"]
    assert found[1]["ends_at"] == first["ends_at"].replace("+00:00", "Z")
    assert set(found[0]) == {"session_id", "started_at", "last_used_at", "ends_at", "browser", "place", "current"}


async def test_a_session_that_is_over_is_not_listed_before_anybody_made_it_history(world: World) -> None:
    await world.logged_in(ANNA)
    world.clock.turn(minutes=16)
    second = await world.logged_in(ANNA)
    assert [item["session_id"] for item in await listed(world, second)] == [second["session_id"]]


async def test_s19_one_ends_another_session_of_ones_own_at_once_and_again_changes_nothing(world: World) -> None:
    one, other = await world.logged_in(ANNA), await world.logged_in(ANNA)
    for _ in range(2):
        answer = await ask(world, other, "DELETE", f"/login/sessions/{one['session_id']}")
        assert (answer.status_code, answer.json()) == (200, {"session_id": one["session_id"]})
    assert not await is_good(world, one)
    assert await is_good(world, other)
    assert endings(world) == [(one["session_id"], "ended-by-owner")]


async def test_a13_a_session_of_somebody_else_is_answered_like_one_that_there_never_was(world: World) -> None:
    anna, dora = await world.logged_in(ANNA), await world.logged_in(DORA)
    answers = [
        await ask(world, anna, "DELETE", f"/login/sessions/{session}")
        for session in (dora["session_id"], name("session", 77))
    ]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert bodies[0] == bodies[1]
    assert await is_good(world, dora)


async def test_c26_one_ends_all_other_sessions_in_one_commit(world: World) -> None:
    others = [await world.logged_in(ANNA), await world.logged_in(ANNA)]
    current, doras = await world.logged_in(ANNA), await world.logged_in(DORA)
    answer = await ask(world, current, "POST", "/login/sessions/end-others")
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    assert {session for session, _ in endings(world)} == {session["session_id"] for session in others}
    assert {because for _, because in endings(world)} == {"ended-by-owner"}
    assert [await is_good(world, session) for session in (*others, current, doras)] == [False, False, True, True]
    again = await ask(world, current, "POST", "/login/sessions/end-others")
    assert again.json() == {"ended": 0}


async def test_s27_the_sixth_session_ends_the_oldest_and_its_owner_is_told(world: World) -> None:
    opened = []
    for _ in range(5):
        opened.append(await world.logged_in(ANNA))
        world.clock.turn(seconds=5)
    assert await mailed(world, f"profile:{ANNAS_ID}") == []
    sixth = await world.logged_in(ANNA, where=PHONE)
    assert endings(world) == [(opened[0]["session_id"], "too-many")]
    assert [await is_good(world, session) for session in (*opened, sixth)] == [False, True, True, True, True, True]
    assert await mailed(world, f"profile:{ANNAS_ID}") == ["too-many-sessions"]


async def test_s27_what_is_over_anyway_makes_room_first_and_nobody_is_told(world: World) -> None:
    for _ in range(4):
        await world.logged_in(ANNA)
    world.clock.turn(minutes=14)
    fresh = await world.logged_in(ANNA)
    world.clock.turn(minutes=2)
    sixth = await world.logged_in(ANNA)
    assert {because for _, because in endings(world)} == {"expired"}
    assert len(endings(world)) == 4
    assert [await is_good(world, session) for session in (fresh, sixth)] == [True, True]
    assert await mailed(world, f"profile:{ANNAS_ID}") == []


async def test_s27_however_many_start_at_the_same_moment_on_two_replicas_five_are_open(
    world: World, other: World
) -> None:
    """Codes of one person replace each other, so these sessions start beside them: by the same way, at one moment."""
    await asyncio.gather(*(begun(one, number) for number in range(12) for one in (world, other)))
    row = await world.row("SELECT count(*) FROM open_sessions WHERE subject = %s", f"profile:{ANNAS_ID}")
    assert row["count"] == 5
    assert len(world.said(SessionStarted)) == 24
    assert [because for _, because in endings(world)] == ["too-many"] * 19


async def begun(world: World, _number: int) -> None:
    """A session of Anna's starts, whatever she proved it with."""
    session_id, now, subject = new_id("session"), world.clock(), f"profile:{ANNAS_ID}"
    start = partial(
        sessions.start, session_id=session_id, subject=subject, challenge_id="challenge-x", now=now, limits=Limits()
    )
    kept = session_secrets.keep(digest=Codes.of_secret(new_secret()), session_id=session_id, now=now, where=NOWHERE)
    cause = Cause(Actor.parse(subject), "tests").ensuring(lambda _: [kept])
    await world.auth.use.login._room.change_all([Change(SESSIONS, session_id, start)], cause, where=NOWHERE, held=None)


async def test_s02_logging_in_anew_ends_the_session_that_the_browser_still_held(world: World) -> None:
    before, elsewhere = await world.logged_in(ANNA), await world.logged_in(ANNA)
    login = await world.ask(ANNA)
    after = (await world.give(login.challenge, login.code, session=before["session"])).json()
    assert after["session"] != before["session"]
    assert endings(world) == [(before["session_id"], "logged-in-again")]
    assert [await is_good(world, session) for session in (before, elsewhere, after)] == [False, True, True]


async def test_s02_logging_in_as_somebody_else_ends_the_session_of_whoever_used_the_browser_before(
    world: World,
) -> None:
    annas = await world.logged_in(ANNA)
    login = await world.ask(DORA)
    assert (await world.give(login.challenge, login.code, session=annas["session"])).status_code == 201
    assert not await is_good(world, annas)


async def test_s02_a_secret_of_no_session_keeps_nobody_from_logging_in(world: World) -> None:
    login = await world.ask(ANNA)
    assert (
        await world.give(login.challenge, login.code, session="nobody-knows-this-one-0123456789")
    ).status_code == 201


async def test_s02_a_wrong_code_ends_no_session(world: World) -> None:
    annas, login = await world.logged_in(ANNA), await world.ask(ANNA)
    assert (await world.give(login.challenge, login.wrong, session=annas["session"])).status_code == 401
    assert await is_good(world, annas)


async def test_f14_a_session_whose_cookie_never_arrived_is_over_in_15_minutes(world: World) -> None:
    """Nobody knows its secret: it is as if the answer was lost with the process that wrote it."""
    await world.logged_in(ANNA)
    world.clock.turn(minutes=15)
    world.clock.now += LAST_USE_GRAIN
    await world.auth.upkeep.end_what_is_over()
    assert [because for _, because in endings(world)] == ["expired"]
    for table in ("session_secrets", "open_sessions"):
        assert (await world.row(f"SELECT count(*) FROM {table}"))["count"] == 0


# Rules ----------------------------------------------------------------------------------------------------------------


def session_of(number: int, *, minutes_old: int, idle: int = 0) -> SessionInUse:
    at = NOON - timedelta(minutes=minutes_old)
    return SessionInUse(
        session_id=f"session-{number}",
        subject="profile:profile-1",
        started_at=at,
        ends_at=at + timedelta(hours=12),
        last_used_at=NOON - timedelta(minutes=idle),
        cancelled=False,
        renewed_at=at,
        shown_at=at,
    )


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 20)), max_size=12))
def test_s27_room_for_one_more_is_made_by_what_is_over_and_then_by_the_oldest(ages: list[tuple[int, int]]) -> None:
    limits = Limits()
    found = [session_of(number, minutes_old=old, idle=idle) for number, (old, idle) in enumerate(ages)]
    going = dict(room_for_one_more(found, now=NOON, limits=limits))
    staying = [session for session in found if session.session_id not in going]
    assert len(staying) <= limits.sessions - 1
    assert all(session.over_because(NOON, limits) is None for session in staying)
    too_many = [session for session in found if going.get(session.session_id) == "too-many"]
    assert not too_many or len(staying) == limits.sessions - 1, "no more than has to"
    assert all(gone.started_at <= stays.started_at for gone in too_many for stays in staying)


def test_s19_only_the_owner_ends_a_session_as_its_owner() -> None:
    with pytest.raises(NotFound):
        sessions.end_own(started(), subject="profile:somebody-else")
    with pytest.raises(NotFound):
        sessions.end_own(sessions.Session(), subject="profile:profile-1")
    [ended] = sessions.end_own(started(), subject="profile:profile-1")
    assert ended.session_id == SESSION


def test_the_notice_of_a_session_too_many_says_which_login_it_made_room_for() -> None:
    where = Whereabouts("Chrome, Android", "198.51.100.0/24")
    letter = security(Reader("Anna Aas", ANNA, "en"), "too-many-sessions", "https://self.example.com", where, NOON)
    assert "Chrome, Android" in letter.text()
    assert timedelta(hours=1) < mail_queue.NOTICES_LIVE
