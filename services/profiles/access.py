"""Access: the question that every service asks of the policy (`policy.py`), over its own copy of who reaches what.

Part of profiles' published language: services import it and never decide about access in any other way. A decision and
its explanation are one: `require` raises what `decide` answers.

A9   An administrator who asks about somebody else's rights is answered from the grants in their sight only.
A13  A thing out of reach answers like one that does not exist; an action out of reach on a visible thing answers 403
     with the rule and who could do it.
A14  The grant that a command acts under is checked again in the commit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import LiteralString

from services.profiles.policy import ACCOUNT, ANYBODY, MAIN, ONESELF, PRODUCT, STAFF, WHO, Operation, Where
from services.profiles.reach import must_hold
from shared.actor import Actor
from shared.cause import Cause
from shared.database import Database
from shared.errors import Forbidden, NotFound

PROFILE_ACTOR, STAFF_ACTOR, SYSTEM_ACTOR = "profile", "staff", "system"


class NotPermitted(Forbidden):
    """This is not within your rights."""

    code = "not-permitted"

    def __init__(self, operation: Operation, rule: str) -> None:
        could = " or ".join(WHO[kind] for kind in operation.may)
        super().__init__(f"This is not within your rights; {could} could do it.", who_could=could)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Permit:
    """Under which grant an actor may do something; the target is None for who needs no grant (customer service)."""

    actor: Actor
    kind: str
    target: str | None

    @property
    def grant(self) -> str:
        """The grant as events name it."""
        return self.kind if self.target is None else f"{self.kind}:{self.target}"

    def covers(self, cause: Cause) -> Cause:
        """The cause, acting under this grant, refused if the grant is gone at the commit (A14)."""
        if self.target is None:
            return cause.under(self.grant)
        return cause.under(self.grant, must_hold(self.actor.id, self.kind, self.target))


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says of somebody and an operation: a permit, or by which rule there is none."""

    operation: Operation
    permit: Permit | None
    rule: str
    visible: bool
    """Whether the thing is in reach at all; if not, it answers like one that does not exist (A13)."""

    def granted(self) -> Permit:
        """The permit. Raises NotFound when the thing is out of reach, NotPermitted when only the operation is (A13)."""
        if self.permit is not None:
            return self.permit
        raise NotPermitted(self.operation, self.rule) if self.visible else NotFound


