"""HTTP of the questions about the past: request in, one question, answer out. Decides nothing."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, Field

from services.audit.api import EXAMPLE, PAGE, EntityId
from services.audit.past import Page, Past, Standing
from services.audit.views.differences import Cursor
from services.profiles.policy import READ_HISTORY, READ_PAST_GRANTS, READ_PAST_HOLDERS, READ_PAST_REACH, asks
from shared.http.door import Caller, Door
from shared.http.fields import NUMBER_OF_ITS_OWN
from shared.http.openapi import QUERY, Answer

HEX = "0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
PERSON, ACCOUNT = f"profile-{HEX}", f"account-{HEX}"
_HEX = "[0-9a-f]{32}"
_AFTER_A_GRANT = rf"^{_HEX}\.profile-{_HEX}$"
_AFTER_A_THING = rf"^(agreement-{_HEX}|account-{_HEX}(\.product-{_HEX})?)$"
_AFTER_A_DIFFERENCE = rf"^[0-9]{{1,17}}\.{_HEX}\.[a-z0-9.-]{{1,200}}$"
_PLACE = rf"^(company|agreement|account|product)-{_HEX}$"
_PLACE_OR_PERSON = rf"^(company|agreement|account|product|profile)-{_HEX}$"

Moment = Annotated[
    AwareDatetime | None,
    Query(description="As the logs had said by then; now if it is left out.", examples=["2026-03-01T12:00:00Z"]),
]
Limit = Annotated[int, Query(ge=1, le=PAGE, description="The most lines of the page.")]
NEXT = "`next` of the last page."
AfterGrant = Annotated[str | None, NUMBER_OF_ITS_OWN, Query(pattern=_AFTER_A_GRANT, description=NEXT)]


class PastGrant(Answer):
    """A grant, with the event that made it and the one that ended it later; null while it stands."""

    profile_id: str = Field(examples=[PERSON])
    kind: str = Field(examples=["account-administrator"])
    target_id: str = Field(examples=[ACCOUNT])
    account_id: str | None = Field(examples=[ACCOUNT])
    since: datetime = Field(examples=["2026-02-01T12:00:00Z"])
    since_event: str = Field(examples=[HEX])
    made_at_version: int = Field(examples=[2], description="Of the stream of the profile.")
    begun_by: str = Field(examples=[f"profile:{PERSON}"])
    begun_under: str | None = Field(examples=[f"account-administrator:{ACCOUNT}"])
    until: datetime | None = Field(examples=["2026-04-01T12:00:00Z"])
    until_event: str | None = Field(examples=[HEX])
    ended_by: str | None = Field(examples=[f"profile:{PERSON}"])
    ended_under: str | None = Field(examples=[f"account-administrator:{ACCOUNT}"])
    because: str | None = Field(examples=["revoked"])


class PastGrantsPage(Answer):
    """A page of grants that stood at a moment, by who held them; ask for the next one with `after=next` and `at`."""

    at: datetime
    items: list[PastGrant]
    next: str | None = Field(examples=[f"{HEX}.{PERSON}"])


class PastThing(Answer):
    """A thing that a person reached, with the strongest grant that it rested on."""

    kind: Literal["agreement", "account", "product"]
    id: str = Field(examples=[EXAMPLE])
    open: bool | None = Field(description="Whether it had not ended; null for what nobody has spoken of.")
    grant: PastGrant


class PastReachPage(Answer):
    """A page of what a person reached at a moment; ask for the next one with `after=next` and the same `at`."""

    at: datetime
    items: list[PastThing]
    next: str | None = Field(examples=[ACCOUNT])


class Difference(Answer):
    """Something that was there at one of two moments only, with what made it so."""

    what: Literal["grant", "place", "stay"] = Field(description="A stay is that of an account in an agreement.")
    change: Literal["began", "ended"]
    profile_id: str | None = Field(examples=[PERSON], description="Whose grant it is.")
    kind: str = Field(examples=["account-administrator"], description="Of grant, or of place.")
    target_id: str | None = Field(examples=[ACCOUNT], description="The place; null when it lies out of reach.")
    account_id: str | None = Field(examples=[ACCOUNT])
    at: datetime = Field(examples=["2026-03-01T12:00:00Z"])
    event_id: str = Field(examples=[HEX])
    by: str = Field(examples=[f"profile:{PERSON}"])
    under: str | None = Field(examples=[f"account-administrator:{ACCOUNT}"])
    because: str | None = Field(examples=["product-closed"])


class DifferencesPage(Answer):
    """A page of differences, in the order in which they were made; ask for the next one with `after=next`."""

    items: list[Difference]
    next: str | None


class FieldThen(Answer):
    """The value of a field at a moment, and the event that gave it; what lies outside the asker's reach is null."""

    field: str = Field(examples=["reference"])
    value: Any = Field(examples=["Van 7"])
    event_id: str = Field(examples=[HEX])
    version: int = Field(examples=[3])
    type: str = Field(examples=["products.reference-changed.v1"])
    at: datetime = Field(examples=["2026-03-01T12:00:00Z"])
    actor: str = Field(examples=[f"profile:{PERSON}"])
    grant: str | None = Field(examples=[f"account-administrator:{ACCOUNT}"])


