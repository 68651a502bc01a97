"""What people may be told about rights: why somebody may do something or not, who can, and what somebody reaches.

A9   Of a person's grants an administrator is told those in their own reach; of others not even that they are there.
A13  Everybody may ask about themselves, administrators about people and things in their reach, customer service about
     all. What is out of reach answers like what does not exist, and people out of reach are not named.
H1   Every grant is shown with the event that made it: when, by whom, under which grant of theirs.

The answer is the decision itself (`Access.decide`), not a second opinion. It concerns people who have a profile; what
customer service may do stands in the policy.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.profiles.access import PROFILE_ACTOR, Access, Decision
from services.profiles.conditions import FURTHER, ONLY_IN_SIGHT
from services.profiles.policy import (
    ACCOUNT,
    BY_NAME,
    CANCEL_ONESELF,
    CANCEL_PROFILE,
    EXPLAIN,
    GRANTING,
    MAIN,
    ONESELF,
    PLACES,
    PRODUCT,
    READ_PERSON,
    READ_REACH,
    STAFF,
    WHO_CAN,
    Operation,
    at,
)
from services.profiles.use_cases import revocable
from services.profiles.views import people, places, reached, who_can
from services.profiles.views.grant_origins import origin_of
from services.profiles.views.places import Place
from services.profiles.views.reached import Cursor
from services.profiles.views.within_reach import seen_by
from shared.actor import Actor
from shared.database import Asked, Database, Row
from shared.errors import Invalid, NotFound, Unavailable
from shared.ids import kind_of

MOST_RACES = 8


class UnknownOperation(Invalid):
    """The policy has no row of this name; `GET /access/policy` lists them."""

    code = "unknown-operation"


class ResourceDoesNotFit(Invalid):
    """This operation is asked about another kind of thing, or about none; `GET /access/policy` says on what it is."""

    code = "resource-does-not-fit"


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines of an answer, and after what the next ones come; None at the end."""

    items: list[Row]
    next: str | None


@dataclass(frozen=True, slots=True)
class _Question:
    """May this person do this with that, as far as the asker sees?"""

    person: Actor
    operation: Operation
    resource: str
    asker: Actor
    in_sight_of: Actor | None
    """The administrator who asks about somebody else; None when everything about the person may be told."""


