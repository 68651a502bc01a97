"""The outermost layer: what every request is checked for first and every answer carries, whatever answers."""

from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.problems import problem
from shared.logs import log

LARGEST_HEADERS: Final = 16 * 1024
CONTENT_SECURITY_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ON_EVERY_ANSWER: Final[Sequence[tuple[bytes, bytes]]] = (
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_NOT_FROM_OUTSIDE = frozenset({b"x-request-id"})
_CSP = b"content-security-policy"


class Outside:
    """Gives every answer its security headers, and every request an id of our own: none is taken from outside."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = _with_security(message["headers"])
            await send(message)

        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size > LARGEST_HEADERS:
            too_large = problem(431, "headers-too-large", f"At most {LARGEST_HEADERS} bytes of headers are read.")
            await too_large(scope, receive, send_safely)
            return
        scope["headers"] = [header for header in scope["headers"] if header[0] not in _NOT_FROM_OUTSIDE]
        try:
            await self._app(scope, receive, send_safely)
        except Exception as defect:  # noqa: BLE001 (the last place where an answer can be given)
            log.error("defect", error=type(defect).__name__, exc_info=defect)
            if not started:
                await problem(500, "internal-error", "This is our fault.")(scope, receive, send_safely)


def _with_security(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    secured = [*headers, *ON_EVERY_ANSWER]
    if not any(name == _CSP for name, _ in headers):
        secured.append((_CSP, CONTENT_SECURITY_POLICY.encode()))
    return secured
