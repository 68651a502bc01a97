"""HTTP of auth: request in, one use case, answer out. Decides nothing.

`/login/codes`, `/login/sessions` and `/tokens` are for the gateway alone (x-internal): it holds no token when it asks.
"""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from pydantic import Field, model_validator
from starlette.responses import JSONResponse, Response

from services.auth.api import email_change, open_sessions, own_login, reinvitations
from services.auth.domain.challenge import code_as_typed, recovery_code_as_typed
from services.auth.domain.whereabouts import Language, Whereabouts
from services.auth.events import Authenticator
from services.auth.use_cases import UseCases
from services.auth.use_cases.asking import From
from services.auth.use_cases.login import Attempt, HalfLoggedIn
from services.profiles.policy import (
    EXCHANGE_SESSION,
    LOG_IN,
    LOG_OUT,
    READ_OWN_SESSION,
    REQUEST_LOGIN_CODE,
    asks,
)
from shared.http.door import Caller, Command, Door
from shared.http.fields import Form
from shared.http.openapi import COMMAND, QUERY, Answer
from shared.http.problems import problem

LARGEST_LOGIN_BODY = 1024
"""Bytes; nothing about logging in is longer, so nothing longer is parsed (C-19)."""
OPAQUE = r"^[\x21-\x7e]{1,100}$"
WORK = r"^[0-9A-Za-z]{1,64}$"
SUBJECT, SESSION_ID = "profile:profile-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f", "session-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
EXAMPLE_SECRET = "p0ZkGq4c7xJm1Yt8Hn3Vb6Lw9Rs2Df5Ka0Ue4Oi7QyE"  # noqa: S105 (an example for the documentation)
BROWSER = "Firefox, Windows"


class WhereForm(Form):
    """From where somebody asks, as the gateway tells it: coarse, and for the person's own eyes (C-25)."""

    browser: str | None = Field(default=None, pattern=r"^[A-Za-z ]{1,20}, [A-Za-z ]{1,20}$", examples=[BROWSER])
    place: str | None = Field(default=None, pattern=r"^[0-9a-f.:]{2,40}/[0-9]{1,3}$", examples=["192.0.2.0/24"])
    language: Language | None = Field(default=None, examples=["da"])

    def whereabouts(self) -> Whereabouts:
        """The same, for the use cases."""
        return Whereabouts(self.browser, self.place, self.language)


class FromOutside(Form):
    """Where a request came from, as the gateway saw it."""

    client: str | None = Field(default=None, max_length=64, examples=["192.0.2.7"], description="Network address.")
    device: str | None = Field(default=None, pattern=OPAQUE, examples=[EXAMPLE_SECRET])
    where: WhereForm = Field(default_factory=WhereForm)

    def origin(self, session: str | None = None) -> From:
        """The same, for the use cases."""
        return From(self.client, self.device, self.where.whereabouts(), session)


class LoginCodeForm(FromOutside):
    """Somebody wants to log in."""

    email: str = Field(min_length=1, max_length=320, examples=["anna@nordlys.example.com"])
    by: Authenticator = Field(default="mailed-code", description="Only for `mailed-code` is a code mailed.")


class LoginForm(FromOutside):
    """A code, with the challenge it was asked with."""

    challenge: str = Field(pattern=OPAQUE, examples=[EXAMPLE_SECRET])
    by: Authenticator = Field(default="mailed-code", description="What the code is of.")
    code: str = Field(
        max_length=40,
        examples=["012 345"],
        description="Six ASCII digits, with one space inside at most; or a recovery code.",
    )
    work: str | None = Field(default=None, pattern=WORK, examples=["3f2a1"], description="Of the puzzle (C-09).")
    session: str | None = Field(
        default=None,
        pattern=OPAQUE,
        examples=[EXAMPLE_SECRET],
        description="Of a session that the browser still has: it ends (S-02).",
    )

    @model_validator(mode="after")
    def code_has_its_form(self) -> Self:
        """C-19, C-27"""
        self.typed()
        return self

    def typed(self) -> str:
        """The code without what people put between its parts. Raises ValueError."""
        return recovery_code_as_typed(self.code) if self.by == "recovery-code" else code_as_typed(self.code)


class TokenForm(Form):
    """A session, and the service that the token is for."""

    session: str = Field(pattern=OPAQUE, examples=[EXAMPLE_SECRET])
    audience: str = Field(pattern=r"^[a-z][a-z-]{0,30}$", examples=["profiles"])
    renews: bool = Field(default=False, description="The browser takes a new secret when it is time (S-13).")
    background: bool = Field(default=False, description="No person asked: the session gets no later end (S-04).")


class CodeAskedFor(Answer):
    """The same for every address (L2)."""

    challenge: str = Field(examples=[EXAMPLE_SECRET], description="For the browser that asked, as a cookie.")
    expires_in: int = Field(examples=[300], description="Seconds.")


