"""Past decisions against another table of the policy: what would have been refused that was done, and the other way.

H2   A range of the history is gone through, decision by decision: each accepted event that the table decides about, and
     each attempt that was refused as not within somebody's rights. What the actor held at that moment comes from the
     spans, so a decision is judged by what was so then.
A13  A table says who may among those who see a thing. What was answered like a thing that does not exist stays so.

Both tables are asked. Where even the one that stands does not explain what was decided, a rule beside the table decided
(A11, A12), or what a service had heard by then; such a decision is counted as unexplained and is no difference.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, LiteralString

from services.profiles import policy
from services.profiles.access import STAFF_ACTOR
from services.profiles.policy import BY_NAME, PLACES, STAFF, WHO, Operation
from shared.actor import Actor
from shared.database import Database, Row
from shared.errors import Invalid
from shared.ids import kind_of

Table = Mapping[str, Operation]
Rows = Mapping[str, Sequence[str]]
"""The rows that a route decides by, by `service METHOD /path`."""
PAGE = 1000

# Which row an accepted event was decided by, and the field that names what it was done to.
_DECIDED: Mapping[str, tuple[Operation, str]] = {
    "company.company-registered.v1": (policy.REGISTER_COMPANY, ""),
    "company.framework-agreement-opened.v1": (policy.OPEN_FRAMEWORK_AGREEMENT, "company_id"),
    "company.framework-agreement-ended.v1": (policy.END_FRAMEWORK_AGREEMENT, "agreement_id"),
    "company.contact-details-changed.v1": (policy.CHANGE_COMPANY, "company_id"),
    "company.account-renamed.v1": (policy.RENAME_ACCOUNT, "account_id"),
    "company.account-ended.v1": (policy.END_ACCOUNT, "account_id"),
    "company.change-requested.v1": (policy.REQUEST_CHANGE, "company_id"),
    "company.change-request-approved.v1": (policy.DECIDE_CHANGE_REQUEST, "company_id"),
    "company.change-request-declined.v1": (policy.DECIDE_CHANGE_REQUEST, "company_id"),
    "company.change-request-withdrawn.v1": (policy.WITHDRAW_CHANGE_REQUEST, "company_id"),
    "products.bizz-ordered.v1": (policy.ORDER_PRODUCT, "account_id"),
    "products.number-plate-payment-ordered.v1": (policy.ORDER_PRODUCT, "account_id"),
    "products.eticket-ordered.v1": (policy.ORDER_PRODUCT, "account_id"),
    "products.bulk-order-received.v1": (policy.ORDER_PRODUCT, "account_id"),
    "products.bizz-dispatched.v1": (policy.DISPATCH_BIZZ, "product_id"),
    "products.bizz-activated.v1": (policy.ACTIVATE_BIZZ, "product_id"),
    "products.reference-changed.v1": (policy.CHANGE_REFERENCE, "product_id"),
    "products.vehicle-described.v1": (policy.DESCRIBE_VEHICLE, "product_id"),
    "products.product-closed.v1": (policy.CLOSE_PRODUCT, "product_id"),
    "products.payment-card-replaced.v1": (policy.REPLACE_CARD, "account_id"),
    "products.payment-card-chosen.v1": (policy.CHOOSE_CARD, "account_id"),
    "products.payment-card-removed.v1": (policy.REMOVE_CARD, "account_id"),
    "products.journey-attributed.v1": (policy.ATTRIBUTE_JOURNEY, ""),
    "products.parked-journeys-redriven.v1": (policy.REDRIVE_JOURNEYS, ""),
    "profiles.main-administrator-granted.v1": (policy.GRANT_MAIN_ADMINISTRATOR, "agreement_id"),
    "profiles.account-administrator-granted.v1": (policy.GRANT_ACCOUNT_ADMINISTRATOR, "account_id"),
    "profiles.product-access-granted.v1": (policy.GRANT_PRODUCT_ACCESS, "product_id"),
    "profiles.main-administrator-revoked.v1": (policy.REVOKE_MAIN_ADMINISTRATOR, "agreement_id"),
    "profiles.account-administrator-revoked.v1": (policy.REVOKE_ACCOUNT_ADMINISTRATOR, "account_id"),
    "profiles.product-access-revoked.v1": (policy.REVOKE_PRODUCT_ACCESS, "product_id"),
}
_REFUSED = ("auth", "company", "products", "profiles", "audit")
_KINDS = [*_DECIDED, "products.payment-card-added.v1", *(f"{service}.attempt-refused.v1" for service in _REFUSED)]


class NotATable(Invalid):
    """A changed table names rows of the policy, and for each of them who may."""

    code = "not-a-table"
    rule = "H2"


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that was decided: by which rows, about what; accepted, or refused as not within rights."""

    entry: Row
    asked: tuple[tuple[Operation, str], ...]
    accepted: bool

    @property
    def actor(self) -> Actor:
        return Actor.parse(self.entry["actor"])


