"""Wiring of products: the only file that knows all the others; no logic."""

from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI

from services.auth.ended_sessions import EndedSessions, must_not_have_ended
from services.auth.keys import SigningKeys, find_key
from services.products import api
from services.products.adapters.bulk_orders import BulkOrders
from services.products.adapters.card_tokens import CardTokens
from services.products.adapters.journey_feed import topic
from services.products.adapters.journey_files import JourneyFiles
from services.products.adapters.journeys import Journeys
from services.products.adapters.parked_journeys import ParkedJourneys
from services.products.adapters.payments import Payments
from services.products.events import AttemptRefused
from services.products.reactions import reactions
from services.products.use_cases import UseCases
from services.products.use_cases.bulk import BulkOrdering
from services.products.use_cases.cards import CareOfCards
from services.products.use_cases.journey_files import JourneyFilesComing
from services.products.use_cases.journeys import MOST_AT_ONCE, OURSELVES, IntakeOfJourneys
from services.products.use_cases.parked_journeys import CareOfParkedJourneys
from services.products.use_cases.products import CareOfProducts
from services.products.use_cases.usage import Usage
from services.products.views.account_payment import AccountPayment
from services.products.views.bizz_by_device_number import BizzByDeviceNumber
from services.products.views.cards import PaymentCards
from services.products.views.carriers import Carriers
from services.products.views.open_on_account import OpenOnAccount
from services.products.views.open_product_by_plate import OpenProductByPlate
from services.products.views.products import Products
from services.profiles.access import Access
from services.profiles.reach import STREAMS, Reach
from shared.again import again_and_again
from shared.backbone import Backbone
from shared.cause import Cause
from shared.settings import ServiceSettings

NAME = "products"
LOOK_FOR_EXPIRY_SECONDS = 3600.0
"""Notices go by days; on every replica, where looking twice says nothing twice."""


@dataclass(frozen=True, slots=True)
class ProductsService:
    """The service, put together; the command line opens `backbone`'s store and calls `use` without HTTP or Kafka."""

    backbone: Backbone
    use: UseCases
    app: FastAPI


def build(settings: ServiceSettings) -> tuple[Backbone, FastAPI]:
    """Its parts for the command line, its application for the server."""
    made = assemble(settings)
    return made.backbone, made.app


def assemble(settings: ServiceSettings) -> ProductsService:
    """Products with all its parts, nothing of it started."""
    reach = Reach()
    backbone = Backbone(
        NAME,
        settings,
        own=("product", "bulk", "cards", "attempt", "intake", "parked", "redrive"),
        views=(
            *(reach, OpenProductByPlate(), BizzByDeviceNumber(), Products(), OpenOnAccount(), Carriers()),
            *(BulkOrders(), PaymentCards(), CardTokens(), Journeys(), Payments(), ParkedJourneys(), JourneyFiles()),
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
    driven = partial(care.use_trip, cause=Cause(OURSELVES, "journeys"))
    journeys = IntakeOfJourneys(
        streams=backbone.streams,
        recorder=backbone.recorder,
        connect=backbone.connect,
        clock=backbone.clock,
        driven=driven,
    )
    use = UseCases(
        products=care,
        bulk=bulk,
        cards=CareOfCards(*parts),
        journeys=journeys,
        parked_journeys=CareOfParkedJourneys(backbone.streams, backbone.database, access, driven),
        journey_files=JourneyFilesComing(journeys, backbone.connect),
        usage=Usage(backbone.database, access),
    )
    backbone.runs(bulk.keep_working)
    backbone.runs(again_and_again(use.cards.tell_of_expiry, LOOK_FOR_EXPIRY_SECONDS))
    backbone.reacts(reactions(use))
    backbone.takes_in(topic(settings.kafka.topic_prefix), journeys.take_records, most=MOST_AT_ONCE)
    backbone.runs(journeys.follow)
    backbone.runs(journeys.keep_saying)
    door = backbone.door(partial(find_key, backbone.database), partial(must_not_have_ended, backbone.database))
    return ProductsService(backbone, use, backbone.app(api.routes(use, door), door))
