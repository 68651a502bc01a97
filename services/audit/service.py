"""Wiring of audit: the only file that knows all the others; no logic."""

from datetime import timedelta
from functools import partial
from typing import Self

from fastapi import FastAPI
from pydantic import Field, SecretStr, field_validator, model_validator

from services.audit import api, past_api
from services.audit.adapters.checkpoints import Checkpoints, Signer
from services.audit.adapters.leaves import Leaves
from services.audit.adapters.publishing import Publisher
from services.audit.adapters.rechecks import Rechecks
from services.audit.adapters.tree_nodes import TreeNodes
from services.audit.adapters.witnesses import Address, Witnesses
from services.audit.canonical import personal_fields_of
from services.audit.events import AttemptRefused
from services.audit.past import Past
from services.audit.proof import api as proof_api
from services.audit.proof.nightly import Nightly
from services.audit.proof.notes import LogKey
from services.audit.proof.proving import Proving
from services.audit.proof.upkeep import Upkeep
from services.audit.use_cases import UseCases
from services.audit.views.history import History
from services.audit.views.spans import Spans
from services.auth.ended_sessions import EndedSessions, must_not_have_ended
from services.auth.keys import SigningKeys, find_key
from services.profiles.access import Access
from services.profiles.reach import Reach
from shared.again import again_and_again
from shared.backbone import Backbone
from shared.settings import ServiceSettings

NAME = "audit"
EVERY_SERVICE = ("auth", "company", "products", "profiles")
EVERY_KIND_OF_STREAM = (
    *("staff", "challenge", "email-change", "login", "session", "key", "alarm"),
    *("company", "product", "bulk", "cards", "profile", "attempt", "intake", "parked", "redrive"),
)
STRONG = 32
"""The fewest characters of a secret in production."""


class Settings(ServiceSettings):
    """What audit is told beside what every service is."""

    log_key: SecretStr
    """What the key that signs checkpoints is made from; in no database (T-04)."""
    log_origin: str = Field(default="selfservice.example/audit", pattern=r"^[^\s+]{1,100}$")
    """What the log is called; it stays the same for ever."""
    checkpoint_seconds: float = Field(default=10.0, gt=0, le=60)
    """How long something new may wait for a checkpoint; a thousand new entries never wait."""

    witnesses: str = ""
    """Who else signs checkpoints (T-05): for each its address and its vkey, all separated by blanks."""

    @field_validator("witnesses")
    @classmethod
    def witnesses_can_be_asked(cls, text: str) -> str:
        """Each has an address and the key of a witness."""
        Address.several(text)
        return text

    @model_validator(mode="after")
    def production_has_a_strong_key(self) -> Self:
        """What a person can remember or guess is for development only."""
        if self.environment == "production" and len(self.log_key.get_secret_value()) < STRONG:
            raise ValueError(f"LOG_KEY must have at least {STRONG} characters")
        return self


def build(settings: Settings) -> tuple[Backbone, FastAPI]:
    """Audit, put together: its parts for the command line, its application for the server."""
    history = History(NAME)
    backbone = Backbone(
        NAME,
        settings,
        own=("reading",),
        views=(history, Leaves(), TreeNodes(), Checkpoints(), Rechecks()),
        hears=EVERY_SERVICE,
        heeds=("auth", "profiles"),
        follows=EVERY_KIND_OF_STREAM,
        copies=(Reach(), SigningKeys(), EndedSessions(), history, Spans()),
        attempt_refused=AttemptRefused,
    )
    access = Access(backbone.database)
    use = UseCases(backbone.streams, backbone.database, access)
    prove = Proving(backbone.streams, backbone.database, access)
    key = LogKey(settings.log_origin, settings.log_key.get_secret_value())
    every = timedelta(seconds=settings.checkpoint_seconds)
    upkeep = Upkeep(backbone.connect, backbone.database, Signer(key), backbone.clock, every)
    past = Past(backbone.streams, backbone.database, access, backbone.clock)
    backbone.reacts()
    backbone.runs(again_and_again(upkeep.seal_and_sign, 1.0))
    backbone.runs(again_and_again(upkeep.look_for_unproven, 15.0))
    witnesses = Witnesses(backbone.database, Address.several(settings.witnesses))
    backbone.runs(again_and_again(witnesses.ask, settings.checkpoint_seconds))
    backbone.runs(Publisher(settings.database_url.get_secret_value(), key.origin, settings.kafka).run)
    nightly = Nightly(backbone.connect, key.public, settings.kafka, backbone.clock)
    backbone.runs(again_and_again(nightly.look, 600.0))
    for alarms in (upkeep.alarms, witnesses.alarms, nightly.alarms):
        backbone.is_alarmed_by(alarms)
    door = backbone.door(partial(find_key, backbone.database), partial(must_not_have_ended, backbone.database))
    routes = api.routes(use, door)
    routes.include_router(proof_api.routes(prove, key, personal_fields_of((*EVERY_SERVICE, NAME)), door))
    routes.include_router(past_api.routes(past, door))
    return backbone, backbone.app(routes, door)