@dataclass(slots=True)
class Count:
    """How many decisions were gone through, and what became of them."""

    decisions: int = 0
    would_be_refused: int = 0
    would_be_accepted: int = 0
    unexplained: int = 0
    read: int = 0
    """Up to which number of the history."""


def changed(said: Mapping[str, Any]) -> Table:
    """The policy with others in some of its rows, said as `{"product.close": ["main-administrator"]}`.

    Raises NotATable.
    """
    table = dict(BY_NAME)
    for name, may in said.items():
        if name not in table:
            raise NotATable(f"the policy has no row {name}")
        if not isinstance(may, list) or not all(isinstance(who, str) and who in WHO for who in may):
            raise NotATable(f"who may {name} is a list of {', '.join(WHO)}")
        table[name] = replace(table[name], may=tuple(may))
    return table


async def replayed(
    database: Database, between: tuple[datetime, datetime], table: Table, rows: Rows, count: Count
) -> AsyncIterator[Row]:
    """Each decision from a moment to before another one that another table would have turned.

    `count` goes along. Raises Unavailable.
    """
    async for entries in _entries(database, *between):
        decisions = [decision for entry in entries for decision in _decision(entry, rows)]
        held = await _held(database, decisions)
        for number, decision in enumerate(decisions):
            if line := _turned(decision, held.get(number, []), table, count):
                yield line
        count.read = entries[-1]["number"]


async def newest(database: Database) -> int:
    """The number of the newest entry. Raises Unavailable."""
    row = await database.row("SELECT coalesce(max(number), 0) AS number FROM history")
    return int(row["number"]) if row else 0


_ENTRIES: LiteralString = """
    SELECT number, event_id, at, service, type, actor, "grant", data FROM history
    WHERE number > %(after)s AND type = ANY(%(types)s) AND at >= %(since)s AND at < %(until)s
      AND (actor LIKE 'profile:%%' OR actor LIKE 'staff:%%')
    ORDER BY number LIMIT %(limit)s"""


async def _entries(database: Database, since: datetime, until: datetime) -> AsyncIterator[list[Row]]:
    after = 0
    while entries := await database.rows(
        _ENTRIES, {"after": after, "types": _KINDS, "since": since, "until": until, "limit": PAGE}
    ):
        yield entries
        after = entries[-1]["number"]


def _decision(entry: Row, rows: Rows) -> Iterator[Decision]:
    """What was decided in an entry; nothing where another rule decided, or where it follows from something else."""
    data, name = entry["data"], entry["type"]
    if name.endswith(".attempt-refused.v1"):
        asked = tuple(_asked(rows.get(f"{entry['service']} {data['operation']}", ()), data["about"]))
        if data["code"] == "not-permitted" and asked:
            yield Decision(entry, asked, accepted=False)
    elif name == "products.payment-card-added.v1":
        product = data.get("product_id")
        card = (policy.LINK_CARD, product) if product else (policy.ADD_CARD, data["account_id"])
        yield Decision(entry, (card,), accepted=True)
    elif data.get("because", "revoked") in ("revoked", "removed"):
        operation, field = _DECIDED[name]
        yield Decision(entry, ((operation, data[field] if field else ""),), accepted=True)


