"""Z-03, A13: what is out of reach is answered, byte for byte, and recorded like what does not exist."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import httpx
import pytest

from services.gateway.seals import Seals
from services.profiles.policy import PLACES, POLICY, STAFF, Operation
from shared.ids import kind_of
from shared.seen import WAIT_SECONDS
from tests.access.asking import IDENTIFIER, Request, identifiers, names_in, requests, twin
from tests.access.conftest import World, at_once
from tests.access.expected import BY_ROLE, Expectation
from tests.access.harvest import API, FEW, Shown, attempts, few_of_each, shown_to_all

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]

HISTORIES = {"readHistory": "/history/{id}", "getPastState": "/past/states/{id}"}
"""What may be asked about whatever there is."""
READ_OR_REFUSED = {"attempt-refused.v1", "history-read.v1", "past-read.v1"}
OF_ANY_PLACE = {"listPastHolders", "listDifferences"}
PATHS = tuple(f"{API}/{path}" for path in ("accounts", "products", "profiles"))
FORGED = "a key of one's own, of 32 letters"
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
AT_HOME = dict(zip(THEIRS, ("administrator", "main_administrator", "driver"), strict=True))
"""What each of them is in their own company."""


@pytest.fixture(scope="module")
def of_theirs(world: World) -> Shown:
    return shown_to_all(world, THEIRS, world.theirs)


@pytest.fixture(scope="module")
def foreign(world: World, of_theirs: Shown) -> list[str]:
    """Every identifier that Nordlys' people are shown and nobody of Havnefart is; and what nobody is shown any more."""
    own = {thing for thing in world.ours.values() if IDENTIFIER.fullmatch(thing)}
    shown = shown_to_all(world, OURS, world.ours).identifiers
    gone = {
        world.ours[name] for name in ("ended_agreement", "former_session", "late_session", "card", "parked_journey")
    }
    assert own - shown <= gone, "of whoever was in it nobody is left"
    # Havnefart's people may have been shown some of them: what they named themselves, in an attempt of theirs (H1).
    return few_of_each((shown - of_theirs.identifiers) | own, {kind_of(one) for one in own})


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
    status: int | None = None
    """What both are answered, where it is known beforehand."""


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
        assert pair.status in {None, pair.of_others.status_code}, told
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
    """Whoever tried something with an identifier is shown that, what their people tried and read; nothing else."""
    own = {thing for thing in world.theirs.values() if IDENTIFIER.fullmatch(thing)}
    pairs = pairs_of(
        world, [(who, f"{API}{path}", one) for path in HISTORIES.values() for who in THEIRS for one in foreign]
    )
    must_be_alike(world, [replace(pair, recorded=True) for pair in pairs if pair.of_others.status_code != 200])
    entries = [entry for pair in pairs for entry in pair.of_others.json().get("items", ())]
    assert [one for one in entries if not own & {one["actor"].partition(":")[2], *one["data"].get("about", ())}] == []
    assert {entry["type"].partition(".")[2] for entry in entries} <= READ_OR_REFUSED


def test_z03_each_identifier_in_each_place_of_each_operation(world: World, foreign: list[str]) -> None:
    """In the path and in the body, all else being the asker's own; of another kind than fits there, too."""
    cells = [
        (request, who, name, identifier, more)
        for request in requests()
        if request.operation.id not in HISTORIES
        for name in identifiers({**world.theirs, "oneself": world.theirs["driver"]}, request)
        for who in THEIRS
        for identifier in _fitting(world, name, foreign, who)
        for more in (request.ways() if who == THEIRS[0] and request.fits(name, identifier) else ({},))
    ]

    def put(cell: tuple[Request, str, str, str, Mapping[str, str]]) -> Pair:
        request, who, name, identifier, more = cell
        own = {**world.theirs, "oneself": world.theirs["driver"]}
        none = twin(identifier)
        one, other = (request.send(world, who, {**own, name: each}, more) for each in (identifier, none))
        status, said = of_nobody(world, request, name, identifier, who), f"{request} {dict(more)}, as {name}"
        recorded = not more and status in {403, 404} and request.fits(name, identifier)
        return Pair(said, who, identifier, none, one, other, recorded, status)

    pairs = at_once(put, cells)
    must_be_alike(world, pairs)
    said = {pair.said for pair in pairs if "{}" in pair.said}
    assert said == {pair.said for pair in pairs if pair.recorded}, "each was attempted with what fits there, too"


