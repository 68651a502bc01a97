"""What people may do with profiles: may they ask → decide → append.

A4, A5, A10, A11: who may create, grant, revoke and cancel is asked of the one policy (`policy.py`), within reach only.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from services.profiles import access
from services.profiles.access import Access, Decision
from services.profiles.domain import profile as rules
from services.profiles.domain.profile import Profile, evolve
from services.profiles.events import ProfileEvent
from services.profiles.policy import ACCOUNT, GRANTING, MAIN, PRODUCT, REVOKING
from services.profiles.views import people
from services.profiles.views.last_administrator import administrators_stay
from services.profiles.views.open_products import ProductIsClosed, must_be_open, where_is
from services.profiles.views.product_access_by_email import ACCESS_LEFT, nobody_is_left
from services.profiles.views.profile_by_email import AddressTaken, profile_of
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.database import Database, Row
from shared.email_address import normalised
from shared.errors import Forbidden, NotFound, Unavailable
from shared.eventstore.group_commit import ConstraintViolated
from shared.eventstore.streams import Category, Change, Streams
from shared.ids import new_id

PROFILES = Category("profile", Profile(), evolve)

GrantKind = Literal["main-administrator", "account-administrator", "product-access"]
MOST_RACES = 8


class CannotCancel(Forbidden):
    """This person holds more than lies within your reach; revoke the grants that do."""

    code = "cannot-cancel"
    rule = "A11"


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as people name it: its kind, and the agreement, account or product it is for."""

    kind: GrantKind
    id: str


class UseCases:
    """The commands of profiles."""

    def __init__(self, streams: Streams, database: Database, may: Access) -> None:
        self._streams = streams
        self._database = database
        self._access = may

    # What administrators and customer service do --------------------------------------------------------------------

    async def create_profile(self, email: str, name: str, grants: Sequence[Grant], cause: Cause) -> Written:
        """Give somebody a login with grants, or add the grants to the profile that the address has (A9, A10).

        Raises EmailMalformed, EmailHasProductAccess, ProductIsClosed, NotFound, NotPermitted.
        """
        address = normalised(email)
        decisions = [await self._granting(grant, cause) for grant in grants]
        for _, guarded in decisions:
            cause = guarded(cause)
        for _ in range(MOST_RACES):
            profile_id = await profile_of(self._database, address) or new_id("profile")
            decide = _in_turn(_creating(profile_id, email, name), *(decision for decision, _ in decisions))
            try:
                return await self._streams.change(PROFILES, profile_id, decide, cause.answering(profile_id=profile_id))
            except AddressTaken:
                continue  # somebody created it at this very moment: it is theirs that gets the grant
        raise Unavailable

    async def grant(self, profile_id: str, grant: Grant, cause: Cause) -> Written:
        """Grant one more thing to somebody in reach. Raises as `create_profile`."""
        await self.see(profile_id, cause.actor)
        decision, guarded = await self._granting(grant, cause)
        return await self._streams.change(
            PROFILES, profile_id, decision, guarded(cause).answering(profile_id=profile_id)
        )

    async def revoke(self, profile_id: str, grant: Grant, cause: Cause) -> Written:
        """End one grant of somebody in reach. Raises NotFound, NotPermitted, LastAdministrator (A12)."""
        await self.see(profile_id, cause.actor)
        permit = await self._access.require(cause.actor, REVOKING[grant.kind], grant.id)
        cause = _keeping_administrators(permit.covers(cause)).answering(profile_id=profile_id)
        return await self._streams.change(PROFILES, profile_id, _revoking(grant), cause)

    async def cancel(self, profile_id: str, confirmed: bool, cause: Cause) -> Written:
        """End a login, one's own or one within reach (A11).

        Raises NotFound, CannotCancel, CancellingNotConfirmed, LastAdministrator (A12).
        """
        myself = cause.actor == Actor(access.PROFILE_ACTOR, profile_id)
        held = frozenset[tuple[str, str]]()
        if not myself:
            await self.see(profile_id, cause.actor)
            profile, _ = await self._streams.load(PROFILES, profile_id)
            held, cause = _held(profile), await self._covering_all(profile, cause)

        def decide(now: Profile) -> Sequence[ProfileEvent]:
            if not myself and not _held(now) <= held:
                raise CannotCancel  # granted something more while we looked
            return rules.cancel(now, confirmed=confirmed)

        cause = _keeping_administrators(cause).answering(profile_id=profile_id)
        return await self._streams.change(PROFILES, profile_id, decide, cause)

    async def change_own_contact_details(self, name: str, phone: str | None, cause: Cause) -> Written:
        """Everyone may change their own (A15). Raises NotFound when the actor has no profile."""
        return await self._streams.change(
            PROFILES,
            cause.actor.id,
            lambda profile: rules.change_contact_details(profile, name=name, phone=phone),
            cause.answering(profile_id=cause.actor.id),
        )

    # What follows from other services ------------------------------------------------------------------------------

    async def grant_named(self, email: str, name: str, grant: Grant, company_id: str, cause: Cause) -> Written:
        """Customer service named somebody's first administrator: create the profile, grant it (C6)."""
        for _ in range(MOST_RACES):
            profile_id = await profile_of(self._database, normalised(email)) or new_id("profile")
            decide = _in_turn(_creating(profile_id, email, name), _decision(grant, "", company_id))
            try:
                return await self._streams.change(PROFILES, profile_id, decide, cause)
            except AddressTaken:
                continue
        raise Unavailable

    async def end_access_to_product(self, product_id: str, cause: Cause) -> Written:
        """A product was closed: every access to it ends, in one commit (P4, A8)."""
        for _ in range(MOST_RACES):
            holders = await self._database.rows(
                "SELECT profile_id FROM product_access_by_email WHERE product_id = %s", (product_id,)
            )
            changes = [
                Change(
                    PROFILES,
                    row["profile_id"],
                    lambda profile: rules.end_product_access(profile, product_id=product_id, because="product-closed"),
                )
                for row in holders
            ]
            try:
                return await self._streams.change_all(changes, cause.ensuring(lambda _: [nobody_is_left(product_id)]))
            except ConstraintViolated as violated:
                if violated.constraint != ACCESS_LEFT:
                    raise
        raise Unavailable

    # Questions -------------------------------------------------------------------------------------------------------

    async def see(self, profile_id: str, actor: Actor) -> Row:
        """One person, with the grants in the actor's reach. Raises NotFound when there is none (A13)."""
        rows = await people.visible_to(self._database, actor, staff=await self._access.is_staff(actor), one=profile_id)
        if not rows:
            raise NotFound
        return rows[0]

    async def list_people(self, actor: Actor, after: str) -> list[Row]:
        """A page of the people in reach; an empty one for whoever reaches nobody (A13)."""
        return await people.visible_to(self._database, actor, staff=await self._access.is_staff(actor), after=after)

    async def myself(self, actor: Actor) -> Row:
        """One's own profile. Raises NotFound for customer service, which has none."""
        me = await people.oneself(self._database, actor) if actor.kind == access.PROFILE_ACTOR else None
        if me is None:
            raise NotFound
        return me

    # -----------------------------------------------------------------------------------------------------------------

    async def _granting(self, grant: Grant, cause: Cause) -> "tuple[_Decide, Callable[[Cause], Cause]]":
        """The decision that makes a grant, and the cause it is made under. Raises NotFound, NotPermitted."""
        permit = await self._access.require(cause.actor, GRANTING[grant.kind], grant.id)
        if grant.kind == PRODUCT:
            product = await where_is(self._database, grant.id)
            if product is None:
                raise NotFound
            if not product["open"]:
                raise ProductIsClosed
            decision = _decision(grant, product["account_id"], product["company_id"])
            return decision, lambda cause: permit.covers(cause).guarded_by(must_be_open(grant.id))
        return _decision(grant, "", await self._company_of(grant)), permit.covers

    async def _company_of(self, grant: Grant) -> str:
        row = await self._database.row(
            "SELECT company_id FROM reach_accounts WHERE account_id = %(id)s OR agreement_id = %(id)s LIMIT 1",
            {"id": grant.id},
        )
        if row is None:
            raise NotFound
        return str(row["company_id"])

    async def _covering_all(self, profile: Profile, cause: Cause) -> Cause:
        """Every grant of the profile must be one that the actor could revoke. Raises CannotCancel."""
        for decision in await revocable(self._access, cause.actor, _held(profile)):
            if decision.permit is None:
                raise CannotCancel
            cause = decision.permit.covers(cause)
        return cause


