"""The world that the tests of auth stand in: Anna and Dora have logins, Susanne is customer service, time is ours."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.auth.adapters import mail_queue
from services.auth.adapters.sealing import Sealer
from services.auth.domain.limits import Limits
from services.auth.service import Auth, Settings, assemble
from services.auth.use_cases.categories import COMMAND_LINE
from services.profiles.events import ProfileCancelled, ProfileCreated
from shared.cause import Cause
from shared.envelope import Recorded
from shared.events import Event
from shared.settings import KafkaSettings
from tests.feed import Asking, Feed, log_of, running
from tests.parts import Databases, known, owner_of

ANNA, DORA, SUSANNE = "anna@nordlys.example.com", "dora@nordlys.example.com", "susanne@example.com"
NOBODY = "nobody@nordlys.example.com"
PEPPER, SECRETS_KEY = "pepper of the tests, 32 characters", "secrets key of the tests, 32 letters"
AUTH = Path(__file__).parents[2] / "services" / "auth"


def name(kind: str, number: int) -> str:
    """A fixed identifier."""
    return f"{kind}-{number:032x}"


ANNAS_ID, DORAS_ID = name("profile", 1), name("profile", 2)
PEOPLE = {ANNA: (ANNAS_ID, "Anna Aas"), DORA: (DORAS_ID, "Dora Dahl")}


def created(email: str) -> ProfileCreated:
    profile_id, called = PEOPLE[email]
    return ProfileCreated(profile_id=profile_id, email=email, address=email, name=called)


def cancelled(email: str) -> ProfileCancelled:
    return ProfileCancelled(profile_id=PEOPLE[email][0])


@dataclass
class TurningClock:
    """A clock that the test turns. It starts at the real time: the database's own clock must still know the keys."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


def settings_for(dsn: str, smtp_url: str = "smtp://127.0.0.1:9", limits: Limits | None = None) -> Settings:
    return Settings(
        database_url=SecretStr(dsn),
        database_owner_url=SecretStr(owner_of(dsn)),
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:9"),
        code_pepper=SecretStr(PEPPER),
        secrets_key=SecretStr(SECRETS_KEY),
        smtp_url=smtp_url,
        limits=limits or Limits(),
    )


@dataclass
class Login:
    """What a browser holds that asked for a code, and what stands in its mail."""

    challenge: str
    code: str

    @property
    def wrong(self) -> str:
        """Some other code."""
        return f"{(int(self.code) + 1) % 10**6:06d}"


@dataclass
class World:
    """One replica of auth."""

    auth: Auth
    clock: TurningClock
    feed: Feed

    @property
    def app(self) -> FastAPI:
        return self.auth.app

    @property
    def cause(self) -> Cause:
        """As the command line acts."""
        return Cause(COMMAND_LINE, "tests")

    async def row(self, sql: Any, *params: object) -> dict[str, Any]:
        found = await self.auth.backbone.database.row(sql, params)
        assert found is not None
        return found

    async def post(self, path: str, **body: object) -> httpx.Response:
        return await Asking(self.app, "auth", None)("POST", path, body)

    async def ask(self, email: str, **more: object) -> Login:
        """Ask for a code and read it where only the mailer can; `more` is what the gateway says of the browser."""
        answer = await self.post("/login/codes", email=email, **more)
        assert answer.status_code == 202, answer.text
        newest = await self.row(
            "SELECT mail_id, sealed_code FROM mails WHERE kind = 'code' ORDER BY mail_id DESC LIMIT 1"
        )
        about = mail_queue.sealed_about(newest["mail_id"])
        code = Sealer(SECRETS_KEY).open(bytes(newest["sealed_code"]), about=about).decode()
        return Login(answer.json()["challenge"], code)

    async def give(self, challenge: str, code: str, **more: object) -> httpx.Response:
        return await self.post("/login/sessions", challenge=challenge, code=code, **more)

    async def fails(self, email: str, **more: object) -> None:
        """One wrong code, evaluated or not, given to a code of its own an hour and a bit after the last one."""
        self.clock.turn(minutes=73)
        login = await self.ask(email, **more)
        assert (await self.give(login.challenge, login.wrong, **more)).status_code == 401

    async def logged_in(self, email: str, **more: object) -> dict[str, Any]:
        """A session of whoever has the address."""
        login = await self.ask(email, **more)
        answer = await self.give(login.challenge, login.code, **more)
        assert answer.status_code == 201, answer.text
        session: dict[str, Any] = answer.json()
        return session

    async def exchange(self, secret: str, audience: str = "profiles") -> httpx.Response:
        return await self.post("/tokens", session=secret, audience=audience)

    def log(self) -> list[Recorded]:
        return list(log_of(self.auth.backbone))

    def said(self, *kinds: type[Event]) -> list[Any]:
        """The events of these kinds, in order."""
        return [recorded.data for recorded in self.log() if isinstance(recorded.data, kinds)]


def replica(dsn: str, clock: TurningClock, smtp_url: str = "smtp://127.0.0.1:9", limits: Limits | None = None) -> World:
    auth = assemble(settings_for(dsn, smtp_url, limits), clock)
    return World(auth, clock, Feed(auth.backbone))


@pytest.fixture
def clock() -> TurningClock:
    return TurningClock()


async def _inhabit(dsn: str) -> None:
    one = replica(dsn, TurningClock())
    async with running(one.auth.backbone):
        await one.feed.given(created(ANNA), created(DORA))
        await one.auth.use.staff.add(SUSANNE, "Susanne Skov", one.cause)
        await one.auth.upkeep.keep_signing_key_fresh()


@pytest.fixture(scope="session")
def inhabited(databases: Databases) -> str:
    """The name of a database in which Anna and Dora have logins, Susanne is customer service, and there is a key."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _inhabit(known(databases.postgres.create_database("inhabited")))).result()
    return "inhabited"


NUMBERS = itertools.count(1)


@pytest.fixture
def database(databases: Databases, inhabited: str) -> Iterator[str]:
    """The address of a fresh copy of it."""
    called = f"{inhabited}_{next(NUMBERS)}"
    yield known(databases.postgres.clone_database(inhabited, called))
    databases.drop(called)


def moved_in(world: World) -> World:
    """What `inhabited` was told has been delivered: the next event of Anna is her second."""
    for email in (ANNA, DORA):
        world.feed.letter(created(email))
    return world


@pytest.fixture
async def world(database: str, clock: TurningClock) -> AsyncIterator[World]:
    one = moved_in(replica(database, clock))
    async with running(one.auth.backbone):
        yield one


@pytest.fixture
async def other(world: World, database: str, clock: TurningClock) -> AsyncIterator[World]:
    """A second replica over the same database."""
    two = replica(database, clock)
    async with running(two.auth.backbone):
        yield two


@pytest.fixture
async def patient(database: str, world: World) -> AsyncIterator[World]:
    """A replica that mails as many codes as one likes; for tests of something else."""
    one = moved_in(replica(database, world.clock, limits=replace(Limits(), codes_an_hour=10**6, codes_a_day=10**6)))
    async with running(one.auth.backbone):
        yield one
