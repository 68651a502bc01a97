"""HTTP of changing one's own e-mail address."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, Field
from starlette.responses import Response

from services.auth.domain.challenge import code_as_typed
from services.auth.use_cases import UseCases
from services.profiles.policy import CHANGE_OWN_EMAIL, asks
from shared.http.door import Command, Door
from shared.http.fields import Form
from shared.http.openapi import COMMAND, Answer


class NewAddressForm(Form):
    """The e-mail address that shall be one's own."""

    email: str = Field(min_length=1, max_length=320, examples=["anna.aas@nordlys.example.com"])


class AddressCodeForm(Form):
    """The code that was mailed to the new address."""

    code: Annotated[str, AfterValidator(code_as_typed)] = Field(max_length=7, examples=["012 345"])


class AddressCodeAskedFor(Answer):
    """The same for every address (L2)."""

    expires_in: int = Field(examples=[300], description="Seconds.")


class AddressProven(Answer):
    """The address is proven; the profile gets it in a moment."""

    email_change_id: str = Field(examples=["email-change-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])


def add(api: APIRouter, use: UseCases, door: Door) -> None:
    """The operations on one's own e-mail address."""
    change: dict[str, Any] = {**asks(CHANGE_OWN_EMAIL), "responses": COMMAND, "status_code": 202}

    @api.post("/login/email-change", operation_id="requestEmailChange", response_model=AddressCodeAskedFor, **change)
    async def request_change(form: NewAddressForm, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Have a code mailed to one's new e-mail address, soon after logging in (A15, L2)."""
        session = command.caller.session
        return await command.run(lambda cause: use.email_change.request(form.email, session, cause), status=202)

    @api.post("/login/email-change/confirm", operation_id="confirmEmailChange", response_model=AddressProven, **change)
    async def confirm_change(form: AddressCodeForm, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Give back the code that was mailed to the new address, in the session that asked for it (A15).

        One's own profile tells what came of it: ask for it with what this answers as `Seen`.
        """
        session = command.caller.session
        return await command.run(lambda cause: use.email_change.confirm(form.code, session, cause), status=202)