def of_nobody(world: World, request: Request, name: str, identifier: str, who: str) -> int:
    """404, but for what cannot stand in a query: the wrong kind of thing there is a mistake, whosever it is.

    Of a card the account decides: who may not on their own account is told so, whatever card they name.
    What is customer service's alone, wherever it is, answers others 403 whatever they name.
    """
    if _is_customer_services(request) and request.fits(name, identifier):
        return 403
    own = world.theirs.get(name, world.theirs["driver"])
    any_kind = request.operation.id in OF_ANY_PLACE and request.fits(name, identifier)
    if name in names_in(request.ask.query) and kind_of(identifier) != kind_of(own) and not any_kind:
        return 422
    may_not = Expectation().of(request.ask, BY_ROLE[AT_HOME[who]]).status == 403
    return 403 if name == "card" and may_not and request.fits(name, identifier) else 404


def of_others_is_answered(request: Request) -> int:
    """What everybody is answered who names something of others: 404, where the operation is nobody else's 403."""
    return 403 if _is_customer_services(request) else 404


def _is_customer_services(request: Request) -> bool:
    return request.ask.row.on == "anywhere" and request.ask.row.may == (STAFF,)


def _fitting(world: World, name: str, foreign: list[str], who: str) -> list[str]:
    """All of the kind that belongs there, and one of each other kind; a few will do for all but the first who asks."""
    kind = kind_of(world.theirs.get(name, world.theirs["driver"]))
    fitting = [one for one in foreign if kind_of(one) == kind]
    others = {kind_of(one): one for one in foreign if kind_of(one) != kind}
    return [*fitting, *others.values()] if who == THEIRS[0] else [fitting[0], fitting[-1]]


def test_z03_in_filters_and_cursors(world: World, foreign: list[str]) -> None:
    """Of every list: as the place to go on from, and as what it is narrowed to; the list itself is the asker's own."""
    cells = [
        (request, who, name, identifier)
        for who in THEIRS
        for request in requests()
        if request.operation.method == "GET" and "{" not in request.operation.template
        for name in request.operation.queries
        for identifier in [*foreign, *_within(world)]
        if name in {"after", f"{kind_of(identifier)}_id"}
        if who == THEIRS[0] or request.operation.takes(name, identifier)
    ]

    def put(cell: tuple[Request, str, str, str]) -> Pair:
        request, who, name, identifier = cell
        none, own = twin(identifier), {**world.theirs, "oneself": world.theirs[AT_HOME[who]]}
        one, other = (request.send(world, who, own, {name: each}) for each in (identifier, none))
        asked = Expectation().of(request.ask, BY_ROLE[AT_HOME[who]]).status
        takes = request.operation.takes(name, identifier)
        status = (asked or 200) if takes else 422
        return Pair(f"{request}, {name}", who, identifier, none, one, other, status in {403, 404}, status)

    pairs = at_once(put, cells)
    must_be_alike(world, pairs)
    lists = {request.operation.id for request, *_ in cells if not _is_customer_services(request)}
    assert lists == {pair.said.partition(" ")[0] for pair in pairs if pair.status == 200}


def _within(world: World) -> list[str]:
    """Places in lists: of what somebody reaches, behind a product of an account; of grants, and of differences."""
    event, held = "0" * 32, f"{world.ours['driver']}.product-access.{world.ours['product']}"
    return [
        *(f"{things['account']}.{world.ours['product']}" for things in (world.ours, world.theirs)),
        *(f"{event}.{world.ours['driver']}", f"0.{event}.{held}"),
    ]


