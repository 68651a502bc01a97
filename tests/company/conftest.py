"""The world that the tests of company stand in: customer service, and who administers what was registered."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI

from services.company.service import NAME, build
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    ProductAccessGranted,
)
from shared.actor import Actor
from shared.backbone import Backbone
from tests.feed import SUSANNE, Asking, Feed, log_of, running, settings_for


def name(kind: str, number: int) -> str:
    """A fixed identifier."""
    return f"{kind}-{number:032x}"


ANNA, METTE, HANS, DORA = (Actor("profile", name("profile", number)) for number in range(1, 5))
"""Anna administers Nordlys' first account, Mette its agreement, Hans Havnefart; Dora drives for Nordlys."""

NORDLYS: dict[str, Any] = {
    "cvr": "12345678",
    "legal_name": "Nordlys Transport ApS",
    "payment": "invoice",
    "contact_person": "Nora Nord",
    "contact_email": "office@nordlys.example.com",
    "account_name": "Nordlys Transport",
    "administrator": {"email": "anna@nordlys.example.com", "name": "Anna Lund"},
}
HAVNEFART: dict[str, Any] = {
    "cvr": "87654321",
    "legal_name": "Havnefart A/S",
    "payment": "card",
    "contact_person": "Hanne Havn",
    "contact_email": "office@havnefart.example.com",
    "phone": "+45 55 66 77 88",
    "postal_address": "Havnegade 1, 5000 Odense C",
    "invoice_email": "invoice@havnefart.example.com",
    "account_name": "Havnefart",
    "administrator": {"email": "hans@havnefart.example.com", "name": "Hans Holm"},
}
CONTACT = {"contact_person": "Maja Holm", "contact_email": "maja@nordlys.example.com", "phone": "+45 11 22 33 44"}
AGREEMENT_FORM = {"main_administrator": {"email": "mette@nordlys.example.com", "name": "Mette Main"}}

Ids = dict[str, str]


@dataclass
class World:
    """One replica of company, with what it was told."""

    backbone: Backbone
    app: FastAPI
    feed: Feed

    def asked_by(self, actor: Actor | None) -> Asking:
        return Asking(self.app, NAME, actor)

    async def done(self, by: Actor, method: str, path: str, body: Any, status: int = 201) -> Ids:
        """A command that is accepted; answers what it answers."""
        answer = await self.asked_by(by)(method, path, body)
        assert answer.status_code == status, answer.text
        told: Ids = answer.json()
        return told

    async def registered(self, form: dict[str, Any], administrator: Actor) -> Ids:
        """Customer service registers a company, and profiles grants its first administrator."""
        ids = await self.done(SUSANNE, "POST", "/companies", form)
        await self.administers(administrator, ids["account_id"], ids["company_id"])
        return ids

    async def agreement_of(self, company_id: str, main: Actor) -> Ids:
        """Customer service opens a framework agreement, and profiles grants its first main administrator."""
        ids = await self.done(SUSANNE, "POST", f"/companies/{company_id}/framework-agreement", AGREEMENT_FORM)
        await self.feed.given(
            MainAdministratorGranted(profile_id=main.id, agreement_id=ids["agreement_id"], company_id=company_id)
        )
        return ids

    async def administers(self, who: Actor, account_id: str, company_id: str) -> None:
        granted = AccountAdministratorGranted(profile_id=who.id, account_id=account_id, company_id=company_id)
        await self.feed.given(granted)

    async def administers_no_longer(self, who: Actor, account_id: str, company_id: str) -> None:
        await self.feed.given(
            AccountAdministratorRevoked(
                profile_id=who.id, account_id=account_id, company_id=company_id, because="revoked"
            )
        )

    async def drives(self, who: Actor, account_id: str, company_id: str) -> None:
        """Somebody has access to one product of an account."""
        await self.feed.given(
            ProductAccessGranted(
                profile_id=who.id, product_id=name("product", 1), account_id=account_id, company_id=company_id
            )
        )

    def types_in_log(self) -> list[str]:
        return [recorded.type.split(".")[1] for recorded in log_of(self.backbone)]


def replica(dsn: str) -> World:
    backbone, app = build(settings_for(dsn))
    return World(backbone, app, Feed(backbone))


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    """A company service that knows customer service and the signing key, and no company yet."""
    one = replica(database)
    async with running(one.backbone):
        await one.feed.given_the_house()
        yield one
