"""Z-01, A4, A5, A6, A11, A13: every operation of the public API, asked by everybody, is answered as the policy says."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from services.profiles.policy import ACCOUNT, ANYBODY, BY_NAME, MAIN, ONESELF, PRODUCT, STAFF, Operation
from tests.access.asking import Request, described, requests
from tests.access.conftest import World, at_once, nobody
from tests.access.expected import ACTORS, Answer, Expectation, Somebody
from tests.access.harvest import told_in
from tests.access.operations import OPERATIONS, Ask
from tests.contracts.test_contracts import read

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

Asked = tuple[Request, Somebody, httpx.Response]


def not_asked(operations: Mapping[str, tuple[Ask, ...]]) -> list[str]:
    """The operations, by their rows, that the public description has and these entries do not."""
    asked = {(name, ask.row.name) for name, asks in operations.items() for ask in asks}
    return [
        f"{operation.id} has no entry for {row}"
        for operation in described().values()
        for row in operation.rows or ("any row",)
        if (operation.id, row) not in asked
    ]


def test_z01_every_operation_says_how_it_is_asked_by_each_of_its_rows() -> None:
    assert not_asked(OPERATIONS) == [], "write it in tests/access/operations.py"
    assert [name for name in OPERATIONS if name not in described()] == [], "no such operation any more"
    assert [str(request) for request in requests() if request.ask.row.name not in request.operation.rows] == []


def test_z01_a_new_operation_without_a_row_is_named() -> None:
    without = {name: asks for name, asks in OPERATIONS.items() if name != "closeProduct"}
    assert not_asked({**without, "grant": OPERATIONS["grant"][1:]}) == [
        "closeProduct has no entry for product.close",
        "grant has no entry for profile.grant-main-administrator",
    ]


@pytest.fixture(scope="module")
def answers(world: World) -> list[Asked]:
    """Everything asked by everybody, once."""
    before = world.business()
    cells = [(request, actor, query) for request in requests() for actor in ACTORS for query in request.ways()]
    found = at_once(lambda cell: _asked(world, *cell), cells)
    assert world.business() == before, "something that was asked has changed something"
    return [(request, actor, answer) for (request, actor, _), answer in zip(cells, found, strict=True)]


def _asked(world: World, request: Request, actor: Somebody, more: Mapping[str, str]) -> httpx.Response:
    return request.send(world, actor.name, {**world.ours, "oneself": _oneself(world, actor)}, more)


def _oneself(world: World, actor: Somebody) -> str:
    if not actor.logged_in or actor.staff:
        return nobody("profile")
    subject = world.ask(actor.name, "GET", "/api/v1/login/sessions/current").json()["subject"]
    return str(subject).partition(":")[2]


def test_z01_everybody_is_answered_as_the_policy_says(answers: list[Asked], tell: Callable[[str], None]) -> None:
    assert list(_wrong(answers, BY_NAME)) == []
    operations = {request.operation.id for request, _, _ in answers}
    ways = sum(len(request.ways()) for request in requests())
    tell(f"access matrix: {len(operations)} operations in {ways} ways × {len(ACTORS)} actors = {len(answers)} answers")


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


def test_z05_an_answer_has_the_fields_that_are_described_and_no_others(answers: list[Asked]) -> None:
    document = read("openapi", "gateway.json")
    more = {
        f"{request}, {answer.status_code}: {field}"
        for request, _, answer in answers
        for field in _not_described(document, _schema_of(document, request, answer), told_in(answer))
    }
    assert more == set()


def _schema_of(document: Any, request: Request, answer: httpx.Response) -> Any:
    operation = document["paths"][request.operation.template][request.operation.method.lower()]
    described = operation["responses"][str(answer.status_code)]["content"]
    return described[answer.headers["content-type"].partition(";")[0]].get("schema", {})


def _not_described(document: Any, schema: Any, value: Any) -> Iterator[str]:
    """The fields of a value, at any depth, that its schema does not name; where it has several, none of them."""
    found = [list(_not_in(document, each, value)) for each in _resolved(document, schema)]
    yield from min(found, key=len, default=[])


def _not_in(document: Any, schema: Any, value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _not_described(document, schema.get("items", {}), each)
    if isinstance(value, dict) and not schema.get("additionalProperties"):
        for name, part in value.items():
            if name in schema.get("properties", {}):
                yield from _not_described(document, schema["properties"][name], part)
            else:
                yield name


def _resolved(document: Any, schema: Any) -> list[Any]:
    """The schema behind a reference; of one that leaves the choice, each of them."""
    if reference := schema.get("$ref"):
        return _resolved(document, document["components"]["schemas"][reference.rpartition("/")[2]])
    if "anyOf" in schema:
        return [found for each in schema["anyOf"] for found in _resolved(document, each)]
    return [schema]


def _flipped(row: Operation, who: str) -> Operation:
    may = tuple(other for other in row.may if other != who) if who in row.may else (*row.may, who)
    return replace(row, may=may)


def _wrong(answers: list[Asked], table: Mapping[str, Operation], *, words: bool = True) -> Iterator[str]:
    """The answers that are not what a table of the policy asks for, down to the words of who could if they matter."""
    expectation = Expectation(table)
    for request, actor, answer in answers:
        expected, told = expectation.of(request.ask, actor), told_in(answer)
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
    return told.get("code") == request.ask.then if request.ask.then else answer.is_success
