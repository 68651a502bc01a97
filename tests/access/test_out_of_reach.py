"""Z-03, A13: what is out of reach is answered, byte for byte, and recorded like what does not exist."""

import json
import re
from dataclasses import dataclass, replace

import httpx
import pytest

from shared.ids import kind_of
from tests.access.asking import IDENTIFIER, Request, described, identifiers, names_in, requests, twin
from tests.access.conftest import World, at_once
from tests.access.harvest import API, FEW, Shown, attempts, few_of_each, shown_to_all

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]

HISTORY = "readHistory"
OURS = (
    "administrator of the account",
    "administrator of another account",
    "main administrator",
    "driver",
)
THEIRS = (
    "administrator of another company",
    "main administrator of another company",
    "driver of another company",
)


@pytest.fixture(scope="module")
def of_theirs(world: World) -> Shown:
    return shown_to_all(world, THEIRS, world.theirs)


@pytest.fixture(scope="module")
def foreign(world: World, of_theirs: Shown) -> list[str]:
    """Every identifier that Nordlys' people are shown and nobody of Havnefart is."""
    ours = shown_to_all(world, OURS, world.ours)
    lasting = {kind_of(thing) for thing in world.ours.values() if IDENTIFIER.fullmatch(thing)}
    found = few_of_each(ours.identifiers - of_theirs.identifiers, lasting)
    assert lasting <= {kind_of(one) for one in found}
    return found


@dataclass(frozen=True)
class Pair:
    """One question put twice: about something of others, and about something that does not exist."""

    said: str
    who: str
    identifier: str
    none: str
    of_others: httpx.Response
    of_none: httpx.Response
    recorded: bool = False
    """Whether it is a refused attempt: what is only left out of a list, or cannot be a name at all, is none."""


def pairs_of(world: World, questions: list[tuple[str, str, str]]) -> list[Pair]:
    """Ask each question, a path and query with `{id}` in it, as somebody about an identifier and about its twin."""

    def put(question: tuple[str, str, str]) -> Pair:
        who, path, identifier = question
        none = twin(identifier)
        one, other = (world.ask(who, "GET", path.replace("{id}", each)) for each in (identifier, none))
        return Pair(path, who, identifier, none, one, other)

    return at_once(put, questions)


def must_be_alike(world: World, pairs: list[Pair]) -> None:
    """Answered byte for byte alike, and recorded alike."""
    recorded = attempts(world)
    for pair in pairs:
        told = f"{pair.said} with {pair.identifier}, {pair.who}: {pair.of_others.text} {pair.of_none.text}"
        assert shape(pair.of_others, pair.identifier) == shape(pair.of_none, pair.none), told
        one, other = (
            _record(recorded, answer, given)
            for answer, given in ((pair.of_others, pair.identifier), (pair.of_none, pair.none))
        )
        assert one == other, told
        assert bool(one) == pair.recorded, told


def _record(recorded: dict[str, dict[str, str]], answer: httpx.Response, identifier: str) -> dict[str, str]:
    """What is recorded of an attempt that was answered so, the identifier replaced."""
    record = recorded.get(answer.headers["x-request-id"], {})
    return {name: str(of).replace(identifier, "…") for name, of in record.items() if name != "attempt_id"}


