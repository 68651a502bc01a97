"""Access: the question that every service asks of the policy (`policy.py`), over its own copy of who reaches what.

Part of profiles' published language: services import it and never decide about access in any other way.

A13  A thing out of reach answers like one that does not exist; an action out of reach on a visible thing answers 403
     with the rule and who could do it.
A14  The grant that a command acts under is checked again in the commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from services.profiles.policy import ACCOUNT, MAIN, PRODUCT, STAFF, WHO, Operation, Where
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
    """Under which grant an actor may do something; None for customer service, which holds none."""

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
        if actor.kind == STAFF_ACTOR and await self._is_staff(actor):
            if not exists:
                raise NotFound
            if STAFF in operation.may:
                return Permit(actor, STAFF, None)
            raise NotPermitted(operation, operation.rule)
        if actor.kind != PROFILE_ACTOR:
            raise NotFound
        held = await self._held(actor, operation, target)
        if not exists:
            raise NotFound
        if not held:
            if operation.on == "anywhere":
                raise NotPermitted(operation, operation.rule)
            raise NotFound
        for kind, grant in held:
            if kind in operation.may:
                return Permit(actor, kind, grant)
        raise NotPermitted(operation, _RULE_OF[held[0][0]])

    async def is_staff(self, actor: Actor) -> bool:
        """Whether the actor is one of customer service."""
        return actor.kind == STAFF_ACTOR and await self._is_staff(actor)

    async def _is_staff(self, actor: Actor) -> bool:
        return await self._database.row("SELECT 1 AS one FROM reach_staff WHERE staff_id = %s", (actor.id,)) is not None

    async def _held(self, actor: Actor, operation: Operation, target: str) -> Sequence[tuple[str, str]]:
        """The grants by which the target is visible to the actor, the strongest first."""
        rows = await self._database.rows(_HELD[operation.on], {"who": actor.id, "target": target})
        return sorted(((row["kind"], row["target_id"]) for row in rows), key=lambda held: _STRENGTH.index(held[0]))


_STRENGTH = (MAIN, ACCOUNT, PRODUCT)
_RULE_OF = {MAIN: "A4", ACCOUNT: "A5", PRODUCT: "A6"}

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
}
