"""Access tokens: what a session is exchanged for at auth, for one service and never for longer than a second.

A14  A session that ended is worth nothing within a second: a token is used for at most a second from the moment it was
     asked for, however long it is good. Exchanges for the same session and service at the same moment are one.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.adapters.services import Asking, Service
from services.gateway.credentials import JSON
from shared.errors import Unauthenticated, Unavailable
from shared.logs import log

USED_SECONDS: Final = 1.0
MOST_KEPT: Final = 20_000


class AccessToken(BaseModel):
    """A token for one service, and the session that it speaks for, as auth answers them."""

    model_config = ConfigDict(frozen=True, strict=True)

    token: str = Field(pattern=r"^[\x21-\x7e]+$")
    session_id: str


class AccessTokens:
    """The exchange of sessions for tokens."""

    def __init__(self, auth: Service, *, now: Callable[[], float] = time.monotonic) -> None:
        self._auth = auth
        self._now = now
        self._asked: OrderedDict[tuple[str, str], tuple[float, asyncio.Task[AccessToken]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._asked)

    async def of(self, session: str, audience: str, request_id: str) -> AccessToken:
        """A token for a service. Raises Unauthenticated when the session is none (any more), Unavailable."""
        key, now = (session, audience), self._now()
        self._forget_old(now)
        known = self._asked.get(key)
        if known is None:
            known = (now, asyncio.create_task(self._exchange(session, audience, request_id)))
            self._asked[key] = known
        try:
            return await asyncio.shield(known[1])
        except Exception:
            if self._asked.get(key) is known:
                del self._asked[key]  # a refusal is not kept: the next request asks again
            raise

    def forget(self, session: str) -> None:
        """This session has ended."""
        for key in [key for key in self._asked if key[0] == session]:
            del self._asked[key]

    def _forget_old(self, now: float) -> None:
        """Entries stand in the order of their age."""
        while self._asked:
            key, (asked_at, _) = next(iter(self._asked.items()))
            if now - asked_at < USED_SECONDS and len(self._asked) < MOST_KEPT:
                return
            del self._asked[key]

    async def _exchange(self, session: str, audience: str, request_id: str) -> AccessToken:
        headers = {"Content-Type": JSON, "X-Request-ID": request_id}
        body = orjson.dumps({"session": session, "audience": audience})
        answer = await self._auth.ask(Asking("POST", "/tokens", headers, body, repeatable=True))
        if answer.status in {401, 422}:
            raise Unauthenticated
        try:
            if answer.status == 200:
                return AccessToken.model_validate_json(answer.body)
        except ValidationError as nonsense:
            log.error("auth answers nonsense", errors=nonsense.error_count())
        raise Unavailable("Sessions cannot be checked just now; ask again in a moment.")
