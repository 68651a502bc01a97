"""HTTP of the gateway itself: logging in, the API's own description, health. All else is in the contract."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import Field, StringConstraints
from starlette.responses import JSONResponse, Response

from services.gateway.adapters.services import Answer as Answered
from services.gateway.adapters.services import Asking, Service
from services.gateway.contract import PREFIX, Document
from services.gateway.credentials import (
    CHALLENGE,
    DEVICE,
    JSON,
    challenge_of,
    clear_cookie,
    device_of,
    session_cookie,
    session_held,
    set_cookie,
)
from services.gateway.limits import Buckets, address_of
from services.gateway.refusing import UnknownParameter
from services.gateway.seals import EXAMPLE, Seals
from services.gateway.whereabouts import whereabouts
from shared.http.fields import Form
from shared.http.openapi import COMMAND, Answer
from shared.http.problems import MEDIA_TYPE

SUBJECT, SESSION_ID = "profile:profile-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f", "session-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
LOGIN: dict[int | str, dict[str, Any]] = {status: COMMAND[status] for status in (400, 403, 413, 422, 429, 503)}
WITH_CHALLENGE = {**LOGIN, 401: COMMAND[401]}


Authenticator = Literal["mailed-code", "authenticator-app", "recovery-code"]


class LoginCodeForm(Form):
    """Somebody wants to log in."""

    email: str = Field(min_length=1, max_length=320, examples=["anna@nordlys.example.com"])
    by: Authenticator = Field(default="mailed-code", description="Only for `mailed-code` is a code mailed.")


class LoginForm(Form):
    """A code, in the browser that asked for it."""

    code: Annotated[str, StringConstraints(max_length=40)] = Field(
        examples=["012 345"], description="The six digits of the mail or of the app, or a recovery code."
    )
    by: Authenticator = Field(default="mailed-code", description="What the code is of.")
    work: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Za-z]{1,64}$",
        examples=["3f2a1"],
        description="Only where an attempt was answered `puzzle-unsolved`, with a `puzzle` and a number of `bits`: any "
        "text such that the SHA-256 digest of `puzzle:by:code:work` begins with so many zero bits. The code stands in "
        "it without spaces and hyphens, letters as capitals.",
    )


class CodeOnItsWay(Answer):
    """The same for every address (L2); the browser has got a challenge as a cookie."""

    expires_in: int = Field(examples=[300], description="Seconds.")


class HalfLogin(Answer):
    """This person logs in with two codes, and one was right; the other is given in the same way."""

    next: Authenticator = Field(examples=["authenticator-app"])


class LoggedIn(Answer):
    """A session has started; the browser has got it as a cookie."""

    subject: str = Field(examples=[SUBJECT])
    session_id: str = Field(examples=[SESSION_ID])
    ends_at: datetime = Field(examples=["2026-03-01T20:00:00Z"])
    seen: list[str] = Field(examples=[[EXAMPLE]], description="As the header `Seen`.")


def login(auth: Service, seals: Seals, *, codes: Buckets, tries: Buckets, trusted_hops: int) -> APIRouter:
    """Logging in: what auth hands out goes into cookies, never into a body (S-01)."""
    api = APIRouter(prefix=PREFIX, tags=["login"], dependencies=[Depends(_no_parameters)])

    @api.post(
        "/login/codes",
        status_code=202,
        operation_id="requestLoginCode",
        responses=LOGIN,
        response_model=CodeOnItsWay,
        openapi_extra={"security": [], "x-operations": ["login.request-code"]},
    )
    async def request_code(form: LoginCodeForm, request: Request) -> Response:
        """Have a login code mailed (L1); the answer is the same whether the address is known or not (L2)."""
        codes.take(address_of(request.scope, trusted_hops))
        asked_for = {"email": form.email, "by": form.by, **_origin(request, trusted_hops)}
        answered = await auth.ask(_asking(request, "/login/codes", asked_for, once=True))
        if answered.status != 202:
            return _as_it_is(answered)
        asked = orjson.loads(answered.body)
        response = JSONResponse({"expires_in": asked["expires_in"]}, 202)
        response.headers.append("set-cookie", set_cookie(CHALLENGE, asked["challenge"], asked["expires_in"]))
        return response

    @api.post(
        "/login/sessions",
        status_code=201,
        operation_id="logIn",
        responses={**WITH_CHALLENGE, 202: {"model": HalfLogin}},
        response_model=LoggedIn,
        openapi_extra={"security": [{"challenge": []}], "x-operations": ["login.log-in"]},
    )
    async def log_in(form: LoginForm, request: Request) -> Response:
        """Log in with a code, in the browser that asked for it; some people are asked for two (L1, L4)."""
        tries.take(address_of(request.scope, trusted_hops))
        given = {"challenge": challenge_of(request.headers), "code": form.code, "by": form.by}
        given |= _origin(request, trusted_hops) | ({"work": form.work} if form.work else {})
        if held := session_held(request.headers):
            given["session"] = held
        answered = await auth.ask(_asking(request, "/login/sessions", given, once=True))
        if answered.status == 202:
            return Response(answered.body, 202, media_type=JSON)
        if answered.status != 201:
            return _as_it_is(answered)
        session = orjson.loads(answered.body)
        secret, device, device_for = session.pop("session"), session.pop("device"), session.pop("device_for")
        session["seen"] = [seals.sealed(entry) for entry in session["seen"]]
        response = JSONResponse(session, 201)
        response.headers.append("set-cookie", session_cookie(secret, datetime.fromisoformat(session["ends_at"])))
        response.headers.append("set-cookie", set_cookie(DEVICE, device, device_for))
        response.headers.append("set-cookie", clear_cookie(CHALLENGE))
        return response

    return api


def _origin(request: Request, trusted_hops: int) -> dict[str, Any]:
    """Where a request comes from: for the limits that auth keeps its network address, and by what it is known; for the
    person's own eyes only what they recognise.
    """
    device, where = device_of(request.headers), whereabouts(request.scope, trusted_hops)
    return {"client": address_of(request.scope, trusted_hops), "where": where, **({"device": device} if device else {})}


def _no_parameters(request: Request) -> None:
    """Here, too, what nobody asked for is refused, not passed over. Raises UnknownParameter."""
    if request.query_params:
        raise UnknownParameter


def _asking(request: Request, path: str, content: dict[str, Any], *, once: bool = False) -> Asking:
    headers = {"Content-Type": JSON, "X-Request-ID": request.state.request_id}
    return Asking("POST", path, headers, orjson.dumps(content), repeatable=not once)


def _as_it_is(answered: Answered) -> Response:
    """Auth's own problem."""
    kept = {name: value for name in ("retry-after",) if (value := answered.headers.get(name))}
    return Response(answered.body, answered.status, kept, media_type=MEDIA_TYPE)


def description(document: Document) -> APIRouter:
    """The API's description of itself."""
    api = APIRouter(include_in_schema=False)
    content = orjson.dumps(document)

    @api.get(f"{PREFIX}/openapi.json")
    async def openapi() -> Response:
        return Response(content, media_type=JSON)

    return api


def health(services: Iterable[Service]) -> APIRouter:
    """Whether the gateway lives, and whether every service may be asked; for the inside only."""
    api = APIRouter(include_in_schema=False)

    @api.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @api.get("/health/ready")
    async def ready() -> Response:
        asked = {service.name: service.is_ready() for service in services}
        ready = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        return JSONResponse({"ready": all(ready.values()), "services": ready}, 200 if all(ready.values()) else 503)

    return api
