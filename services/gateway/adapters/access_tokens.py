"""Access tokens: what a session is exchanged for at auth, for one service and never for longer than a second.

A14  A session that ended is worth nothing within a second: a token is used for at most a second from the moment it was
     asked for, however long it is good. Exchanges for the same session and service at the same moment are one.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.adapters.services import Asking, Service
from services.gateway.credentials import JSON
from shared.errors import Unauthenticated, Unavailable
from shared.logs import log

USED_SECONDS: Final = 1.0
MOST_KEPT: Final = 20_000


class Renewed(BaseModel):
    """What the browser shows from now on in the place of the secret that it showed (S-13)."""

    model_config = ConfigDict(frozen=True)

    secret: str = Field(pattern=r"^[0-9A-Za-z._~-]{16,100}$")
    ends_at: datetime


class AccessToken(BaseModel):
    """A token for one service, and the session that it speaks for, as auth answers them."""

    model_config = ConfigDict(frozen=True)

    token: str = Field(pattern=r"^[\x21-\x7e]+$")
    session_id: str
    renewed: Renewed | None = None


@dataclass(frozen=True, slots=True)
class Showing:
    """A session's secret as a request shows it."""

    secret: str
    renews: bool = False
    """Whether it came as a cookie: only then is there somebody who keeps a new one."""
    background: bool = False
    """Whether no person asked (S-04)."""


class AccessTokens:
    """The exchange of sessions for tokens."""

    def __init__(self, auth: Service, *, now: Callable[[], float] = time.monotonic) -> None:
        self._auth = auth
        self._now = now
        self._asked: OrderedDict[tuple[Showing, str], tuple[float, asyncio.Task[AccessToken]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._asked)

    async def of(self, showing: Showing, audience: str, request_id: str) -> AccessToken:
        """A token for a service. Raises Unauthenticated when the session is none (any more), Unavailable."""
        key, now = (showing, audience), self._now()
        self._forget_old(now)
        known = self._asked.get(key)
        if known is None:
            known = (now, asyncio.create_task(self._exchange(showing, audience, request_id)))
            self._asked[key] = known
        try:
            return await asyncio.shield(known[1])
        except Exception:
            if self._asked.get(key) is known:
                del self._asked[key]  # a refusal is not kept: the next request asks again
            raise

    def forget(self, secret: str) -> None:
        """The session of this secret has ended."""
        for key in [key for key in self._asked if key[0].secret == secret]:
            del self._asked[key]

    def _forget_old(self, now: float) -> None:
        """Entries stand in the order of their age."""
        while self._asked:
            key, (asked_at, _) = next(iter(self._asked.items()))
            if now - asked_at < USED_SECONDS and len(self._asked) < MOST_KEPT:
                return
            del self._asked[key]

    async def _exchange(self, showing: Showing, audience: str, request_id: str) -> AccessToken:
        headers = {"Content-Type": JSON, "X-Request-ID": request_id}
        asked = {"renews": showing.renews, "background": showing.background}
        body = orjson.dumps({"session": showing.secret, "audience": audience, **asked})
        answer = await self._auth.ask(Asking("POST", "/tokens", headers, body, repeatable=True))
        if answer.status in {401, 422}:
            raise Unauthenticated
        try:
            if answer.status == 200:
                return AccessToken.model_validate_json(answer.body)
        except ValidationError as nonsense:
            log.error("auth answers nonsense", errors=nonsense.error_count())
        raise Unavailable("Sessions cannot be checked just now; ask again in a moment.")
