"""What auth says: who of the operator's staff may log in, every login step by step, how people log in, sessions, keys.

Streams: `staff-…`, `challenge-…` (one request for a code and its fate), `email-change-…` (the same, for a new address:
a kind of its own, so that who wants to know of new addresses need not follow every login), `login-…` (how one person
logs in), `session-…`, `key-…`, `alarm-…`. No event carries a code, a seed, a token or a secret, not even hashed.
`subject` is `profile:profile-…` or `staff:staff-…`.
"""

from datetime import datetime
from typing import Literal

from shared.events import Event, Personal, Plain, Pseudonym
from shared.refusals import RefusedAttempt

Purpose = Literal["login", "email-change"]
Authenticator = Literal["mailed-code", "authenticator-app", "recovery-code"]
"""By what somebody proves who they are; a passkey would be one more."""
LoginMethod = Literal["mailed-code", "authenticator-app", "either", "both"]
"""What a person wants to be asked for; the first one is how everybody begins."""
RefusedBecause = Literal[
    "wrong-code",
    "expired",
    "tries-spent",
    "already-used",
    "superseded",
    "account-paused",
    "must-wait",
    "spent-for-today",
    "puzzle-unsolved",
    "other-method",
    "unknown",
]
EndedBecause = Literal[
    "logged-out",
    "expired",
    "profile-cancelled",
    "re-invited",
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
    """Somebody wants to log in; `subject` is None when nobody is known by the address (the answer is the same, L2)."""

    challenge_id: Pseudonym[str]
    subject: Pseudonym[str | None]
    purpose: Plain[Purpose]
    by: Plain[Authenticator]


class CodeWithheld(Event, type="auth.code-withheld.v1"):
    """Somebody wanted to log in, but had been asking too often (C-14); nothing was mailed."""

    challenge_id: Pseudonym[str]
    subject: Pseudonym[str | None]
    purpose: Plain[Purpose]
    by: Plain[Authenticator]
    again_at: Plain[datetime]


class CodeRefused(Event, type="auth.code-refused.v1"):
    """A code was tried and refused (C-29: exactly one event an attempt)."""

    challenge_id: Pseudonym[str]
    subject: Pseudonym[str | None]
    by: Plain[Authenticator]
    because: Plain[RefusedBecause]


class CodeAccepted(Event, type="auth.code-accepted.v1"):
    """The right code was given in time, once; unless it `completes` the login, another authenticator is asked for."""

    challenge_id: Pseudonym[str]
    subject: Pseudonym[str]
    by: Plain[Authenticator]
    completes: Plain[bool]


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


class AuthenticatorAppOffered(Event, type="auth.authenticator-app-offered.v1"):
    """Somebody was shown the seed for an authenticator app; it counts for nothing until it is proven."""

    login_id: Pseudonym[str]
    subject: Pseudonym[str]
    app_id: Pseudonym[str]


class AuthenticatorAppEnrolled(Event, type="auth.authenticator-app-enrolled.v1"):
    """An authenticator app was proven by a code: from now on it, or a mailed code, logs in."""

    login_id: Pseudonym[str]
    subject: Pseudonym[str]
    app_id: Pseudonym[str]


class AuthenticatorAppRemoved(Event, type="auth.authenticator-app-removed.v1"):
    """The app and its recovery codes log nobody in any more; mailed codes do."""

    login_id: Pseudonym[str]
    subject: Pseudonym[str]
    app_id: Pseudonym[str]


class LoginMethodChosen(Event, type="auth.login-method-chosen.v1"):
    """Somebody said by what they want to be asked for."""

    login_id: Pseudonym[str]
    subject: Pseudonym[str]
    method: Plain[LoginMethod]


class RecoveryCodesIssued(Event, type="auth.recovery-codes-issued.v1"):
    """Somebody was shown new recovery codes; the ones before are worth nothing."""

    login_id: Pseudonym[str]
    subject: Pseudonym[str]
    count: Plain[int]


class RecoveryCodeUsed(Event, type="auth.recovery-code-used.v1"):
    """A recovery code stood for the app, once."""

    login_id: Pseudonym[str]
    subject: Pseudonym[str]
    challenge_id: Pseudonym[str]


class LoginPaused(Event, type="auth.login-paused.v1"):
    """So many failures in a row that this authenticator is refused to whoever is not on a known device (C-07, C-10)."""

    login_id: Pseudonym[str]
    subject: Pseudonym[str]
    authenticator: Plain[Authenticator]
    failures: Plain[int]


class ReinvitationProposed(Event, type="auth.reinvitation-proposed.v1"):
    """Somebody in reach says that this person has lost what they log in with; a second one has to agree (C-27)."""

    login_id: Pseudonym[str]
    subject: Pseudonym[str]
    proposed_by: Pseudonym[str]
    until: Plain[datetime]


class Reinvited(Event, type="auth.reinvited.v1"):
    """Two people agreed: this person logs in with mailed codes again, as on their first day."""

    login_id: Pseudonym[str]
    subject: Pseudonym[str]
    proposed_by: Pseudonym[str]
    confirmed_by: Pseudonym[str]


class GuessingSuspected(Event, type="auth.guessing-suspected.v1"):
    """So many failures within an hour, over all accounts, that somebody should look (C-09); said once an hour."""

    alarm_id: Pseudonym[str]
    failures: Plain[int]
    since: Plain[datetime]


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


ChallengeEvent = CodeRequested | CodeRefused | CodeAccepted | EmailChangeRequested | AddressProven
LoginEvent = (
    AuthenticatorAppOffered
    | AuthenticatorAppEnrolled
    | AuthenticatorAppRemoved
    | LoginMethodChosen
    | RecoveryCodesIssued
    | RecoveryCodeUsed
    | LoginPaused
    | ReinvitationProposed
    | Reinvited
)
SessionEvent = SessionStarted | SessionEnded
SigningKeyEvent = SigningKeyPublished | SigningKeyRetired | SigningKeyRevoked
