"""The proxy: from a request to the operation it asks for at a service, with a token in the place of the session.

Plain ASGI, because every request of the system goes through here. Nothing of a request is passed on but what is named
here: the identifiers in its path, the operation's own query parameters, four headers and the body. What was seen is
sealed on its way out and opened on its way in.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode

import aiohttp
from starlette.datastructures import Headers
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway import refusing
from services.gateway.adapters.access_tokens import AccessToken, AccessTokens, Showing
from services.gateway.adapters.services import Answer, Asking, Service, Stream
from services.gateway.contract import PREFIX, Operation
from services.gateway.credentials import (
    JSON,
    SESSION,
    clear_cookie,
    has_body,
    must_be_our_own,
    only,
    session_cookie,
    session_of,
)
from services.gateway.json_depth import must_be_shallow
from services.gateway.limits import Buckets
from services.gateway.refusing import Malformed, NotOverHttp, TooSlow, UnknownParameter
from services.gateway.routing import Found, Routes
from services.gateway.seals import Seals
from shared.errors import Refusal
from shared.http.denied import NoRow
from shared.http.problems import problem
from shared.logs import log

BODY_SECONDS: Final = 10.0
STALLED_SECONDS: Final = 60.0
"""For so long a client may take nothing of a long answer."""
REQUIRE_SEEN: Final = "require-seen"
SEEN: Final = "seen"
PASSED_ON: Final = ("idempotency-key", REQUIRE_SEEN, "accept")
PASSED_BACK: Final = ("content-type", "content-disposition", SEEN, "retry-after", "allow")
LOG_OUT: Final = "logOut"
END_OWN: Final = "endOwnSession"
BACKGROUND: Final = "x-background"
"""With `true` in this header a page says that nobody asked for this, and the session gets no older for it (S-04)."""
CLEARED: Final = b'"cache", "storage"'
"""What a browser forgets after logging out (S-18). Not its cookies: the session's goes by itself, others outlast it."""
_BELOW = (PREFIX + "/").encode()


