"""Wiring of company: the only file that knows all the others; no logic."""

from functools import partial

from fastapi import FastAPI

from services.auth.ended_sessions import EndedSessions, must_not_have_ended
from services.auth.keys import SigningKeys, find_key
from services.company import api
from services.company.events import AttemptRefused
from services.company.use_cases import UseCases
from services.company.use_cases.change_requests import ChangeRequests
from services.company.use_cases.companies import CareOfCompanies
from services.company.views.accounts import Accounts
from services.company.views.change_requests import RequestedChanges
from services.company.views.companies import Companies
from services.company.views.company_by_cvr import CompanyByCvr
from services.company.views.customer_numbers import CustomerNumbers
from services.profiles.access import Access
from services.profiles.reach import STREAMS, Reach
from shared.backbone import Backbone
from shared.settings import ServiceSettings

NAME = "company"


def build(settings: ServiceSettings) -> tuple[Backbone, FastAPI]:
    """Company, put together: its parts for the command line, its application for the server."""
    reach = Reach()
    backbone = Backbone(
        NAME,
        settings,
        own=("company", "attempt"),
        views=(reach, CompanyByCvr(), CustomerNumbers(), Companies(), Accounts(), RequestedChanges()),
        hears=("auth", "products", "profiles"),
        heeds=("auth", "profiles"),
        follows=[*(kind for kind in STREAMS if kind != "company"), "key", "session"],
        copies=(reach, SigningKeys(), EndedSessions()),
        attempt_refused=AttemptRefused,
    )
    backbone.reacts()  # to nothing: it only takes in who reaches what, and the keys
    parts = backbone.streams, backbone.database, Access(backbone.database)
    use = UseCases(CareOfCompanies(*parts), ChangeRequests(*parts))
    door = backbone.door(partial(find_key, backbone.database), partial(must_not_have_ended, backbone.database))
    return backbone, backbone.app(api.routes(use, door), door)
