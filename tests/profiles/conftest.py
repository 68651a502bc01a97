"""The world that the tests of profiles stand in: two companies, their accounts and products, and who asks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI

from services.company.events import AccountAdministratorNamed, AccountOpened, FrameworkAgreementOpened
from services.products.events import BizzOrdered, NumberPlatePaymentOrdered, ProductClosed
from services.profiles.service import NAME, build
from shared.actor import Actor
from shared.backbone import Backbone
from shared.events import Event
from tests.feed import SUSANNE, Asking, Feed, log_of, running, settings_for


def name(kind: str, number: int) -> str:
    """A fixed identifier."""
    return f"{kind}-{number:032x}"


NORDLYS, HAVNEFART = name("company", 1), name("company", 2)
NORDLYS_ROAD, NORDLYS_HARBOUR, HAVNEFART_MAIN = name("account", 1), name("account", 2), name("account", 3)
NORDLYS_FRAMEWORK, AGREEMENT = name("account", 4), name("agreement", 1)
BIZZ, PLATE_PAYMENT, HAVNEFART_BIZZ = name("product", 1), name("product", 2), name("product", 3)
ANNA, DORA, HANS = "anna@nordlys.example.com", "dora@nordlys.example.com", "hans@havnefart.example.com"


def opened(company: str, account: str) -> Event:
    return AccountOpened(
        company_id=company,
        account_id=account,
        customer_number="1000001",
        name="Road",
        payment="invoice",
        agreement_id=None,
    )


def bizz(product: str, account: str, company: str) -> Event:
    return BizzOrdered(product_id=product, account_id=account, company_id=company, reference=None)


def plate_payment(product: str, account: str, company: str) -> Event:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return NumberPlatePaymentOrdered(
        product_id=product,
        account_id=account,
        company_id=company,
        country="DK",
        plate="AB12345",
        usable_at_storebaelt_from=now + timedelta(minutes=20),
        usable_elsewhere_from=now + timedelta(hours=24),
        reference=None,
    )


def closed(product: str, account: str) -> Event:
    return ProductClosed(product_id=product, account_id=account, closed_at_partners_by=datetime(2026, 3, 2, tzinfo=UTC))


@dataclass
class World:
    """One replica of profiles, with what it was told."""

    backbone: Backbone
    app: FastAPI
    feed: Feed

    def asked_by(self, actor: Actor | None) -> Asking:
        return Asking(self.app, NAME, actor)

    async def profile_of(self, email: str) -> Actor:
        """The actor that the person with this address is."""
        row = await self.backbone.database.row("SELECT profile_id FROM profile_by_email WHERE address = %s", (email,))
        assert row is not None, email
        return Actor("profile", row["profile_id"])

    async def administrator(self, email: str, account: str, company: str) -> Actor:
        """Customer service names somebody account administrator; answers who that is."""
        await self.feed.given(
            AccountAdministratorNamed(company_id=company, account_id=account, email=email, name="Anna Aas"), by=SUSANNE
        )
        return await self.profile_of(email)

    async def new_person(self, by: Actor, email: str, kind: str, target: str) -> str:
        """Create a profile with one grant; answers its id."""
        answer = await self.asked_by(by)(
            "POST", "/profiles", {"email": email, "name": "Dora Dahl", "grants": [{"kind": kind, "id": target}]}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["profile_id"])

    def types_in_log(self) -> list[str]:
        return [recorded.type.split(".")[1] for recorded in log_of(self.backbone)]


def replica(dsn: str) -> World:
    backbone, app = build(settings_for(dsn))
    return World(backbone, app, Feed(backbone))


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    """Nordlys with two accounts and Havnefart with one, a bizz and a plate payment, and the signing key."""
    one = replica(database)
    async with running(one.backbone):
        await one.feed.given_the_house()
        await one.feed.given(
            opened(NORDLYS, NORDLYS_ROAD),
            opened(NORDLYS, NORDLYS_HARBOUR),
            opened(HAVNEFART, HAVNEFART_MAIN),
            bizz(BIZZ, NORDLYS_ROAD, NORDLYS),
            plate_payment(PLATE_PAYMENT, NORDLYS_ROAD, NORDLYS),
            bizz(HAVNEFART_BIZZ, HAVNEFART_MAIN, HAVNEFART),
        )
        yield one


def agreement_opened() -> list[Event]:
    """Nordlys gets a framework agreement over its two accounts."""
    return [
        FrameworkAgreementOpened(
            company_id=NORDLYS,
            agreement_id=AGREEMENT,
            framework_account_id=NORDLYS_FRAMEWORK,
            sub_account_ids=(NORDLYS_ROAD, NORDLYS_HARBOUR),
        ),
        AccountOpened(
            company_id=NORDLYS,
            account_id=NORDLYS_FRAMEWORK,
            customer_number="1000004",
            name="Nordlys Transport ApS",
            payment="invoice",
            agreement_id=AGREEMENT,
        ),
    ]
