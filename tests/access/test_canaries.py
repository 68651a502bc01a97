"""Z-04, A13: whatever others ask for, by whatever filter or mistake, nothing of Nordlys comes back."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from services.profiles.policy import STAFF
from shared.ids import kind_of
from tests.access.asking import IDENTIFIER, Request, requests
from tests.access.cast import CANARIES
from tests.access.conftest import World, at_once
from tests.access.harvest import API, Shown, shown_to_all, told_in
from tests.access.test_out_of_reach import AT_HOME, OURS, THEIRS, shape

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]

STRANGERS = (*THEIRS, "anonymous")
ODD = ("", "%", "_", "*", "0", "1", "100", "true", "null", "'", "bizz", "number-plate-payment", "eticket")


@dataclass(frozen=True)
class Secrets:
    """What must not come back, in small letters."""

    words: tuple[str, ...]
    identifiers: frozenset[str]
    strangers: frozenset[str]

    def found_in(self, answer: httpx.Response) -> list[str]:
        """Those that an answer gives away, in its body or its headers, and not for having been named by strangers."""
        text = "\n".join([self._without_attempts(answer), *answer.headers.values()]).lower()
        named = f"{answer.request.url} {answer.request.content.decode()}"
        return [word for word in self.words if word in text] + [
            one for one in IDENTIFIER.findall(text) if one in self.identifiers and one not in named
        ]

    def _without_attempts(self, answer: httpx.Response) -> str:
        """All but the strangers' refused attempts, which name what they named, and who else tried there (H1, H3)."""
        told = told_in(answer)
        if not told:
            return answer.text
        kept = []
        for item in told.get("items", ()):
            tried = str(item.get("type", "")).endswith(".attempt-refused.v1")
            if not tried or item["actor"].partition(":")[2] not in self.strangers:
                kept.append({**item, "actor": "somebody"} if tried else item)
        return json.dumps({**told, "items": kept}, ensure_ascii=False)


@pytest.fixture(scope="module")
def ours(world: World) -> Shown:
    return shown_to_all(world, (*OURS, "customer service"), world.ours)


@pytest.fixture(scope="module")
def secrets(world: World, ours: Shown) -> Secrets:
    """Nordlys' words, and its identifiers: all of the kinds that last, as its people are shown them."""
    theirs = {thing for thing in world.theirs.values() if IDENTIFIER.fullmatch(thing)}
    own = {thing for thing in world.ours.values() if IDENTIFIER.fullmatch(thing)}
    own -= {world.ours["parked_journey"], world.ours["card"]}  # nothing is parked, and the card is nobody's
    lasting = {kind_of(thing) for thing in own}
    identifiers = {one for one in ours.identifiers if kind_of(one) in lasting} - theirs
    assert own <= identifiers
    return Secrets((*CANARIES, f'"{world.ours["number"]}"'), frozenset(identifiers), frozenset(theirs))


def test_z04_those_whose_words_they_are_are_shown_all_of_them(ours: Shown) -> None:
    """Else nothing that follows would mean anything."""
    text = "\n".join(ours.texts).lower()
    assert [word for word in CANARIES if word not in text] == []


def test_z04_no_list_search_filter_cursor_or_error_shows_others_anything(
    world: World, ours: Shown, secrets: Secrets
) -> None:
    questions = [
        (request, who, more)
        for who in STRANGERS
        for request in requests()
        if request.operation.method == "GET"
        for more in _filters(world, request, ours)
        if who == THEIRS[0] or all(request.operation.takes(name, value) for name, value in more.items())
    ]

    def put(question: tuple[Request, str, dict[str, str]]) -> httpx.Response:
        request, who, more = question
        return request.send(world, who, {**world.theirs, "oneself": world.theirs[AT_HOME.get(who, "driver")]}, more)

    answers = at_once(put, questions)
    assert {str(answer.request.url): found for answer in answers if (found := secrets.found_in(answer))} == {}
    assert {answer.status_code for answer in answers} <= {200, 401, 403, 404, 422}
    answered = {
        request.operation.id for (request, *_), answer in zip(questions, answers, strict=True) if answer.is_success
    }
    for_strangers = {request.operation.id for request, *_ in questions if request.ask.row.may != (STAFF,)}
    assert answered == for_strangers, "of each some question is a good one"


def _filters(world: World, request: Request, ours: Shown) -> Iterator[dict[str, str]]:
    """None, then every value for every filter that the operation knows; the rest is about the asker's own things."""
    yield {}
    one_of_each = {kind_of(thing): thing for thing in world.ours.values() if IDENTIFIER.fullmatch(thing)}
    values = (*ODD, *CANARIES, *one_of_each.values(), *sorted(ours.cursors)[:2])
    yield from ({name: value} for name in request.operation.queries for value in values)


def test_z04_no_refusal_of_a_command_shows_others_anything(world: World, secrets: Secrets) -> None:
    """Commands about Nordlys' things, and those that collide with them: its plates, its drivers' addresses."""
    known = {**world.ours, "oneself": world.ours["driver"]}
    commands = [request for request in requests() if request.operation.method != "GET"]
    asked = [(request, who, more) for request in commands for who in THEIRS for more in request.ways()]
    for answer in at_once(lambda cell: cell[0].send(world, cell[1], known, cell[2]), asked):
        assert secrets.found_in(answer) == [], answer.text
    for path, body, code in _collisions(world):
        answer = world.ask(THEIRS[0], "POST", API + path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, code), answer.text
        assert secrets.found_in(answer) == []


def _collisions(world: World) -> Iterator[tuple[str, Any, str]]:
    order = {"kind": "number-plate-payment", "country": "DK"}
    for plate in ("plate", "eticket_plate"):
        yield (
            f"/accounts/{world.theirs['account']}/products",
            {**order, "plate": world.ours[plate]},
            "plate-has-open-product",
        )
    person = _granted(world, world.ours["driver_email"])
    yield "/profiles", person, "email-has-product-access"
    yield "/profiles?dry-run=true", person, "email-has-product-access"


def _granted(world: World, email: str) -> dict[str, Any]:
    grant = {"kind": "product-access", "id": world.theirs["plate_payment"]}
    return {"email": email, "name": "Somebody", "grants": [grant]}


def test_a9_a_dry_run_does_not_tell_whether_an_address_has_a_login_elsewhere(world: World) -> None:
    """Somebody of Nordlys who has no product access, and somebody who does not exist."""
    known, unknown = world.ours["other_administrator_email"], "nobody-yet@example.com"
    one, other = (
        world.ask(THEIRS[0], "POST", f"{API}/profiles?dry-run=true", _granted(world, email))
        for email in (known, unknown)
    )
    assert one.status_code == 200
    assert shape(one, known) == shape(other, unknown)
