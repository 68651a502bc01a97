"""What auth says: who of the operator's staff may log in, every login step by step, sessions, signing keys.

Streams: `staff-…`, `challenge-…` (one request for a code and its fate), `email-change-…` (the same, for a new address:
a kind of its own, so that who wants to know of new addresses need not follow every login), `session-…`, `key-…`. No
event carries a code, a token or a session's secret, not even hashed. `subject` is `profile:profile-…` or
`staff:staff-…`.
"""

from datetime import datetime
from typing import Literal

from shared.events import Event, Personal, Plain, Pseudonym
from shared.refusals import RefusedAttempt

Purpose = Literal["login", "email-change"]
RefusedBecause = Literal[
    "wrong-code", "expired", "tries-spent", "already-used", "superseded", "account-paused", "unknown"
]
EndedBecause = Literal[
    "logged-out",
    "expired",
    "profile-cancelled",
    "ended-by-owner",
    "ended-by-administrator",
    "too-many",
    "logged-in-again",
    "secret-reused",
]
"""`ended-by-owner`: from another session of theirs. `secret-reused`: somebody showed a secret that was replaced."""


class StaffAdded(Event, type="auth.staff-added.v1"):
    """A person of customer service may log in; customer service is not a profile type."""

    staff_id: Pseudonym[str]
    email: Personal[str]
    address: Personal[str]
    """The address as it is compared."""
    name: Personal[str]


class CodeRequested(Event, type="auth.code-requested.v1"):
    """Somebody asked for a code; `subject` is None when nobody is known by the address (the answer is the same, L2)."""

    challenge_id: Pseudonym[str]
    subject: Pseudonym[str | None]
    purpose: Plain[Purpose]


class CodeRefused(Event, type="auth.code-refused.v1"):
    """A code was tried and refused (C-29: exactly one event an attempt)."""

    challenge_id: Pseudonym[str]
    subject: Pseudonym[str | None]
    because: Plain[RefusedBecause]


class CodeAccepted(Event, type="auth.code-accepted.v1"):
    """The right code was given in time, once."""

    challenge_id: Pseudonym[str]
    subject: Pseudonym[str]


class EmailChangeRequested(Event, type="auth.email-change-requested.v1"):
    """Somebody who is logged in names the address that shall be theirs; a code is on its way to it (A15)."""

    challenge_id: Pseudonym[str]
    subject: Pseudonym[str]
    email: Personal[str]
    """The address as it was written; the code is mailed there."""
    address: Personal[str]
    """The address as it is compared."""


class AddressProven(Event, type="auth.address-proven.v1"):
    """The code that was mailed to a new address came back: it is theirs, whatever profiles makes of it (A15)."""

    challenge_id: Pseudonym[str]
    subject: Pseudonym[str]
    email: Personal[str]
    address: Personal[str]


class SessionStarted(Event, type="auth.session-started.v1"):
    """Somebody is logged in until the time given at the latest."""

    session_id: Pseudonym[str]
    subject: Pseudonym[str]
    challenge_id: Pseudonym[str]
    ends_at: Plain[datetime]


class SessionEnded(Event, type="auth.session-ended.v1"):
    """A session is over; nothing that was issued under it is worth anything any more."""

    session_id: Pseudonym[str]
    subject: Pseudonym[str]
    because: Plain[EndedBecause]


class SigningKeyPublished(Event, type="auth.signing-key-published.v1"):
    """A public key that access tokens are verified with from now until `not_after`."""

    key_id: Pseudonym[str]
    algorithm: Plain[Literal["EdDSA"]]
    public_key: Plain[str]
    """The raw Ed25519 public key, base64url without padding (the `x` of RFC 8037)."""
    not_after: Plain[datetime]


class SigningKeyRetired(Event, type="auth.signing-key-retired.v1"):
    """Every token that was signed with this key is worth nothing any more; its private half is destroyed."""

    key_id: Pseudonym[str]


class SigningKeyRevoked(Event, type="auth.signing-key-revoked.v1"):
    """This key must be believed by nobody from now on: somebody else may have it (S-12)."""

    key_id: Pseudonym[str]


class AttemptRefused(RefusedAttempt, type="auth.attempt-refused.v1"):
    """A rule of auth refused an attempt of somebody who is logged in (H1)."""


LoginEvent = CodeRequested | CodeRefused | CodeAccepted | EmailChangeRequested | AddressProven
SessionEvent = SessionStarted | SessionEnded
SigningKeyEvent = SigningKeyPublished | SigningKeyRetired | SigningKeyRevoked
