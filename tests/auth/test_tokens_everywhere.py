"""S-08 to S-10, S-12 at every service, over HTTP: what auth did not sign for it is not believed, nor by a revoked key.

The forgeries are those of `tests/shared/forging.py`, made for the service and the moment.
"""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from services.auth.events import SigningKeyRevoked
from services.auth.service import assemble
from shared.backbone import Backbone
from shared.tokens import KNOWN
from tests.auth.conftest import settings_for as auth_settings_for
from tests.auth.test_ended_sessions import SERVICES
from tests.feed import KEY_ID, Feed, running, settings_for, settings_of_audit
from tests.shared.forging import KEY, Forger

EVERY_SERVICE = (*SERVICES, "auth")
QUESTIONS = {**{name: question for name, (_, question) in SERVICES.items()}, "auth": "/login/sessions"}


@dataclass
class Reached:
    """A service that knows the key of the tests."""

    name: str
    backbone: Backbone
    app: FastAPI
    feed: Feed

    async def asked(self, token: str) -> httpx.Response:
        """Its question with this in the place of a token, sent as bytes: a forger sends what they like."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            headers = [(b"authorization", b"Bearer " + token.encode())]
            return await client.get(QUESTIONS[self.name], headers=headers)

    async def believes(self, token: str) -> bool:
        """Whether the token is believed; auth knows none of its sessions, which is another refusal."""
        answer = await self.asked(token)
        return answer.status_code != 401 or answer.json()["code"] != "token-refused"

    def forger(self, audience: str | None = None) -> Forger:
        return Forger(datetime.now(UTC), audience=self.name if audience is None else audience, kid=KEY_ID, soon=120)


async def reached(name: str, dsn: str, stack: AsyncExitStack) -> Reached:
    if name == "auth":
        auth = assemble(auth_settings_for(dsn))
        backbone, app = auth.backbone, auth.app
    else:
        settings = settings_of_audit(dsn) if name == "audit" else settings_for(dsn)
        backbone, app = SERVICES[name][0](settings)
    await stack.enter_async_context(running(backbone))
    found = Reached(name, backbone, app, Feed(backbone))
    if name == "auth":
        await knows_our_key(backbone)
    else:
        await found.feed.given_the_house()
    return found


async def knows_our_key(backbone: Backbone) -> None:
    """Auth knows its keys from its own log; this one is put beside them."""
    public = base64.urlsafe_b64encode(KEY.public_key().public_bytes_raw()).decode().rstrip("=")
    await backbone.database.execute(
        "INSERT INTO signing_keys VALUES (%s, %s, clock_timestamp() + interval '1 day')", (KEY_ID, public)
    )


@pytest.fixture(params=EVERY_SERVICE)
async def service(request: pytest.FixtureRequest, new_database: Callable[[], str]) -> AsyncIterator[Reached]:
    async with AsyncExitStack() as stack:
        yield await reached(request.param, new_database(), stack)


async def test_s08_s09_every_forged_token_is_refused_by_every_service_and_a_good_one_is_not(service: Reached) -> None:
    forger = service.forger()
    assert await service.believes(forger.token_of())
    forged = forger.forged()
    assert len(forged) >= 15
    for what, token in forged.items():
        answer = await service.asked(token)
        assert answer.status_code == 401, what
        assert answer.json()["code"] in {"token-refused", "unauthenticated"}, what
        assert answer.headers["content-type"] == "application/problem+json", what
    assert await service.believes(forger.token_of()), "and is still no worse for it"


async def test_s10_a_token_for_one_service_is_worth_nothing_at_any_other(service: Reached) -> None:
    for audience in (*EVERY_SERVICE, "gateway", "selfservice-auth", ""):
        token = service.forger(audience).token_of()
        assert await service.believes(token) is (audience == service.name), audience


async def test_s12_a_revoked_key_is_believed_nowhere_within_a_minute_of_being_heard(
    new_database: Callable[[], str],
) -> None:
    """Measured by the clock on the wall, at four services at once, each asked all the time."""
    names = list(SERVICES)
    async with AsyncExitStack() as stack:
        found = [await reached(name, new_database(), stack) for name in names]
        seconds = await asyncio.gather(*map(until_refused, found))
    assert max(seconds) <= KNOWN.total_seconds() + 5, dict(zip(names, seconds, strict=True))


async def until_refused(service: Reached) -> float:
    assert await service.believes(service.forger().token_of())
    await service.feed.given(SigningKeyRevoked(key_id=KEY_ID))
    heard = time.monotonic()
    while await service.believes(service.forger().token_of()):
        assert time.monotonic() - heard < 60
        await asyncio.sleep(0.25)
    return round(time.monotonic() - heard, 1)
