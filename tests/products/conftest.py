"""The world that the tests of products stand in: two companies with their accounts, and who reaches what."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.company.events import AccountOpened, FrameworkAgreementOpened
from services.products.service import NAME, build
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    ProductAccessGranted,
    ProductAccessRevoked,
)
from shared.actor import Actor
from shared.backbone import Backbone
from shared.events import Event
from tests.feed import Asking, Feed, log_of, running, settings_for


def name(kind: str, number: int) -> str:
    """A fixed identifier."""
    return f"{kind}-{number:032x}"


NORDLYS, HAVNEFART = name("company", 1), name("company", 2)
NORDLYS_ROAD, NORDLYS_HARBOUR, HAVNEFART_MAIN = name("account", 1), name("account", 2), name("account", 3)
AGREEMENT = name("agreement", 1)
ANNA, METTE, HANS, DORA = (Actor("profile", name("profile", number)) for number in range(1, 5))
"""Anna administers Nordlys' road account, Mette its agreement, Hans Havnefart; Dora drives for Nordlys."""

BIZZ: dict[str, Any] = {"kind": "bizz", "reference": "Van 12"}
PLATE_PAYMENT: dict[str, Any] = {"kind": "number-plate-payment", "country": "DK", "plate": "AB 12-345"}
ETICKET: dict[str, Any] = {
    "kind": "eticket",
    "country": "SE",
    "plate": "ABC 123",
    "vin": "wvwzzz1jzxw000001",
    "vehicle_type": "lorry",
    "trips": 2,
    "details_are_right": True,
    "may_be_used_everywhere": True,
    "reference": "Malmö",
}
DEVICE = {"device_number": "9208000000000001"}
CONFIRMED = {"confirm": True}


def opened(account: str, company: str, payment: Any, agreement: str | None = None) -> Event:
    return AccountOpened(
        company_id=company,
        account_id=account,
        customer_number="1000001",
        name="Road",
        payment=payment,
        agreement_id=agreement,
    )


@dataclass
class World:
    """One replica of products, with what it was told."""

    backbone: Backbone
    app: FastAPI
    feed: Feed

    def asked_by(self, actor: Actor | None) -> Asking:
        return Asking(self.app, NAME, actor)

    async def asks_to_order(self, by: Actor, order: dict[str, Any], account: str = NORDLYS_ROAD) -> httpx.Response:
        return await self.asked_by(by)("POST", f"/accounts/{account}/products", order)

    async def ordered(self, order: dict[str, Any], by: Actor = ANNA, account: str = NORDLYS_ROAD) -> str:
        """An order that is accepted; answers the product's id."""
        answer = await self.asks_to_order(by, order, account)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["product_id"])

    async def done(self, by: Actor, method: str, path: str, body: Any = None) -> None:
        """A command that is accepted."""
        answer = await self.asked_by(by)(method, path, body)
        assert answer.status_code == 200, answer.text

    async def seen(self, product: str, by: Actor = ANNA) -> dict[str, Any]:
        """A product as somebody is shown it."""
        answer = await self.asked_by(by)("GET", f"/products/{product}")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def listed(self, by: Actor, query: str = "") -> list[str]:
        """The ids of the products on the first page of somebody's list."""
        answer = await self.asked_by(by)("GET", f"/products{query}")
        assert answer.status_code == 200, answer.text
        return [product["product_id"] for product in answer.json()["items"]]

    async def drives(self, who: Actor, product: str, account: str = NORDLYS_ROAD, company: str = NORDLYS) -> None:
        """Somebody is granted access to a product."""
        await self.feed.given(
            ProductAccessGranted(profile_id=who.id, product_id=product, account_id=account, company_id=company)
        )

    async def drives_no_longer(self, who: Actor, product: str) -> None:
        await self.feed.given(
            ProductAccessRevoked(
                profile_id=who.id,
                product_id=product,
                account_id=NORDLYS_ROAD,
                company_id=NORDLYS,
                because="product-closed",
            )
        )

    async def administers_no_longer(self, who: Actor) -> None:
        await self.feed.given(
            AccountAdministratorRevoked(
                profile_id=who.id, account_id=NORDLYS_ROAD, company_id=NORDLYS, because="revoked"
            )
        )

    def types_in_log(self) -> list[str]:
        return [recorded.type.split(".")[1] for recorded in log_of(self.backbone)]


def replica(dsn: str) -> World:
    backbone, app = build(settings_for(dsn))
    return World(backbone, app, Feed(backbone))


def the_companies() -> list[Event]:
    """Nordlys pays two accounts in an agreement by invoice, Havnefart one by card; each has its administrators."""
    return [
        opened(NORDLYS_ROAD, NORDLYS, "invoice"),
        opened(NORDLYS_HARBOUR, NORDLYS, "invoice"),
        FrameworkAgreementOpened(
            company_id=NORDLYS,
            agreement_id=AGREEMENT,
            framework_account_id=name("account", 4),
            sub_account_ids=(NORDLYS_ROAD, NORDLYS_HARBOUR),
        ),
        opened(name("account", 4), NORDLYS, "invoice", AGREEMENT),
        opened(HAVNEFART_MAIN, HAVNEFART, "card"),
        AccountAdministratorGranted(profile_id=ANNA.id, account_id=NORDLYS_ROAD, company_id=NORDLYS),
        MainAdministratorGranted(profile_id=METTE.id, agreement_id=AGREEMENT, company_id=NORDLYS),
        AccountAdministratorGranted(profile_id=HANS.id, account_id=HAVNEFART_MAIN, company_id=HAVNEFART),
    ]


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    """A products service that knows both companies, who administers them, customer service and the signing key."""
    one = replica(database)
    async with running(one.backbone):
        await one.feed.given_the_house()
        await one.feed.given(*the_companies())
        yield one
