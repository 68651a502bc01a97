"""Wiring of audit: the only file that knows all the others; no logic."""

from functools import partial

from fastapi import FastAPI

from services.audit import api
from services.audit.adapters.leaves import Leaves
from services.audit.events import AttemptRefused
from services.audit.use_cases import UseCases
from services.audit.views.history import History
from services.auth.ended_sessions import EndedSessions, must_not_have_ended
from services.auth.keys import SigningKeys, find_key
from services.profiles.access import Access
from services.profiles.reach import Reach
from shared.backbone import Backbone
from shared.settings import ServiceSettings

NAME = "audit"
EVERY_SERVICE = ("auth", "company", "products", "profiles")
EVERY_KIND_OF_STREAM = (
    *("staff", "challenge", "email-change", "login", "session", "key", "alarm"),
    *("company", "product", "bulk", "cards", "profile", "attempt", "intake", "parked", "redrive"),
)


def build(settings: ServiceSettings) -> tuple[Backbone, FastAPI]:
    """Audit, put together: its parts for the command line, its application for the server."""
    history = History(NAME)
    backbone = Backbone(
        NAME,
        settings,
        own=("reading",),
        views=(history, Leaves()),
        hears=EVERY_SERVICE,
        heeds=("auth", "profiles"),
        follows=EVERY_KIND_OF_STREAM,
        copies=(Reach(), SigningKeys(), EndedSessions(), history),
        attempt_refused=AttemptRefused,
    )
    use = UseCases(backbone.streams, backbone.database, Access(backbone.database))
    backbone.reacts()
    door = backbone.door(partial(find_key, backbone.database), partial(must_not_have_ended, backbone.database))
    return backbone, backbone.app(api.routes(use, door), door)
