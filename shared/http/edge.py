"""The edge of a service: request ids, size limits and what a request may look like, before any route sees it."""

import re

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.card_numbers import written_as_a_card_number
from shared.http.problems import problem
from shared.ids import uuid7

LARGEST_BODY = 256 * 1024
REQUEST_ID = "X-Request-ID"
_WELL_FORMED = re.compile(r"[0-9A-Za-z-]{8,64}", re.ASCII)


class BodyTooLarge(Exception):
    """More bytes came than a request may carry."""


class Edge:
    """Gives every request an id (the gateway's, or a new one), binds it to the logs, and bounds the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        request_id = given if _may_be_logged(given) else uuid7().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation=request_id):
            try:
                _refuse_if_announced_too_large(headers)
                await self._app(scope, _bounded(receive), send_with_id)
            except BodyTooLarge:
                if not started:
                    response = problem(413, "body-too-large", f"At most {LARGEST_BODY} bytes are read.")
                    await response(scope, receive, send_with_id)


def _may_be_logged(request_id: str) -> bool:
    """It stands in logs and in the history: neither more than an identifier, nor the number of a card (P6)."""
    return bool(_WELL_FORMED.fullmatch(request_id)) and not written_as_a_card_number(request_id)


def _refuse_if_announced_too_large(headers: Headers) -> None:
    announced = headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced) > LARGEST_BODY:
        raise BodyTooLarge


def _bounded(receive: Receive) -> Receive:
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise BodyTooLarge
        return message

    return bounded
