"""One game of the model's: who is logged in, and whether the system answers and shows what the model says."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.demo.person import Person
from tests.access.model import CLOSED, ENDED, STAFF, Answer, Grant, Model

PATIENCE_SECONDS = 20.0


@dataclass
class Game:
    """A model of what is so, and the people who ask the system; addresses carry the game's own mark."""

    runner: asyncio.Runner
    staff: Person
    mark: str
    done: Counter[str]
    """How often each thing came to each end, over all games."""
    model: Model = field(default_factory=Model)
    profiles: dict[str, str] = field(default_factory=dict)
    """The profile of each person who has one."""
    people: dict[str, Person] = field(default_factory=dict)
    """Who is logged in."""
    invitations: dict[str, set[str]] = field(default_factory=dict)
    """The mails that each person has been invited by."""

    def __post_init__(self) -> None:
        self.people[STAFF] = self.staff

    def ask(self, actor: str, path: str, body: dict[str, Any]) -> httpx.Response:
        """A command of somebody who knows of everything that was answered to anybody before."""
        person = self.logged_in(actor)
        answer = self.runner.run(person.send("POST", path, body))
        for other in self.people.values():
            other.has_seen(person)
        return answer

    def agree(self, what: str, answer: httpx.Response, refused: Answer | None) -> bool:
        """Whether it was done; the system and the model must say the same."""
        code = answer.json().get("code", "done")
        self.done[f"{what}: {code}"] += 1
        told = (answer.status_code, code) if answer.status_code >= 400 else None
        if told == ENDED and refused == CLOSED:
            told = CLOSED  # the product's account has ended, and that its products are closed is not heard of yet
        assert told == refused, f"{what}: {answer.status_code} {answer.text}, the model says {refused or 'done'}"
        return refused is None

    def sees_what_it_must(self, person: str) -> None:
        if person not in self.model.grants:
            return
        self.logged_in(person)
        model = self.model
        self.eventually(person, "/profiles/me", lambda me: held(me) == model.grants[person])
        self.eventually(person, "/products", lambda page: _ids(page, "product_id") == model.products(person))
        self.eventually(person, "/accounts", lambda page: _ids(page, "account_id") == model.accounts(person))

    def somebody_loses(self, what_ends: Callable[[], None]) -> None:
        """Something ended; what follows is awaited: whoever lost a grant by it has lost it in profiles, too."""
        before = {person: set(held) for person, held in self.model.grants.items()}
        what_ends()
        for person in sorted(before):
            if before[person] != self.model.grants[person]:
                self.sees_what_it_must(person)

    def is_logged_out(self, person: str) -> None:
        if person in self.people:
            self.eventually(person, "/profiles/me", lambda told: told.get("code") == "unauthenticated")
            del self.people[person]

    def eventually(self, person: str, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
            while True:
                told: dict[str, Any] = (await self.people[person].send("GET", path)).json()
                if holds(told):
                    return told
                assert asyncio.get_running_loop().time() < until, f"{person} at {path}: {told}"
                await asyncio.sleep(0.03)

        return self.runner.run(ask())

    def logged_in(self, actor: str) -> Person:
        if actor not in self.people:
            self._log_in(actor)
        return self.people[actor]

    def _log_in(self, actor: str) -> None:
        person = Person(self.staff._http, self.address(actor))
        person.has_seen(self.staff)  # before what the login says: what is sent along are the newest entries
        known = self.invitations.setdefault(actor, set())

        async def log_in() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):  # auth hears of a new profile a moment later, and invites
                while not (new := {m["id"] for m in await person.mails() if "invit" in m["subject"].lower()} - known):
                    await asyncio.sleep(0.05)
            known.update(new)
            await person.log_in()

        self.runner.run(log_in())
        self.people[actor] = person

    def profile(self, person: str) -> str:
        """The profile of a person, or one that nobody has."""
        return self.profiles.get(person, f"profile-{0:032x}")

    def address(self, person: str) -> str:
        return f"{person}.{self.mark}@model.example.com"


def held(me: dict[str, Any]) -> set[Grant]:
    """The grants that somebody's own profile shows."""
    return {(grant["kind"], grant["id"]) for grant in me.get("grants", ())}


def _ids(page: dict[str, Any], name: str) -> set[str]:
    return {item[name] for item in page.get("items", ())}
