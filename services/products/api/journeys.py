"""HTTP of parked journeys: seen, tried again, attributed by customer service (P7)."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from services.products.adapters import parked_journeys
from services.products.adapters.parked_journeys import Wanted
from services.products.events import ParkedReason
from services.products.use_cases.parked_journeys import CareOfParkedJourneys
from services.profiles.policy import ATTRIBUTE_JOURNEY, LIST_PARKED_JOURNEYS, REDRIVE_JOURNEYS, asks
from shared.http.door import Caller, Command, Door
from shared.http.fields import NUMBER_OF_ITS_OWN, Form, Identifier, Line, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

ParkedId = Annotated[str, identifier_in_path("parked")]
After = Annotated[str, Query(max_length=18, pattern="^[0-9]*$", description="`next` of the last page.")]
OfReason = Annotated[ParkedReason | None, Query(description="Only journeys that are parked for this reason.")]
OfOperator = Annotated[Line | None, Query(description="Only journeys of this operator.")]
OfJourney = Annotated[Line | None, NUMBER_OF_ITS_OWN, Query(description="Only records with this id of the feed.")]
OfSeen = Annotated[Line | None, Query(description="Only what saw this: `plate DK AB12345`, `device 9208…`, a product.")]
Since = Annotated[AwareDatetime | None, Query(description="Only journeys that were driven then or later.")]
Until = Annotated[AwareDatetime | None, Query(description="Only journeys that were driven before.")]

A_PARKED = "parked-0195566e4c007a2b8f31d4c2b5a60010"
A_PRODUCT = "product-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"


class ParkedJourney(Answer):
    """A record of the operators' feed that does not count, or not yet; what a malformed one does not say is null."""

    parked_id: str = Field(examples=[A_PARKED])
    reason: ParkedReason = Field(examples=["unknown"])
    detail: str = Field(description="What is wrong with a malformed one.")
    journey_id: str | None = Field(description="The feed's own id.", examples=["STB-2026-03-02-000017"])
    operator: str | None = Field(examples=["storebaelt"])
    place: str | None = Field(examples=["Storebælt"])
    at: datetime | None = Field(examples=["2026-03-02T12:05:00Z"])
    seen: str | None = Field(examples=["plate DK AB12345"])
    amount: str | None = Field(examples=["285.00"])
    vat: str | None = Field(examples=["57.00"])
    currency: str | None = Field(examples=["DKK"])
    product_id: str | None = Field(description="The product that had it last, or has it and is not in use.")
    came_from: str = Field(description="The topic or the file.", examples=["selfservice.journeys.feed"])
    parked_at: datetime = Field(examples=["2026-03-02T12:06:00Z"])
    record: str = Field(description="The record as it came.")


class ParkedJourneysPage(Answer):
    """A page of parked journeys, in the order in which they were parked; ask for the next one with `after=next`."""

    items: list[ParkedJourney]
    next: str | None


class RedriveForm(Form):
    """Which parked journeys to try again; what is left out does not matter, nothing at all means every one."""

    parked_id: Identifier | None = Field(default=None, examples=[A_PARKED])
    reason: ParkedReason | None = Field(default=None, examples=["unknown"])
    operator: Line | None = Field(default=None, examples=["storebaelt"])


class Redriven(Answer):
    """They are tried again in a moment; look at the list."""

    redrive_id: str = Field(examples=["redrive-0195566e4c007a2b8f31d4c2b5a60011"])


class AttributionForm(Form):
    """The product that the journey was driven with."""

    product_id: Identifier = Field(examples=[A_PRODUCT])


class Attributed(Answer):
    """The journey counts for this product."""

    parked_id: str = Field(examples=[A_PARKED])
    product_id: str = Field(examples=[A_PRODUCT])


def add(api: APIRouter, use: CareOfParkedJourneys, door: Door) -> None:
    """The operations on parked journeys."""

    @api.get("/parked-journeys", operation_id="listParkedJourneys", **asks(LIST_PARKED_JOURNEYS), responses=QUERY)
    async def listed(  # noqa: PLR0917 (FastAPI passes them by name)
        caller: Annotated[Caller, Depends(door.caller)],
        reason: OfReason = None,
        operator: OfOperator = None,
        journey_id: OfJourney = None,
        seen: OfSeen = None,
        since: Since = None,
        until: Until = None,
        after: After = "",
    ) -> ParkedJourneysPage:
        """List what could not be attributed; customer service only (P7)."""
        wanted = Wanted(reason, operator, journey_id, seen, since, until, after=int(after or 0))
        found = await use.list_parked(wanted, caller.actor)
        more = str(found[-1]["number"]) if len(found) == parked_journeys.PAGE else None
        return ParkedJourneysPage(items=[_shown(row) for row in found], next=more)

    @api.post(
        "/parked-journeys/redrive",
        status_code=202,
        operation_id="redriveJourneys",
        **asks(REDRIVE_JOURNEYS),
        responses=COMMAND,
        response_model=Redriven,
    )
    async def redrive(form: RedriveForm, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Have parked journeys tried again, once what they waited for is mended; customer service only (P7)."""
        wanted = Wanted(form.reason, form.operator, parked_id=form.parked_id)
        return await command.run(lambda cause: use.redrive(wanted, cause), status=202)

    @api.post(
        "/parked-journeys/{parked_id}/attribute",
        operation_id="attributeJourney",
        **asks(ATTRIBUTE_JOURNEY),
        responses=COMMAND,
        response_model=Attributed,
    )
    async def attribute(
        parked_id: ParkedId, form: AttributionForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Say which product a parked journey was driven with; customer service only (P7)."""
        return await command.run(lambda cause: use.attribute(parked_id, form.product_id, cause))


def _shown(row: dict[str, object]) -> ParkedJourney:
    named = {**row, "seen": row["what"], "record": row["raw"]}
    return ParkedJourney(**{name: named[name] for name in ParkedJourney.model_fields})
