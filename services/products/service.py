"""Wiring of products: the only file that knows all the others; no logic."""

from functools import partial

from fastapi import FastAPI

from services.auth.ended_sessions import EndedSessions, must_not_have_ended
from services.auth.keys import SigningKeys, find_key
from services.products import api
from services.products.adapters.journeys import Journeys
from services.products.adapters.payments import Payments
from services.products.events import AttemptRefused
from services.products.reactions import reactions
from services.products.use_cases import UseCases
from services.products.use_cases.products import CareOfProducts
from services.products.use_cases.usage import Usage
from services.products.views.account_payment import AccountPayment
from services.products.views.bizz_by_device_number import BizzByDeviceNumber
from services.products.views.open_on_account import OpenOnAccount
from services.products.views.open_product_by_plate import OpenProductByPlate
from services.products.views.products import Products
from services.profiles.access import Access
from services.profiles.reach import STREAMS, Reach
from shared.backbone import Backbone
from shared.settings import ServiceSettings

NAME = "products"


def build(settings: ServiceSettings) -> tuple[Backbone, FastAPI]:
    """Products, put together: its parts for the command line, its application for the server."""
    reach = Reach()
    backbone = Backbone(
        NAME,
        settings,
        own=("product", "attempt"),
        views=(
            *(reach, OpenProductByPlate(), BizzByDeviceNumber(), Products(), OpenOnAccount()),
            *(Journeys(), Payments()),
        ),
        hears=("auth", "company", "profiles"),
        heeds=("auth", "profiles"),
        follows=[*(kind for kind in STREAMS if kind != "product"), "key", "session"],
        copies=(reach, AccountPayment(), SigningKeys(), EndedSessions()),
        attempt_refused=AttemptRefused,
    )
    access = Access(backbone.database)
    use = UseCases(
        CareOfProducts(backbone.streams, backbone.database, access, backbone.clock),
        Usage(backbone.database, access),
    )
    backbone.reacts(reactions(use))
    door = backbone.door(partial(find_key, backbone.database), partial(must_not_have_ended, backbone.database))
    return backbone, backbone.app(api.routes(use, door), door)
