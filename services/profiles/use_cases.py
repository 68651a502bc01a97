"""What people may do with profiles: may they ask → decide → append.

A4, A5, A10, A11: who may create, grant, revoke and cancel is asked of the one policy (`policy.py`), within reach only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial

from services.profiles import access
from services.profiles.access import Access, Permit
from services.profiles.consequences import DryRun, foresee
from services.profiles.domain import profile as rules
from services.profiles.domain.grants import (
    Decide,
    Grant,
    changed_by,
    giving,
    held_by,
    in_turn,
    must_not_contradict,
    taking,
)
from services.profiles.domain.profile import (
    EmailHasProductAccess,
    Profile,
    ProfileHasAnotherAddress,
    ProfileIsCancelled,
    evolve,
)
from services.profiles.events import Ending, NotTheirs, ProfileCancelled, ProfileEvent
from services.profiles.policy import CANCEL_PROFILE, GRANTING, MAIN, PRODUCT, READ_PERSON, REVOKING, STAFF, WHO
from services.profiles.reach import account_must_be_open, agreement_must_be_open
from services.profiles.views import open_sessions, people
from services.profiles.views.holders import holders_at, nobody_is_left
from services.profiles.views.last_administrator import administrators_stay
from services.profiles.views.open_products import ProductIsClosed, must_be_open, where_is
from services.profiles.views.profile_by_email import AddressTaken, profile_of
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.database import Database, Row
from shared.email_address import normalised
from shared.errors import Forbidden, NotFound, Refusal, Unavailable
from shared.events import Event
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Category, Change, Streams
from shared.ids import new_id

PROFILES = Category("profile", Profile(), evolve)

MOST_RACES = 8
AT_ONCE = 200
"""The most profiles that end something in one commit: others want to write meanwhile."""


class CannotCancel(Forbidden):
    """This person holds more than lies within your reach; revoke the grants that do."""

    code = "cannot-cancel"
    rule = "A11"

    def __init__(self) -> None:
        # The one answer that tells nothing of where else this person holds something (A9).
        super().__init__(who_could=f"{WHO[STAFF]} or the person themselves")


@dataclass(frozen=True, slots=True)
class _Step:
    """One grant to give or to take: under which permit, what is decided, what must still hold at the commit."""

    grant: Grant
    permit: Permit
    decide: Decide
    guards: Sequence[Statement] = ()


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
        normalised(email)
        steps = [await self._giving(grant, cause.actor) for grant in grants]
        return await self._create(email, name, [step.decide for step in steps], _acting(steps, cause))

    async def grant(self, profile_id: str, grant: Grant, cause: Cause) -> Written:
        """Grant one more thing to somebody in reach. Raises as `change_grants`."""
        return await self.change_grants(profile_id, [grant], [], cause)

    async def revoke(self, profile_id: str, grant: Grant, cause: Cause) -> Written:
        """End one grant of somebody in reach. Raises as `change_grants`."""
        return await self.change_grants(profile_id, [], [grant], cause)

    async def change_grants(
        self, profile_id: str, give: Sequence[Grant], take: Sequence[Grant], cause: Cause
    ) -> Written:
        """Give and take grants of somebody in reach, all or nothing; what is taken goes first (A4, A5, A8).

        Raises NotFound, NotPermitted, EmailHasProductAccess, ProductIsClosed, GrantGivenAndTaken, and
        LastAdministrator for what would be left once all of it counts (A12).
        """
        must_not_contradict(give, take)
        await self._in_sight(profile_id, cause.actor)
        steps = [await self._taking(grant, cause.actor) for grant in take]
        steps += [await self._giving(grant, cause.actor) for grant in give]
        cause = _keeping_administrators(_acting(steps, cause)).answering(profile_id=profile_id)
        return await self._streams.change(PROFILES, profile_id, in_turn(*(step.decide for step in steps)), cause)

    async def cancel(self, profile_id: str, confirmed: bool, cause: Cause) -> Written:
        """End a login, one's own or one within reach (A11).

        Raises NotFound, NotPermitted, CannotCancel, CancellingNotConfirmed, LastAdministrator (A12).
        """
        myself = cause.actor == Actor(access.PROFILE_ACTOR, profile_id)
        held = frozenset[Grant]()
        if not myself:
            await self._access.require(cause.actor, CANCEL_PROFILE, profile_id)
            await self._in_sight(profile_id, cause.actor)
            profile, _ = await self._streams.load(PROFILES, profile_id)
            held = held_by(profile)
            cause = _acting(await self._taking_all(held, cause.actor), cause)

        def decide(now: Profile) -> Sequence[ProfileEvent]:
            if not myself and not held_by(now) <= held:
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
        return await self._create(email, name, [giving(grant, account_id="", company_id=company_id)], cause)

    async def change_email(self, profile_id: str, email: str, cause: Cause) -> Written:
        """An address was proven to be somebody's: their profile gets it, or they are told why not (A15, A9).

        Raises NotFound, EmailMalformed.
        """
        try:
            return await self._streams.change(PROFILES, profile_id, partial(rules.change_email, email=email), cause)
        except tuple(_NOT_THEIRS) as refusal:
            refuse = partial(rules.refuse_email_change, email=email, because=_NOT_THEIRS[type(refusal)])
            return await self._streams.change(PROFILES, profile_id, refuse, cause)

    async def end_access_to_product(self, product_id: str, cause: Cause) -> Written:
        """A product was closed: every access to it ends (P4, A8). Raises GrantedMeanwhile."""
        return await self._end_all_at(product_id, "product-closed", cause)

    async def end_grants_on_account(self, account_id: str, cause: Cause) -> Written:
        """An account ended: whatever anybody holds on it or on its products ends (C7). Raises GrantedMeanwhile."""
        return await self._end_all_at(account_id, "account-ended", cause)

    async def end_main_administrators_of(self, agreement_id: str, cause: Cause) -> Written:
        """A framework agreement ended: it has no main administrator any more (C7). Raises GrantedMeanwhile."""
        return await self._end_all_at(agreement_id, "agreement-ended", cause)

    async def _end_all_at(self, place: str, because: Ending, cause: Cause) -> Written:
        """End every grant at a place, in one commit that leaves none; of very many some in commits before it."""
        while len(held := await holders_at(self._database, place, most=AT_ONCE)) == AT_ONCE:
            await self._streams.change_all([_ending(row, because) for row in held], cause.on_the_way())
        cause = cause.ensuring(lambda _: [nobody_is_left(place)])
        return await self._streams.change_all([_ending(row, because) for row in held], cause)

    # Questions -------------------------------------------------------------------------------------------------------

    async def see(self, profile_id: str, actor: Actor) -> Row:
        """One person, with the grants in the actor's reach. Raises NotFound when there is none (A13), NotPermitted."""
        await self._access.require(actor, READ_PERSON, profile_id)
        return await self._in_sight(profile_id, actor)

    async def _in_sight(self, profile_id: str, actor: Actor) -> Row:
        rows = await people.visible_to(self._database, actor, staff=await self._access.is_staff(actor), one=profile_id)
        if not rows:
            raise NotFound
        return rows[0]

    async def list_people(self, actor: Actor, search: str | None, after: str) -> list[Row]:
        """A page of the people in reach; an empty one for whoever reaches nobody (A13)."""
        staff = await self._access.is_staff(actor)
        return await people.visible_to(self._database, actor, staff=staff, search=search, after=after)

    async def myself(self, actor: Actor) -> Row:
        """One's own profile. Raises NotFound for customer service, which has none."""
        me = await people.oneself(self._database, actor) if actor.kind == access.PROFILE_ACTOR else None
        if me is None:
            raise NotFound
        return me

    async def foresee(self, events: Sequence[Event], actor: Actor) -> DryRun:
        """What would come of these events in every service, within the actor's reach. Raises Unavailable."""
        cancelled = [event.profile_id for event in events if isinstance(event, ProfileCancelled)]
        sessions = await open_sessions.how_many(self._database, cancelled) if cancelled else 0
        return await foresee(self._database, events, actor, sessions=sessions)

    # -----------------------------------------------------------------------------------------------------------------

    async def _create(self, email: str, name: str, decisions: Sequence[Decide], cause: Cause) -> Written:
        """The profile of an address, created if there is none, and what is decided about it, in one commit (A9)."""
        address = normalised(email)
        for _ in range(MOST_RACES):
            profile_id = await profile_of(self._database, address) or new_id("profile")
            decide = in_turn(_creating(profile_id, email, name), *decisions)
            try:
                return await self._streams.change(PROFILES, profile_id, decide, cause.answering(profile_id=profile_id))
            except (AddressTaken, ProfileHasAnotherAddress):
                continue  # somebody got it or left it at this very moment: whoever has it now gets the grant
        raise Unavailable

    async def _giving(self, grant: Grant, actor: Actor) -> _Step:
        """What makes a grant. Raises NotFound, NotPermitted, ProductIsClosed."""
        permit = await self._access.require(actor, GRANTING[grant.kind], grant.id)
        if grant.kind != PRODUCT:
            company_id = await self._company_of(grant)
            open_ = agreement_must_be_open(grant.id) if grant.kind == MAIN else account_must_be_open(grant.id)
            return _Step(grant, permit, giving(grant, account_id="", company_id=company_id), (open_,))
        product = await where_is(self._database, grant.id)
        if product is None:
            raise NotFound
        if not product["open"]:
            raise ProductIsClosed
        decide = giving(grant, account_id=product["account_id"], company_id=product["company_id"])
        return _Step(grant, permit, decide, (account_must_be_open(product["account_id"]), must_be_open(grant.id)))

    async def _taking(self, grant: Grant, actor: Actor) -> _Step:
        """What ends a grant. Raises NotFound, NotPermitted."""
        return _Step(grant, await self._access.require(actor, REVOKING[grant.kind], grant.id), taking(grant))

    async def _company_of(self, grant: Grant) -> str:
        # By the kind of the grant: an agreement is no account, whoever names it as one.
        row = await self._database.row(
            "SELECT company_id FROM reach_accounts WHERE %(kind)s = 'account-administrator' AND account_id = %(id)s "
            "UNION SELECT company_id FROM reach_agreements "
            "WHERE %(kind)s = 'main-administrator' AND agreement_id = %(id)s",
            {"kind": grant.kind, "id": grant.id},
        )
        if row is None:
            raise NotFound
        return str(row["company_id"])

    async def _taking_all(self, held: frozenset[Grant], actor: Actor) -> list[_Step]:
        """Every one of these grants must be one that the actor could revoke (A11). Raises CannotCancel."""
        permits = await self._access.revocable(actor, map(astuple, held))
        if permits is None:
            raise CannotCancel
        grants = sorted(held, key=astuple)
        return [_Step(grant, permit, taking(grant)) for grant, permit in zip(grants, permits, strict=True)]