class Access:
    """Answers whether somebody may do something, from this service's own copy of who reaches what."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def require(self, actor: Actor, operation: Operation, target: str = "", *, exists: bool = True) -> Permit:
        """The grant under which `actor` may do `operation` on `target`.

        `exists` is what the asking service knows of the target: one that does not exist is refused here, after the same
        questions as one that is out of reach, so that time does not tell them apart.
        Raises NotFound when the target is out of reach, NotPermitted when only the operation is (A13).
        """
        decision = await self.decide(actor, operation, target)
        if not exists:
            raise NotFound
        return decision.granted()

    async def decide(
        self, actor: Actor, operation: Operation, target: str = "", *, in_sight_of: Actor | None = None
    ) -> Decision:
        """Whether `actor` may do `operation` on `target`, and why.

        When an administrator asks about somebody else, only grants in that administrator's sight count (A9).
        """
        staff = await self.is_staff(actor)
        held = await self._held(actor, operation, target, in_sight_of) if actor.kind == PROFILE_ACTOR else ()
        return _judged(actor, operation, held, staff=staff)

    async def is_staff(self, actor: Actor) -> bool:
        """Whether the actor is one of customer service."""
        return actor.kind == STAFF_ACTOR and await self._is_staff(actor)

    async def _is_staff(self, actor: Actor) -> bool:
        return await self._database.row("SELECT 1 AS one FROM reach_staff WHERE staff_id = %s", (actor.id,)) is not None

    async def _held(
        self, actor: Actor, operation: Operation, target: str, in_sight_of: Actor | None
    ) -> Sequence[tuple[str, str]]:
        """The grants by which the target is visible to the actor, the strongest first."""
        if operation.on == "oneself":
            return ()
        sql = _HELD[operation.on] if in_sight_of is None else _HELD_IN_SIGHT[operation.on]
        seer = in_sight_of.id if in_sight_of else None
        rows = await self._database.rows(sql, {"who": actor.id, "target": target, "seer": seer})
        return sorted(((row["kind"], row["target_id"]) for row in rows), key=_strongest_first)


STRENGTH = (MAIN, ACCOUNT, PRODUCT)
"""The kinds of grants, the strongest first."""
_RULE_OF = {MAIN: "A4", ACCOUNT: "A5", PRODUCT: "A6"}


def _strongest_first(held: tuple[str, str]) -> tuple[int, str]:
    return STRENGTH.index(held[0]), held[1]


def _judged(actor: Actor, operation: Operation, held: Sequence[tuple[str, str]], *, staff: bool) -> Decision:
    for kind, target in _ways(actor, held, staff=staff):
        if kind in operation.may:
            return Decision(operation, Permit(actor, kind, target), operation.rule, visible=True)
    if held:
        return Decision(operation, None, _RULE_OF[held[0][0]], visible=True)
    if staff or (actor.kind == PROFILE_ACTOR and operation.on == "anywhere"):
        return Decision(operation, None, operation.rule, visible=True)
    return Decision(operation, None, "A13", visible=False)


def _ways(actor: Actor, held: Sequence[tuple[str, str]], *, staff: bool) -> Iterator[tuple[str, str | None]]:
    """As whom the actor may do something: the columns of the policy that they stand in, and under which grant."""
    yield ANYBODY, None
    if staff:
        yield STAFF, None
    if staff or actor.kind == PROFILE_ACTOR:
        yield ONESELF, None
    yield from held


IN_SIGHT: LiteralString = """
    (g.account_id IN (SELECT account_id FROM administered_accounts(%(seer)s))
        OR g.kind = 'main-administrator' AND g.target_id IN (
            SELECT agreement_id FROM reach_accounts JOIN administered_accounts(%(seer)s) USING (account_id)))"""
"""A grant `g` is in sight when it lies on an account that the seer administers, or is a main administrator's of an
agreement that the seer sees: their own, or that of an account that they administer."""

_MINE: LiteralString = "SELECT g.kind, g.target_id FROM reach_grants g WHERE g.profile_id = %(who)s "
_HELD: dict[Where, LiteralString] = {
    "anywhere": _MINE,
    "company": _MINE + "AND g.company_id = %(target)s",
    # Whoever holds something below an agreement knows of it, and may not touch it.
    "agreement": _MINE + "AND (g.kind = 'main-administrator' AND g.target_id = %(target)s OR g.account_id IN "
    "(SELECT account_id FROM reach_accounts WHERE agreement_id = %(target)s))",
    "account": _MINE + "AND (g.account_id = %(target)s OR g.kind = 'main-administrator' AND g.target_id = "
    "(SELECT agreement_id FROM reach_accounts WHERE account_id = %(target)s))",
    # Product access shows its own product and nothing else of the account (A6), and ends at once when that closes (P4).
    "product": _MINE + "AND (g.target_id = %(target)s AND "
    "NOT EXISTS (SELECT 1 FROM reach_products p WHERE p.product_id = g.target_id AND NOT p.open) OR "
    "g.kind = 'account-administrator' AND g.target_id = "
    "(SELECT account_id FROM reach_products WHERE product_id = %(target)s) OR "
    "g.kind = 'main-administrator' AND g.target_id = (SELECT a.agreement_id FROM reach_products p "
    "JOIN reach_accounts a USING (account_id) WHERE p.product_id = %(target)s))",
    # A person is seen by the administrators of what they hold; main administrators also by those below them.
    "person": _MINE + "AND (g.kind = 'account-administrator' AND EXISTS (SELECT 1 FROM reach_grants h "
    "WHERE h.profile_id = %(target)s AND (h.account_id = g.target_id OR h.kind = 'main-administrator' AND "
    "h.target_id = (SELECT agreement_id FROM reach_accounts WHERE account_id = g.target_id))) OR "
    "g.kind = 'main-administrator' AND EXISTS (SELECT 1 FROM reach_grants h JOIN reach_accounts a "
    "ON a.agreement_id = g.target_id WHERE h.profile_id = %(target)s AND (h.account_id = a.account_id OR "
    "h.kind = 'main-administrator' AND h.target_id = a.agreement_id)))",
}
_HELD_IN_SIGHT: dict[Where, LiteralString] = {
    where: sql.replace(
        "WHERE h.profile_id = %(target)s", "WHERE h.profile_id = %(target)s AND " + IN_SIGHT.replace("g.", "h.")
    )
    + " AND "
    + IN_SIGHT
    for where, sql in _HELD.items()
}