class Explaining:
    """The questions about rights."""

    def __init__(self, database: Database, may: Access) -> None:
        self._database = database
        self._access = may

    async def explain(self, asker: Actor, profile_id: str, operation: str, resource: str) -> Row:
        """Whether a person may do an operation on a thing, and why.

        Raises UnknownOperation, ResourceDoesNotFit, NotFound, NotPermitted.
        """
        asked = _asked(operation, resource)
        if asked is CANCEL_PROFILE and resource == profile_id:
            asked, resource = CANCEL_ONESELF, ""
        in_sight_of = await self._may_ask_about(asker, profile_id, EXPLAIN)
        if resource and asker.id != profile_id:
            await self._must_reach(asker, resource)
        question = _Question(Actor(PROFILE_ACTOR, profile_id), asked, resource, asker, in_sight_of)
        streams = await self._streams_of(question)
        explanation, versions = await self._settled(streams, lambda: self._explained(question))
        return {**explanation, "decided_on": [f"{stream}@{version}" for stream, version in versions.items()]}

    async def who_can(self, asker: Actor, operation: str, resource: str, after: str, limit: int) -> Page:
        """Everyone who may do an operation on a place, each with the grant that it rests on. Raises as `explain`."""
        asked = _asked(operation, resource)
        if kind_of(resource) not in PLACES:
            raise ResourceDoesNotFit
        place = await self._must_reach(asker, resource)
        assert place is not None  # noqa: S101 (it is a place, and there)
        in_sight_of = None if await self._access.is_staff(asker) else asker
        ours = self._database.asked_by(asker)
        rows = await self._holders(ours, asked, place, in_sight_of=in_sight_of, after=after, limit=limit + 1)
        sight = await self._sight_of(asker, rows)
        items = [{**row, "grant": _origin(row, sight)} for row in rows[:limit]]
        return Page(items, items[-1]["profile_id"] if len(rows) > limit else None)

    async def reach(self, asker: Actor, profile_id: str, after: Cursor, limit: int) -> Page:
        """Everything that a person reaches, each with the grant that it rests on. Raises NotFound, NotPermitted."""
        in_sight_of = await self._may_ask_about(asker, profile_id, READ_REACH)
        rows = await reached.reached_by(
            self._database.asked_by(asker), profile_id, in_sight_of=in_sight_of, after=after, limit=limit + 1
        )
        sight = await self._sight_of(asker, rows)
        last = Cursor(rows[limit - 1]["account"], rows[limit - 1]["thing"]) if len(rows) > limit else None
        return Page([_reached(row, sight) for row in rows[:limit]], str(last) if last else None)

    # Who may ask -----------------------------------------------------------------------------------------------------

    async def _may_ask_about(self, asker: Actor, profile_id: str, operation: Operation) -> Actor | None:
        """In whose sight the person's grants must lie to count. Raises NotFound, NotPermitted."""
        oneself = asker == Actor(PROFILE_ACTOR, profile_id)
        if not oneself:
            await self._access.require(asker, operation, profile_id)
        if await self._person(profile_id) is None:
            raise NotFound
        return None if oneself or await self._access.is_staff(asker) else asker

    async def _must_reach(self, asker: Actor, resource: str) -> Place | None:
        """The asker reaches the thing as an administrator, or is customer service. Raises NotFound, NotPermitted."""
        about_a_person = kind_of(resource) == "profile"
        await self._access.require(asker, READ_PERSON if about_a_person else at(WHO_CAN, resource), resource)
        found = await self._person(resource) if about_a_person else await places.find(self._database, resource)
        if found is None:
            raise NotFound  # customer service asks for what does not exist
        return found if isinstance(found, Place) else None

    async def _person(self, profile_id: str) -> Row | None:
        return await people.oneself(self._database, Actor(PROFILE_ACTOR, profile_id))

    # Why -------------------------------------------------------------------------------------------------------------

    async def _streams_of(self, question: _Question) -> list[str]:
        """The streams that a decision rests on; a place never moves to another company."""
        place = await places.find(self._database, question.resource)
        streams = [question.person.id, place.company_id if place else question.resource, question.resource]
        return sorted({stream for stream in streams if kind_of(stream) in ("profile", "company", "product")})

    async def _settled(self, streams: Sequence[str], look: Callable[[], Awaitable[Row]]) -> tuple[Row, dict[str, int]]:
        """What was seen while none of the streams changed, and their versions. Raises Unavailable."""
        before = await places.versions(self._database, streams)
        for _ in range(MOST_RACES):
            seen, after = await look(), await places.versions(self._database, streams)
            if before == after:
                return seen, after
            before = after
        raise Unavailable

    async def _explained(self, question: _Question) -> Row:
        decision, operation = await self._decided(question), question.operation
        if not decision.visible and question.asker == question.person:
            raise NotFound
        grant = await self._origin_of(decision, question.person)
        place = await places.find(self._database, question.resource)
        missing = [] if decision.permit else _missing(operation, question.resource, place)
        sight = await self._sight_of(question.asker, [grant] if grant else [], [on for _, on in missing if on])
        narrowed = question.in_sight_of and operation.on not in ("account", "product", "oneself")
        return {
            "decision": "allow" if decision.permit else "deny",
            "rule": decision.rule,
            "operation": operation.name,
            "profile_id": question.person.id,
            "resource": question.resource or None,
            "grant": _origin(grant, sight) if grant else None,
            "missing": [_as_missing(kind, on, question.resource, sight) for kind, on in missing],
            "who_could": [] if decision.permit else list(operation.may),
            "also": [*FURTHER.get(operation.name, ()), *([ONLY_IN_SIGHT] if narrowed else [])],
        }

    async def _decided(self, question: _Question) -> Decision:
        operation = question.operation
        person = await self._person(question.person.id)
        if person is not None and person["cancelled"] and ONESELF in operation.may:
            return Decision(operation, None, "A11", visible=True)  # a login that is over does nothing any more
        decision = await self._access.decide(
            question.person, operation, question.resource, in_sight_of=question.in_sight_of
        )
        if operation is CANCEL_PROFILE and decision.permit and not await self._could_revoke_all(question):
            return Decision(operation, None, operation.rule, visible=True)
        return decision

    async def _could_revoke_all(self, question: _Question) -> bool:
        """Whether the person could revoke every grant of the one to be cancelled: what A11 asks."""
        other, seer = await self._person(question.resource), question.in_sight_of
        if seer is not None:
            other = next(iter(await people.visible_to(self._database, seer, staff=False, one=question.resource)), None)
        held = [(grant["kind"], grant["id"]) for grant in other["grants"]] if other else []
        decisions = await revocable(self._access, question.person, held, seer)
        return all(decision.permit for decision in decisions)

    async def _origin_of(self, decision: Decision, person: Actor) -> Row | None:
        if decision.permit is None or decision.permit.target is None:
            return None
        return await origin_of(self._database, person.id, decision.permit.kind, decision.permit.target)

    # Who can ---------------------------------------------------------------------------------------------------------

    @staticmethod
    async def _holders(
        asked: Asked, operation: Operation, place: Place, *, in_sight_of: Actor | None, after: str, limit: int
    ) -> list[Row]:
        kinds = [kind for kind in operation.may if kind in GRANTING]
        if place.kind == "company":
            return await who_can.holders_in(asked, place.id, kinds, in_sight_of=in_sight_of, after=after, limit=limit)
        grants = [(kind, on) for kind, on in _missing(operation, place.id, place) if kind_of(on) == _LIES_ON[kind]]
        below = place.id if place.kind == "agreement" and ACCOUNT in kinds else None
        return await who_can.holders(asked, grants, below=below, in_sight_of=in_sight_of, after=after, limit=limit)

    # What the asker is told ------------------------------------------------------------------------------------------

    async def _sight_of(self, asker: Actor, rows: Iterable[Row], ids: Iterable[str] = ()) -> "_Sight":
        if await self._access.is_staff(asker):
            return _Sight(None)
        named = [Actor.parse(row["granted_by"]).id for row in rows]
        under = [row["granted_under"].partition(":")[2] for row in rows if row["granted_under"]]
        return _Sight(await seen_by(self._database, asker, [*named, *under, *ids]))


