"""The policy: who may do what, as one table that anybody can read. Every service decides by it and by nothing else.

Part of profiles' published language. A row says what is done, on what kind of thing, by holders of which grant, and by
which rule. A route of any service names its rows (`asks`); one that names none is denied, and fails the build.

A4   A main administrator may do everything on all accounts of the framework agreement.
A5   An account administrator may, on the accounts that they administer and no others, do what the table says.
A6   Product access reaches one single product; it sees that product and keeps its vehicle information up to date.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from shared.http.denied import ROWS
from shared.ids import kind_of

MAIN = "main-administrator"
ACCOUNT = "account-administrator"
PRODUCT = "product-access"
STAFF = "customer-service"
"""The operator's own people: not a profile type, so not a grant, but what the table may name."""
ONESELF = "oneself"
"""Whoever is logged in, about themselves."""
ANYBODY = "anybody"
"""Whoever comes, logged in or not."""

WHO: Mapping[str, str] = {
    MAIN: "main administrator",
    ACCOUNT: "account administrator",
    PRODUCT: "product access",
    STAFF: "customer service",
    ONESELF: "everybody, about themselves",
    ANYBODY: "anybody, logged in or not",
}
"""The columns of the table, the strongest grant first, in words."""

Where = Literal["company", "agreement", "account", "product", "person", "place", "anywhere", "oneself"]
PLACES: tuple[Where, ...] = ("company", "agreement", "account", "product")
"""The kinds of places: where grants lie. What is asked on a `place` is decided on the kind of place that it is."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the policy."""

    name: str
    says: str
    """What is done, in words."""
    on: Where
    """The kind of thing that it is done to; the grant has to reach it."""
    may: tuple[str, ...]
    rule: str


_ADMINISTRATORS = (MAIN, ACCOUNT)
_ADMINISTRATORS_AND_STAFF = (MAIN, ACCOUNT, STAFF)
_EVERYBODY = (MAIN, ACCOUNT, PRODUCT, STAFF)

REQUEST_LOGIN_CODE = Operation("login.request-code", "ask for a login code", "anywhere", (ANYBODY,), "L1")
LOG_IN = Operation("login.log-in", "log in with a code", "anywhere", (ANYBODY,), "L1")
EXCHANGE_SESSION = Operation("login.exchange-session", "use a session at a service", "oneself", (ONESELF,), "L3")
READ_OWN_SESSION = Operation("login.read-own-session", "see who is logged in", "oneself", (ONESELF,), "L3")
LOG_OUT = Operation("login.log-out", "log out", "oneself", (ONESELF,), "L3")
LIST_OWN_SESSIONS = Operation(
    "login.list-own-sessions", "see everywhere that one is logged in", "oneself", (ONESELF,), "L3"
)
END_OWN_SESSIONS = Operation("login.end-own-sessions", "log out elsewhere", "oneself", (ONESELF,), "L3")
END_SESSIONS_OF = Operation(
    "login.end-sessions-of",
    "log somebody out everywhere all of whose grants one may revoke",
    "person",
    _ADMINISTRATORS_AND_STAFF,
    "A11",
)
READ_LOGIN_METHODS = Operation("login.read-methods", "see by what one logs in", "oneself", (ONESELF,), "L1")
CHANGE_LOGIN_METHODS = Operation("login.change-methods", "change by what one logs in", "oneself", (ONESELF,), "L1")
REINVITE = Operation(
    "login.reinvite",
    "let somebody begin again who lost what they log in with, all of whose grants one may revoke; two have to agree",
    "person",
    _ADMINISTRATORS_AND_STAFF,
    "A11",
)

REGISTER_COMPANY = Operation("company.register", "register a company", "anywhere", (STAFF,), "C6")
OPEN_FRAMEWORK_AGREEMENT = Operation(
    "company.open-framework-agreement", "open a framework agreement", "company", (STAFF,), "C6"
)
END_FRAMEWORK_AGREEMENT = Operation(
    "company.end-framework-agreement", "end a framework agreement", "agreement", (STAFF,), "C7"
)
LIST_COMPANIES = Operation("company.list", "list companies within reach", "anywhere", _EVERYBODY, "A13")
READ_COMPANY = Operation("company.read", "see a company", "company", _ADMINISTRATORS_AND_STAFF, "A5")
CHANGE_COMPANY = Operation(
    "company.change-contact-details", "change a company's contact details", "company", _ADMINISTRATORS, "C1"
)
REQUEST_CHANGE = Operation(
    "company.request-change", "request what customer service decides of a company", "company", _ADMINISTRATORS, "C3"
)
LIST_CHANGE_REQUESTS = Operation(
    "company.list-change-requests", "list change requests within reach", "anywhere", _EVERYBODY, "A13"
)
READ_CHANGE_REQUEST = Operation(
    "company.read-change-request", "see a change request", "company", _ADMINISTRATORS_AND_STAFF, "C3"
)
WITHDRAW_CHANGE_REQUEST = Operation(
    "company.withdraw-change-request", "withdraw a change request", "company", _ADMINISTRATORS, "C3"
)
DECIDE_CHANGE_REQUEST = Operation(
    "company.decide-change-request", "approve or decline a change request", "company", (STAFF,), "C3"
)
CREATE_SUB_ACCOUNT = Operation("company.create-sub-account", "create a sub-account", "agreement", (MAIN, STAFF), "C5")
LIST_ACCOUNTS = Operation("account.list", "list accounts within reach", "anywhere", _EVERYBODY, "A13")
READ_ACCOUNT = Operation("account.read", "see an account", "account", _ADMINISTRATORS_AND_STAFF, "A5")
RENAME_ACCOUNT = Operation("account.rename", "rename an account", "account", _ADMINISTRATORS, "C1")
END_ACCOUNT = Operation("account.end", "end an account", "account", (MAIN, STAFF), "C7")

