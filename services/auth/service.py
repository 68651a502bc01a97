"""Wiring of auth: the only file that knows all the others; no logic."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from fastapi import FastAPI
from pydantic import Field, SecretStr, model_validator

from services.auth import api
from services.auth.adapters.authenticator_apps import AuthenticatorApps
from services.auth.adapters.clock_check import ClockCheck
from services.auth.adapters.codes import Codes
from services.auth.adapters.guess_budget import GuessBudget
from services.auth.adapters.kept_codes import KeptCodes
from services.auth.adapters.key_ring import KeyRing, KeyRingTables
from services.auth.adapters.known_devices import KnownDevices
from services.auth.adapters.mail_queue import MailQueue
from services.auth.adapters.mailer import Mailer
from services.auth.adapters.post import Post
from services.auth.adapters.recovery_codes import RecoveryCodes
from services.auth.adapters.sealing import Sealer
from services.auth.adapters.session_secrets import SessionSecrets
from services.auth.domain.limits import Limits
from services.auth.domain.whereabouts import Language
from services.auth.events import AttemptRefused
from services.auth.keys import SigningKeys, find_key
from services.auth.reactions import reactions
from services.auth.upkeep import Upkeep
from services.auth.use_cases import UseCases
from services.auth.use_cases.all_they_hold import AllTheyHold
from services.auth.use_cases.asking import AskingForCodes
from services.auth.use_cases.card_mails import CardMails
from services.auth.use_cases.change_mails import ChangeMails
from services.auth.use_cases.email_change import EmailChange
from services.auth.use_cases.grant_mails import GrantMails
from services.auth.use_cases.key_rotation import KeyRotation
from services.auth.use_cases.login import LoggingIn
from services.auth.use_cases.methods import Methods
from services.auth.use_cases.proofs import Proofs
from services.auth.use_cases.reinvitations import Reinvitations
from services.auth.use_cases.session_endings import SessionEndings
from services.auth.use_cases.session_room import RoomForSessions
from services.auth.use_cases.session_secret import Recognition
from services.auth.use_cases.sessions import Sessions
from services.auth.use_cases.staff import StaffMembers
from services.auth.views.login_methods import LoginMethods
from services.auth.views.names import Names
from services.auth.views.open_sessions import OpenSessions, must_be_open
from services.auth.views.people import People
from services.auth.views.staff import StaffByAddress
from services.profiles.access import Access
from services.profiles.reach import Reach
from shared.again import again_and_again
from shared.backbone import Backbone
from shared.clock import Clock, system_clock
from shared.settings import ServiceSettings

NAME = "auth"
STRONG = 32
"""The fewest characters of a secret in production."""


class Settings(ServiceSettings):
    """What auth is told beside what every service is."""

    code_pepper: SecretStr
    """Under which codes are kept; in no database (C-16)."""
    code_pepper_version: int = Field(default=1, ge=1)
    """Goes up by one with a new pepper."""
    code_pepper_before: SecretStr | None = None
    """The pepper of the version before, for the codes under way while it is changed."""
    secrets_key: SecretStr
    """Under which codes on their way, signing keys and the seeds of apps are sealed (C-17, C-23)."""
    secrets_key_before: SecretStr | None = None
    """The one before, under which what was sealed then is still opened."""
    smtp_url: str = "smtp://127.0.0.1:8125"
    mail_from: str = "selfservice@example.com"
    site_url: str = "http://127.0.0.1:8080"
    """Where people log in, for the mails."""
    mail_language: Language = "en"
    """Of mails to people whose browser has not told which one they read."""
    limits: Limits = Field(default_factory=Limits)

    @model_validator(mode="after")
    def production_has_strong_secrets(self) -> Self:
        """What a person can remember or guess is for development only."""
        if self.environment == "production":
            secrets = {
                "CODE_PEPPER": self.code_pepper,
                "SECRETS_KEY": self.secrets_key,
                **({"CODE_PEPPER_BEFORE": self.code_pepper_before} if self.code_pepper_before else {}),
                **({"SECRETS_KEY_BEFORE": self.secrets_key_before} if self.secrets_key_before else {}),
            }
            values = {name: secret.get_secret_value() for name, secret in secrets.items()}
            if weak := [name for name, value in values.items() if len(value) < STRONG]:
                raise ValueError(f"{' and '.join(weak)} must have at least {STRONG} characters")
            if len(set(values.values())) < len(values):
                raise ValueError("CODE_PEPPER and SECRETS_KEY must not be the same, nor as before")
        return self


@dataclass(frozen=True, slots=True)
class Auth:
    """The service, put together; the command line opens `backbone`'s store and calls `use` without HTTP or Kafka."""

    backbone: Backbone
    use: UseCases
    upkeep: Upkeep
    mailer: Mailer
    app: FastAPI


