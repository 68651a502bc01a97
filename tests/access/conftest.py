"""The running system, its two companies, and a way to ask as anybody. Nothing that is asked changes what there is."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from deploy.cli.where import KEEPING
from deploy.demo.run import add_staff
from deploy.local import world as local
from deploy.local.postgres import Addresses
from deploy.local.world import World as Local
from deploy.sample import STAFF
from services.audit import service as audit
from services.auth import service as auth
from services.company import service as company
from services.products import service as products
from services.profiles import service as profiles
from shared.ids import new_id
from tests.access.cast import CANARY, Cast, prepare
from tests.auth.conftest import settings_for as settings_of_auth
from tests.feed import running, settings_for, settings_of_audit
from tests.parts import known
from tests.products.driven import Journey, drive

NO_LIMITS = {
    "REQUESTS_PER_SECOND": "100000",
    "LOGIN_CODES_PER_MINUTE": "100000",
    "LOGIN_TRIES_PER_MINUTE": "100000",
    "CHECKPOINT_SECONDS": "1",
}
"""Much is asked from one address and with few sessions; limits have tests of their own."""
AT_ONCE = 8
NOT_BUSINESS = ("attempt", "reading", "challenge", "session", "key")
"""Streams of what is recorded about asking itself."""
REPLICATED = {"auth": auth, "company": company, "products": products, "profiles": profiles, "audit": audit}
"""The services that decide by who reaches what."""
SETTINGS: Mapping[str, Any] = {"auth": settings_of_auth, "audit": settings_of_audit}
"""Of those that are told more than every service is."""
OUTSIDE_TOKEN = "a service's own token, from outside"


@dataclass(frozen=True)
class World:
    """What runs, who is logged in, and what there is of each company."""

    url: str
    addresses: Mapping[str, str]
    """The services themselves, without the gateway in front."""
    databases: Mapping[str, str]
    sessions: Mapping[str, str]
    ours: Mapping[str, str]
    """Things of Nordlys, whose data must not be seen elsewhere."""
    theirs: Mapping[str, str]
    """Things of Havnefart by the same names."""
    http: httpx.Client
    folder: Path
    """Where it keeps its logs and the mails."""

    def ask(
        self, who: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask the public API as somebody; `path` is whole."""
        sent = dict(headers or {})
        if (session := self.sessions.get(who)) is not None:
            sent.setdefault("Authorization", f"Bearer {session}")
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        return self.http.request(method, self.url + path, content=content, headers=sent)

    def token(self, who: str, audience: str) -> str:
        """The token that the gateway gets for a session, asked for as it does."""
        form = {"session": self.sessions[who], "audience": audience}
        answer = self.http.post(f"{self.addresses['auth']}/tokens", json=form)
        return str(answer.raise_for_status().json()["token"])

    def rows(self, service: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What stands in a service's database."""
        with psycopg.connect(self.databases[service]) as connection:
            return connection.execute(sql, values or None).fetchall()

    def business(self) -> dict[str, int]:
        """How many events of the business every service has: none of what is asked here may add one."""
        pattern = f"^({'|'.join(NOT_BUSINESS)})-"
        sql = "SELECT count(*) FROM events WHERE originator_id !~ %s"
        return {service: self.rows(service, sql, pattern)[0][0] for service in self.databases}


def at_once(work: Any, *arguments: Any) -> list[Any]:
    """Many questions, a few at a time, with the answers in the order of the questions."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, *arguments))


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The system as its processes, on the embedded broker: what is decided here does not depend on the broker."""
    folder = tmp_path_factory.mktemp("access")
    with local.running(folder, ports=local.free_ports(), environment=NO_LIMITS) as state:
        add_staff(folder, *STAFF)
        url = state.parts["gateway"].url
        with ThreadPoolExecutor(1) as aside:  # a loop of its own: the tests' loops come and go
            cast = aside.submit(asyncio.run, prepare(url)).result()
        with httpx.Client(timeout=30) as http:
            yield _world(folder, url, {name: state.parts[name].url for name in KEEPING}, cast, http)


def _world(folder: Path, url: str, addresses: Mapping[str, str], cast: Cast, http: httpx.Client) -> World:
    running = Local.found_in(folder)
    told = {service: running.environment_of(service) for service in KEEPING}
    databases = {
        service: known(Addresses(each["DATABASE_URL"], each["DATABASE_OWNER_URL"])) for service, each in told.items()
    }
    sessions = cast.sessions()
    world = World(url, addresses, databases, sessions, cast.nordlys.things, cast.havnefart.things, http, folder)
    for things, journey in (
        (cast.nordlys.things, f"{CANARY}-journey-1"),
        (cast.havnefart.things, "havnefart-journey-1"),
    ):
        things["journey"] = journey
        _driven(world, things)
        things["entry"] = _proven(world, things["product"])
        [(things["checkpoint"],)] = world.rows(
            "audit", "SELECT min(size)::text FROM checkpoints WHERE note IS NOT NULL"
        )
    _expired(world)
    sessions[OUTSIDE_TOKEN] = world.token("administrator of the account", "profiles")
    return world


def _driven(world: World, things: Mapping[str, str]) -> None:
    """A journey was counted for the product, paid by card; where, is a word of its company's own."""
    journey = Journey(things["journey"], things["product"], things["account"], things["company"], payment="card")
    drive(world.databases["products"], [journey.but(journey.journey_id, place=f"{things['surname']} Bro")])


def _proven(world: World, product: str) -> str:
    """The first entry of a product's history, once it is in a checkpoint."""
    signed = """SELECT event_id FROM history JOIN leaves USING (event_id) WHERE stream = %s AND version = 1
        AND leaf < (SELECT max(size) FROM checkpoints WHERE note IS NOT NULL)"""
    while not (found := world.rows("audit", signed, product)):
        time.sleep(0.1)
    return str(found[0][0])


def _expired(world: World) -> None:
    """Nobody has used this session for an hour."""
    sql = (
        "UPDATE session_secrets SET last_used_at = last_used_at - interval '1 hour' "
        "WHERE session_id = (SELECT session_id FROM open_sessions WHERE subject = %s)"
    )
    with psycopg.connect(world.databases["auth"]) as connection:
        assert connection.execute(sql, (f"profile:{world.ours['late']}",)).rowcount == 1


@pytest.fixture
async def replicas(world: World) -> AsyncIterator[dict[str, FastAPI]]:
    """One more replica of each service, in this process, on the database of the running one."""
    async with AsyncExitStack() as stack:
        apps = {}
        for name, service in REPLICATED.items():
            backbone, apps[name] = service.build(SETTINGS.get(name, settings_for)(world.databases[name]))
            await stack.enter_async_context(running(backbone))
        yield apps


@pytest.fixture
def unchanged(world: World) -> Iterator[None]:
    """Whatever is asked in the test adds no event of the business."""
    before = world.business()
    yield
    assert world.business() == before


def nobody(kind: str) -> str:
    """An identifier that nothing has."""
    return new_id(kind)