ORDER_PRODUCT = Operation("product.order", "order a product", "account", _ADMINISTRATORS, "A5")
READ_BULK_ORDER = Operation(
    "product.read-bulk-order",
    "see what became of a file of orders",
    "account",
    _ADMINISTRATORS_AND_STAFF,
    "A5",
)
LIST_PRODUCTS = Operation("product.list", "list products within reach", "anywhere", _EVERYBODY, "A13")
READ_PRODUCT = Operation("product.read", "see a product", "product", _EVERYBODY, "A6")
CHANGE_REFERENCE = Operation(
    "product.change-reference", "change a product's reference", "product", _ADMINISTRATORS, "A5"
)
DESCRIBE_VEHICLE = Operation(
    "product.describe-vehicle", "keep vehicle information up to date", "product", (MAIN, ACCOUNT, PRODUCT), "A6"
)
CLOSE_PRODUCT = Operation("product.close", "close a product", "product", _ADMINISTRATORS, "A5")
DISPATCH_BIZZ = Operation("product.dispatch", "dispatch a bizz", "product", (STAFF,), "P1")
ACTIVATE_BIZZ = Operation("product.activate", "activate a bizz", "product", (STAFF,), "P1")

LIST_CARDS = Operation("card.list", "see the payment cards of an account", "account", _ADMINISTRATORS_AND_STAFF, "A5")
ADD_CARD = Operation("card.add", "add a payment card", "account", _ADMINISTRATORS_AND_STAFF, "A5")
REPLACE_CARD = Operation("card.replace", "replace a payment card", "account", _ADMINISTRATORS_AND_STAFF, "A5")
CHOOSE_CARD = Operation("card.choose", "choose the card that is charged", "account", _ADMINISTRATORS_AND_STAFF, "A5")
REMOVE_CARD = Operation("card.remove", "remove a payment card", "account", _ADMINISTRATORS_AND_STAFF, "A5")
READ_CARD = Operation("card.read", "see the payment card of a product", "product", _EVERYBODY, "A6")
LINK_CARD = Operation("card.link", "link a payment card to a product, or replace it", "product", _EVERYBODY, "A6")
LIST_PARKED_JOURNEYS = Operation("journey.list-parked", "see parked journeys", "anywhere", (STAFF,), "P7")
REDRIVE_JOURNEYS = Operation("journey.redrive", "have parked journeys tried again", "anywhere", (STAFF,), "P7")
ATTRIBUTE_JOURNEY = Operation(
    "journey.attribute", "attribute a parked journey to a product", "anywhere", (STAFF,), "P7"
)
READ_USAGE = Operation(
    "account.read-usage", "see all that was driven on an account", "account", _ADMINISTRATORS_AND_STAFF, "A5"
)
READ_PAYMENTS = Operation(
    "account.read-payments", "see what an account pays, and its invoices", "account", _ADMINISTRATORS_AND_STAFF, "A5"
)
READ_JOURNEYS = Operation(
    "product.read-journeys", "see a product's journeys and their receipts", "product", _EVERYBODY, "A6"
)