async def revocable(
    may: Access, actor: Actor, grants: Iterable[tuple[str, str]], in_sight_of: Actor | None = None
) -> list[Decision]:
    """Whether the actor could revoke each of these grants; who could all of a profile may cancel it (A11)."""
    return [await may.decide(actor, REVOKING[kind], target, in_sight_of=in_sight_of) for kind, target in sorted(grants)]


_Decide = Callable[[Profile], Sequence[ProfileEvent]]


def _creating(profile_id: str, email: str, name: str) -> _Decide:
    return lambda profile: rules.create_profile(profile, profile_id=profile_id, email=email, name=name)


def _decision(grant: Grant, account_id: str, company_id: str) -> _Decide:
    def decide(profile: Profile) -> Sequence[ProfileEvent]:
        if grant.kind == MAIN:
            return rules.grant_main_administrator(profile, agreement_id=grant.id, company_id=company_id)
        if grant.kind == ACCOUNT:
            return rules.grant_account_administrator(profile, account_id=grant.id, company_id=company_id)
        return rules.grant_product_access(profile, product_id=grant.id, account_id=account_id, company_id=company_id)

    return decide


def _revoking(grant: Grant) -> _Decide:
    def decide(profile: Profile) -> Sequence[ProfileEvent]:
        if grant.kind == MAIN:
            return rules.revoke_main_administrator(profile, agreement_id=grant.id, because="revoked")
        if grant.kind == ACCOUNT:
            return rules.revoke_account_administrator(profile, account_id=grant.id, because="revoked")
        return rules.end_product_access(profile, product_id=grant.id, because="revoked")

    return decide


def _in_turn(*decisions: _Decide) -> _Decide:
    """Several decisions as one: each sees what those before it decided."""

    def decide(profile: Profile) -> Sequence[ProfileEvent]:
        events: list[ProfileEvent] = []
        for decision in decisions:
            decided = decision(profile)
            for event in decided:
                profile = evolve(profile, event)
            events += decided
        return events

    return decide


def _keeping_administrators(cause: Cause) -> Cause:
    # Customer service may leave an account without an administrator; nobody else may (A12).
    return cause if cause.actor.kind == access.STAFF_ACTOR else cause.ensuring(administrators_stay)


def _held(profile: Profile) -> frozenset[tuple[str, str]]:
    product = {(PRODUCT, profile.product_access.product_id)} if profile.product_access else set()
    return frozenset(
        {(MAIN, agreement) for agreement in profile.main}
        | {(ACCOUNT, account) for account in profile.accounts}
        | product
    )
