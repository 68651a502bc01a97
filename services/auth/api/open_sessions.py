"""HTTP of open sessions: seen and ended by their owner, and by whoever administers the person."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from services.auth.use_cases import UseCases
from services.profiles.policy import END_OWN_SESSIONS, END_SESSIONS_OF, LIST_OWN_SESSIONS, asks
from shared.http.door import Caller, Command, Door
from shared.http.fields import Confirmation, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

SESSION_ID = "session-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"


class OpenSession(Answer):
    """One place where somebody is logged in."""

    session_id: str = Field(examples=[SESSION_ID])
    started_at: datetime = Field(examples=["2026-03-01T08:00:00Z"])
    last_used_at: datetime = Field(examples=["2026-03-01T08:12:00Z"], description="To within some seconds.")
    ends_at: datetime = Field(examples=["2026-03-01T20:00:00Z"])
    browser: str | None = Field(examples=["Firefox, Windows"], description="The families of browser and system.")
    place: str | None = Field(examples=["192.0.2.0/24"], description="The network that the login came from.")
    current: bool = Field(examples=[True], description="Whether it is the one that asks.")


class OpenSessions(Answer):
    """Everywhere that somebody is logged in, the newest first."""

    items: list[OpenSession]


class EndedSession(Answer):
    """The session that is over."""

    session_id: str = Field(examples=[SESSION_ID])


class EndedSessions(Answer):
    """How many sessions this ended."""

    ended: int = Field(examples=[2])


def add(api: APIRouter, use: UseCases, door: Door) -> None:
    """The operations on open sessions."""
    ending: dict[str, Any] = {"responses": COMMAND, "response_model": EndedSessions}

    @api.get(
        "/login/sessions",
        operation_id="listOwnSessions",
        **asks(LIST_OWN_SESSIONS, background=True),
        responses=QUERY,
    )
    async def own(caller: Annotated[Caller, Depends(door.caller)]) -> OpenSessions:
        """See everywhere that one is logged in (S-19)."""
        found = await use.session_endings.of_oneself(caller.actor, caller.session)
        return OpenSessions(items=[OpenSession(**session) for session in found])

    @api.delete(
        "/login/sessions/{session_id}",
        operation_id="endOwnSession",
        **asks(END_OWN_SESSIONS),
        responses=COMMAND,
        response_model=EndedSession,
    )
    async def end_one(
        command: Annotated[Command, Depends(door.command)], session_id: str = identifier_in_path("session")
    ) -> Response:
        """Log out somewhere else: the session is over at once."""
        return await command.run(lambda cause: use.session_endings.end_own(session_id, cause), unheard=True)

    @api.post("/login/sessions/end-others", operation_id="endOtherSessions", **asks(END_OWN_SESSIONS), **ending)
    async def end_others(command: Annotated[Command, Depends(door.command)]) -> Response:
        """Log out everywhere else."""
        current = command.caller.session
        return await command.run(lambda cause: use.session_endings.end_others(current, cause), unheard=True)

    @api.post("/logins/{profile_id}/end-sessions", operation_id="endSessionsOf", **asks(END_SESSIONS_OF), **ending)
    async def end_all_of(
        form: Confirmation,
        command: Annotated[Command, Depends(door.command)],
        profile_id: str = identifier_in_path("profile"),
    ) -> Response:
        """Log somebody out everywhere, all of whose grants one could revoke (A11); they are told."""
        return await command.run(lambda cause: use.session_endings.end_all_of(profile_id, form.confirm, cause))
