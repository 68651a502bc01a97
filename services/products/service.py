"""Wiring of products: the only file that knows all the others; no logic."""

from functools import partial

from fastapi import FastAPI

from services.auth.ended_sessions import EndedSessions, must_not_have_ended
from services.auth.keys import SigningKeys, find_key
from services.products import api
from services.products.adapters.bulk_orders import BulkOrders
from services.products.adapters.card_tokens import CardTokens
from services.products.events import AttemptRefused
from services.products.reactions import reactions
from services.products.use_cases import UseCases
from services.products.use_cases.bulk import BulkOrdering
from services.products.use_cases.cards import CareOfCards
from services.products.use_cases.products import CareOfProducts
from services.products.views.account_payment import AccountPayment
from services.products.views.bizz_by_device_number import BizzByDeviceNumber
from services.products.views.cards import PaymentCards
from services.products.views.open_on_account import OpenOnAccount
from services.products.views.open_product_by_plate import OpenProductByPlate
from services.products.views.products import Products
from services.profiles.access import Access
from services.profiles.reach import STREAMS, Reach
from shared.again import again_and_again
from shared.backbone import Backbone
from shared.settings import ServiceSettings

NAME = "products"
LOOK_FOR_EXPIRY_SECONDS = 3600.0
"""Notices go by days; on every replica, where looking twice says nothing twice."""


def build(settings: ServiceSettings) -> tuple[Backbone, FastAPI]:
    """Products, put together: its parts for the command line, its application for the server."""
    reach = Reach()
    backbone = Backbone(
        NAME,
        settings,
        own=("product", "bulk", "cards", "attempt"),
        views=(
            *(reach, OpenProductByPlate(), BizzByDeviceNumber(), Products(), OpenOnAccount()),
            *(BulkOrders(), PaymentCards(), CardTokens()),
        ),
        hears=("auth", "company", "profiles"),
        heeds=("auth", "profiles"),
        follows=[*(kind for kind in STREAMS if kind != "product"), "key", "session"],
        copies=(reach, AccountPayment(), SigningKeys(), EndedSessions()),
        attempt_refused=AttemptRefused,
    )
    access = Access(backbone.database)
    parts = (backbone.streams, backbone.database, access, backbone.clock)
    care = CareOfProducts(*parts)
    bulk = BulkOrdering(
        *parts, care=care, record_refusal=backbone.record_refusal, must_have_heard=backbone.heard.must_be_fresh
    )
    use = UseCases(products=care, bulk=bulk, cards=CareOfCards(*parts))
    backbone.runs(bulk.keep_working)
    backbone.reacts(reactions(use))
    backbone.runs(again_and_again(use.cards.tell_of_expiry, LOOK_FOR_EXPIRY_SECONDS))
    door = backbone.door(partial(find_key, backbone.database), partial(must_not_have_ended, backbone.database))
    return backbone, backbone.app(api.routes(use, door), door)
