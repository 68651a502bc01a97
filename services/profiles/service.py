"""Wiring of profiles: the only file that knows all the others; no logic."""

from functools import partial

from fastapi import FastAPI

from services.auth.keys import SigningKeys, find_key
from services.profiles import api
from services.profiles.access import Access
from services.profiles.events import AttemptRefused
from services.profiles.reach import STREAMS, Reach
from services.profiles.reactions import reactions
from services.profiles.use_cases import UseCases
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
    reach = Reach()
    backbone = Backbone(
        NAME,
        settings,
        own=("profile", "attempt"),
        views=(
            reach,
            ProductAccessByEmail(),
            ProfileByEmail(),
            People(),
            OpenProducts(),
            LastAdministratorStays(),
            Holders(),
        ),
        hears=("auth", "company", "products"),
        follows=[*(kind for kind in STREAMS if kind != "profile"), "key", "session", "email-change"],
        copies=(reach, SigningKeys(), OpenSessions()),
        attempt_refused=AttemptRefused,
    )
    use = UseCases(backbone.streams, backbone.database, Access(backbone.database))
    backbone.reacts(reactions(use))
    door = backbone.door(partial(find_key, backbone.database))
    return backbone, backbone.app(api.routes(use, door), door)
