"""C-15, L2: what is known about an address shows in no answer, in no work, in no time."""

import json
import time
from typing import Any

import httpx

from services.auth.events import CodeRefused, CodeRequested
from tests.auth.conftest import ANNA, DORA, NOBODY, SUSANNE, World, cancelled

REPEATS = 150


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
    await world.ask(ANNA)
    await world.auth.backbone.database.execute("UPDATE failed_tries SET failures = 100")
    answers = [await world.post("/login/codes", email=email) for email in (ANNA, DORA, SUSANNE, NOBODY)]
    assert len({shape(answer) for answer in answers}) == 1
    assert shape(answers[0])[0] == 202
    assert [requested.subject is None for requested in world.said(CodeRequested)[1:]] == [False, True, False, True]


async def test_asking_for_a_code_does_the_same_work_for_known_and_unknown(world: World) -> None:
    """The same rows in the same tables, in one commit each."""
    for email in (ANNA, NOBODY):
        await world.ask(email)
        await world.ask(email)
    for sql in (
        "SELECT subject IS NULL AS unknown, count(*), max(length(digest)) FROM codes GROUP BY 1",
        "SELECT account LIKE 'address:%%' AS unknown, count(*) FROM failed_tries GROUP BY 1",
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


async def test_time_does_not_tell_known_from_unknown(world: World) -> None:
    """Interleaved, so that what else the machine does meets both alike; three samples, for it does a lot."""
    found = []
    for _ in range(3):
        times: dict[str, list[float]] = {ANNA: [], NOBODY: []}
        for repeat in range(2 * REPEATS):
            email = (ANNA, NOBODY)[repeat % 2]
            began = time.perf_counter()
            await world.post("/login/codes", email=email)
            times[email].append(time.perf_counter() - began)
        found.append(area_under_curve(times[ANNA], times[NOBODY]))
        if abs(found[-1] - 0.5) <= 0.06:
            return
    raise AssertionError(f"one sample tells known from unknown: AUC {found}")