def assemble(settings: Settings, clock: Clock = system_clock) -> Auth:
    """Auth with all its parts, nothing of it started."""
    people, signing_keys, reach = People(), SigningKeys(), Reach()
    # Codes before counters: whoever takes a code takes the turn of its account first.
    kept_beside_the_log = (
        *(KnownDevices(), KeptCodes(), GuessBudget(), AuthenticatorApps(), RecoveryCodes()),
        *(SessionSecrets(), MailQueue(), KeyRingTables()),
    )
    backbone = Backbone(
        NAME,
        settings,
        own=("staff", "challenge", "email-change", "login", "session", "key", "alarm", "attempt"),
        # `people` and `reach` are copies; they stand here too for the refusals of their guards, and for our own staff.
        views=(StaffByAddress(), OpenSessions(), LoginMethods(), signing_keys, people, reach, *kept_beside_the_log),
        hears=("profiles", "company", "products"),
        heeds=("profiles",),
        follows=("profile", "company", "product", "cards"),
        copies=(people, reach, Names()),
        attempt_refused=AttemptRefused,
        clock=clock,
    )
    streams, database, limits = backbone.streams, backbone.database, settings.limits
    sealer = Sealer(settings.secrets_key.get_secret_value(), before=_revealed(settings.secrets_key_before))
    ring, clock_check = KeyRing(database, sealer), ClockCheck(database, clock)
    codes = Codes(
        settings.code_pepper.get_secret_value(),
        version=settings.code_pepper_version,
        before=_revealed(settings.code_pepper_before),
    )
    parts: dict[str, Any] = {"streams": streams, "database": database, "clock": clock, "limits": limits}
    asking = AskingForCodes(**parts, codes=codes, sealer=sealer)
    proofs = Proofs(database, codes, sealer, limits)
    room = RoomForSessions(**parts, codes=codes)
    login = LoggingIn(**parts, codes=codes, proofs=proofs, clock_check=clock_check, room=room)
    recognition = Recognition(streams=streams, database=database, limits=limits, codes=codes, sealer=sealer)
    rotation = KeyRotation(streams=streams, clock=clock, ring=ring)
    all_they_hold = AllTheyHold(database, Access(database))
    use = UseCases(
        asking=asking,
        login=login,
        email_change=EmailChange(**parts, codes=codes, asking=asking, login=login),
        sessions=Sessions(**parts, ring=ring, recognition=recognition),
        session_endings=SessionEndings(**parts, all_they_hold=all_they_hold),
        keys=rotation,
        methods=Methods(**parts, sealer=sealer, clock_check=clock_check, site=settings.site_url),
        reinvitations=Reinvitations(**parts, all_they_hold=all_they_hold),
        staff=StaffMembers(streams, database),
        grant_mails=GrantMails(streams, clock),
        change_mails=ChangeMails(streams, clock),
        card_mails=CardMails(streams, clock),
    )
    upkeep = Upkeep(**parts, rotation=rotation, clock_check=clock_check)
    post = Post(settings.smtp_url, settings.mail_from, clock)
    mailer = Mailer(
        database=database,
        sealer=sealer,
        post=post,
        clock=clock,
        limits=limits,
        site=settings.site_url,
        language=settings.mail_language,
    )
    backbone.reacts(reactions(use))
    for work, pause_seconds in (
        (mailer.run, 1.0),
        (mailer.wipe_expired, 1.0),
        (upkeep.keep_signing_key_fresh, 60.0),
        (upkeep.end_what_is_over, 15.0),
        (upkeep.watch_guessing, 15.0),
        (upkeep.tell_of_hard_stops, 15.0),
        (upkeep.watch_clock, 60.0),
        (upkeep.forget_old, 600.0),
    ):
        backbone.runs(again_and_again(work, pause_seconds))
    door = backbone.door(partial(find_key, database), partial(must_be_open, database))
    return Auth(backbone, use, upkeep, mailer, backbone.app(api.routes(use, door), door))


def build(settings: Settings) -> tuple[Backbone, FastAPI]:
    """Auth, put together: its parts for the command line, its application for the server."""
    auth = assemble(settings)
    return auth.backbone, auth.app


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
