"""Everything that somebody is shown, and every identifier in it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.ids import kind_of
from tests.access.asking import IDENTIFIER, requests
from tests.access.conftest import World, at_once

API = "/api/v1"
FEW = 4
"""Of the records of asking itself, such as sessions, there are hundreds alike."""


@dataclass
class Shown:
    """The answers to all questions that somebody can put, and what identifies something in them."""

    texts: list[str] = field(default_factory=list)
    identifiers: set[str] = field(default_factory=set)
    cursors: set[str] = field(default_factory=set)

    def take(self, answer: httpx.Response) -> None:
        """Take in a whole answer, its headers too."""
        text = "\n".join([answer.text, *(f"{name}: {value}" for name, value in answer.headers.items())])
        self.texts.append(text)
        self.identifiers.update(IDENTIFIER.findall(text))
        if answer.is_success and (after := told_in(answer).get("next")):
            self.cursors.add(after)


def told_in(answer: httpx.Response) -> Mapping[str, Any]:
    """The fields of an answer; a file has none, nor has an answer without a body."""
    is_json = answer.headers.get("content-type", "").endswith("json")
    told = answer.json() if answer.content and is_json else {}
    return told if isinstance(told, dict) else {}


def shown_to(world: World, who: str, things: Mapping[str, str]) -> Shown:
    """All questions about a company's things, then the history of all that was named in the answers."""
    shown = Shown()
    known = {**things, "oneself": things["driver"]}
    questions = [request for request in requests() if request.operation.method == "GET"]
    for answer in at_once(lambda request: request.send(world, who, known), questions):
        shown.take(answer)
    lasting = {kind_of(thing) for thing in things.values() if IDENTIFIER.fullmatch(thing)}
    named = sorted(name for name in shown.identifiers if kind_of(name) in lasting)
    for answer in at_once(lambda path: world.ask(who, "GET", path), list(_histories(named))):
        shown.take(answer)
    return shown


def _histories(named: list[str]) -> Iterator[str]:
    for name in named:
        yield f"{API}/history/{name}"
        yield f"{API}/history/{name}?limit=1"


def shown_to_all(world: World, people: tuple[str, ...], things: Mapping[str, str]) -> Shown:
    """What several people are shown, taken together."""
    together = Shown()
    for who in people:
        shown = shown_to(world, who, things)
        together.texts += shown.texts
        together.identifiers |= shown.identifiers
        together.cursors |= shown.cursors
    return together


def few_of_each(identifiers: set[str], lasting: set[str]) -> list[str]:
    """All of the lasting kinds, and a few of each other one."""
    kinds: dict[str, list[str]] = {}
    for identifier in sorted(identifiers):
        kinds.setdefault(kind_of(identifier), []).append(identifier)
    return [one for kind, all_ in kinds.items() for one in (all_ if kind in lasting else all_[-FEW:])]


def attempts(world: World) -> dict[str, dict[str, str]]:
    """The refused attempts that are recorded, of all services, by the request that was refused."""
    found: dict[str, dict[str, str]] = {}
    for service in world.databases:
        for (state,) in world.rows(service, "SELECT state FROM events WHERE originator_id LIKE 'attempt-%%'"):
            told = json.loads(bytes(state))
            assert told["correlation"] not in found, "a refused attempt is recorded once"
            found[told["correlation"]] = {"actor": told["actor"], **told["data"]}
    return found
