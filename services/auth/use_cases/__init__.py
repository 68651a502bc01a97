"""What auth does, one file for each thing that people do with it.

asking.py         asking for a code
login.py          logging in with it
email_change.py   proving a new e-mail address with one
proofs.py         whether what was typed proves anything: a mailed code, an app's, a recovery code
sessions.py       tokens for a session, who is logged in, logging out
session_room.py   what ends when one more session starts
session_secret.py by what a session is recognised, and how that is replaced
session_endings.py where somebody is logged in, and how that is ended before its time
key_rotation.py   signing keys come and go
methods.py        by what one logs in: enrolling and removing an app, choosing, recovery codes
all_they_hold.py  who may act on somebody's whole login
reinvitations.py  somebody lost everything, and two people let them begin again
staff.py          who of customer service may log in
grant_mails.py    telling people what they were granted
change_mails.py   telling people what became of a change that they asked for
card_mails.py     telling administrators that the card of their account expires
"""

from dataclasses import dataclass

from services.auth.use_cases.asking import AskingForCodes
from services.auth.use_cases.card_mails import CardMails
from services.auth.use_cases.change_mails import ChangeMails
from services.auth.use_cases.email_change import EmailChange
from services.auth.use_cases.grant_mails import GrantMails
from services.auth.use_cases.key_rotation import KeyRotation
from services.auth.use_cases.login import LoggingIn
from services.auth.use_cases.methods import Methods
from services.auth.use_cases.reinvitations import Reinvitations
from services.auth.use_cases.session_endings import SessionEndings
from services.auth.use_cases.sessions import Sessions
from services.auth.use_cases.staff import StaffMembers


@dataclass(frozen=True, slots=True)
class UseCases:
    """The commands and questions of auth."""

    asking: AskingForCodes
    login: LoggingIn
    email_change: EmailChange
    sessions: Sessions
    session_endings: SessionEndings
    keys: KeyRotation
    methods: Methods
    reinvitations: Reinvitations
    staff: StaffMembers
    grant_mails: GrantMails
    change_mails: ChangeMails
    card_mails: CardMails
