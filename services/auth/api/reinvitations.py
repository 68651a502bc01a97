"""HTTP of reinvitations: two people let somebody begin again who lost what they log in with."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from services.auth.use_cases import UseCases
from services.profiles.policy import REINVITE, asks
from shared.http.door import Command, Door
from shared.http.fields import Form, identifier_in_path
from shared.http.openapi import COMMAND, Answer


class Reinvitation(Answer):
    """How far inviting somebody anew has come."""

    profile_id: str = Field(examples=["profile-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])
    state: str = Field(examples=["proposed"])


class ReinvitationForm(Form):
    """Somebody's login is set back: every session, the app and the recovery codes are gone."""

    confirm: bool


def add(api: APIRouter, use: UseCases, door: Door) -> None:
    """The operations on somebody else's login."""
    ask: dict[str, Any] = {**asks(REINVITE), "responses": COMMAND, "response_model": Reinvitation}

    @api.post("/logins/{profile_id}/reinvitation", operation_id="proposeReinvitation", **ask)
    async def propose(
        form: ReinvitationForm,
        command: Annotated[Command, Depends(door.command)],
        profile_id: str = identifier_in_path("profile"),
    ) -> Response:
        """Say that somebody lost what they log in with; a second person has to agree within a day (C-27)."""
        return await command.run(lambda cause: use.reinvitations.propose(profile_id, form.confirm, cause))

    @api.post("/logins/{profile_id}/reinvitation/confirm", operation_id="confirmReinvitation", **ask)
    async def confirm(
        form: ReinvitationForm,
        command: Annotated[Command, Depends(door.command)],
        profile_id: str = identifier_in_path("profile"),
    ) -> Response:
        """Agree, as the second one: they log in with mailed codes again, all else of their login is gone (C-27)."""
        return await command.run(lambda cause: use.reinvitations.confirm(profile_id, form.confirm, cause))
