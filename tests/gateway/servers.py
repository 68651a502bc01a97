"""Small real servers that stand in the services' places, and a gateway in front of them, each on a port of its own."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.local.ports import LOOPBACK, free_port

SESSION = "session-secret-of-anna-0123456789"
"""A session that auth knows until it is taken out of `Auth.sessions`."""
SESSION_ID = "session-" + SESSION.encode().hex()[-32:]
CHALLENGE = "challenge-secret-of-anna-0123456789"
PUZZLE = "0123456789abcdef" * 2
DEVICE = "device-secret-of-annas-browser-0123456789"


class Server:
    """An ASGI application on a loopback port, in a thread of its own."""

    def __init__(self, app: ASGIApp, port: int | None = None) -> None:
        self.port = port or free_port()
        config = uvicorn.Config(
            app,
            host=LOOPBACK,
            port=self.port,
            log_config=None,
            access_log=False,
            http="httptools",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        self._thread.start()
        until = time.monotonic() + 10
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server did not start in time"
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@contextmanager
def serving(*apps: ASGIApp) -> Iterator[list[Server]]:
    servers = [Server(app) for app in apps]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.stop()


@dataclass(frozen=True)
class Received:
    """A request as it came to a service."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Reply = tuple[int, Mapping[str, str], bytes]


def problem(status: int, code: str, **facts: str | int) -> Reply:
    body = {"type": f"urn:selfservice:problem:{code}", "title": code, "status": status, "detail": code, "code": code}
    body |= facts
    return status, {"content-type": "application/problem+json"}, json.dumps(body).encode()


def ok(content: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"content-type": "application/json", **named}, json.dumps(content).encode()


@dataclass
class Upstream:
    """A service that writes down what it was asked and answers what it is told to."""

    name: str
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Reply] = lambda received: ok({"path": received.target})
    delay: float = 0
    breaks: Literal["before the answer", "amid the answer"] | None = None
    pieces: Callable[[], AsyncIterator[bytes]] | None = None
    """What is answered piece by piece instead, with the status and the headers of the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        received = await _read(scope, receive)
        if received.target != "/health/ready":
            self.received.append(received)
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.breaks == "before the answer":
            raise ConnectionAbortedError
        status, headers, body = self.answer(received)
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        if self.pieces is not None and status < 300:
            reply = StreamingResponse(self.pieces(), status)
            reply.raw_headers = raw
            await reply(scope, receive, send)
            return
        if self.breaks == "amid the answer":
            raw.append((b"content-length", str(len(body) + 1).encode()))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Auth(Upstream):
    """Auth, as far as the gateway asks it: codes, sessions, tokens."""

    name: str = "auth"
    sessions: set[str] = field(default_factory=lambda: {SESSION})
    exchanges: list[tuple[str, str]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    """What was said with each exchange beside the session and the service."""
    renewed: dict[str, Any] | None = None
    """The new secret for whoever takes one."""

    def __post_init__(self) -> None:
        self.answer = self._answer

    def _answer(self, received: Received) -> Reply:
        if received.target == "/tokens":
            return self._exchange(**json.loads(received.body))
        if received.target == "/login/codes":
            return ok({"challenge": CHALLENGE, "expires_in": 300}, 202)
        if received.target == "/login/sessions" and received.method == "GET":
            return ok({"items": []})
        if received.target == "/login/sessions":
            return self._log_in(json.loads(received.body))
        if received.target == "/login/sessions/current" and received.method == "DELETE":
            self.sessions.clear()
        return ok({"session_id": "session-" + "1" * 32})

    def _exchange(self, session: str, audience: str, **more: Any) -> Reply:
        self.exchanges.append((session, audience))
        self.asked.append(more)
        if session not in self.sessions:
            return problem(401, "session-not-valid")
        token = {"token": f"eyJ.{audience}.{len(self.exchanges)}", "expires_in": 60, "subject": "profile:profile-1"}
        renewed = self.renewed if more["renews"] else None
        return ok({**token, "session_id": f"session-{session.encode().hex()[-32:]}", "renewed": renewed})

    def _log_in(self, given: dict[str, str]) -> Reply:
        if (given["challenge"], given["code"]) == (CHALLENGE, "222222"):
            return ok({"next": "authenticator-app"}, 202)
        if (given["challenge"], given["code"]) == (CHALLENGE, "333333"):
            return problem(401, "puzzle-unsolved", puzzle=PUZZLE, bits=18)
        if (given["challenge"], given["code"]) != (CHALLENGE, "123456"):
            return problem(401, "code-not-accepted")
        self.sessions.add(SESSION)
        return ok(
            {
                "session": SESSION,
                "subject": "profile:profile-" + "1" * 32,
                "session_id": "session-" + "1" * 32,
                "ends_at": "2100-01-01T00:00:00Z",
                "seen": [f"profile-{'1' * 32}@3"],
                "device": DEVICE,
                "device_for": 15_552_000,
            },
            201,
        )


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read(scope: Scope, receive: Receive) -> Received:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    target = scope["raw_path"].decode() + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
    return Received(scope["method"], target, headers, body)


def raw(port: int, request: bytes, seconds: float = 3.0) -> bytes:
    """Send bytes as they are, and answer whatever comes back until the connection is quiet or closed."""
    with socket.create_connection((LOOPBACK, port), timeout=seconds) as connection:
        connection.sendall(request)
        connection.settimeout(0.3)
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except TimeoutError:
            pass
        return answer
