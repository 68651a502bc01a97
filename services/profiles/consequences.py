"""What would come of it? What events would change about access, in every service, before anybody records them.

Part of profiles' published language: every service that offers a dry run asks here, over its own copy of who reaches
what. What the services really do stands in their `reactions.py`; a test compares the two for random commands.

P4   Closing a product ends every access to it.
C7   An account that ends closes its open products and ends what is granted on it and on them; a framework agreement
     that ends ends its main administrators' grants. An access that ends so says `account-ended`; where profiles hears
     first that its product was closed, it says `product-closed`. The accesses are the same ones.
A11  Cancelling ends every grant, in the same commit, and every session.
L4   Whoever is granted something is told by mail.
P6   The payment cards of an account that ends are removed, too; they are known to products alone, and not told here.
A13  Nothing is told that lies outside the asker's reach: no access elsewhere, nor whether anything is left of a login.
A9   Nor whether an address has a login elsewhere: that a profile would be created is not told, and a profile that is
     not within reach yet is nobody (null).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, LiteralString

from pydantic import Field

from services.auth.events import SessionEnded
from services.company.events import AccountEnded, FrameworkAgreementEnded
from services.products.events import ProductClosed
from services.profiles.access import IN_SIGHT, STAFF_ACTOR
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    Ending,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCreated,
)
from services.profiles.policy import ACCOUNT, MAIN, PRODUCT
from shared.actor import Actor
from shared.database import Database
from shared.events import Event
from shared.http.openapi import Answer

A_PROFILE = "profile-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
A_PRODUCT = "product-0192f1c0a1b27c3d8e4f5a6b7c8d9e10"


class WouldBeRecorded(Answer):
    """An event that the service itself would record."""

    type: str = Field(examples=["products.product-closed.v1"])
    about: list[str] = Field(examples=[[A_PRODUCT]], description="The identifiers in it, as far as they are in reach.")


class WouldFollow(Answer):
    """Events that another service would record in consequence."""

    service: str = Field(examples=["profiles"])
    type: str = Field(examples=["profiles.product-access-revoked.v1"])
    times: int = Field(examples=[1])


class WouldBegin(Answer):
    """A grant that would begin."""

    profile_id: str | None = Field(examples=[A_PROFILE], description="Null for whoever is not within reach yet.")
    kind: str = Field(examples=[PRODUCT])
    id: str = Field(examples=[A_PRODUCT])


class AccessWouldEnd(Answer):
    """A grant that would end."""

    profile_id: str = Field(examples=[A_PROFILE])
    kind: str = Field(examples=[PRODUCT])
    id: str = Field(examples=[A_PRODUCT])
    because: Ending = Field(
        examples=["product-closed"],
        description="`account-ended` of an access to a product becomes `product-closed` where that is heard of first.",
    )


class WouldEnd(Answer):
    """What would end, here and in every other service."""

    accesses: list[AccessWouldEnd]
    products: list[str] = Field(examples=[[A_PRODUCT]], description="Products that would close.")
    sessions: int = Field(
        examples=[0], description="How many sessions would end; they end with their whole login only."
    )


class DryRun(Answer):
    """What would come of a command within the asker's reach; nothing was done."""

    dry_run: Literal[True] = True
    events: list[WouldBeRecorded] = Field(
        description="What this service would record; nothing where all is so already."
    )
    begins: list[WouldBegin]
    ends: WouldEnd
    elsewhere: list[WouldFollow]
    mails: int = Field(examples=[0], description="How many mails would tell people of grants.")


REHEARSED: dict[int | str, dict[str, Any]] = {
    200: {"model": DryRun, "description": "What would come of it: this was a dry run."}
}
"""The answer to the dry run of a command that creates something."""


async def foresee(database: Database, events: Sequence[Event], actor: Actor, *, sessions: int = 0) -> DryRun:
    """What would come of events of one command. `sessions` are those that are open of a login that it cancels."""
    closed = [event.product_id for event in events if isinstance(event, ProductClosed)]
    closing = [product for event in events for product in await _closed_after(database, event, actor)]
    following = [access for event in events for access in await _ended_after(database, event, actor)]
    begun = [grant for event in events for grant in _begun_by(event)]
    hidden = await _not_in_reach(database, events, actor)
    return DryRun(
        events=[_as_recorded(event, hidden) for event in events if not isinstance(event, ProfileCreated)],
        begins=[_unless(hidden, grant) for grant in begun],
        ends=WouldEnd(
            accesses=[*(access for event in events for access in _ended_by(event)), *following],
            products=[*closed, *closing],
            sessions=sessions,
        ),
        elsewhere=_by_others(following, closing, sessions),
        mails=len(begun),
    )


# Whenever X then Y ----------------------------------------------------------------------------------------------------

_REVOKED: dict[str, type[Event]] = {
    MAIN: MainAdministratorRevoked,
    ACCOUNT: AccountAdministratorRevoked,
    PRODUCT: ProductAccessRevoked,
}


