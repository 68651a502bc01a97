"""A challenge: one wish to log in, and its fate.

C-04  A code works once.
C-19  A code is six ASCII digits, typed with one space inside at most.
C-27  A recovery code is 24 letters and digits, typed in any grouping and case.
C-29  Every attempt is exactly one event.
A15   A new e-mail address is proven by the code that was mailed to it.

What is counted (C-05 to C-11) stands in `adapters/guess_budget.py`: a try must be spent whatever becomes of the rest.
"""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import assert_never

from services.auth.events import (
    AddressProven,
    Authenticator,
    ChallengeEvent,
    CodeAccepted,
    CodeRefused,
    CodeRequested,
    EmailChangeRequested,
    LoginMethod,
    Purpose,
    RefusedBecause,
)
from shared.email_address import normalised
from shared.errors import Invalid, TooMany, Unauthenticated

_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_RECOVERY_CODE = re.compile(r"[A-Z2-7]{24}", re.ASCII)


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


class CodesAskedTooOften(TooMany):
    """Codes were asked for too often; use the one you have, or ask again later."""

    code = "codes-asked-too-often"
    rule = "L3"

    def __init__(self, *, retry_after: int = 60) -> None:
        super().__init__(retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the rules ask of a challenge; `Challenge()` is one that nobody asked for yet."""

    id: str = ""
    subject: str | None = None
    passed: frozenset[Authenticator] = frozenset()
    completed: bool = False
    email: str = ""
    address: str = ""
    """The new address that its code proves; empty for a login."""


def evolve(challenge: Challenge, event: ChallengeEvent) -> Challenge:
    """The challenge after one more event of its history."""
    match event:
        case CodeRequested(challenge_id=identifier, subject=subject):
            return Challenge(id=identifier, subject=subject)
        case CodeRefused():
            return challenge
        case CodeAccepted(by=by, completes=completes):
            return replace(challenge, passed=challenge.passed | {by}, completed=completes)
        case EmailChangeRequested(email=email, address=address):
            return replace(challenge, email=email, address=address)
        case AddressProven():
            return challenge
        case _:
            assert_never(event)


def request_code(
    challenge: Challenge, *, challenge_id: str, subject: str | None, purpose: Purpose, by: Authenticator
) -> list[ChallengeEvent]:
    """Somebody asks for a code; `subject` is None when nobody is known by the address (L2)."""
    if challenge.id:
        return []
    return [CodeRequested(challenge_id=challenge_id, subject=subject, purpose=purpose, by=by)]


def refuse_code(
    challenge: Challenge, *, challenge_id: str, by: Authenticator, because: RefusedBecause
) -> list[ChallengeEvent]:
    """A code was tried in vain; trying again is another attempt, so another event (C-29)."""
    return [CodeRefused(challenge_id=challenge_id, subject=challenge.subject, by=by, because=because)]


def accept_code(challenge: Challenge, *, by: Authenticator, completes: bool) -> list[ChallengeEvent]:
    """The right code was given. Raises CodeNotLive when it was given before (C-04)."""
    if challenge.completed or by in challenge.passed or challenge.subject is None:
        raise CodeNotLive
    return [CodeAccepted(challenge_id=challenge.id, subject=challenge.subject, by=by, completes=completes)]


def request_email_change(challenge: Challenge, *, challenge_id: str, subject: str, email: str) -> list[ChallengeEvent]:
    """Somebody names their new address, to which the code goes (A15). Raises EmailMalformed."""
    address = normalised(email)
    asked = request_code(
        challenge, challenge_id=challenge_id, subject=subject, purpose="email-change", by="mailed-code"
    )
    if not asked:
        return []
    named = EmailChangeRequested(challenge_id=challenge_id, subject=subject, email=email.strip(), address=address)
    return [*asked, named]


def prove_address(challenge: Challenge) -> list[ChallengeEvent]:
    """The code that went to the new address came back. Raises CodeNotLive when it did before (C-04)."""
    accepted = accept_code(challenge, by="mailed-code", completes=True)
    proven = AddressProven(
        challenge_id=challenge.id,
        subject=str(challenge.subject),
        email=challenge.email,
        address=challenge.address,
    )
    return [*accepted, proven]


@dataclass(frozen=True, slots=True)
class Tried:
    """What is known of a challenge once somebody tried a code with it."""

    challenge_id: str
    account: str
    subject: str | None
    purpose: Purpose
    digest: bytes
    """The stored form of the right mailed code, under the pepper of this version."""
    pepper: int
    passed: frozenset[Authenticator]
    device_id: str | None
    """The known device that it was tried from; None for a stranger."""
    failed_before: int
    """In a row, of the account with this authenticator."""
    refused: RefusedBecause | None
    """Why no try could be spent, so that nothing may be compared (C-05)."""


def verdict(
    tried: Tried, *, by: Authenticator, fails_because: RefusedBecause | None, method: LoginMethod
) -> RefusedBecause | None:
    """Why the attempt is refused, or None; `fails_because` says why what was typed proves nothing."""
    if tried.refused is not None:
        return tried.refused
    if fails_because is not None:
        return fails_because
    if tried.subject is None:
        return "unknown"
    return None if by in SERVES[method] else "other-method"


SERVES: dict[LoginMethod, AbstractSet[Authenticator]] = {
    "mailed-code": {"mailed-code"},
    "authenticator-app": {"authenticator-app", "recovery-code"},
    "either": {"mailed-code", "authenticator-app", "recovery-code"},
    "both": {"mailed-code", "authenticator-app", "recovery-code"},
}
"""What proves anything for whoever chose this; a recovery code stands for the app."""


def completes(method: LoginMethod, passed: AbstractSet[Authenticator]) -> bool:
    """Whether these together log in whoever chose this."""
    app = bool(passed & SERVES["authenticator-app"])
    mail = "mailed-code" in passed
    match method:
        case "mailed-code":
            return mail
        case "authenticator-app":
            return app
        case "either":
            return mail or app
        case "both":
            return mail and app


def still_asked_for(passed: AbstractSet[Authenticator]) -> Authenticator:
    """What somebody who wants both is asked for once they gave one."""
    return "authenticator-app" if "mailed-code" in passed else "mailed-code"


def code_as_typed(text: str) -> str:
    """The six digits. Raises ValueError, without repeating what was typed (C-19)."""
    digits = text.replace(" ", "", 1) if text.strip() == text else text
    if not _CODE.fullmatch(digits):
        raise ValueError("must be six digits")
    return digits


def recovery_code_as_typed(text: str) -> str:
    """The 24 letters and digits. Raises ValueError, without repeating what was typed (C-27)."""
    code = text.replace("-", "").replace(" ", "").upper() if text.isascii() else text
    if not _RECOVERY_CODE.fullmatch(code):
        raise ValueError("must be a recovery code")
    return code
