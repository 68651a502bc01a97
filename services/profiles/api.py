"""HTTP of profiles: request in, one use case, answer out. Decides nothing."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from services.profiles.consequences import REHEARSED, DryRun
from services.profiles.domain.grants import Grant, GrantKind
from services.profiles.events import NotTheirs
from services.profiles.policy import (
    CANCEL_ONESELF,
    CANCEL_PROFILE,
    CHANGE_ONESELF,
    GRANTING,
    LIST_PEOPLE,
    POLICY,
    READ_ONESELF,
    READ_PERSON,
    READ_POLICY,
    REVOKING,
    asks,
)
from services.profiles.use_cases import UseCases
from services.profiles.views.people import PAGE
from shared.http.door import Caller, Command, Door
from shared.http.fields import Confirmation, Form, Identifier, Line, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

ProfileId = Annotated[str, identifier_in_path("profile")]


class GrantForm(Form):
    """A grant: main administrator of an agreement, account administrator of an account, access to a product."""

    kind: GrantKind = Field(examples=["product-access"])
    id: Identifier = Field(examples=["product-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])


class NewProfile(Form):
    """A login for a person, with what it may reach."""

    email: Line = Field(max_length=254, examples=["driver@nordlys.example.com"])
    name: Line = Field(examples=["Dora Dahl"])
    grants: list[GrantForm] = Field(min_length=1, max_length=50)


class Changes(Form):
    """Grants to give and to take, all of them or none: a driver goes from one bizz to another in one command."""

    grant: list[GrantForm] = Field(default_factory=list, max_length=50)
    revoke: list[GrantForm] = Field(default_factory=list, max_length=50)


class ContactDetails(Form):
    """One's own name and telephone number."""

    name: Line = Field(examples=["Dora Dahl"])
    phone: Line | None = Field(default=None, examples=["+45 20 30 40 50"])


