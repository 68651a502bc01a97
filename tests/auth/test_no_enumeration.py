"""C-15, L2: what is known about an address shows in no answer, in no work, in no time."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.auth.domain.limits import Limits
from services.auth.events import CodeRefused, CodeRequested, CodeWithheld
from tests.auth.conftest import (
    ANNA,
    ANNAS_ID,
    DORA,
    NOBODY,
    SUSANNE,
    TurningClock,
    World,
    cancelled,
    moved_in,
    replica,
)
from tests.feed import running

REPEATS = 2000
MOST_TOLD = 0.05
"""How far from a coin's 0.5 the area under the curve may be."""


def shape(answer: httpx.Response) -> tuple[Any, ...]:
    """All of an answer that an asker can compare: what must differ is replaced by its length."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    body = answer.json()
    for secret in ("challenge", "request_id"):
        if secret in body:
            body[secret] = len(body[secret])
    return answer.status_code, *sorted(headers.items()), json.dumps(body), len(answer.content)


async def test_asking_for_a_code_is_answered_alike_for_known_unknown_cancelled_and_paused(world: World) -> None:
    await world.feed.given(cancelled(DORA))
    await world.auth.backbone.database.execute(
        "INSERT INTO failed_tries VALUES (%s, 'mailed-code', 'strangers', 100, '-infinity')", (f"profile:{ANNAS_ID}",)
    )
    answers = [await world.post("/login/codes", email=email) for email in (ANNA, DORA, SUSANNE, NOBODY)]
    assert len({shape(answer) for answer in answers}) == 1
    assert shape(answers[0])[0] == 202
    assert [requested.subject is None for requested in world.said(CodeRequested)] == [False, True, False, True]


async def test_asking_too_often_is_answered_alike_and_so_is_the_next_answer(world: World) -> None:
    """C-14: for known, cancelled, of customer service and unknown; the history tells them apart."""
    await world.feed.given(cancelled(DORA))
    emails = (ANNA, DORA, SUSANNE, NOBODY)
    for status, pause in ((202, 10), (429, 50), (202, 1), (429, 0)):
        answers = [await world.post("/login/codes", email=email) for email in emails]
        assert {shape(answer) for answer in answers} == {shape(answers[0])}
        assert answers[0].status_code == status
        world.clock.turn(seconds=pause)
    withheld = [withheld.subject is None for withheld in world.said(CodeWithheld)]
    assert withheld == [False, True, False, True] * 2


async def test_whoever_wants_the_app_only_is_answered_like_everybody(world: World) -> None:
    """The mail that is not sent is queued and dropped, as for an address that nobody has."""
    await world.auth.backbone.database.execute(
        "INSERT INTO login_methods VALUES (%s, 'authenticator-app', now())", (f"profile:{ANNAS_ID}",)
    )
    for by in ("mailed-code", "authenticator-app"):
        answers = [await world.post("/login/codes", email=email, by=by) for email in (ANNA, DORA, NOBODY)]
        assert len({shape(answer) for answer in answers}) == 1
    rows = await world.auth.backbone.database.rows("SELECT subject FROM mails ORDER BY mail_id")
    assert [row["subject"] is None for row in rows] == [True, False, True, True, True, True]


async def test_asking_for_a_code_does_the_same_work_for_known_and_unknown(world: World) -> None:
    """The same rows in the same tables, in one commit each."""
    for email in (ANNA, NOBODY):
        for _ in range(2):
            login = await world.ask(email)
            await world.give(login.challenge, login.wrong)
            world.clock.turn(minutes=1)
    for sql in (
        "SELECT subject IS NULL AS unknown, count(*), max(length(digest)) FROM codes GROUP BY 1",
        "SELECT account LIKE 'address:%%' AS unknown, count(*), sum(failures) FROM failed_tries GROUP BY 1",
        "SELECT NOT known AS unknown, count(*) FROM guesses GROUP BY 1",
        "SELECT subject IS NULL AS unknown, count(*), max(length(sealed_code)) FROM mails GROUP BY 1",
    ):
        rows = await world.auth.backbone.database.rows(sql)
        assert len(rows) == 2
        assert [value for row in rows[:1] for value in list(row.values())[1:]] == [*rows[1].values()][1:]


async def test_giving_a_code_is_answered_alike_whatever_the_reason(world: World) -> None:
    login, stranger, nobody = await world.ask(ANNA), "s" * 43, await world.ask(NOBODY)
    wrong = await world.give(login.challenge, login.wrong)
    right_for_nobody = await world.give(nobody.challenge, nobody.code)
    unknown = await world.give(stranger, "012345")
    await world.give(login.challenge, login.code)
    used = await world.give(login.challenge, login.code)
    first = await world.ask(DORA)
    world.clock.turn(minutes=1)
    await world.ask(DORA)
    superseded = await world.give(first.challenge, first.code)
    late = await world.ask(SUSANNE)
    world.clock.turn(minutes=5)
    expired = await world.give(late.challenge, late.code)
    assert len({shape(answer) for answer in (wrong, right_for_nobody, unknown, used, superseded, expired)}) == 1
    assert wrong.json()["code"] == "code-refused"
    reasons = [refused.because for refused in world.said(CodeRefused)]
    assert reasons == ["wrong-code", "unknown", "unknown", "already-used", "superseded", "expired"]


def area_under_curve(one: list[float], other: list[float]) -> float:
    """How well one sample's time tells the two apart: 0.5 is not at all, 0 and 1 are always."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks = sum(rank for rank, (_, which) in enumerate(ranked, start=1) if which)
    return (ranks - len(other) * (len(other) + 1) / 2) / (len(one) * len(other))