def _begun_by(event: Event) -> Iterable[WouldBegin]:
    match event:
        case MainAdministratorGranted(profile_id=profile, agreement_id=target):
            yield WouldBegin(profile_id=profile, kind=MAIN, id=target)
        case AccountAdministratorGranted(profile_id=profile, account_id=target):
            yield WouldBegin(profile_id=profile, kind=ACCOUNT, id=target)
        case ProductAccessGranted(profile_id=profile, product_id=target):
            yield WouldBegin(profile_id=profile, kind=PRODUCT, id=target)
        case _:
            pass


def _ended_by(event: Event) -> Iterable[AccessWouldEnd]:
    match event:
        case MainAdministratorRevoked(profile_id=profile, agreement_id=target, because=because):
            yield AccessWouldEnd(profile_id=profile, kind=MAIN, id=target, because=because)
        case AccountAdministratorRevoked(profile_id=profile, account_id=target, because=because):
            yield AccessWouldEnd(profile_id=profile, kind=ACCOUNT, id=target, because=because)
        case ProductAccessRevoked(profile_id=profile, product_id=target, because=because):
            yield AccessWouldEnd(profile_id=profile, kind=PRODUCT, id=target, because=because)
        case _:
            pass


async def _closed_after(database: Database, event: Event, actor: Actor) -> list[str]:
    """What products closes when it hears of this (C7)."""
    if not isinstance(event, AccountEnded):
        return []
    rows = await database.asked_by(actor).rows(_OPEN_ON, _asked_by(actor, place=event.account_id))
    return [row["product_id"] for row in rows]


async def _ended_after(database: Database, event: Event, actor: Actor) -> list[AccessWouldEnd]:
    """What profiles ends when it hears of this: whatever is granted at a place that is no more (P4, C7)."""
    if (ended := _place_ended_by(event)) is None:
        return []
    place, because = ended
    rows = await database.asked_by(actor).rows(_HELD_AT, _asked_by(actor, place=place))
    return [AccessWouldEnd(**row, because=because) for row in rows]


def _place_ended_by(event: Event) -> tuple[str, Ending] | None:
    match event:
        case ProductClosed(product_id=place):
            return place, "product-closed"
        case AccountEnded(account_id=place):
            return place, "account-ended"
        case FrameworkAgreementEnded(agreement_id=place):
            return place, "agreement-ended"
        case _:
            return None


def _by_others(ended: Sequence[AccessWouldEnd], closed: Sequence[str], sessions: int) -> list[WouldFollow]:
    """Profiles ends grants on what is no more, products closes what is on it, auth ends sessions of ended logins."""
    times = Counter(_REVOKED[access.kind].type for access in ended)
    times += Counter({ProductClosed.type: len(closed), SessionEnded.type: sessions})
    return [WouldFollow(service=type_.split(".")[0], type=type_, times=n) for type_, n in sorted(times.items())]


# Within reach ---------------------------------------------------------------------------------------------------------

_IN_REACH: LiteralString = f"(%(staff)s OR g.profile_id = %(seer)s OR {IN_SIGHT})"
_HELD_AT: LiteralString = f"""
    SELECT g.profile_id, g.kind, g.target_id AS id FROM reach_grants g
    WHERE (g.target_id = %(place)s OR g.account_id = %(place)s) AND {_IN_REACH}
    ORDER BY g.target_id, g.profile_id"""
_OPEN_ON: LiteralString = """
    SELECT p.product_id FROM reach_products p WHERE p.account_id = %(place)s AND p.open
    AND (%(staff)s OR p.account_id IN (SELECT account_id FROM administered_accounts(%(seer)s)))
    ORDER BY p.product_id"""
_PEOPLE: LiteralString = f"""
    SELECT DISTINCT g.profile_id FROM reach_grants g WHERE g.profile_id = ANY(%(these)s) AND {_IN_REACH}"""


async def _not_in_reach(database: Database, events: Sequence[Event], actor: Actor) -> frozenset[str]:
    """Of people who would be granted something, those whom the asker does not see: new ones, or of elsewhere (A9)."""
    if actor.kind == STAFF_ACTOR:
        return frozenset(event.profile_id for event in events if isinstance(event, ProfileCreated))
    people = {grant.profile_id for event in events for grant in _begun_by(event) if grant.profile_id}
    rows = await database.asked_by(actor).rows(_PEOPLE, _asked_by(actor, these=sorted(people))) if people else []
    return frozenset(people) - {row["profile_id"] for row in rows}


def _asked_by(actor: Actor, **about: Any) -> dict[str, Any]:
    return {"seer": actor.id, "staff": actor.kind == STAFF_ACTOR, **about}


def _as_recorded(event: Event, hidden: frozenset[str]) -> WouldBeRecorded:
    fields = [value for field, value in event if field.endswith(("_id", "_ids")) and value is not None]
    named = [identifier for value in fields for identifier in ([value] if isinstance(value, str) else value)]
    return WouldBeRecorded(type=event.type, about=[identifier for identifier in named if identifier not in hidden])


def _unless(hidden: frozenset[str], grant: WouldBegin) -> WouldBegin:
    return grant.model_copy(update={"profile_id": None}) if grant.profile_id in hidden else grant
