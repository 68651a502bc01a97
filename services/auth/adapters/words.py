"""The words of the mails: every sentence there is, so that no language can lack one. Each language has a file.

What stands in braces is filled in. Nothing here is HTML: the layout of `letters.py` makes text and HTML of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.company.events import ChangeKind

SecurityNotice = Literal[
    "new-device",
    "success-after-failures",
    "app-enrolled",
    "app-removed",
    "method-chosen",
    "recovery-codes-issued",
    "recovery-code-used",
    "login-paused",
    "re-invited",
    "too-many-sessions",
    "session-taken-over",
    "sessions-ended-by-administrator",
]
"""What somebody is told about their login (C-25, S-27)."""
Decision = Literal["approved", "declined", "withdrawn"]
"""What became of a change that a company asked for (C3)."""

CardNotice = Literal["expiring", "expired"]
"""What an administrator is told about the payment card that is charged (P6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language."""

    hello: str
    hello_stranger: str
    asked_from: str
    """From where a code was asked for, and when."""
    happened_from: str
    unknown_browser: str
    unknown_place: str
    sender_note: str
    """The last line of every mail."""

    code_subject: str
    code_for_login: str
    code_lives: str
    code_not_asked_for: str

    address_code_subject: str
    address_code: str
    address_code_lives: str
    address_code_not_asked_for: str

    address_left_subject: str
    address_left: str
    address_left_not_you: str

    invited_subject: str
    granted_subject: str
    granted: str
    how_to_log_in: str
    where_to_find_it: str
    colleague: str
    customer_service: str
    of_customer_service: str
    main_administration: str
    account_administration: str
    access_to: Mapping[str, str]
    """By the kind of product, and `product` where that is not known."""
    of_company: str
    called: str

    change_subject: str
    change_decided: Mapping[Decision, str]
    change_of: Mapping[ChangeKind, str]
    change_reason: str
    a_company: str
    """Where its name is not known."""

    security_subject: str
    security: Mapping[SecurityNotice, str]
    security_advice: str

    card_subject: Mapping[CardNotice, str]
    card: Mapping[CardNotice, str]
    card_advice: str
    another_brand: str
    charged: Mapping[str, str]
    """What a card is charged for: an account, or one product of it."""
