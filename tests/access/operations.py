"""How each operation of the public API is asked: one entry for each row of the policy that it decides by.

A new operation needs two lines here: its `operationId`, and an `Ask` for each of its rows. What stands in the path is
known by the parameter's name, what a row is about by the kind of thing it is done to; both may be said otherwise. Texts
name things of a company as `{account}`, `{product}` or `{driver}`; `cast.py` has all of them.

Nothing that is asked changes anything: either all is so already, or a later rule refuses it. `then` is the code of that
rule, which proves that the decision about access came before it and said yes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.profiles import policy
from services.profiles.policy import Operation

IN_PATH: Mapping[str, str] = {
    "company_id": "company",
    "agreement_id": "agreement",
    "account_id": "account",
    "card_id": "card",
    "product_id": "product",
    "bulk_id": "bulk",
    "profile_id": "driver",
    "entity_id": "product",
    "session_id": "late_session",
    "change_request_id": "change_request",
    "parked_id": "parked_journey",
}
"""What stands in a path, by the name of the parameter."""
ABOUT: Mapping[str, str] = {
    "company": "company",
    "agreement": "agreement",
    "account": "account",
    "product": "product",
    "person": "driver",
}
"""What a row is asked about, by the kind of thing that it is done to."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One way to ask an operation."""

    row: Operation
    body: Any = None
    then: str = ""
    """The code that a later rule answers with whoever may; nothing when it is simply done."""
    about: str = ""
    """The thing whose reach decides."""
    sees: str = ""
    """A person whom the asker has to see first."""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The thing whose reach decides; nothing where it lies anywhere, or is oneself."""
        return self.about or ABOUT.get(self.row.on, "")

    def things(self, template: str) -> Iterator[tuple[str, str]]:
        """The parameters of the operation's path, each with the thing that stands there."""
        for part in template.split("/"):
            if part.startswith("{"):
                yield part[1:-1], self.path.get(part[1:-1]) or IN_PATH[part[1:-1]]


def _grant(kind: str, thing: str) -> dict[str, str]:
    return {"kind": kind, "id": f"{{{thing}}}"}


def _person(who: str, kind: str, thing: str) -> dict[str, Any]:
    return {"email": f"{{{who}_email}}", "name": "As it is", "grants": [_grant(kind, thing)]}


def _changes(**of: dict[str, str]) -> dict[str, Any]:
    return {"grant": [of["give"]] if "give" in of else [], "revoke": [of["take"]] if "take" in of else []}