@dataclass(frozen=True, slots=True)
class _Sight:
    """Which identifiers may be told to the asker; None for all."""

    seen: frozenset[str] | None

    def of(self, identifier: str) -> str | None:
        return identifier if identifier and (self.seen is None or identifier in self.seen) else None


_LIES_ON = {MAIN: "agreement", ACCOUNT: "account", PRODUCT: "product"}


def _asked(name: str, resource: str) -> Operation:
    """The row that is asked about, as it is decided on this thing. Raises UnknownOperation, ResourceDoesNotFit."""
    if name not in BY_NAME:
        raise UnknownOperation
    operation = at(BY_NAME[name], resource)
    kind = {"person": "profile", "anywhere": "", "oneself": ""}.get(operation.on, operation.on)
    if kind_of(resource) != kind:
        raise ResourceDoesNotFit
    return operation


def _missing(operation: Operation, resource: str, place: Place | None) -> list[tuple[str, str]]:
    """The grants that would allow the operation: of which kind, and on what.

    Where one on any of several things would do, the company, agreement or person that they lie in or with is named. A
    main administrator there is only under an agreement (A2), and access is given only to an open product (A10).
    """
    found: list[tuple[str, str | None]] = []
    for kind in (kind for kind in operation.may if kind in GRANTING):
        if place is None or place.kind == "company" or (place.kind == "agreement" and kind == ACCOUNT):
            found.append((kind, resource))
        elif kind == MAIN:
            found.append((kind, place.agreement_id))
        elif kind == ACCOUNT:
            found.append((kind, place.account_id))
        elif place.kind == "product" and place.open:
            found.append((kind, place.id))
    return [(kind, on) for kind, on in found if on is not None]


def _as_missing(kind: str, on: str, resource: str, sight: _Sight) -> Row:
    shown = on if on == resource else sight.of(on)
    return {"kind": kind, "on": shown or None, "could_be_given_by": list(GRANTING[kind].may)}


def _origin(row: Row, sight: _Sight) -> dict[str, Any]:
    """A grant with the event that made it; whoever is out of the asker's sight is told by kind only."""
    by = Actor.parse(row["granted_by"])
    under, _, target = (row["granted_under"] or "").partition(":")
    return {
        "kind": row["kind"],
        "id": row["target_id"],
        "event_id": row["event_id"],
        "made_at_version": f"{row['profile_id']}@{row['stream_version']}",
        "granted_at": row["granted_at"],
        "granted_by": {"kind": under or by.kind if by.kind != "staff" else STAFF, "id": sight.of(by.id)},
        "granted_under": {"kind": under, "id": sight.of(target)} if under else None,
    }


def _reached(row: Row, sight: _Sight) -> Row:
    return {
        "kind": row["what"],
        "id": row["thing"] or row["account"],
        "account_id": row["account"] if row["what"] == "product" else None,
        "open": row["open"],
        "grant": _origin(row, sight),
    }
