"""People who change how they log in, with the app on their telephone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from pyotp import TOTP

from services.auth.events import (
    CodeRefused,
)
from tests.auth.conftest import ANNA, ANNAS_ID, World
from tests.feed import Asking

SUBJECT = f"profile:{ANNAS_ID}"


@dataclass
class Person:
    """Somebody who is logged in, with the app on their telephone if they have one."""

    world: World
    session: str
    email: str = ANNA
    seed: str = ""
    recovery_codes: tuple[str, ...] = ()

    async def __call__(self, method: str, path: str, body: Any = None, **headers: Any) -> httpx.Response:
        token = (await self.world.exchange(self.session, "auth")).json()["token"]
        return await Asking(self.world.app, "auth", None)(
            method, path, body, authorization=f"Bearer {token}", **headers
        )

    def code(self, steps: int = 0) -> str:
        """What the app shows now, or so many steps later."""
        return shown(self.seed, self.world.clock() + timedelta(seconds=30 * steps))

    async def app_login(self, steps: int = 0, world: World | None = None) -> httpx.Response:
        world = world or self.world
        login = await world.ask(self.email, by="authenticator-app")
        return await world.give(login.challenge, self.code(steps), by="authenticator-app")

    async def choose(self, method: str) -> None:
        assert (await self("PUT", "/login/methods", {"method": method})).status_code == 200


def shown(seed: str, moment: datetime) -> str:
    return TOTP(seed).at(int(moment.timestamp()))


async def fresh(world: World, email: str = ANNA) -> Person:
    return Person(world, (await world.logged_in(email))["session"], email)


async def with_app(world: World, email: str = ANNA) -> Person:
    """Somebody with an app, two steps after they proved it."""
    person = await fresh(world, email)
    person.seed = (await person("POST", "/login/authenticator-app")).json()["secret"]
    proven = await person("POST", "/login/authenticator-app/confirm", {"code": person.code()})
    assert proven.status_code == 200, proven.text
    person.recovery_codes = tuple(proven.json()["recovery_codes"])
    world.clock.turn(seconds=60)
    return person


def refusals(world: World) -> list[str]:
    return [refused.because for refused in world.said(CodeRefused)]


async def notices(world: World) -> list[str]:
    rows = await world.auth.backbone.database.rows(
        "SELECT about->>'what' AS what FROM mails WHERE kind = 'security' AND about->>'what' <> 'new-device' "
        "ORDER BY mail_id"
    )
    return [row["what"] for row in rows]


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"
