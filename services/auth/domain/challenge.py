"""A challenge: one request for a code, and its fate.

C-02  A mailed code dies when its time is over, by our clock alone.
C-03  Only the newest code of an account and purpose is live.
C-04  A code works once.
C-05  A code has few tries; a try is spent before anything is compared.
C-06  Failures are counted by account and authenticator, across codes; only a success takes them back.
C-07  After too many in a row the account's codes are refused, the right one too.
C-19  A code is six ASCII digits, typed with one space inside at most.
C-29  Every attempt is exactly one event.
A15   A new e-mail address is proven by the code that was mailed to it.

The counters stand in `adapters/kept_codes.py`: a try must be spent whatever becomes of the rest.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, assert_never

from services.auth.domain.limits import Limits
from services.auth.events import (
    AddressProven,
    CodeAccepted,
    CodeRefused,
    CodeRequested,
    EmailChangeRequested,
    LoginEvent,
    Purpose,
    RefusedBecause,
)
from shared.email_address import normalised
from shared.errors import Invalid, Unauthenticated

Fate = Literal["used", "superseded"]
_CODE = re.compile(r"[0-9]{6}", re.ASCII)


class CodeNotAccepted(Unauthenticated):
    """This code is not valid here. Ask for a new one if it goes on."""

    code = "code-refused"
    rule = "L3"


class CodeNotLive(CodeNotAccepted):
    """The code was used or replaced at this very moment; nobody outside learns the difference."""


class AddressNotProven(Invalid):
    """This code does not prove the address. Ask for a new one if it goes on."""

    code = "address-not-proven"
    rule = "A15"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the rules ask of a challenge; `Challenge()` is one that nobody asked for yet."""

    id: str = ""
    subject: str | None = None
    accepted: bool = False
    email: str = ""
    address: str = ""
    """The new address that its code proves; empty for a login."""


def evolve(challenge: Challenge, event: LoginEvent) -> Challenge:
    """The challenge after one more event of its history."""
    match event:
        case CodeRequested(challenge_id=identifier, subject=subject):
            return Challenge(id=identifier, subject=subject)
        case CodeRefused():
            return challenge
        case CodeAccepted():
            return replace(challenge, accepted=True)
        case EmailChangeRequested(email=email, address=address):
            return replace(challenge, email=email, address=address)
        case AddressProven():
            return challenge
        case _:
            assert_never(event)


def request_code(challenge: Challenge, *, challenge_id: str, subject: str | None, purpose: Purpose) -> list[LoginEvent]:
    """Somebody asks for a code; `subject` is None when nobody is known by the address (L2)."""
    if challenge.id:
        return []
    return [CodeRequested(challenge_id=challenge_id, subject=subject, purpose=purpose)]


def refuse_code(challenge: Challenge, *, challenge_id: str, because: RefusedBecause) -> list[LoginEvent]:
    """A code was tried in vain; trying again is another attempt, so another event (C-29)."""
    return [CodeRefused(challenge_id=challenge_id, subject=challenge.subject, because=because)]


def accept_code(challenge: Challenge) -> list[LoginEvent]:
    """The right code was given. Raises CodeNotLive when it was given before (C-04)."""
    if challenge.accepted or challenge.subject is None:
        raise CodeNotLive
    return [CodeAccepted(challenge_id=challenge.id, subject=challenge.subject)]


def request_email_change(challenge: Challenge, *, challenge_id: str, subject: str, email: str) -> list[LoginEvent]:
    """Somebody names their new address, to which the code goes (A15). Raises EmailMalformed."""
    address = normalised(email)
    asked = request_code(challenge, challenge_id=challenge_id, subject=subject, purpose="email-change")
    if not asked:
        return []
    named = EmailChangeRequested(challenge_id=challenge_id, subject=subject, email=email.strip(), address=address)
    return [*asked, named]


def prove_address(challenge: Challenge) -> list[LoginEvent]:
    """The code that went to the new address came back. Raises CodeNotLive when it did before (C-04)."""
    accepted = accept_code(challenge)
    proven = AddressProven(
        challenge_id=challenge.id,
        subject=str(challenge.subject),
        email=challenge.email,
        address=challenge.address,
    )
    return [*accepted, proven]


@dataclass(frozen=True, slots=True)
class Tried:
    """What is known of a code once somebody tried it."""

    challenge_id: str
    subject: str | None
    purpose: Purpose
    digest: bytes
    """The stored form of the right code."""
    expires_at: datetime
    tries: int
    failures: int
    """In a row, of the account, with this one."""
    fate: Fate | None


def verdict(tried: Tried, *, evaluated: bool, matches: bool, now: datetime, limits: Limits) -> RefusedBecause | None:
    """Why the attempt is refused, or None; `evaluated` says that a try could be spent for it (C-05, C-07)."""
    if evaluated:
        if not matches:
            return "wrong-code"
        return "unknown" if tried.subject is None else None
    if tried.fate is not None:
        return "already-used" if tried.fate == "used" else "superseded"
    if now >= tried.expires_at:
        return "expired"
    return "account-paused" if tried.failures >= limits.failures_in_a_row else "tries-spent"


def code_as_typed(text: str) -> str:
    """The six digits. Raises ValueError, without repeating what was typed (C-19)."""
    digits = text.replace(" ", "", 1) if text.strip() == text else text
    if not _CODE.fullmatch(digits):
        raise ValueError("must be six digits")
    return digits
