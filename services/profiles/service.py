"""Wiring of profiles: the only file that knows all the others; no logic."""

from functools import partial

from fastapi import FastAPI

from services.auth.ended_sessions import EndedSessions, must_not_have_ended
from services.auth.keys import SigningKeys, find_key
from services.profiles import api, explaining_api
from services.profiles.access import Access
from services.profiles.events import AttemptRefused
from services.profiles.explaining import Explaining
from services.profiles.reach import STREAMS, Reach
from services.profiles.reactions import reactions
from services.profiles.use_cases import UseCases
from services.profiles.views.grant_origins import GrantOrigins
from services.profiles.views.holders import Holders
from services.profiles.views.last_administrator import LastAdministratorStays
from services.profiles.views.open_products import OpenProducts
from services.profiles.views.open_sessions import OpenSessions
from services.profiles.views.people import People
from services.profiles.views.product_access_by_email import ProductAccessByEmail
from services.profiles.views.profile_by_email import ProfileByEmail
from shared.backbone import Backbone
from shared.settings import ServiceSettings

NAME = "profiles"


def build(settings: ServiceSettings) -> tuple[Backbone, FastAPI]:
    """Profiles, put together: its parts for the command line, its application for the server."""
    reach, ended = Reach(), EndedSessions()
    backbone = Backbone(
        NAME,
        settings,
        own=("profile", "attempt"),
        views=(
            *(reach, ended, ProductAccessByEmail(), ProfileByEmail(), People(), OpenProducts()),
            *(LastAdministratorStays(), Holders(), GrantOrigins()),
        ),
        hears=("auth", "company", "products"),
        heeds=("auth",),
        follows=[*(kind for kind in STREAMS if kind != "profile"), "key", "session", "email-change"],
        copies=(reach, SigningKeys(), OpenSessions(), ended),
        attempt_refused=AttemptRefused,
    )
    may = Access(backbone.database)
    use = UseCases(backbone.streams, backbone.database, may)
    backbone.reacts(reactions(use))
    door = backbone.door(partial(find_key, backbone.database), partial(must_not_have_ended, backbone.database))
    routes = api.routes(use, door)
    routes.include_router(explaining_api.routes(Explaining(backbone.database, may), door))
    return backbone, backbone.app(routes, door)