class ProductStanding(Answer):
    """How a product stood at `valid_at`, by all that was said until `at`."""

    open: bool
    at_storebaelt: Standing
    elsewhere: Standing


class StateThen(Answer):
    """What an entity was at a moment; no fields where it was not there yet."""

    at: datetime
    valid_at: datetime
    fields: list[FieldThen]
    standing: ProductStanding | None = Field(description="Of a product only.")


def routes(past: Past, door: Door) -> APIRouter:
    """The operations about the past."""
    api = APIRouter(tags=["audit"])

    @api.get("/past/holders", operation_id="listPastHolders", **asks(READ_PAST_HOLDERS), responses=QUERY)
    async def list_past_holders(
        place: Annotated[str, Query(pattern=_PLACE, description="What was reached.", examples=[EXAMPLE])],
        request: Request,
        _caller: Annotated[Caller, Depends(door.caller)],
        at: Moment = None,
        after: AfterGrant = None,
        limit: Limit = PAGE,
    ) -> PastGrantsPage:
        """List who could reach a place at a moment, by which grant, who gave it and by which event (H2)."""
        return _grants(await past.holders(place, at, _grant_after(after), limit, request.state.cause))

    @api.get("/past/reach", operation_id="listPastReach", **asks(READ_PAST_REACH), responses=QUERY)
    async def list_past_reach(
        profile: Annotated[str, Query(pattern=rf"^profile-{_HEX}$", description="Whose reach.", examples=[PERSON])],
        request: Request,
        _caller: Annotated[Caller, Depends(door.caller)],
        at: Moment = None,
        after: Annotated[str | None, NUMBER_OF_ITS_OWN, Query(pattern=_AFTER_A_THING, description=NEXT)] = None,
        limit: Limit = PAGE,
    ) -> PastReachPage:
        """List everything that a person reached at a moment, as far as it lies within reach now (H2, H3)."""
        page = await past.reach(profile, at, _thing_after(after), limit, request.state.cause)
        things = [
            PastThing(kind=row["what"], id=row["thing"] or row["account"], open=row["open"], grant=PastGrant(**row))
            for row in page.items
        ]
        return PastReachPage(at=page.at, items=things, next=page.next)

    @api.get("/past/grants", operation_id="listPastGrants", **asks(READ_PAST_GRANTS), responses=QUERY)
    async def list_past_grants(
        request: Request,
        _caller: Annotated[Caller, Depends(door.caller)],
        at: Moment = None,
        after: AfterGrant = None,
        limit: Limit = PAGE,
    ) -> PastGrantsPage:
        """List every grant within reach that stood at a moment: the whole state of access (H2)."""
        return _grants(await past.grants(at, _grant_after(after), limit, request.state.cause))

    @api.get(
        "/past/differences",
        operation_id="listDifferences",
        **asks(READ_PAST_GRANTS, READ_PAST_HOLDERS, READ_PAST_REACH),
        responses=QUERY,
    )
    async def list_differences(  # noqa: PLR0917 (FastAPI passes them by name)
        since: Annotated[AwareDatetime, Query(examples=["2026-02-01T00:00:00Z"])],
        until: Annotated[AwareDatetime, Query(examples=["2026-03-01T00:00:00Z"])],
        request: Request,
        _caller: Annotated[Caller, Depends(door.caller)],
        of: Annotated[
            str | None,
            Query(pattern=_PLACE_OR_PERSON, description="A place or a person; all within reach if it is left out."),
        ] = None,
        after: Annotated[str | None, NUMBER_OF_ITS_OWN, Query(pattern=_AFTER_A_DIFFERENCE, description=NEXT)] = None,
        limit: Limit = PAGE,
    ) -> DifferencesPage:
        """Compare two moments: what was there at one of them only, and the event and person that made it so (H2)."""
        place = Cursor.parse(after) if after else Cursor()
        page = await past.differences((since, until), of, place, limit, request.state.cause)
        return DifferencesPage(items=[Difference(**row) for row in page.items], next=page.next)

    @api.get("/past/states/{entity_id}", operation_id="getPastState", **asks(READ_HISTORY), responses=QUERY)
    async def get_past_state(
        entity_id: EntityId,
        request: Request,
        _caller: Annotated[Caller, Depends(door.caller)],
        at: Moment = None,
        valid_at: Annotated[
            AwareDatetime | None,
            Query(description="What was in force at this moment, by what was said until `at`; `at` if left out."),
        ] = None,
    ) -> StateThen:
        """See what an entity was at a moment: the newest value of each field, and the event that said so (H2)."""
        state = await past.state(entity_id, at, valid_at, request.state.cause)
        return StateThen(
            at=state.at,
            valid_at=state.valid_at,
            fields=[FieldThen(**row) for row in state.fields],
            standing=ProductStanding(**state.standing) if state.standing else None,
        )

    return api


def _grants(page: Page) -> PastGrantsPage:
    return PastGrantsPage(at=page.at, items=[PastGrant(**row) for row in page.items], next=page.next)


def _grant_after(after: str | None) -> tuple[str, str]:
    event, _, profile = (after or "").partition(".")
    return profile, event


def _thing_after(after: str | None) -> tuple[str, str]:
    first, _, second = (after or "").partition(".")
    return ("", first) if first.startswith("agreement-") else (first, second)