GRANT_MAIN_ADMINISTRATOR = Operation(
    "profile.grant-main-administrator", "grant main administrator", "agreement", (MAIN, STAFF), "A4"
)
REVOKE_MAIN_ADMINISTRATOR = Operation(
    "profile.revoke-main-administrator", "revoke main administrator", "agreement", (MAIN, STAFF), "A4"
)
GRANT_ACCOUNT_ADMINISTRATOR = Operation(
    "profile.grant-account-administrator", "grant account administrator", "account", _ADMINISTRATORS_AND_STAFF, "A10"
)
REVOKE_ACCOUNT_ADMINISTRATOR = Operation(
    "profile.revoke-account-administrator", "revoke account administrator", "account", _ADMINISTRATORS_AND_STAFF, "A5"
)
GRANT_PRODUCT_ACCESS = Operation(
    "profile.grant-product-access", "grant product access", "product", _ADMINISTRATORS_AND_STAFF, "A10"
)
REVOKE_PRODUCT_ACCESS = Operation(
    "profile.revoke-product-access", "revoke product access", "product", _ADMINISTRATORS_AND_STAFF, "A5"
)
CANCEL_PROFILE = Operation(
    "profile.cancel", "cancel a profile all of whose grants one may revoke", "person", _ADMINISTRATORS_AND_STAFF, "A11"
)
CANCEL_ONESELF = Operation("profile.cancel-oneself", "cancel one's own profile", "oneself", (ONESELF,), "A11")
LIST_PEOPLE = Operation("profile.list", "list people within reach", "anywhere", _EVERYBODY, "A13")
READ_PERSON = Operation("profile.read", "see a person", "person", _ADMINISTRATORS_AND_STAFF, "A5")
READ_ONESELF = Operation("profile.read-oneself", "see one's own profile", "oneself", (ONESELF,), "A15")
CHANGE_ONESELF = Operation(
    "profile.change-own-contact-details", "change one's own contact details", "oneself", (ONESELF,), "A15"
)
CHANGE_OWN_EMAIL = Operation(
    "profile.change-own-email", "change one's own e-mail address", "oneself", (ONESELF,), "A15"
)
READ_POLICY = Operation("access.read-policy", "read this table", "anywhere", _EVERYBODY, "A13")

EXPLAIN_ONESELF = Operation("access.explain-oneself", "have one's own rights explained", "oneself", (ONESELF,), "A13")
EXPLAIN = Operation("access.explain", "have a person's rights explained", "person", _ADMINISTRATORS_AND_STAFF, "A13")
WHO_CAN = Operation("access.who-can", "list who may do what with a place", "place", _ADMINISTRATORS_AND_STAFF, "A13")
READ_OWN_REACH = Operation("access.read-own-reach", "list all that one reaches", "oneself", (ONESELF,), "A13")
READ_REACH = Operation("access.read-reach", "list what a person reaches", "person", _ADMINISTRATORS_AND_STAFF, "A13")

READ_HISTORY = Operation("history.read", "read the history", "place", _ADMINISTRATORS_AND_STAFF, "H3")
PROVE_ENTRY = Operation(
    "history.prove", "have an entry of the history proven", "place", _ADMINISTRATORS_AND_STAFF, "H4"
)
READ_CHECKPOINTS = Operation(
    "history.read-checkpoints", "take away what the history is checked with", "anywhere", _EVERYBODY, "H4"
)
READ_PAST_HOLDERS = Operation(
    "history.read-holders", "see who could reach a place at any moment", "place", _ADMINISTRATORS_AND_STAFF, "H2"
)
READ_PAST_REACH = Operation(
    "history.read-reach", "see what a person reached at any moment", "person", _ADMINISTRATORS_AND_STAFF, "H2"
)
READ_PAST_GRANTS = Operation(
    "history.read-grants", "list who held what within reach at any moment", "anywhere", _ADMINISTRATORS_AND_STAFF, "H2"
)

POLICY: tuple[Operation, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Operation))
BY_NAME: Mapping[str, Operation] = {operation.name: operation for operation in POLICY}


GRANTING: Mapping[str, Operation] = {
    MAIN: GRANT_MAIN_ADMINISTRATOR,
    ACCOUNT: GRANT_ACCOUNT_ADMINISTRATOR,
    PRODUCT: GRANT_PRODUCT_ACCESS,
}
"""Which operation gives each kind of grant."""
REVOKING: Mapping[str, Operation] = {
    MAIN: REVOKE_MAIN_ADMINISTRATOR,
    ACCOUNT: REVOKE_ACCOUNT_ADMINISTRATOR,
    PRODUCT: REVOKE_PRODUCT_ACCESS,
}
"""Which operation takes it away."""


def at(operation: Operation, place: str) -> Operation:
    """The row as it is decided on one place: what is asked on any place is decided on the kind of place that it is."""
    kind = next((kind for kind in PLACES if kind == kind_of(place)), None)
    return replace(operation, on=kind) if operation.on == "place" and kind else operation


def asks(
    *operations: Operation, internal: bool = False, background: bool = False, streamed: bool = False
) -> dict[str, Any]:
    """What a route says of itself: the rows of the policy that it decides by.

    `internal` has no way in from outside; asking for a `background` one is no sign of a person at work (S-04); the
    answer of a `streamed` one may be of any length, so nobody on its way keeps the whole of it.
    """
    said: dict[str, Any] = {ROWS: [operation.name for operation in operations]}
    marks = {"x-internal": internal, "x-background": background, "x-streamed": streamed}
    return {"openapi_extra": said | {mark: True for mark, given in marks.items() if given}}


def as_table() -> str:
    """The whole policy as a Markdown table, for people."""
    lines = [
        f"| to | on | {' | '.join(WHO.values())} | rule |",
        f"| --- | --- | {' | '.join('---' for _ in WHO)} | --- |",
    ]
    for row in POLICY:
        marks = " | ".join("yes" if who in row.may else "" for who in WHO)
        lines.append(f"| {row.says} (`{row.name}`) | {row.on} | {marks} | {row.rule} |")
    return "\n".join(lines) + "\n"