_NOT_THEIRS: Mapping[type[Refusal], NotTheirs] = {
    AddressTaken: "address-taken",
    EmailHasProductAccess: "address-taken",  # the same address, met by the other unique key first
    ProfileIsCancelled: "profile-cancelled",
}


def _creating(profile_id: str, email: str, name: str) -> Decide:
    return lambda profile: rules.create_profile(profile, profile_id=profile_id, email=email, name=name)


def _acting(steps: Sequence[_Step], cause: Cause) -> Cause:
    """The cause, acting under the permit of every step; each event names the one that it was made under (A14, H1)."""
    for step in steps:
        cause = step.permit.covers(cause).guarded_by(*step.guards)
    permits = {step.grant: step.permit.grant for step in steps}

    def grant_of(event: Event) -> str | None:
        changed = changed_by(event)
        return permits.get(changed) if changed else None

    return cause.under_each(grant_of)


def _ending(held: Row, because: Ending) -> Change[Profile]:
    grants = [Grant(**grant) for grant in held["grants"]]
    return Change(PROFILES, held["profile_id"], in_turn(*(taking(grant, because) for grant in grants)))


def _keeping_administrators(cause: Cause) -> Cause:
    # Customer service may leave an account without an administrator; nobody else may (A12).
    return cause if cause.actor.kind == access.STAFF_ACTOR else cause.ensuring(administrators_stay)