class Changed(Answer):
    """The profile that was created or changed."""

    profile_id: str = Field(examples=["profile-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])


class GrantHeld(Answer):
    """A grant that a profile holds."""

    kind: GrantKind
    id: str


class Person(Answer):
    """A profile, with the grants that lie within the asker's reach."""

    profile_id: str
    email: str = Field(examples=["driver@nordlys.example.com"])
    name: str = Field(examples=["Dora Dahl"])
    phone: str | None
    cancelled: bool
    grants: list[GrantHeld]


class EmailChangeOutcome(Answer):
    """What came of the e-mail address that a person proved last."""

    email: str = Field(examples=["dora@nordlys.example.com"])
    state: Literal["changed", "refused"]
    because: NotTheirs | None = Field(description="Why the profile kept the address it had.")


class Oneself(Person):
    """One's own profile, with all of its grants."""

    email_change: EmailChangeOutcome | None


class PeoplePage(Answer):
    """A page of people; ask for the next one with `after=next`."""

    items: list[Person]
    next: str | None


class PolicyRow(Answer):
    """One row of the policy: what is done, on what kind of thing, by whom, by which rule."""

    operation: str = Field(examples=["product.close"])
    says: str = Field(examples=["close a product"])
    on: str = Field(examples=["product"])
    may: list[str] = Field(examples=[["main-administrator", "account-administrator"]])
    rule: str = Field(examples=["A5"])


class Policy(Answer):
    """Who may do what: the table that every service decides by."""

    items: list[PolicyRow]


def routes(use: UseCases, door: Door) -> APIRouter:
    """The operations of profiles."""
    api = APIRouter(tags=["profiles"])
    rehearsable = door.rehearsable(use.foresee)

    @api.post(
        "/profiles",
        status_code=201,
        operation_id="createProfile",
        **asks(*GRANTING.values()),
        responses=COMMAND | REHEARSED,
        response_model=Changed,
    )
    async def create(form: NewProfile, command: Annotated[Command, Depends(rehearsable)]) -> Response:
        """Create a login with grants, or add the grants to the login that the address has already (A9, A10)."""
        grants = [Grant(grant.kind, grant.id) for grant in form.grants]
        return await command.run(lambda cause: use.create_profile(form.email, form.name, grants, cause), status=201)

    @api.get("/profiles", operation_id="listProfiles", **asks(LIST_PEOPLE), responses=QUERY)
    async def people(
        caller: Annotated[Caller, Depends(door.caller)],
        search: Annotated[
            Line | None, Query(description="Only people with this in their name or e-mail address.")
        ] = None,
        after: Annotated[
            str, Query(max_length=80, pattern=r"^[0-9a-z-]*$", description="`next` of the last page.")
        ] = "",
    ) -> PeoplePage:
        """List the people within reach, with what they reach there (A13)."""
        found = await use.list_people(caller.actor, search, after)
        return PeoplePage(items=[Person(**row) for row in found], next=_next(found))

    @api.get("/profiles/me", operation_id="getOwnProfile", **asks(READ_ONESELF), responses=QUERY)
    async def me(caller: Annotated[Caller, Depends(door.caller)]) -> Oneself:
        """See one's own profile, and what came of the last change of its e-mail address (A15)."""
        return Oneself(**await use.myself(caller.actor))

    @api.put(
        "/profiles/me/contact-details",
        operation_id="changeOwnContactDetails",
        **asks(CHANGE_ONESELF),
        responses=COMMAND,
        response_model=Changed,
    )
    async def change_mine(form: ContactDetails, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Change one's own name and telephone number (A15)."""
        return await command.run(lambda cause: use.change_own_contact_details(form.name, form.phone, cause))

    @api.get("/profiles/{profile_id}", operation_id="getProfile", **asks(READ_PERSON), responses=QUERY)
    async def person(profile_id: ProfileId, caller: Annotated[Caller, Depends(door.caller)]) -> Person:
        """See one person within reach (A13)."""
        return Person(**await use.see(profile_id, caller.actor))

    @api.post(
        "/profiles/{profile_id}/grants",
        operation_id="grant",
        **asks(*GRANTING.values()),
        responses=COMMAND,
        response_model=Changed | DryRun,
    )
    async def grant(
        profile_id: ProfileId, form: GrantForm, command: Annotated[Command, Depends(rehearsable)]
    ) -> Response:
        """Grant one more thing to a person within reach (A4, A5, A8)."""
        return await command.run(lambda cause: use.grant(profile_id, Grant(form.kind, form.id), cause))

    @api.post(
        "/profiles/{profile_id}/revoke",
        operation_id="revoke",
        **asks(*REVOKING.values()),
        responses=COMMAND,
        response_model=Changed | DryRun,
    )
    async def revoke(
        profile_id: ProfileId, form: GrantForm, command: Annotated[Command, Depends(rehearsable)]
    ) -> Response:
        """End one grant of a person within reach (A4, A5, A12)."""
        return await command.run(lambda cause: use.revoke(profile_id, Grant(form.kind, form.id), cause))

    @api.post(
        "/profiles/{profile_id}/changes",
        operation_id="changeGrants",
        **asks(*GRANTING.values(), *REVOKING.values()),
        responses=COMMAND,
        response_model=Changed | DryRun,
    )
    async def change(
        profile_id: ProfileId, form: Changes, command: Annotated[Command, Depends(rehearsable)]
    ) -> Response:
        """Give and take several grants of a person within reach, all or nothing (A4, A5, A8, A12)."""
        give, take = ([Grant(grant.kind, grant.id) for grant in grants] for grants in (form.grant, form.revoke))
        return await command.run(lambda cause: use.change_grants(profile_id, give, take, cause))

    @api.post(
        "/profiles/{profile_id}/cancel",
        operation_id="cancelProfile",
        **asks(CANCEL_PROFILE, CANCEL_ONESELF),
        responses=COMMAND,
        response_model=Changed | DryRun,
    )
    async def cancel(
        profile_id: ProfileId, form: Confirmation, command: Annotated[Command, Depends(rehearsable)]
    ) -> Response:
        """Cancel a login, one's own or one within reach: every grant and every session ends (A11, A12)."""
        return await command.run(lambda cause: use.cancel(profile_id, form.confirm, cause))

    @api.get("/access/policy", operation_id="readPolicy", responses=QUERY, **asks(READ_POLICY))
    async def policy(_caller: Annotated[Caller, Depends(door.caller)]) -> Policy:
        """Read who may do what: the one table that every service decides by (A4, A5, A6)."""
        rows = [
            PolicyRow(operation=row.name, says=row.says, on=row.on, may=list(row.may), rule=row.rule) for row in POLICY
        ]
        return Policy(items=rows)

    return api


def _next(found: list[dict[str, Any]]) -> str | None:
    return found[-1]["profile_id"] if len(found) == PAGE else None
