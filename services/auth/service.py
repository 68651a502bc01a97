"""Wiring of auth: the only file that knows all the others; no logic."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import psycopg
from fastapi import FastAPI
from pydantic import Field, SecretStr, model_validator

from services.auth import api
from services.auth.adapters.codes import Codes
from services.auth.adapters.kept_codes import KeptCodes
from services.auth.adapters.key_ring import KeyRing, KeyRingTables
from services.auth.adapters.mail_queue import MailQueue
from services.auth.adapters.mailer import Mailer
from services.auth.adapters.post import Post
from services.auth.adapters.sealing import Sealer
from services.auth.adapters.session_secrets import SessionSecrets
from services.auth.domain.limits import Limits
from services.auth.domain.whereabouts import Language
from services.auth.email_change import EmailChange
from services.auth.events import AttemptRefused
from services.auth.key_rotation import KeyRotation
from services.auth.keys import SigningKeys, find_key
from services.auth.reactions import reactions
from services.auth.session_endings import SessionEndings
from services.auth.session_room import RoomForSessions
from services.auth.session_secret import Recognition
from services.auth.upkeep import Upkeep
from services.auth.use_cases import UseCases
from services.auth.views.names import Names
from services.auth.views.open_sessions import OpenSessions, must_be_open
from services.auth.views.people import People
from services.auth.views.staff import StaffByAddress
from services.profiles.access import Access
from services.profiles.reach import Reach
from shared.backbone import Backbone
from shared.clock import Clock, system_clock
from shared.errors import Refusal
from shared.logs import log
from shared.settings import ServiceSettings

NAME = "auth"
STRONG = 32
"""The fewest characters of a secret in production."""


class Settings(ServiceSettings):
    """What auth is told beside what every service is."""

    code_pepper: SecretStr
    """Under which codes are kept; in no database (C-16)."""
    secrets_key: SecretStr
    """Under which codes on their way and signing keys are sealed (C-17)."""
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
            secrets = {"CODE_PEPPER": self.code_pepper, "SECRETS_KEY": self.secrets_key}
            values = {name: secret.get_secret_value() for name, secret in secrets.items()}
            if weak := [name for name, value in values.items() if len(value) < STRONG]:
                raise ValueError(f"{' and '.join(weak)} must have at least {STRONG} characters")
            if len(set(values.values())) < len(values):
                raise ValueError("CODE_PEPPER and SECRETS_KEY must not be the same")
        return self


@dataclass(frozen=True, slots=True)
class Auth:
    """The service, put together; the command line opens `backbone`'s store and calls `use` without HTTP or Kafka."""

    backbone: Backbone
    use: UseCases
    email_change: EmailChange
    rotation: KeyRotation
    upkeep: Upkeep
    mailer: Mailer
    app: FastAPI


def assemble(settings: Settings, clock: Clock = system_clock) -> Auth:
    """Auth with all its parts, nothing of it started."""
    people, signing_keys, reach = People(), SigningKeys(), Reach()
    kept_beside_the_log = (KeptCodes(), SessionSecrets(), MailQueue(), KeyRingTables())
    backbone = Backbone(
        NAME,
        settings,
        own=("staff", "challenge", "email-change", "session", "key", "attempt"),
        # `people` and `reach` are copies; they stand here too for the refusals of their guards, and for our own staff.
        views=(StaffByAddress(), OpenSessions(), signing_keys, people, reach, *kept_beside_the_log),
        hears=("profiles", "company", "products"),
        heeds=("profiles",),
        follows=("profile", "company", "product"),
        copies=(people, reach, Names()),
        attempt_refused=AttemptRefused,
        clock=clock,
    )
    streams, database, limits = backbone.streams, backbone.database, settings.limits
    sealer = Sealer(settings.secrets_key.get_secret_value())
    ring = KeyRing(database, sealer)
    codes = Codes(settings.code_pepper.get_secret_value())
    use = UseCases(
        streams=streams,
        database=database,
        clock=clock,
        limits=limits,
        codes=codes,
        sealer=sealer,
        ring=ring,
        room=RoomForSessions(streams=streams, database=database, clock=clock, limits=limits, codes=codes),
        recognition=Recognition(streams=streams, database=database, limits=limits, codes=codes, sealer=sealer),
    )
    sessions = SessionEndings(streams=streams, database=database, clock=clock, limits=limits, access=Access(database))
    email_change = EmailChange(streams=streams, database=database, clock=clock, limits=limits, codes=codes, login=use)
    rotation = KeyRotation(streams=streams, clock=clock, ring=ring)
    upkeep = Upkeep(streams=streams, database=database, clock=clock, limits=limits, rotation=rotation)
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
    backbone.reacts(reactions(use, email_change))
    for work, pause_seconds in (
        (mailer.run, 1.0),
        (mailer.wipe_expired, 1.0),
        (upkeep.keep_signing_key_fresh, 60.0),
        (upkeep.end_what_is_over, 15.0),
        (upkeep.forget_old, 600.0),
    ):
        backbone.runs(_again_and_again(work, pause_seconds))
    door = backbone.door(partial(find_key, database), partial(must_be_open, database))
    routes = api.routes(use, email_change, sessions, door)
    return Auth(backbone, use, email_change, rotation, upkeep, mailer, backbone.app(routes, door))


def build(settings: Settings) -> tuple[Backbone, FastAPI]:
    """Auth, put together: its parts for the command line, its application for the server."""
    auth = assemble(settings)
    return auth.backbone, auth.app


def _again_and_again(
    work: Callable[[], Awaitable[None]], pause_seconds: float
) -> Callable[[], Coroutine[Any, Any, None]]:
    async def run() -> None:
        while True:
            try:
                await work()
            except (Refusal, psycopg.Error) as failure:
                log.warning("will be tried again", work=work.__qualname__, error=repr(failure))
            except Exception as defect:  # noqa: BLE001 (a defect in one round must not end all later ones)
                log.error("defect", work=work.__qualname__, error=type(defect).__name__, exc_info=defect)
            await asyncio.sleep(pause_seconds)

    return run