FREE = replace(
    Limits(), code_again_after=timedelta(0), codes_an_hour=10**6, codes_a_day=10**6, codes_an_hour_in_all=10**6
)


@pytest.fixture
async def free(database: str, clock: TurningClock) -> AsyncIterator[World]:
    """A replica that answers as often as one asks."""
    one = moved_in(replica(database, clock, limits=FREE))
    async with running(one.auth.backbone):
        yield one


async def must_not_tell(world: World, ask: Callable[[str], Awaitable[object]], repeats: int) -> None:
    """Known and unknown in turn: what else the machine does meets both alike; three samples, for it does a lot."""
    found = []
    for _ in range(3):
        times: dict[str, list[float]] = {ANNA: [], NOBODY: []}
        for repeat in range(repeats):
            for email in (ANNA, NOBODY) if repeat % 2 else (NOBODY, ANNA):
                began = time.perf_counter()
                await ask(email)
                times[email].append(time.perf_counter() - began)
            if repeat % 200 == 0:
                await world.auth.backbone.database.execute("DELETE FROM codes WHERE fate = 'superseded'")
        found.append(area_under_curve(times[ANNA], times[NOBODY]))
        if abs(found[-1] - 0.5) <= MOST_TOLD:
            return
    raise AssertionError(f"one sample tells known from unknown: AUC {found}")


async def test_time_does_not_tell_known_from_unknown_when_asking(free: World) -> None:
    await must_not_tell(free, lambda email: free.post("/login/codes", email=email), REPEATS)


async def test_time_does_not_tell_known_from_unknown_when_asking_too_often(world: World) -> None:
    await must_not_tell(world, lambda email: world.post("/login/codes", email=email), REPEATS // 4)


@pytest.mark.parametrize("by", ["mailed-code", "authenticator-app"])
async def test_time_does_not_tell_known_from_unknown_when_giving_a_code(world: World, by: str) -> None:
    """Evaluated or not, whatever is spent: all of it is the same work."""
    challenges = {email: (await world.ask(email)).challenge for email in (ANNA, NOBODY)}
    await must_not_tell(world, lambda email: world.give(challenges[email], "012345", by=by), REPEATS // 4)
