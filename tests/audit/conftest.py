"""The world that the tests of audit stand in: Nordlys with two accounts, Havnefart with one, and who reads."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from eventsourcing.persistence import Notification
from fastapi import FastAPI

from services.audit.service import NAME, build
from services.company.events import AccountOpened, CompanyRegistered, FrameworkAgreementOpened
from services.products.events import BizzOrdered, ProductClosed
from services.profiles.events import (
    AccountAdministratorGranted,
    MainAdministratorGranted,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCreated,
)
from shared.actor import Actor
from shared.backbone import Backbone
from shared.dead_letters import Letter
from shared.envelope import Recorded, to_state, wire
from shared.events import Event
from tests.feed import SUSANNE, SYSTEM, Asking, Feed, running, settings_of_audit

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def name(kind: str, number: int) -> str:
    """A fixed identifier."""
    return f"{kind}-{number:032x}"


NORDLYS, HAVNEFART = name("company", 1), name("company", 2)
ROAD, HARBOUR, FRAMEWORK, QUAY = name("account", 1), name("account", 2), name("account", 4), name("account", 3)
AGREEMENT = name("agreement", 1)
BIZZ, PLATE, HAVNEFART_BIZZ = name("product", 1), name("product", 2), name("product", 3)
ANNA, METTE, DORA, HANS, ERIK = (Actor("profile", name("profile", number)) for number in range(1, 6))
UNDER_ROAD = f"account-administrator:{ROAD}"
UNDER_QUAY = f"account-administrator:{QUAY}"

_STREAM = {
    "auth": ("staff_id", "login_id", "session_id", "challenge_id", "key_id", "alarm_id", "attempt_id"),
    "company": ("company_id", "attempt_id"),
    "products": ("redrive_id", "parked_id", "intake_id", "bulk_id", "cards_id", "product_id", "attempt_id"),
    "profiles": ("profile_id", "attempt_id"),
}


def stream_of(event: Event) -> str:
    fields = _STREAM[event.type.split(".")[0]]
    return str(next(value for each in fields if (value := getattr(event, each, None))))


@dataclass
class Topics:
    """What the services said, as their topics carry it."""

    versions: Counter[str] = field(default_factory=Counter)
    numbers: Any = field(default_factory=lambda: count(1))

    def letter(self, event: Event, by: Actor = SYSTEM, grant: str | None = None, at: datetime | None = None) -> Letter:
        """The record of one more event of its stream, a second later than the one before."""
        stream, number = stream_of(event), next(self.numbers)
        self.versions[stream] += 1
        recorded = Recorded(
            id=f"{number:032x}",
            source=event.type.split(".")[0],
            stream=stream,
            version=self.versions[stream],
            position=number,
            time=at or NOON + timedelta(seconds=number),
            actor=by,
            grant=grant,
            correlation=f"request-{number}",
            causation=None,
            data=event,
        )
        headers, value = wire(
            recorded.source, Notification(stream, recorded.version, event.type, to_state(recorded), 1)
        )
        return Letter(recorded.source, 0, number, headers, value)


@dataclass
class World:
    """One replica of audit, with what it was told."""

    backbone: Backbone
    app: FastAPI
    topics: Topics = field(default_factory=Topics)

    async def happened(
        self, *events: Event, by: Actor = SYSTEM, grant: str | None = None, at: datetime | None = None
    ) -> None:
        """These happened elsewhere, in this order, and have arrived."""
        await self.arrived(*(self.topics.letter(event, by, grant, at) for event in events))

    async def arrived(self, *letters: Letter) -> None:
        assert self.backbone.inbox is not None
        await self.backbone.inbox.take_letters(list(letters))

    def asked_by(self, actor: Actor | None) -> Asking:
        return Asking(self.app, NAME, actor)

    async def ask(self, actor: Actor | None, entity: str, **query: Any) -> httpx.Response:
        return await self.asked_by(actor)("GET", f"/history/{entity}?{httpx.QueryParams(query)}")

    async def read(self, actor: Actor, entity: str) -> list[dict[str, Any]]:
        """Everything that somebody is shown of an entity's history, page after page."""
        entries: list[dict[str, Any]] = []
        place: dict[str, Any] = {}
        while True:
            answer = await self.ask(actor, entity, **place)
            assert answer.status_code == 200, answer.text
            entries += answer.json()["items"]
            if answer.json()["next"] is None:
                return entries
            place = {"after": answer.json()["next"]}

    async def types_read(self, actor: Actor, entity: str) -> list[str]:
        return [entry["type"].split(".", 1)[1].removesuffix(".v1") for entry in await self.read(actor, entity)]