def _asked(names: Iterable[str], about: Sequence[str]) -> Iterator[tuple[Operation, str]]:
    """The rows of a route that what the request named can have been about, each with that."""
    for operation in (BY_NAME[name] for name in names if name in BY_NAME):
        if operation.on == "anywhere":
            yield operation, ""
        kinds = PLACES if operation.on == "place" else (operation.on,)
        yield from ((operation, thing) for thing in about if kind_of(thing) in kinds)


# As `services.profiles.access` asks it of now: the kinds of grants by which somebody saw a thing at a moment.
_HELD: LiteralString = """
    SELECT d.n, array_agg(DISTINCT g.kind) AS kinds
    FROM unnest(%(n)s::int[], %(who)s::text[], %(target)s::text[], %(at)s::timestamptz[]) AS d(n, who, target, at)
    LEFT JOIN place_spans p ON p.place_id = d.target
    JOIN grant_spans g ON g.profile_id = d.who AND g.since < d.at AND g.until >= d.at AND (
        d.target IN ('', g.target_id)
        OR p.kind = 'company' AND g.company_id = d.target
        OR p.kind = 'account' AND g.account_id = d.target
        OR g.kind = 'account-administrator' AND g.target_id = p.account_id
        OR EXISTS (
            SELECT 1 FROM agreement_spans m WHERE m.since < d.at AND m.until >= d.at
            AND (g.kind = 'main-administrator' AND m.agreement_id = g.target_id AND m.account_id = p.account_id
                 OR m.agreement_id = d.target AND m.account_id = g.account_id)))
    GROUP BY d.n"""


async def _held(database: Database, decisions: Sequence[Decision]) -> Mapping[int, list[list[str]]]:
    """By the number of a decision: for each thing that it was asked about, the kinds of grants that reached it."""
    asked = [(number, thing) for number, each in enumerate(decisions) for _, thing in each.asked]
    rows = await database.rows(
        _HELD,
        {
            "n": list(range(len(asked))),
            "who": [decisions[number].actor.id for number, _ in asked],
            "target": [thing for _, thing in asked],
            "at": [decisions[number].entry["at"] for number, _ in asked],
        },
    )
    found = {row["n"]: row["kinds"] for row in rows}
    held: dict[int, list[list[str]]] = {}
    for place, (number, _) in enumerate(asked):
        held.setdefault(number, []).append(found.get(place, []))
    return held


def _turned(decision: Decision, held: list[list[str]], table: Table, count: Count) -> Row | None:
    """The line about a decision that the table turns; what the standing one does not explain is counted only."""
    count.decisions += 1
    if _allows(decision, held, BY_NAME) != decision.accepted:
        count.unexplained += 1
        return None
    if _allows(decision, held, table) == decision.accepted:
        return None
    count.would_be_refused += decision.accepted
    count.would_be_accepted += not decision.accepted
    operation, thing = decision.asked[0]
    return {
        "at": decision.entry["at"],
        "was": "accepted" if decision.accepted else "refused",
        "would_be": "refused" if decision.accepted else "accepted",
        "operation": operation.name,
        "actor": decision.entry["actor"],
        "target": thing or None,
        "event": decision.entry["type"],
        "event_id": decision.entry["event_id"],
    }


def _allows(decision: Decision, held: list[list[str]], table: Table) -> bool:
    """Whether a table allows all that was asked at once."""
    kinds_of_staff = [STAFF] if decision.actor.kind == STAFF_ACTOR else []
    return all(
        {*kinds, *kinds_of_staff} & set(table[operation.name].may)
        for (operation, _), kinds in zip(decision.asked, held, strict=True)
    )
