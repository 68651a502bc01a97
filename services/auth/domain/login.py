"""A login: by what one person logs in.

L1   By a mailed code until they have enrolled an authenticator app; then by either, by the app, or by both.
C-23 An app counts once a code of it was given; until then it is only offered.
C-27 Somebody who lost everything is invited anew when two people who could end their login agree.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from services.auth.domain.limits import Limits
from services.auth.events import (
    Authenticator,
    AuthenticatorAppEnrolled,
    AuthenticatorAppOffered,
    AuthenticatorAppRemoved,
    LoginEvent,
    LoginMethod,
    LoginMethodChosen,
    LoginPaused,
    RecoveryCodesIssued,
    RecoveryCodeUsed,
    ReinvitationProposed,
    Reinvited,
)
from shared.errors import Conflict, Forbidden, Invalid


class AppEnrolledAlready(Conflict):
    """An authenticator app is enrolled; remove it first."""

    code = "authenticator-app-enrolled"
    rule = "L1"


class NoAppEnrolled(Conflict):
    """This needs an authenticator app, and none is enrolled."""

    code = "no-authenticator-app"
    rule = "L1"


class AppNotProven(Conflict):
    """The app is not enrolled: the code is wrong, too old, or the app was offered too long ago."""

    code = "authenticator-app-not-proven"
    rule = "L1"


class NothingProposed(Conflict):
    """Nobody has proposed to invite this person anew within the last day."""

    code = "nothing-proposed"
    rule = "L3"


class ReinvitationNotConfirmed(Invalid):
    """Setting somebody's login back must be confirmed: it ends every session, the app and the recovery codes."""

    code = "reinvitation-not-confirmed"
    rule = "L3"


class SecondPersonNeeded(Forbidden):
    """Somebody else has to agree; whoever proposed it cannot, nor whom it is about."""

    code = "second-person-needed"
    rule = "L3"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Somebody wants this person invited anew."""

    by: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Login:
    """What the rules ask of a login; `Login()` is one that was never changed."""

    offered: str | None = None
    app: str | None = None
    method: LoginMethod = "mailed-code"
    proposal: Proposal | None = None


def login_id_of(subject: str) -> str:
    """The stream of a person's login: the identifier of a profile or of a member of staff, under a name of our own."""
    return f"login-{subject.rpartition('-')[2]}"


def evolve(login: Login, event: LoginEvent) -> Login:
    """The login after one more event of its history."""
    match event:
        case AuthenticatorAppOffered(app_id=app):
            return replace(login, offered=app)
        case AuthenticatorAppEnrolled(app_id=app):
            return replace(login, offered=None, app=app, method="either")
        case AuthenticatorAppRemoved():
            return replace(login, app=None, method="mailed-code")
        case LoginMethodChosen(method=method):
            return replace(login, method=method)
        case RecoveryCodesIssued() | RecoveryCodeUsed() | LoginPaused():
            return login
        case ReinvitationProposed(proposed_by=by, until=until):
            return replace(login, proposal=Proposal(by, until))
        case Reinvited():
            return Login()
        case _:
            assert_never(event)


def offer_app(login: Login, *, subject: str, app_id: str) -> list[LoginEvent]:
    """Somebody wants an app; another offer before takes the place of this one. Raises AppEnrolledAlready."""
    if login.app is not None:
        raise AppEnrolledAlready
    if login.offered == app_id:
        return []
    return [AuthenticatorAppOffered(login_id=login_id_of(subject), subject=subject, app_id=app_id)]


def enrol_app(login: Login, *, subject: str, app_id: str, count: int) -> list[LoginEvent]:
    """A code of the app was given: it counts, and comes with recovery codes. Raises AppNotProven."""
    if login.app == app_id:
        return []
    if login.offered != app_id:
        raise AppNotProven
    login_id = login_id_of(subject)
    return [
        AuthenticatorAppEnrolled(login_id=login_id, subject=subject, app_id=app_id),
        RecoveryCodesIssued(login_id=login_id, subject=subject, count=count),
    ]


def remove_app(login: Login, *, subject: str) -> list[LoginEvent]:
    """The app and its recovery codes are worth nothing any more."""
    if login.app is None:
        return []
    return [AuthenticatorAppRemoved(login_id=login_id_of(subject), subject=subject, app_id=login.app)]


def choose_method(login: Login, *, subject: str, method: LoginMethod) -> list[LoginEvent]:
    """The person says what they want to be asked for. Raises NoAppEnrolled for what needs one."""
    if login.app is None and method != "mailed-code":
        raise NoAppEnrolled
    if login.method == method:
        return []
    return [LoginMethodChosen(login_id=login_id_of(subject), subject=subject, method=method)]


def issue_recovery_codes(login: Login, *, subject: str, count: int) -> list[LoginEvent]:
    """New recovery codes; asking again makes newer ones, for they are shown once. Raises NoAppEnrolled."""
    if login.app is None:
        raise NoAppEnrolled
    return [RecoveryCodesIssued(login_id=login_id_of(subject), subject=subject, count=count)]


def use_recovery_code(_login: Login, *, subject: str, challenge_id: str) -> list[LoginEvent]:
    """A recovery code stood for the app; that it does so once is kept with the codes."""
    return [RecoveryCodeUsed(login_id=login_id_of(subject), subject=subject, challenge_id=challenge_id)]


def pause(_login: Login, *, subject: str, authenticator: Authenticator, failures: int) -> list[LoginEvent]:
    """An authenticator is refused to strangers from now on; that it is said once is kept with the counters."""
    login_id = login_id_of(subject)
    return [LoginPaused(login_id=login_id, subject=subject, authenticator=authenticator, failures=failures)]


def propose_reinvitation(
    login: Login, *, subject: str, by: str, confirmed: bool, now: datetime, limits: Limits
) -> list[LoginEvent]:
    """The first of two says that this person lost what they log in with.

    Raises SecondPersonNeeded for oneself, ReinvitationNotConfirmed.
    """
    if by == subject:
        raise SecondPersonNeeded
    if not confirmed:
        raise ReinvitationNotConfirmed
    if login.proposal is not None and login.proposal.by == by and now < login.proposal.until:
        return []
    until = now + limits.reinvitation_life
    return [ReinvitationProposed(login_id=login_id_of(subject), subject=subject, proposed_by=by, until=until)]


def confirm_reinvitation(login: Login, *, subject: str, by: str, confirmed: bool, now: datetime) -> list[LoginEvent]:
    """The second agrees. Raises SecondPersonNeeded, ReinvitationNotConfirmed, NothingProposed."""
    if by == subject:
        raise SecondPersonNeeded
    if not confirmed:
        raise ReinvitationNotConfirmed
    if login.proposal is None or now >= login.proposal.until:
        raise NothingProposed
    if by == login.proposal.by:
        raise SecondPersonNeeded
    return [Reinvited(login_id=login_id_of(subject), subject=subject, proposed_by=login.proposal.by, confirmed_by=by)]