def test_z03_whatever_right_is_asked_about(world: World, foreign: list[str]) -> None:
    """Every row of the policy on every kind of thing that it may be asked about: one's own rights, others', who can."""
    one_of_each = {kind_of(one): one for one in foreign}
    questions = [(who, path, one_of_each[kind]) for who in THEIRS for path, kind in about_rights(world, who)]
    must_be_alike(world, [replace(pair, recorded=True, status=404) for pair in pairs_of(world, questions)])


def about_rights(world: World, who: str) -> Iterator[tuple[str, str]]:
    """What may be asked about rights by this one, each with the kind of thing that it is asked about."""
    people = dict.fromkeys((AT_HOME[who], "administrator"))
    for name, kind in [(row.name, kind) for row in POLICY for kind in _done_to(row)]:
        rest = f"operation={name}&resource={{id}}"
        yield from ((f"{API}/access/explain?profile={world.theirs[person]}&{rest}", kind) for person in people)
        if kind in PLACES:
            yield f"{API}/access/who-can?{rest}", kind


def _done_to(row: Operation) -> tuple[str, ...]:
    """The kinds of things that an operation is done to."""
    return {"person": ("profile",), "place": PLACES, "anywhere": (), "oneself": ()}.get(row.on, (row.on,))


def test_z03_in_the_header_that_names_what_was_seen(world: World, foreign: list[str]) -> None:
    """`Require-Seen` with others' versions made up, bare or under a seal: nobody waits, all are told the same."""
    own = given_to(world, THEIRS[0], world.theirs)
    sent = [
        (path, made_up)
        for path in PATHS
        for identifier in foreign
        for each in (identifier, twin(identifier))
        for made_up in _made_up(each, own)
    ]
    answers = at_once(lambda one: world.ask(THEIRS[0], "GET", one[0], headers={"Require-Seen": one[1]}), sent)
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(422, "seen-unknown")}
    assert len({str(shape(answer, "-")) for answer in answers}) == 1
    assert max(answer.elapsed.total_seconds() for answer in answers) < WAIT_SECONDS, "nobody waited for anything"
    assert not {answer.headers["x-request-id"] for answer in answers} & attempts(world).keys()


def _made_up(identifier: str, own: str) -> list[str]:
    """By somebody who knows how it is done, and has entries of their own."""
    forged = Seals(FORGED).sealed(f"{identifier}@1")
    return [f"{identifier}@1", f"{identifier}@99", forged, f"{own}, {forged}", own[:40] + forged[40:]]


def given_to(world: World, who: str, things: Mapping[str, str]) -> str:
    """What the system itself gives out to an administrator as `Seen`."""
    query = f"profile={things['administrator']}&operation=product.close&resource={things['product']}"
    return world.ask(who, "GET", f"{API}/access/explain?{query}").headers["seen"]


def test_a13_what_was_given_out_counts_whoever_was_handed_it(world: World) -> None:
    """As it is; changed in one letter it is worth as little as what was made up."""
    ours = given_to(world, OURS[0], world.ours)
    assert not IDENTIFIER.search(ours)
    for path in PATHS:
        without = world.ask(THEIRS[0], "GET", path)
        for seen in (ours, given_to(world, THEIRS[0], world.theirs)):
            answer = world.ask(THEIRS[0], "GET", path, headers={"Require-Seen": seen})
            assert (answer.status_code, answer.content) == (200, without.content), answer.text
        for place in (0, 50, -1):
            changed = ours[:place] + ("A" if ours[place] != "A" else "B") + (ours[place + 1 :] if place + 1 else "")
            answer = world.ask(THEIRS[0], "GET", path, headers={"Require-Seen": changed})
            assert (answer.status_code, answer.json()["code"]) == (422, "seen-unknown")


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
