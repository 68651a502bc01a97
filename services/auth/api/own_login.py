"""HTTP of one's own login: by what one logs in."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends
from pydantic import AfterValidator, Field
from starlette.responses import JSONResponse, Response

from services.auth.domain.challenge import code_as_typed
from services.auth.events import LoginMethod
from services.auth.use_cases import UseCases
from services.profiles.policy import CHANGE_LOGIN_METHODS, READ_LOGIN_METHODS, asks
from shared.cause import Cause, Written
from shared.http.door import Caller, Command, Door
from shared.http.fields import Form
from shared.http.openapi import COMMAND, QUERY, Answer


class AppCodeForm(Form):
    """A code of the app that was offered."""

    code: Annotated[str, AfterValidator(code_as_typed)] = Field(max_length=7, examples=["012 345"])


class LoginMethodForm(Form):
    """By what somebody wants to log in."""

    method: LoginMethod


class LoginMethods(Answer):
    """By what somebody logs in."""

    method: LoginMethod = Field(examples=["either"])
    app_enrolled_at: datetime | None = Field(examples=["2026-03-01T08:00:00Z"])
    recovery_codes_left: int = Field(examples=[10])


class AppOffered(Answer):
    """An authenticator app may be set up with this, which is shown once; it counts when a code of it was given."""

    app_id: str = Field(examples=["app-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])
    expires_at: datetime = Field(examples=["2026-03-01T08:10:00Z"])
    secret: str | None = Field(default=None, examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"])
    uri: str | None = Field(default=None, examples=["otpauth://totp/Self-service:anna?secret=…"])
    qr_svg: str | None = Field(default=None, examples=["<svg>…</svg>"])
    qr_png: str | None = Field(default=None, examples=["iVBORw0KGgo…"], description="Base64.")


class RecoveryCodes(Answer):
    """Recovery codes, each good once, shown once."""

    app_id: str | None = Field(default=None, examples=["app-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])
    recovery_codes: list[str] | None = Field(default=None, examples=[["ABCD-EFGH-IJKL-MNOP-QRST-UVWX"]])


class MethodChosen(Answer):
    """By what somebody logs in from now on."""

    method: LoginMethod = Field(examples=["both"])


def add(api: APIRouter, use: UseCases, door: Door) -> None:
    """The operations on one's own login."""
    change: dict[str, Any] = {**asks(CHANGE_LOGIN_METHODS), "responses": COMMAND}

    @api.get("/login/methods", operation_id="getLoginMethods", **asks(READ_LOGIN_METHODS), responses=QUERY)
    async def methods(caller: Annotated[Caller, Depends(door.caller)]) -> LoginMethods:
        """See by what one logs in."""
        return LoginMethods(**await use.methods.see(caller.actor))

    @api.put("/login/methods", operation_id="chooseLoginMethod", response_model=MethodChosen, **change)
    async def choose(form: LoginMethodForm, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Choose what to be asked for: a mailed code, the app, either of them, or both (L1)."""
        return await command.run(lambda cause: use.methods.choose(command.caller.session, form.method, cause))

    @api.post(
        "/login/authenticator-app",
        status_code=201,
        operation_id="offerAuthenticatorApp",
        response_model=AppOffered,
        **change,
    )
    async def offer(command: Annotated[Command, Depends(door.command)]) -> Response:
        """Begin to set up an authenticator app. The seed is shown once: to the same key again, it is not."""
        once: dict[str, Any] = {}

        async def act(cause: Cause) -> Written:
            offered = await use.methods.offer_app(command.caller.session, cause)
            once.update(asdict(offered.shown))
            return offered.written

        return _with(once, await command.run(act, status=201))

    @api.post(
        "/login/authenticator-app/confirm",
        operation_id="proveAuthenticatorApp",
        response_model=RecoveryCodes,
        **change,
    )
    async def prove(form: AppCodeForm, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Prove the app with a code of it. The recovery codes are shown this once."""
        once: dict[str, Any] = {}

        async def act(cause: Cause) -> Written:
            issued = await use.methods.prove_app(form.code, cause)
            once["recovery_codes"] = issued.codes
            return issued.written

        return _with(once, await command.run(act))

    @api.delete(
        "/login/authenticator-app", operation_id="removeAuthenticatorApp", response_model=MethodChosen, **change
    )
    async def remove(command: Annotated[Command, Depends(door.command)]) -> Response:
        """Do without the app, and its recovery codes."""
        return await command.run(lambda cause: use.methods.remove_app(command.caller.session, cause))

    @api.post("/login/recovery-codes", operation_id="renewRecoveryCodes", response_model=RecoveryCodes, **change)
    async def renew(command: Annotated[Command, Depends(door.command)]) -> Response:
        """Make new recovery codes. They are shown this once; the old ones are worth nothing."""
        once: dict[str, Any] = {}

        async def act(cause: Cause) -> Written:
            issued = await use.methods.renew_recovery_codes(command.caller.session, cause)
            once["recovery_codes"] = issued.codes
            return issued.written

        return _with(once, await command.run(act))


def _with(once: Mapping[str, Any], answer: Response) -> Response:
    """The answer together with what is shown once: it must not be kept with the command's key, as answers are."""
    if not once or answer.status_code >= 300:
        return answer
    headers = {name: value for name, value in answer.headers.items() if name == "seen"}
    return JSONResponse({**orjson.loads(answer.body), **once}, answer.status_code, headers)
