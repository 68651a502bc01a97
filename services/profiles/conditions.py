"""What an operation asks beyond the policy's table: the rules that may still refuse whoever is within their rights.

An explanation names them, so that nobody takes "allowed" for "will succeed".
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule that decides beside the table, in words."""

    rule: str
    says: str


_ONE_ADMINISTRATOR_STAYS = Condition("A12", "No account may lose its last administrator by it.")
_CONFIRMED = Condition("A11", "It must be confirmed; it ends every grant and every session.")
_IN_REACH_ONLY = Condition(
    "A13", "It shows only what lies within reach; whoever reaches nothing is answered an empty list."
)
_EVERYBODY_LOGGED_IN = Condition("A13", "Whoever is logged in may, even without any grant.")
_HISTORY = Condition("H3", "It shows only what lies within reach; reading is itself recorded.")

FURTHER: Mapping[str, tuple[Condition, ...]] = {
    "company.register": (Condition("C6", "A CVR number is registered once."),),
    "company.open-framework-agreement": (Condition("C5", "It needs at least one sub-account."),),
    "company.list": (_IN_REACH_ONLY,),
    "company.request-change": (
        Condition("C3", "A company has one open request of each kind, and asks for nothing that is so already."),
        Condition("C4", "To pay by invoice it must expect to use at least 22,000 DKK in a year."),
    ),
    "company.list-change-requests": (_IN_REACH_ONLY,),
    "company.withdraw-change-request": (Condition("C3", "Only while it is open."),),
    "company.decide-change-request": (
        Condition("C3", "Only while it is open."),
        Condition("C6", "A CVR number is registered once."),
    ),
    "account.list": (_IN_REACH_ONLY,),
    "product.list": (_IN_REACH_ONLY,),
    "profile.list": (_IN_REACH_ONLY,),
    "access.read-policy": (_EVERYBODY_LOGGED_IN,),
    "product.order": (
        Condition("P2", "A plate has at most one open number plate payment or eTicket."),
        Condition("P3", "An eTicket is for companies that pay by invoice, and needs its confirmations."),
    ),
    "product.describe-vehicle": (
        Condition("A7", "The plate of a number plate payment or an eTicket is the product: nobody changes it."),
    ),
    "product.close": (Condition("P4", "Closing must be confirmed."),),
    "product.dispatch": (Condition("P1", "Only a bizz that is ordered; a device number is used once."),),
    "product.activate": (Condition("P1", "Only a bizz that is dispatched."),),
    "profile.grant-product-access": (
        Condition("A8", "An e-mail address has product access to only one product."),
        Condition("A10", "Only to a product that is open."),
    ),
    "profile.revoke-main-administrator": (_ONE_ADMINISTRATOR_STAYS,),
    "profile.revoke-account-administrator": (_ONE_ADMINISTRATOR_STAYS,),
    "profile.cancel": (
        Condition("A11", "Only who could revoke every grant of the person, wherever it lies."),
        _CONFIRMED,
        _ONE_ADMINISTRATOR_STAYS,
    ),
    "profile.cancel-oneself": (_CONFIRMED, _ONE_ADMINISTRATOR_STAYS),
    **dict.fromkeys(("history.read", "history.read-holders", "history.read-reach", "history.read-grants"), (_HISTORY,)),
}

ONLY_IN_SIGHT = Condition("A9", "Only the person's grants within your reach were looked at.")