class LoggedIn(Answer):
    """A session has started."""

    session: str = Field(examples=[EXAMPLE_SECRET], description="The secret that stands for the session.")
    subject: str = Field(examples=[SUBJECT])
    session_id: str = Field(examples=[SESSION_ID])
    ends_at: datetime = Field(examples=["2026-03-01T20:00:00Z"])
    seen: list[str] = Field(examples=[["profile-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f@3"]])
    device: str = Field(examples=[EXAMPLE_SECRET], description="By what the browser is known from now on (C-10).")
    device_for: int = Field(examples=[15_552_000], description="Seconds.")


class HalfLogin(Answer):
    """One of two codes was right; the other is given with the same challenge."""

    next: Authenticator = Field(examples=["authenticator-app"])


class RenewedSecret(Answer):
    """What the browser shows from now on."""

    secret: str = Field(examples=[EXAMPLE_SECRET])
    ends_at: datetime = Field(examples=["2026-03-01T20:00:00Z"])


class AccessToken(Answer):
    """A token for one audience."""

    token: str = Field(examples=["eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9…"])
    expires_in: int = Field(examples=[60], description="Seconds.")
    subject: str = Field(examples=[SUBJECT])
    session_id: str = Field(examples=[SESSION_ID])
    renewed: RenewedSecret | None


class OwnSession(Answer):
    """Who is logged in, and until when at the latest."""

    session_id: str = Field(examples=[SESSION_ID])
    subject: str = Field(examples=[SUBJECT])
    name: str | None = Field(examples=["Anna Lund"])
    email: str | None = Field(examples=["anna@nordlys.example.com"])
    started_at: datetime = Field(examples=["2026-03-01T08:00:00Z"])
    ends_at: datetime = Field(examples=["2026-03-01T20:00:00Z"])


class Ended(Answer):
    """The session that is over."""

    session_id: str = Field(examples=[SESSION_ID])


class LoginRoute(APIRoute):
    """A route whose bodies are small and whose answers are kept by nobody."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            if len(await request.body()) > LARGEST_LOGIN_BODY:
                return problem(413, "body-too-large", f"At most {LARGEST_LOGIN_BODY} bytes are read.")
            response = await handle(request)
            response.headers["Cache-Control"] = "no-store"
            return response

        return bounded


LOGIN: dict[int | str, dict[str, Any]] = {status: COMMAND[status] for status in (400, 401, 413, 422, 429, 503)}


def routes(use: UseCases, door: Door) -> APIRouter:
    """The operations of auth."""
    api = APIRouter(tags=["login"], route_class=LoginRoute)

    @api.post(
        "/login/codes",
        status_code=202,
        operation_id="requestLoginCode",
        **asks(REQUEST_LOGIN_CODE, internal=True),
        responses=LOGIN,
    )
    async def request_code(form: LoginCodeForm, request: Request) -> CodeAskedFor:
        """Mail a login code to whoever has this address (L1, L2)."""
        asked = await use.asking.request_code(form.email, form.by, form.origin(), request.state.request_id)
        return CodeAskedFor(challenge=asked.challenge, expires_in=asked.expires_in)

    @api.post(
        "/login/sessions",
        status_code=201,
        operation_id="logIn",
        **asks(LOG_IN, internal=True),
        response_model=LoggedIn,
        responses={**LOGIN, 202: {"model": HalfLogin}},
    )
    async def log_in(form: LoginForm, request: Request) -> LoggedIn | Response:
        """Start a session with a code, or be asked for the second one (L1, L4)."""
        attempt = Attempt(form.challenge, form.by, form.typed(), form.origin(form.session), form.work)
        outcome = await use.login.log_in(attempt, request.state.request_id)
        if isinstance(outcome, HalfLoggedIn):
            return JSONResponse({"next": outcome.next}, 202)
        return LoggedIn.model_validate(outcome, from_attributes=True)

    @api.post("/tokens", operation_id="exchangeSession", **asks(EXCHANGE_SESSION, internal=True), responses=LOGIN)
    async def exchange(form: TokenForm) -> AccessToken:
        """Exchange a session for a short-lived token for one service."""
        asked = use.sessions.exchange(form.session, form.audience, renews=form.renews, background=form.background)
        return AccessToken.model_validate(await asked, from_attributes=True)

    @api.get(
        "/login/sessions/current",
        operation_id="getOwnSession",
        **asks(READ_OWN_SESSION, background=True),
        responses=QUERY,
    )
    async def current(caller: Annotated[Caller, Depends(door.caller)]) -> OwnSession:
        """See who is logged in."""
        return OwnSession(**await use.sessions.who_am_i(caller.session))

    @api.delete(
        "/login/sessions/current", operation_id="logOut", **asks(LOG_OUT), responses=COMMAND, response_model=Ended
    )
    async def log_out(command: Annotated[Command, Depends(door.command)]) -> Response:
        """Log out: the session is over at once."""
        return await command.run(lambda cause: use.sessions.log_out(command.caller.session, cause), unheard=True)

    email_change.add(api, use, door)
    open_sessions.add(api, use, door)
    own_login.add(api, use, door)
    reinvitations.add(api, use, door)
    return api
