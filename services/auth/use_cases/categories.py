"""The kinds of streams of auth, and in whose name auth itself acts."""

from services.auth.domain import alarm as alarms
from services.auth.domain import challenge as challenges
from services.auth.domain import login as logins
from services.auth.domain import session as sessions
from services.auth.domain import signing_key as keys
from services.auth.domain import staff as members
from services.auth.domain.alarm import Alarm
from services.auth.domain.challenge import Challenge
from services.auth.domain.login import Login
from services.auth.domain.session import Session
from services.auth.domain.signing_key import SigningKey
from services.auth.domain.staff import Staff
from shared.actor import Actor
from shared.eventstore.streams import Category

CHALLENGES = Category("challenge", Challenge(), challenges.evolve)
LOGINS = Category("login", Login(), logins.evolve)
SESSIONS = Category("session", Session(), sessions.evolve)
KEYS = Category("key", SigningKey(), keys.evolve)
STAFF = Category("staff", Staff(), members.evolve)
ALARMS = Category("alarm", Alarm(), alarms.evolve)

COMMAND_LINE = Actor("system", "command-line")
AUTH = Actor("system", "auth")
ANONYMOUS = Actor("anonymous", "login")
"""Whoever has not proved yet who they are."""
