"""Z-04, A13: whatever others ask for, by whatever filter or mistake, nothing of Nordlys comes back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared.ids import kind_of
from tests.access.asking import IDENTIFIER, Described, described, requests
from tests.access.cast import CANARIES
from tests.access.conftest import World, at_once
from tests.access.harvest import API, Shown, attempts, shown_to_all
from tests.access.test_out_of_reach import OURS, THEIRS

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]

STRANGERS = (*THEIRS, "cancelled profile", "anonymous")
ODD = ("", "%", "_", "*", "0", "1", "100", "true", "null", "'", "bizz", "number-plate-payment", "eticket")


@dataclass(frozen=True)
class Secrets:
    """What must not come back, in small letters."""

    words: tuple[str, ...]
    identifiers: frozenset[str]

    def found_in(self, answer: httpx.Response) -> list[str]:
        """Those that an answer gives away, in its body or its headers."""
        text = "\n".join([answer.text, *answer.headers.values()]).lower()
        return [word for word in self.words if word in text] + [
            one for one in IDENTIFIER.findall(text) if one in self.identifiers
        ]


@pytest.fixture(scope="module")
def ours(world: World) -> Shown:
    return shown_to_all(world, (*OURS, "customer service"), world.ours)


@pytest.fixture(scope="module")
def secrets(world: World, ours: Shown) -> Secrets:
    """Nordlys' words, and its identifiers but for those that strangers have named themselves."""
    theirs = shown_to_all(world, THEIRS, world.theirs).identifiers
    lasting = {kind_of(thing) for thing in world.ours.values() if IDENTIFIER.fullmatch(thing)}
    named = {name for attempt in attempts(world).values() for name in attempt["about"]}
    own = {thing for thing in world.ours.values() if IDENTIFIER.fullmatch(thing)}
    identifiers = {one for one in ours.identifiers if kind_of(one) in lasting} - theirs
    assert own <= identifiers
    return Secrets((*CANARIES, f'"{world.ours["number"]}"'), frozenset(identifiers - named))


def test_z04_those_whose_words_they_are_are_shown_all_of_them(ours: Shown) -> None:
    """Else nothing that follows would mean anything."""
    text = "\n".join(ours.texts).lower()
    assert [word for word in CANARIES if word not in text] == []


def test_z04_no_list_search_filter_cursor_or_error_shows_others_anything(
    world: World, ours: Shown, secrets: Secrets
) -> None:
    questions = [
        (who, path)
        for who in STRANGERS
        for operation in described().values()
        for path in _paths(world, operation, ours)
    ]
    answers = at_once(lambda question: world.ask(question[0], "GET", question[1]), questions)
    given_away = [
        (who, path, found)
        for (who, path), answer in zip(questions, answers, strict=True)
        if (found := secrets.found_in(answer))
    ]
    assert given_away == []
    assert {answer.status_code for answer in answers} <= {200, 401, 403, 404, 422}


def _paths(world: World, operation: Described, ours: Shown) -> Iterator[str]:
    """A question about the asker's own things, with every value for every filter that it knows."""
    if operation.method != "GET":
        return
    path = operation.template
    for name in (part[1:-1] for part in path.split("/") if part.startswith("{")):
        path = path.replace(f"{{{name}}}", world.theirs["driver" if name == "profile_id" else "product"])
    yield path
    one_of_each = {kind_of(thing): thing for thing in world.ours.values() if IDENTIFIER.fullmatch(thing)}
    values = (*ODD, *CANARIES, *one_of_each.values(), *sorted(ours.cursors)[:2])
    for name in operation.queries:
        yield from (f"{path}?{httpx.QueryParams({name: value})}" for value in values)


def test_z04_no_refusal_of_a_command_shows_others_anything(world: World, secrets: Secrets) -> None:
    """Commands about Nordlys' things, and those that collide with them: its plates, its drivers' addresses."""
    known = {**world.ours, "oneself": world.ours["driver"]}
    commands = [request for request in requests() if request.operation.method != "GET"]
    for who in THEIRS:
        for answer in at_once(lambda request, who=who: request.send(world, who, known), commands):
            assert secrets.found_in(answer) == [], answer.text
    for path, body, code in _collisions(world):
        answer = world.ask("administrator of another company", "POST", API + path, body)
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
    grant = {"kind": "product-access", "id": world.theirs["plate_payment"]}
    person = {"email": world.ours["driver_email"], "name": "Somebody", "grants": [grant]}
    yield "/profiles", person, "email-has-product-access"