class Proxy:
    """Answers what the contract names, and leaves the rest to the application behind it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Routes,
        services: Mapping[str, Service],
        tokens: AccessTokens,
        seals: Seals,
        origin: str | None,
        requests: Buckets,
        own: Collection[tuple[str, str]],
    ) -> None:
        """`origin` is that of our own pages, None for whatever host a request names; `requests` are of each session.

        `own` are the methods and paths of the application itself, which may lie beside those of services.
        """
        self._app = app
        self._routes = routes
        self._services = services
        self._tokens = tokens
        self._seals = seals
        self._origin = origin
        self._requests = requests
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["raw_path"].startswith(_BELOW):
            await self._app(scope, receive, send)
            return
        headers, request_id = Headers(scope=scope), scope["state"]["request_id"]
        path = scope["raw_path"].decode("latin-1")
        try:
            must_be_our_own(scope["method"], headers, self._origin)
            found = self._routes.find(path.removeprefix(f"{PREFIX}/"))
            if found is None or (scope["method"], path) in self._own:
                await self._app(scope, receive, send)
            elif (operation := found.methods.get(scope["method"])) is None:
                wrong = problem(
                    405, "method-not-allowed", "The thing does not know this method.", request_id=request_id
                )
                here = {method for method, own in self._own if own == path}
                wrong.headers["Allow"] = ", ".join(sorted({*found.methods, *here}))
                await wrong(scope, receive, send)
            else:
                answer, more = await self._forward(operation, found, scope, headers, receive)
                await self._reply(answer, more)(scope, receive, send)
        except (Refusal, NotOverHttp) as refused:
            await refusing.answer(refused, request_id)(scope, receive, send)

    async def _forward(
        self, operation: Operation, found: Found, scope: Scope, headers: Headers, receive: Receive
    ) -> tuple[Answer, Sequence[tuple[bytes, bytes]]]:
        if not operation.rows:
            raise NoRow
        showing, request_id = _showing(operation, headers), scope["state"]["request_id"]
        passed_on = {name: value for name in PASSED_ON if (value := only(headers, name)) is not None}
        path = found.path_of(operation) + _query(operation, scope["query_string"])
        body = await _body(receive) if has_body(headers) else None
        token = await self._tokens.of(showing, operation.service, request_id)
        self._requests.take(token.session_id)
        if REQUIRE_SEEN in passed_on:
            passed_on[REQUIRE_SEEN] = self._seals.opened(passed_on[REQUIRE_SEEN])
        passed_on |= {"authorization": f"Bearer {token.token}", "x-request-id": request_id}
        if body is not None:
            passed_on["content-type"] = JSON
        repeatable = operation.method == "GET" or "idempotency-key" in passed_on
        answer = await self._services[operation.service].ask(
            Asking(operation.method, path, passed_on, body, repeatable=repeatable, streamed=operation.streamed)
        )
        ends = operation.id == LOG_OUT or (operation.id == END_OWN and found.identifiers == (token.session_id,))
        if ends and answer.status < 300:
            self._tokens.forget(showing.secret)
            return answer, _LOGGED_OUT
        return answer, _renewed(token)

    def _reply(self, answer: Answer, more: Sequence[tuple[bytes, bytes]]) -> ASGIApp:
        passed_back = {name: value for name in PASSED_BACK if (value := answer.headers.get(name)) is not None}
        if SEEN in passed_back:
            passed_back[SEEN] = self._seals.sealed(passed_back[SEEN])
        headers = [(name.encode(), value.encode("latin-1")) for name, value in passed_back.items()]
        return _Reply(answer, [*headers, *more])


class _Reply:
    """What is sent back: at once, or piece by piece as it comes and no faster than it is taken."""

    def __init__(self, answer: Answer, headers: list[tuple[bytes, bytes]]) -> None:
        self._answer = answer
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = self._answer.status, self._answer.body
        if self._answer.stream is not None:
            await self._stream(self._answer.stream, scope, receive, send)
            return
        headers = [*self._headers, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, body: Stream, scope: Scope, receive: Receive, send: Send) -> None:
        """Ends early, and visibly so, when the service breaks off or the client takes nothing any more."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(STALLED_SECONDS):
                await send(message)

        reply = StreamingResponse(body, self._answer.status)
        reply.raw_headers = self._headers
        try:
            await reply(scope, receive, send_in_time)
        except (aiohttp.ClientError, OSError, TimeoutError) as broken:
            log.warning("answer broken off", error=type(broken).__name__)
        finally:
            body.close()


_LOGGED_OUT = ((b"set-cookie", clear_cookie(SESSION).encode()), (b"clear-site-data", CLEARED))


def _showing(operation: Operation, headers: Headers) -> Showing:
    """The session as the request shows it. Raises Unauthenticated, Malformed."""
    background = operation.background or only(headers, BACKGROUND) == "true"
    return Showing(session_of(headers), renews="authorization" not in headers, background=background)


def _renewed(token: AccessToken) -> Sequence[tuple[bytes, bytes]]:
    """The cookie with the secret that counts from now on, if there is one (S-13)."""
    if token.renewed is None:
        return ()
    return ((b"set-cookie", session_cookie(token.renewed.secret, token.renewed.ends_at).encode()),)


def _query(operation: Operation, sent: bytes) -> str:
    """The query as it goes out: the operation's own parameters, encoded anew. Raises UnknownParameter, Malformed."""
    if not sent:
        return ""
    try:
        given = parse_qsl(sent.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise Malformed("The query cannot be read.") from None
    if any(name not in operation.queries for name, _ in given):
        known = ", ".join(sorted(operation.queries)) or "none"
        raise UnknownParameter(f"A query parameter is not one of those that there are: {known}.")
    return "?" + urlencode(given)


async def _body(receive: Receive) -> bytes:
    """The whole body, which the edge bounds. Raises TooSlow, Malformed."""
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Malformed("The request ended before its body.")
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise TooSlow from None
    body = b"".join(parts)
    must_be_shallow(body)
    return body
