"""HTTP of the questions about rights: request in, one question, answer out. Decides nothing."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict, Field

from services.profiles.domain.grants import GrantKind
from services.profiles.explaining import Explaining
from services.profiles.policy import (
    EXPLAIN,
    EXPLAIN_ONESELF,
    READ_OWN_REACH,
    READ_PERSON,
    READ_REACH,
    WHO_CAN,
    asks,
)
from services.profiles.views.reached import Cursor
from shared.http.door import Caller, Door
from shared.http.openapi import QUERY, Answer
from shared.seen import header_of

PAGE = 100
"""The most lines on one page."""
HEX = "0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
_AFTER_A_THING = r"^(agreement-[0-9a-f]{32}|account-[0-9a-f]{32}(\.product-[0-9a-f]{32})?)$"

ProfileId = Annotated[
    str,
    Query(alias="profile", pattern=r"^profile-[0-9a-f]{32}$", description="Whose rights.", examples=[f"profile-{HEX}"]),
]
OperationName = Annotated[
    str,
    Query(
        pattern=r"^[a-z]+\.[a-z-]+$",
        max_length=80,
        description="A row of the policy, see `/access/policy`.",
        examples=["product.close"],
    ),
]
_RESOURCE = r"^(company|agreement|account|product|profile)-[0-9a-f]{32}$"
Limit = Annotated[int, Query(ge=1, le=PAGE, description="The most lines of the page.")]


class By(Answer):
    """Who, or under which grant; the id is null when it lies outside the asker's reach."""

    kind: str = Field(examples=["account-administrator"])
    id: str | None = Field(examples=[f"profile-{HEX}"])


class GrantMade(Answer):
    """A grant, with the event that made it."""

    kind: GrantKind = Field(examples=["product-access"])
    id: str = Field(examples=[f"product-{HEX}"])
    event_id: str = Field(examples=[HEX])
    made_at_version: str = Field(examples=[f"profile-{HEX}@2"], description="The event's place in its stream.")
    granted_at: datetime = Field(examples=["2026-03-01T12:00:00Z"])
    granted_by: By
    granted_under: By | None = Field(description="The grant that whoever gave it acted under.")


class Missing(Answer):
    """A grant that would allow it. `on` may be the company, agreement or person in or with which any would do."""

    kind: GrantKind = Field(examples=["account-administrator"])
    on: str | None = Field(examples=[f"account-{HEX}"], description="Null when the asker does not see it.")
    could_be_given_by: list[str] = Field(examples=[["main-administrator", "account-administrator", "customer-service"]])


class FurtherCondition(Answer):
    """A rule that may refuse beside the table."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True)

    rule: str = Field(examples=["P4"])
    says: str = Field(examples=["Closing must be confirmed."])


class Explanation(Answer):
    """Whether somebody may do something, and why."""

    decision: Literal["allow", "deny"] = Field(examples=["deny"])
    rule: str = Field(examples=["A6"], description="The number of the rule that allows or refuses.")
    operation: str = Field(examples=["product.close"])
    profile_id: str = Field(examples=[f"profile-{HEX}"])
    resource: str | None = Field(examples=[f"product-{HEX}"])
    grant: GrantMade | None = Field(description="What it rests on; null when it rests on no grant, or is denied.")
    missing: list[Missing] = Field(description="The grants that would allow it; any one of them would do.")
    who_could: list[str] = Field(
        examples=[["main-administrator", "account-administrator"]], description="Who may do it; empty if allowed."
    )
    also: list[FurtherCondition] = Field(description="What else the operation asks for.")
    decided_on: list[str] = Field(
        examples=[[f"company-{HEX}@4", f"product-{HEX}@1", f"profile-{HEX}@2"]],
        description="The versions it was decided on; `Seen` names them as `Require-Seen` takes them.",
    )


class Holder(Answer):
    """Somebody who can, with the strongest grant that it rests on."""

    profile_id: str = Field(examples=[f"profile-{HEX}"])
    email: str = Field(examples=["anna@nordlys.example.com"])
    name: str = Field(examples=["Anna Aas"])
    grant: GrantMade


class HoldersPage(Answer):
    """A page of those who can, in the order of their ids; ask for the next one with `after=next`."""

    items: list[Holder]
    next: str | None = Field(examples=[f"profile-{HEX}"])


class Reached(Answer):
    """A thing that a person reaches, with the strongest grant that it rests on."""

    kind: Literal["agreement", "account", "product"] = Field(examples=["product"])
    id: str = Field(examples=[f"product-{HEX}"])
    account_id: str | None = Field(examples=[f"account-{HEX}"], description="The account of a product.")
    open: bool | None = Field(examples=[True], description="Whether a product is open.")
    grant: GrantMade


class ReachPage(Answer):
    """A page of what a person reaches: agreements, then account by account; the next one with `after=next`."""

    items: list[Reached]
    next: str | None = Field(examples=[f"account-{HEX}.product-{HEX}"])


def routes(explaining: Explaining, door: Door) -> APIRouter:
    """The questions about rights."""
    api = APIRouter(tags=["access"])

    @api.get(
        "/access/explain",
        operation_id="explainAccess",
        **asks(EXPLAIN_ONESELF, EXPLAIN, WHO_CAN, READ_PERSON),
        responses=QUERY,
    )
    async def explain(
        response: Response,
        caller: Annotated[Caller, Depends(door.caller)],
        profile: ProfileId,
        operation: OperationName,
        resource: Annotated[
            str | None, Query(pattern=_RESOURCE, description="On what, unless it is done on nothing in particular.")
        ] = None,
    ) -> Explanation:
        """Explain why a person may do an operation on a thing, or why not (A13, H1)."""
        explanation = Explanation(**await explaining.explain(caller.actor, profile, operation, resource or ""))
        response.headers["Seen"] = header_of(tuple(explanation.decided_on))
        return explanation

    @api.get("/access/who-can", operation_id="listWhoCan", **asks(WHO_CAN), responses=QUERY)
    async def who_can(
        caller: Annotated[Caller, Depends(door.caller)],
        operation: OperationName,
        resource: Annotated[str, Query(pattern=_RESOURCE, description="On what.", examples=[f"account-{HEX}"])],
        after: Annotated[str, Query(pattern=r"^(profile-[0-9a-f]{32})?$", description="`next` of the last page.")] = "",
        limit: Limit = PAGE,
    ) -> HoldersPage:
        """List everyone who can do an operation on a company, agreement, account or product (A13, H1)."""
        page = await explaining.who_can(caller.actor, operation, resource, after, limit)
        return HoldersPage(items=[Holder(**row) for row in page.items], next=page.next)

    @api.get("/access/reach", operation_id="listReach", **asks(READ_OWN_REACH, READ_REACH), responses=QUERY)
    async def reach(
        caller: Annotated[Caller, Depends(door.caller)],
        profile: ProfileId,
        after: Annotated[str | None, Query(pattern=_AFTER_A_THING, description="`next` of the last page.")] = None,
        limit: Limit = PAGE,
    ) -> ReachPage:
        """List everything that a person reaches: agreements, accounts and products (A13, H1)."""
        page = await explaining.reach(caller.actor, profile, Cursor.parse(after) if after else Cursor(), limit)
        return ReachPage(items=[Reached(**row) for row in page.items], next=page.next)

    return api
