"""What each actor must be answered: computed from the policy's rows and from who holds what, never written by hand.

The rule read again, by other means than the services' SQL: a thing is seen by whoever holds a grant that reaches it
(A4, A5, A6); of those, the row says who may. Whoever sees it and may not is told the rule, everybody else that there is
no such thing (A13).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.profiles import policy
from services.profiles.policy import ACCOUNT, ANYBODY, BY_NAME, MAIN, ONESELF, PRODUCT, STAFF, WHO, Operation
from tests.access.operations import Ask

Grant = tuple[str, str]
"""A kind of grant, and the thing it is on."""

ACCOUNTS: Final = ("account", "other_account", "framework_account")
"""All of them lie in the agreement of their company."""
ACCOUNT_OF: Final[Mapping[str, str]] = {"product": "account"}


@dataclass(frozen=True, slots=True)
class Somebody:
    """Who asks: what they hold at the company that is asked about, and what they are there."""

    name: str
    logged_in: bool = True
    holds: tuple[Grant, ...] = ()
    elsewhere: tuple[Grant, ...] = ()
    """Grants at another company."""
    role: str = ""
    """Who they are at the company that is asked about."""
    staff: bool = False


ACTORS: Final = (
    Somebody("anonymous", logged_in=False),
    Somebody("expired session", logged_in=False),
    Somebody("cancelled profile", logged_in=False),
    Somebody("a service's own token, from outside", logged_in=False),
    Somebody("driver", holds=((PRODUCT, "product"),), role="driver"),
    Somebody("administrator of another account", holds=((ACCOUNT, "other_account"),), role="other_administrator"),
    Somebody("administrator of the account", holds=((ACCOUNT, "account"),), role="administrator"),
    Somebody("main administrator", holds=((MAIN, "agreement"),), role="main_administrator"),
    Somebody("administrator of another company", elsewhere=((ACCOUNT, "account"),)),
    Somebody("main administrator of another company", elsewhere=((MAIN, "agreement"),)),
    Somebody("customer service", staff=True),
)
BY_ROLE: Final[Mapping[str, Somebody]] = {actor.role: actor for actor in ACTORS if actor.role}
HELD_BY: Final[Mapping[str, tuple[Grant, ...]]] = {role: actor.holds for role, actor in BY_ROLE.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: 401, 403 with the rule and who could, 404; 0 is that the decision was yes."""

    status: int
    rule: str | None = None
    who_could: str | None = None


YES, NOBODY_THERE, NO_SUCH_THING = Answer(0), Answer(401), Answer(404)
_STRONGEST_FIRST = (MAIN, ACCOUNT, PRODUCT)
_RULE_OF = {MAIN: "A4", ACCOUNT: "A5", PRODUCT: "A6"}
_REVOKING = {
    MAIN: policy.REVOKE_MAIN_ADMINISTRATOR.name,
    ACCOUNT: policy.REVOKE_ACCOUNT_ADMINISTRATOR.name,
    PRODUCT: policy.REVOKE_PRODUCT_ACCESS.name,
}
_OF_PROFILES_ONLY = {
    row.name
    for row in (
        *(policy.READ_ONESELF, policy.CHANGE_ONESELF, policy.CANCEL_ONESELF, policy.CHANGE_OWN_EMAIL),
        *(policy.EXPLAIN_ONESELF, policy.READ_OWN_REACH),
    )
}
"""Customer service has no profile: its own is a thing that does not exist."""


_ONESELF_ANYWAY = {policy.EXPLAIN.name, policy.READ_REACH.name}
"""About oneself everybody may ask: then it is another row that says so."""


