"""HTTP of audit: request in, one use case, answer out. Decides nothing."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from services.audit.use_cases import UseCases
from services.audit.views.history import Cursor
from services.profiles.policy import (
    READ_HISTORY,
    asks,
)
from shared.http.door import Caller, Door
from shared.http.fields import NUMBER_OF_ITS_OWN
from shared.http.openapi import QUERY, Answer

PAGE = 100
"""The most entries on one page."""
EXAMPLE = "product-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
CURSOR = r"^[0-9]{1,17}-[0-9a-f]{32}-[0-9]{1,17}$"

EntityId = Annotated[str, Path(pattern=r"^[a-z]+(-[a-z]+)*-[0-9a-f]{32}$", max_length=80, examples=[EXAMPLE])]


class Entry(Answer):
    """One event: who, what, when, on what, under which grant and why. What lies outside the asker's reach is null."""

    id: str = Field(examples=["0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])
    service: str = Field(examples=["products"])
    stream: str = Field(examples=[EXAMPLE])
    version: int = Field(examples=[1])
    type: str = Field(examples=["products.bizz-ordered.v1"])
    time: datetime = Field(examples=["2026-03-01T12:00:00Z"])
    actor: str = Field(examples=["profile:profile-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])
    grant: str | None = Field(examples=["account-administrator:account-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])
    correlation: str = Field(description="The request that it goes back to.")
    causation: str | None = Field(description="The event that it follows from.")
    data: dict[str, Any]


class HistoryPage(Answer):
    """A page of a history, oldest first; ask for the next one with `after=next`."""

    items: list[Entry]
    next: str | None = Field(examples=["1772366400000000-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f-1772382000000000"])


def routes(use: UseCases, door: Door) -> APIRouter:
    """The operations of audit."""
    api = APIRouter(tags=["audit"])

    @api.get("/history/{entity_id}", operation_id="readHistory", **asks(READ_HISTORY), responses=QUERY)
    async def read_history(
        entity_id: EntityId,
        request: Request,
        _caller: Annotated[Caller, Depends(door.caller)],
        after: Annotated[
            str | None, NUMBER_OF_ITS_OWN, Query(pattern=CURSOR, description="`next` of the last page.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> HistoryPage:
        """Read what happened to one entity, as far as it lies within reach; the reading is itself recorded (H3)."""
        place = Cursor.parse(after) if after else Cursor()
        page = await use.read_history(entity_id, place, limit, request.state.cause)
        return HistoryPage(items=[Entry(**row) for row in page.entries], next=str(page.next) if page.next else None)

    return api