def shape(answer: httpx.Response, identifier: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer that can be compared: without the request's own id, and the identifier where it is echoed."""
    headers = [(name, value) for name, value in answer.headers.items() if name not in {"x-request-id", "date"}]
    body = answer.content.replace(answer.headers["x-request-id"].encode(), b"request")
    return answer.status_code, headers, body.replace(identifier.encode(), b"identifier")


def test_z03_the_history_of_each_identifier(world: World, foreign: list[str]) -> None:
    """Whoever tried something with an identifier before is shown their own attempt, and nothing else (H1)."""
    themselves = {f"profile:{thing}" for thing in world.theirs.values() if thing.startswith("profile-")}
    pairs = pairs_of(world, [(who, f"{API}/history/{{id}}", one) for who in THEIRS for one in foreign])
    must_be_alike(world, [replace(pair, recorded=True) for pair in pairs if pair.of_others.status_code != 200])
    entries = [entry for pair in pairs for entry in pair.of_others.json().get("items", ())]
    assert {entry["actor"] for entry in entries} <= themselves
    assert {entry["type"].partition(".")[2] for entry in entries} <= {"attempt-refused.v1"}


def test_z03_each_identifier_in_each_place_of_each_operation(world: World, foreign: list[str]) -> None:
    """In the path and in the body, all else being the asker's own; of another kind than fits there, too."""
    cells = [
        (request, who, name, identifier)
        for request in requests()
        if request.operation.id != HISTORY
        for name in identifiers({**world.theirs, "oneself": world.theirs["driver"]}, request)
        for who in THEIRS
        for identifier in _fitting(world, name, foreign, others=who == THEIRS[0])
    ]

    def put(cell: tuple[Request, str, str, str]) -> Pair:
        request, who, name, identifier = cell
        own = {**world.theirs, "oneself": world.theirs["driver"]}
        none = twin(identifier)
        one, other = (request.send(world, who, {**own, name: each}) for each in (identifier, none))
        return Pair(
            f"{request}, as {name}", who, identifier, none, one, other, recorded=_is_a_name(request, name, identifier)
        )

    pairs = at_once(put, cells)
    must_be_alike(world, pairs)
    assert {pair.of_others.status_code for pair in pairs} == {404}


def _is_a_name(request: Request, name: str, identifier: str) -> bool:
    """Whether such an identifier can stand there at all; in a path it has to be of the right kind."""
    in_path = [parameter for parameter, thing in request.ask.things(request.operation.template) if thing == name]
    elsewhere = [*names_in(request.ask.query), *names_in(request.ask.body)]
    return name in elsewhere or f"{kind_of(identifier)}_id" in in_path


def _fitting(world: World, name: str, foreign: list[str], *, others: bool) -> list[str]:
    """All of the kind that belongs there; of the others one of each, or none."""
    kind = kind_of(world.theirs.get(name, world.theirs["driver"]))
    one_of_each = {kind_of(one): one for one in foreign if kind_of(one) != kind}
    return [one for one in foreign if kind_of(one) == kind] + (list(one_of_each.values()) if others else [])


def test_z03_in_filters_and_cursors(world: World, foreign: list[str], of_theirs: Shown) -> None:
    """Of every list: as the place to go on from, and as what it is narrowed to."""
    questions = [
        (who, f"{operation.template}?{name}={{id}}", identifier)
        for who in THEIRS
        for operation in described().values()
        if operation.method == "GET" and "{" not in operation.template
        for name in operation.queries
        for identifier in foreign
        if name in {"after", f"{kind_of(identifier)}_id"}
    ]
    assert len(questions) > 3 * len(foreign)
    pairs = pairs_of(world, questions)
    must_be_alike(world, pairs)
    assert {pair.of_others.status_code for pair in pairs} == {200}


def test_z03_a_cursor_of_another_history_leads_nowhere(world: World) -> None:
    """Nordlys' cursors on Havnefart's own histories, against cursors that nobody was given."""
    ours = shown_to_all(world, OURS[:1], world.ours)
    assert ours.cursors
    for cursor in sorted(ours.cursors)[:FEW]:
        none = re.sub("-([0-9a-f]{16})[0-9a-f]{16}-", r"-\g<1>0123456789abcdef-", cursor)
        for entity in (world.theirs["product"], world.ours["product"]):
            one, other = (
                world.ask(THEIRS[0], "GET", f"{API}/history/{entity}?after={each}&limit=1") for each in (cursor, none)
            )
            assert one.status_code == other.status_code
            assert _entries(one) == _entries(other)


def _entries(answer: httpx.Response) -> list[str]:
    """The entries; where a reading stops is no part of it, for every reading is itself recorded."""
    return [json.dumps(entry) for entry in answer.json().get("items", ())]
