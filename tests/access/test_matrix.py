"""Z-01, A4, A5, A6, A11, A13: every operation of the public API, asked by everybody, is answered as the policy says."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from services.profiles.policy import ACCOUNT, ANYBODY, BY_NAME, MAIN, ONESELF, PRODUCT, STAFF, Operation
from tests.access.asking import Request, described, requests
from tests.access.conftest import World, at_once, nobody
from tests.access.expected import ACTORS, Answer, Expectation, Somebody
from tests.access.operations import OPERATIONS

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

Asked = tuple[Request, Somebody, httpx.Response]


def test_z01_every_operation_says_how_it_is_asked_by_each_of_its_rows() -> None:
    """A new operation without a row here is named."""
    rows = {name: {ask.row.name for ask in asks} for name, asks in OPERATIONS.items()}
    missing = [
        f"{operation.id} has no entry for {row}"
        for operation in described().values()
        for row in operation.rows
        if row not in rows.get(operation.id, ())
    ]
    unknown = [f"{name} is no operation" for name in OPERATIONS if name not in described()]
    foreign = [f"{r} is not how it is decided" for r in requests() if r.ask.row.name not in r.operation.rows]
    assert missing + unknown + foreign == [], "write it in tests/access/operations.py"


@pytest.fixture(scope="module")
def answers(world: World) -> list[Asked]:
    """Everything asked by everybody, once."""
    before = world.business()
    cells = [(request, actor, query) for request in requests() for actor in ACTORS for query in _ways(request)]
    found = at_once(lambda cell: _asked(world, *cell), cells)
    assert world.business() == before, "something that was asked has changed something"
    return [(request, actor, answer) for (request, actor, _), answer in zip(cells, found, strict=True)]


def _ways(request: Request) -> tuple[str, ...]:
    """As it is, and as a dry run where there is one: who may not do a thing may not try it either."""
    return ("", "?dry-run=true") if "dry-run" in request.operation.queries else ("",)


def _asked(world: World, request: Request, actor: Somebody, query: str) -> httpx.Response:
    return request.send(world, actor.name, {**world.ours, "oneself": _oneself(world, actor)}, query)


def _oneself(world: World, actor: Somebody) -> str:
    if not actor.logged_in:
        return nobody("profile")
    subject = world.ask(actor.name, "GET", "/api/v1/login/sessions/current").json()["subject"]
    return str(subject).partition(":")[2]


def test_z01_everybody_is_answered_as_the_policy_says(answers: list[Asked], capsys: pytest.CaptureFixture[str]) -> None:
    assert list(_wrong(answers, BY_NAME)) == []
    operations = {request.operation.id for request, _, _ in answers}
    with capsys.disabled():
        print(  # noqa: T201 (the count is what this test is asked for)
            f"\naccess matrix: {len(operations)} operations in {len(requests())} ways × {len(ACTORS)} actors "
            f"= {len(answers)} answers"
        )


def test_every_yes_and_every_no_of_the_policy_is_decided_by_an_answer(answers: list[Asked]) -> None:
    """Were a single mark of the table another, this matrix would fail: no answer came for another reason."""
    unnoticed = {
        (row.name, who)
        for row in BY_NAME.values()
        if not {ONESELF, ANYBODY} & set(row.may)
        for who in (MAIN, ACCOUNT, PRODUCT, STAFF)
        if not any(_wrong(answers, {**BY_NAME, row.name: _flipped(row, who)}, words=False))
    }
    # Who holds product access sees no people, so what is done to people is nothing that they could be refused (A6).
    assert unnoticed <= {(row, PRODUCT) for row in _only_done_to_people()}


def _only_done_to_people() -> set[str]:
    elsewhere = {r.ask.row.name for r in requests() if not r.ask.sees and r.ask.row.on != "person"}
    return {request.ask.row.name for request in requests()} - elsewhere


def _flipped(row: Operation, who: str) -> Operation:
    may = tuple(other for other in row.may if other != who) if who in row.may else (*row.may, who)
    return replace(row, may=may)


def _wrong(answers: list[Asked], table: Mapping[str, Operation], *, words: bool = True) -> Iterator[str]:
    """The answers that are not what a table of the policy asks for, down to the words of who could if they matter."""
    expectation = Expectation(table)
    for request, actor, answer in answers:
        expected, told = expectation.of(request.ask, actor), _told(answer)
        if not words:
            expected = replace(expected, who_could=told.get("who_could"))
        if not _is(answer, told, expected, request):
            body = answer.text[:200]
            yield f"{request}, {actor.name}: {expected} was expected, and was {answer.status_code} {body}"


def _is(answer: httpx.Response, told: Mapping[str, Any], expected: Answer, request: Request) -> bool:
    if not expected.status:
        return _is_yes(answer, told, request)
    if expected.status == 403:
        said = Answer(answer.status_code, told.get("rule"), told.get("who_could"))
        return said == expected
    codes = {401: ("unauthenticated", "session-not-valid"), 404: ("not-found",)}
    return answer.status_code == expected.status and told.get("code") in codes[expected.status]


def _is_yes(answer: httpx.Response, told: Mapping[str, Any], request: Request) -> bool:
    """The decision was yes: it is done, or the very rule refuses that comes after it."""
    if "dry-run" in str(answer.request.url):
        return answer.is_success or told.get("code") == request.ask.then
    return told.get("code") == request.ask.then if request.ask.then else answer.is_success


def _told(answer: httpx.Response) -> Mapping[str, Any]:
    told: Mapping[str, Any] = answer.json() if answer.content else {}
    return told