MAIN, ACCOUNT, PRODUCT = policy.MAIN, policy.ACCOUNT, policy.PRODUCT
UNCONFIRMED = {"confirm": False}
TOO_LONG = "x" * 150
"""Longer than any name: refused by a rule that comes after all questions of access."""
CONTACT = {
    "contact_person": "{contact_person}",
    "contact_email": "{contact_email}",
    "phone": "{phone}",
    "postal_address": "{postal_address}",
    "invoice_email": "{invoice_email}",
}
SOMEBODY = {"email": "somebody@example.com", "name": "Somebody"}
COMPANY = {
    **CONTACT,
    "cvr": "1",
    "legal_name": "Some company",
    "payment": "invoice",
    "account_name": "Some account",
    "administrator": SOMEBODY,
}
NO_PLATE = {"kind": "number-plate-payment", "country": "DK", "plate": "-"}
VEHICLE = {"make": "{make}", "model": "{model}", "vehicle_type": "lorry", "plate": "{vehicle_plate}"}
PAYMENT_CARD = {"token": "tok_0001", "brand": "visa", "last_four": "4242", "expiry_month": 12, "expiry_year": 2030}
A_MONTH = {"since": "2026-02-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
LATEST = {"at": "2099-01-01T00:00:00Z"}
NOT_A_KEY = {"Idempotency-Key": "two words"}
NO_CODE_ASKED_FOR = {"Cookie": "__Host-challenge=nobody-asked-for-a-code-here"}

OPERATIONS: Mapping[str, tuple[Ask, ...]] = {
    # Logging in
    "requestLoginCode": (Ask(policy.REQUEST_LOGIN_CODE, {"email": "nobody"}, then="email-malformed"),),
    "logIn": (Ask(policy.LOG_IN, {"code": "000000"}, then="code-refused", headers=NO_CODE_ASKED_FOR),),
    "getOwnSession": (Ask(policy.READ_OWN_SESSION),),
    "logOut": (Ask(policy.LOG_OUT, then="idempotency-key-malformed", headers=NOT_A_KEY),),
    "listOwnSessions": (Ask(policy.LIST_OWN_SESSIONS),),
    # Of nobody who asks: to each of them it is a session that does not exist.
    "endOwnSession": (Ask(policy.END_OWN_SESSIONS, then="not-found"),),
    "endOtherSessions": (Ask(policy.END_OWN_SESSIONS, then="idempotency-key-malformed", headers=NOT_A_KEY),),
    "endSessionsOf": (
        Ask(policy.END_SESSIONS_OF, UNCONFIRMED, then="ending-sessions-not-confirmed"),
        Ask(
            policy.END_SESSIONS_OF,
            UNCONFIRMED,
            then="ending-sessions-not-confirmed",
            about="main_administrator",
            path={"profile_id": "main_administrator"},
        ),
    ),
    "requestEmailChange": (Ask(policy.CHANGE_OWN_EMAIL, {"email": "nobody"}, then="email-malformed"),),
    "confirmEmailChange": (Ask(policy.CHANGE_OWN_EMAIL, {"code": "000000"}, then="address-not-proven"),),
    "getLoginMethods": (Ask(policy.READ_LOGIN_METHODS),),
    "chooseLoginMethod": (Ask(policy.CHANGE_LOGIN_METHODS, {"method": "mailed-code"}),),
    "offerAuthenticatorApp": (Ask(policy.CHANGE_LOGIN_METHODS, then="idempotency-key-malformed", headers=NOT_A_KEY),),
    "proveAuthenticatorApp": (
        Ask(policy.CHANGE_LOGIN_METHODS, {"code": "000000"}, then="authenticator-app-not-proven"),
    ),
    "removeAuthenticatorApp": (Ask(policy.CHANGE_LOGIN_METHODS),),
    "renewRecoveryCodes": (Ask(policy.CHANGE_LOGIN_METHODS, then="no-authenticator-app"),),
    "proposeReinvitation": (Ask(policy.REINVITE, UNCONFIRMED, then="reinvitation-not-confirmed"),),
    "confirmReinvitation": (Ask(policy.REINVITE, UNCONFIRMED, then="reinvitation-not-confirmed"),),
    # Companies and accounts
    "registerCompany": (Ask(policy.REGISTER_COMPANY, COMPANY, then="cvr-malformed"),),
    "listCompanies": (Ask(policy.LIST_COMPANIES),),
    "getCompany": (Ask(policy.READ_COMPANY),),
    "changeContactDetails": (Ask(policy.CHANGE_COMPANY, CONTACT),),
    "openFrameworkAgreement": (
        Ask(policy.OPEN_FRAMEWORK_AGREEMENT, {"main_administrator": SOMEBODY}, then="framework-agreement-exists"),
    ),
    "requestChange": (Ask(policy.REQUEST_CHANGE, {"kind": "cvr", "cvr": "1"}, then="cvr-malformed"),),
    "listChangeRequests": (Ask(policy.LIST_CHANGE_REQUESTS),),
    "getChangeRequest": (Ask(policy.READ_CHANGE_REQUEST),),
    # It has been declined: declining it once more changes nothing, and nothing else may become of it.
    "declineChangeRequest": (Ask(policy.DECIDE_CHANGE_REQUEST, {"reason": "As it is"}),),
    "approveChangeRequest": (Ask(policy.DECIDE_CHANGE_REQUEST, then="change-request-closed"),),
    "withdrawChangeRequest": (Ask(policy.WITHDRAW_CHANGE_REQUEST, then="change-request-closed"),),
    "createSubAccount": (Ask(policy.CREATE_SUB_ACCOUNT, {"name": TOO_LONG}, then="text-malformed"),),
    "listAccounts": (Ask(policy.LIST_ACCOUNTS),),
    "getAccount": (Ask(policy.READ_ACCOUNT),),
    "renameAccount": (Ask(policy.RENAME_ACCOUNT, {"name": "{account_name}"}),),
    "endAccount": (Ask(policy.END_ACCOUNT, UNCONFIRMED, then="ending-not-confirmed"),),
    "endFrameworkAgreement": (Ask(policy.END_FRAMEWORK_AGREEMENT, UNCONFIRMED, then="ending-not-confirmed"),),
    # Products
    "orderProduct": (Ask(policy.ORDER_PRODUCT, NO_PLATE, then="plate-malformed"),),
    "orderInBulk": (Ask(policy.ORDER_PRODUCT, {"file": "no file", "mode": "per-row"}, then="file-not-base64"),),
    "listBulkOrders": (Ask(policy.READ_BULK_ORDER),),
    "getBulkOrder": (Ask(policy.READ_BULK_ORDER),),
    "listBulkOrderRows": (Ask(policy.READ_BULK_ORDER),),
    "listProducts": (Ask(policy.LIST_PRODUCTS),),
    "getProduct": (Ask(policy.READ_PRODUCT),),
    "changeReference": (Ask(policy.CHANGE_REFERENCE, {"reference": "{reference}"}),),
    "describeVehicle": (Ask(policy.DESCRIBE_VEHICLE, VEHICLE),),
    "closeProduct": (Ask(policy.CLOSE_PRODUCT, UNCONFIRMED, then="closing-not-confirmed"),),
    "dispatchBizz": (Ask(policy.DISPATCH_BIZZ, {"device_number": "1"}, then="device-number-malformed"),),
    "activateBizz": (Ask(policy.ACTIVATE_BIZZ, then="bizz-not-dispatched"),),
    # Payment cards: who pays by invoice has none.
    "listPaymentCards": (Ask(policy.LIST_CARDS),),
    "addPaymentCard": (Ask(policy.ADD_CARD, PAYMENT_CARD, then="account-pays-by-invoice"),),
    "replacePaymentCard": (Ask(policy.REPLACE_CARD, PAYMENT_CARD, then="not-found"),),
    "choosePaymentCard": (Ask(policy.CHOOSE_CARD, then="not-found"),),
    "removePaymentCard": (Ask(policy.REMOVE_CARD, then="not-found"),),
    "getProductCard": (Ask(policy.READ_CARD),),
    "linkPaymentCard": (Ask(policy.LINK_CARD, PAYMENT_CARD, then="account-pays-by-invoice"),),
    "listParkedJourneys": (Ask(policy.LIST_PARKED_JOURNEYS),),
    "redriveJourneys": (Ask(policy.REDRIVE_JOURNEYS, {"parked_id": "{parked_journey}"}, then="not-found"),),
    # No such journey is parked: customer service is told so, others that they may not.
    "attributeJourney": (Ask(policy.ATTRIBUTE_JOURNEY, {"product_id": "{product}"}, then="not-found"),),
    # What was driven
    "listUsage": (Ask(policy.READ_USAGE),),
    "downloadUsage": (Ask(policy.READ_USAGE),),
    "listPayments": (Ask(policy.READ_PAYMENTS),),
    "downloadInvoiceUsage": (Ask(policy.READ_PAYMENTS, query={"month": "2026-03"}),),
    "listJourneys": (Ask(policy.READ_JOURNEYS),),
    "downloadJourneys": (Ask(policy.READ_JOURNEYS),),
    "getReceipt": (Ask(policy.READ_JOURNEYS, query={"journey_id": "{journey}"}),),
    # People: granting what somebody holds, and revoking what they do not hold, changes nothing.
    "createProfile": (
        Ask(policy.GRANT_MAIN_ADMINISTRATOR, _person("main_administrator", MAIN, "agreement")),
        Ask(policy.GRANT_ACCOUNT_ADMINISTRATOR, _person("administrator", ACCOUNT, "account")),
        Ask(policy.GRANT_PRODUCT_ACCESS, _person("driver", PRODUCT, "product")),
    ),
    "grant": (
        Ask(
            policy.GRANT_MAIN_ADMINISTRATOR,
            _grant(MAIN, "agreement"),
            sees="main_administrator",
            path={"profile_id": "main_administrator"},
        ),
        Ask(
            policy.GRANT_ACCOUNT_ADMINISTRATOR,
            _grant(ACCOUNT, "account"),
            sees="administrator",
            path={"profile_id": "administrator"},
        ),
        Ask(policy.GRANT_PRODUCT_ACCESS, _grant(PRODUCT, "product"), sees="driver"),
    ),
    "revoke": (
        Ask(policy.REVOKE_MAIN_ADMINISTRATOR, _grant(MAIN, "agreement"), sees="driver"),
        Ask(policy.REVOKE_ACCOUNT_ADMINISTRATOR, _grant(ACCOUNT, "account"), sees="driver"),
        Ask(
            policy.REVOKE_PRODUCT_ACCESS,
            _grant(PRODUCT, "product"),
            sees="administrator",
            path={"profile_id": "administrator"},
        ),
    ),
    "changeGrants": (
        Ask(
            policy.GRANT_MAIN_ADMINISTRATOR,
            _changes(give=_grant(MAIN, "agreement")),
            sees="main_administrator",
            path={"profile_id": "main_administrator"},
        ),
        Ask(
            policy.GRANT_ACCOUNT_ADMINISTRATOR,
            _changes(give=_grant(ACCOUNT, "account")),
            sees="administrator",
            path={"profile_id": "administrator"},
        ),
        Ask(policy.GRANT_PRODUCT_ACCESS, _changes(give=_grant(PRODUCT, "product")), sees="driver"),
        Ask(policy.REVOKE_MAIN_ADMINISTRATOR, _changes(take=_grant(MAIN, "agreement")), sees="driver"),
        Ask(policy.REVOKE_ACCOUNT_ADMINISTRATOR, _changes(take=_grant(ACCOUNT, "account")), sees="driver"),
        Ask(
            policy.REVOKE_PRODUCT_ACCESS,
            _changes(take=_grant(PRODUCT, "product")),
            sees="administrator",
            path={"profile_id": "administrator"},
        ),
    ),
    "cancelProfile": (
        Ask(policy.CANCEL_PROFILE, UNCONFIRMED, then="cancelling-not-confirmed"),
        Ask(
            policy.CANCEL_PROFILE,
            UNCONFIRMED,
            then="cancelling-not-confirmed",
            about="main_administrator",
            path={"profile_id": "main_administrator"},
        ),
        Ask(policy.CANCEL_ONESELF, UNCONFIRMED, then="cancelling-not-confirmed", path={"profile_id": "oneself"}),
    ),
    "listProfiles": (Ask(policy.LIST_PEOPLE),),
    "getProfile": (Ask(policy.READ_PERSON),),
    "getOwnProfile": (Ask(policy.READ_ONESELF),),
    "changeOwnContactDetails": (Ask(policy.CHANGE_ONESELF, {"name": TOO_LONG}, then="text-malformed"),),
    # About access and what was
    "readPolicy": (Ask(policy.READ_POLICY),),
    "explainAccess": (
        Ask(policy.EXPLAIN_ONESELF, query={"profile": "{oneself}", "operation": "product.list"}),
        Ask(policy.EXPLAIN, query={"profile": "{driver}", "operation": "product.list"}),
        Ask(
            policy.WHO_CAN,
            about="product",
            sees="administrator",
            query={"profile": "{administrator}", "operation": "product.close", "resource": "{product}"},
        ),
        Ask(
            policy.READ_PERSON,
            sees="administrator",
            query={"profile": "{administrator}", "operation": "profile.read", "resource": "{driver}"},
        ),
    ),
    "listWhoCan": (
        Ask(policy.WHO_CAN, about="product", query={"operation": "product.close", "resource": "{product}"}),
    ),
    "listReach": (
        Ask(policy.READ_OWN_REACH, query={"profile": "{oneself}"}),
        Ask(policy.READ_REACH, query={"profile": "{driver}"}),
    ),
    "readHistory": (Ask(policy.READ_HISTORY, about="product"),),
    "proveEntry": (Ask(policy.PROVE_ENTRY, about="product", query={"entry": "{entry}"}),),
    "getProofKey": (Ask(policy.READ_CHECKPOINTS),),
    # The newest one is another each second.
    "getCheckpoint": (Ask(policy.READ_CHECKPOINTS, query={"size": "{checkpoint}"}),),
    "proveConsistency": (Ask(policy.READ_CHECKPOINTS, query={"old": "{checkpoint}", "new": "{checkpoint}"}),),
    "getPastState": (Ask(policy.READ_HISTORY, about="product", query=LATEST),),
    "listPastHolders": (Ask(policy.READ_PAST_HOLDERS, about="product", query={"place": "{product}", **LATEST}),),
    "listPastReach": (Ask(policy.READ_PAST_REACH, query={"profile": "{driver}", **LATEST}),),
    "listPastGrants": (Ask(policy.READ_PAST_GRANTS, query=LATEST),),
    "listDifferences": (
        Ask(policy.READ_PAST_GRANTS, query=A_MONTH),
        Ask(policy.READ_PAST_HOLDERS, about="product", query={**A_MONTH, "of": "{product}"}),
        Ask(policy.READ_PAST_REACH, query={**A_MONTH, "of": "{driver}"}),
    ),
}