def replica(dsn: str) -> World:
    return World(*build(settings_of_audit(dsn)))


@pytest.fixture
async def audit(database: str) -> AsyncIterator[World]:
    """Audit, empty but for what every asking needs: the signing key, and Susanne of customer service."""
    world = replica(database)
    async with running(world.backbone):
        await Feed(world.backbone).given_the_house()
        yield world


@pytest.fixture
async def world(audit: World) -> World:
    """The day so far: Nordlys with its agreement, Havnefart, and who holds what."""
    await audit.happened(
        company(NORDLYS, "Nordlys Transport ApS"),
        account(NORDLYS, ROAD),
        account(NORDLYS, HARBOUR),
        FrameworkAgreementOpened(
            company_id=NORDLYS, agreement_id=AGREEMENT, framework_account_id=FRAMEWORK, sub_account_ids=(ROAD, HARBOUR)
        ),
        account(NORDLYS, FRAMEWORK, AGREEMENT),
        company(HAVNEFART, "Havnefart A/S"),
        account(HAVNEFART, QUAY),
        by=SUSANNE,
        grant="customer-service",
    )
    await audit.happened(
        created(ANNA, "anna@nordlys.example.com"),
        AccountAdministratorGranted(profile_id=ANNA.id, account_id=ROAD, company_id=NORDLYS),
        created(METTE, "mette@nordlys.example.com"),
        MainAdministratorGranted(profile_id=METTE.id, agreement_id=AGREEMENT, company_id=NORDLYS),
        created(HANS, "hans@havnefart.example.com"),
        AccountAdministratorGranted(profile_id=HANS.id, account_id=QUAY, company_id=HAVNEFART),
        by=SUSANNE,
    )
    await audit.happened(bizz(BIZZ, ROAD, NORDLYS), bizz(PLATE, HARBOUR, NORDLYS), by=ANNA, grant=UNDER_ROAD)
    await audit.happened(bizz(HAVNEFART_BIZZ, QUAY, HAVNEFART), by=HANS, grant=UNDER_QUAY)
    await audit.happened(
        created(DORA, "dora@nordlys.example.com"), product_access(DORA, BIZZ, ROAD), by=ANNA, grant=UNDER_ROAD
    )
    return audit


def company(company_id: str, legal_name: str) -> Event:
    return CompanyRegistered(
        company_id=company_id,
        cvr="10150817",
        legal_name=legal_name,
        payment="invoice",
        contact_person="Nora Nord",
        contact_email="office@nordlys.example.com",
        phone=None,
        postal_address=None,
        invoice_email=None,
    )


def account(company_id: str, account_id: str, agreement_id: str | None = None) -> Event:
    return AccountOpened(
        company_id=company_id,
        account_id=account_id,
        customer_number="1000001",
        name="Road",
        payment="invoice",
        agreement_id=agreement_id,
    )


def bizz(product_id: str, account_id: str, company_id: str) -> Event:
    return BizzOrdered(product_id=product_id, account_id=account_id, company_id=company_id, reference=None)


def closed(product_id: str, account_id: str) -> Event:
    return ProductClosed(product_id=product_id, account_id=account_id, closed_at_partners_by=NOON + timedelta(days=1))


def created(profile: Actor, email: str) -> Event:
    return ProfileCreated(profile_id=profile.id, email=email, address=email, name="Dora Dahl")


def product_access(profile: Actor, product_id: str, account_id: str) -> Event:
    return ProductAccessGranted(profile_id=profile.id, product_id=product_id, account_id=account_id, company_id=NORDLYS)


def product_access_ended(profile: Actor, product_id: str, account_id: str) -> Event:
    return ProductAccessRevoked(
        profile_id=profile.id,
        product_id=product_id,
        account_id=account_id,
        company_id=NORDLYS,
        because="product-closed",
    )