class Expectation:
    """The answers that a table of the policy asks for; another table than ours asks for others."""

    def __init__(self, table: Mapping[str, Operation] = BY_NAME) -> None:
        self._table = table

    def of(self, ask: Ask, actor: Somebody) -> Answer:
        """What this one is answered when they ask so."""
        row = self._table[ask.row.name]
        if ANYBODY in row.may:
            return YES
        if not actor.logged_in:
            return NOBODY_THERE
        if ONESELF in row.may:
            return NO_SUCH_THING if actor.staff and row.name in _OF_PROFILES_ONLY else YES
        if ask.sees and not _sees(actor, ask.sees):
            return NO_SUCH_THING
        if row.name in {policy.CANCEL_PROFILE.name, policy.END_SESSIONS_OF.name}:
            mine = actor.role == ask.target and row.name == policy.CANCEL_PROFILE.name
            return YES if mine else self._ending_all(actor, row, ask.target, f"{WHO[STAFF]} or the person themselves")
        if row.name == policy.REINVITE.name:
            nobody_is_two, mine = Answer(403, "L3"), actor.role == ask.target
            return nobody_is_two if mine else self._ending_all(actor, row, ask.target, WHO[STAFF])
        if row.name in _ONESELF_ANYWAY and actor.role == ask.target:
            return YES
        return self._on_thing(actor, row, ask.target)

    def _on_thing(self, actor: Somebody, row: Operation, thing: str) -> Answer:
        if actor.staff:
            return YES if STAFF in row.may else _no(row, row.rule)
        held = seen_by(actor, thing) if thing else [*actor.holds, *actor.elsewhere]
        if not held:
            return NO_SUCH_THING
        kinds = sorted((kind for kind, _ in held), key=_STRONGEST_FIRST.index)
        if any(kind in row.may for kind in kinds):
            return YES
        # Whoever may not read histories is told so; else the rule is that of the strongest grant (A4, A5, A6).
        return _no(row, row.rule if row.name == policy.READ_HISTORY.name else _RULE_OF[kinds[0]])

    def _ending_all(self, actor: Somebody, row: Operation, person: str, who_could: str) -> Answer:
        """A11: somebody in reach all of whose grants one could revoke."""
        if not _sees(actor, person):
            return NO_SUCH_THING
        kinds = {STAFF} if actor.staff else {kind for kind, _ in actor.holds}
        every = all(self._could_revoke(actor, grant) for grant in HELD_BY[person])
        return YES if every and kinds & set(row.may) else Answer(403, "A11", who_could)

    def _could_revoke(self, actor: Somebody, grant: Grant) -> bool:
        kind, thing = grant
        return self._on_thing(actor, self._table[_REVOKING[kind]], thing) == YES


def _sees(actor: Somebody, person: str) -> bool:
    """Customer service sees everybody, others whoever a grant of theirs shows them."""
    return actor.staff or bool(seen_by(actor, person))


def seen_by(actor: Somebody, thing: str) -> list[Grant]:
    """The grants by which a thing is seen, or a person."""
    return [grant for grant in actor.holds if thing in {*_reached(grant), *_knows_of(grant), *_people_of(grant)}]


def _people_of(grant: Grant) -> set[str]:
    """Administrators see whoever holds something in their accounts, and the main administrators over these."""
    places = set() if grant[0] == PRODUCT else _reached(grant)
    return {person for person, held in HELD_BY.items() if any(places & _lies_in(each) for each in held)}


def _reached(grant: Grant) -> set[str]:
    """What a grant reaches."""
    kind, thing = grant
    if kind == MAIN:
        return {"agreement", *ACCOUNTS, *ACCOUNT_OF}
    if kind == ACCOUNT:
        return {thing, "agreement", *(product for product, account in ACCOUNT_OF.items() if account == thing)}
    return {thing}


def _knows_of(grant: Grant) -> set[str]:
    """What a grant lies in: it is known of, and may not be touched."""
    kind, thing = grant
    return {"company", "agreement"} | ({ACCOUNT_OF[thing]} if kind == PRODUCT else set())


def _lies_in(grant: Grant) -> set[str]:
    """Where a grant of somebody is seen by whoever administers there."""
    kind, thing = grant
    return {ACCOUNT_OF[thing]} if kind == PRODUCT else {thing}


def _no(row: Operation, rule: str) -> Answer:
    return Answer(403, rule, " or ".join(WHO[kind] for kind in row.may))
