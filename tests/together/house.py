"""A house of four services, each with its own database, and a game that is played in it: two companies of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, LiteralString

from fastapi import FastAPI

from services.auth.events import SessionStarted
from services.auth.service import build as build_auth
from services.company.service import build as build_company
from services.products.service import build as build_products
from services.profiles.service import build as build_profiles
from shared.actor import Actor
from shared.backbone import Backbone
from shared.cause import Cause
from shared.envelope import Recorded, from_state
from shared.ids import new_id
from tests.auth.conftest import settings_for as settings_of_auth
from tests.feed import SUSANNE, SYSTEM, Asking, Feed, running, settings_for
from tests.together.carrier import Carrier


@dataclass
class Game:
    """Two companies: Anna administers an account of the first, Mette its agreement, Hans the account of the other."""

    number: int
    accounts: tuple[str, str] = ("", "")
    agreement: str = ""
    products: list[str] = field(default_factory=list)

    def email(self, who: str) -> str:
        return f"{who}{self.number}@nordlys.example.com"

    def person(self, who: str) -> dict[str, str]:
        return {"email": self.email(who), "name": who.title()}

    @property
    def things(self) -> list[dict[str, str]]:
        """What may be granted, in the order of their numbers."""
        accounts = [{"kind": "account-administrator", "id": account} for account in self.accounts]
        agreement = [{"kind": "main-administrator", "id": self.agreement}]
        return [*({"kind": "product-access", "id": product} for product in self.products), *accounts, *agreement]


@dataclass
class House:
    """Company, profiles, products and auth, and the way between them."""

    backbones: dict[str, Backbone]
    apps: dict[str, FastAPI]
    carrier: Carrier
    games: int = 0

    def ends(self) -> dict[str, int | None]:
        """Where each log ends."""
        return {name: backbone.recorder.max_notification_id() for name, backbone in self.backbones.items()}

    def since(self, ends: dict[str, int | None]) -> dict[str, list[Recorded]]:
        """What each log says since."""
        return {
            name: [
                from_state(name, stored)
                for stored in backbone.recorder.select_notifications((ends[name] or 0) + 1, 1_000)
            ]
            for name, backbone in self.backbones.items()
        }

    async def rows(self, table: Literal["idempotency", "mails"]) -> int:
        """How many keys are used up outside auth, or how many mails auth has queued."""
        count: LiteralString = f"SELECT count(*) AS rows FROM {table}"
        holders = [each for name, each in self.backbones.items() if (name == "auth") == (table == "mails")]
        return sum([row["rows"] for backbone in holders for row in await backbone.database.rows(count)])

    async def profile_of(self, email: str) -> str | None:
        row = await self.backbones["profiles"].database.row(
            "SELECT profile_id FROM profile_by_email WHERE address = %s", (email,)
        )
        return row["profile_id"] if row else None

    async def asked_by(self, game: Game, who: str, service: str) -> Asking:
        """Somebody of this game asking a service; whoever has no profile is nobody anywhere."""
        actor = SUSANNE if who == "susanne" else Actor("profile", await self._profile_or_nobody(game, who))
        return Asking(self.apps[service], service, actor)

    async def _profile_or_nobody(self, game: Game, who: str) -> str:
        return await self.profile_of(game.email(who)) or f"profile-{0:032x}"

    async def log_in(self, profile: str) -> None:
        session = new_id("session")
        started = SessionStarted(
            session_id=session,
            subject=f"profile:{profile}",
            challenge_id=new_id("challenge"),
            ends_at=datetime.now(UTC) + timedelta(hours=12),
        )
        await self.backbones["auth"].streams.record(session, started, Cause(SYSTEM, "given"))
        await self.carrier.deliver()

    async def new_game(self) -> Game:
        """Customer service sets two companies up, the first with an agreement; Anna and Hans order products."""
        self.games += 1
        game = Game(self.games)
        first, other = [await self._registered(game, who, n) for n, who in enumerate(("anna", "hans"))]
        company, form = f"/companies/{first['company_id']}", {"main_administrator": game.person("mette")}
        game.agreement = (await self._done(game, "company", f"{company}/framework-agreement", form))["agreement_id"]
        # One more sub-account, or none could end as long as the agreement lasts (C5).
        await self._done(game, "company", f"/agreements/{game.agreement}/accounts", {"name": "Odense"})
        game.accounts = (first["account_id"], other["account_id"])
        await self.carrier.deliver()
        for who, at in (("anna", 0), ("anna", 0), ("hans", 1)):
            path = f"/accounts/{game.accounts[at]}/products"
            game.products.append((await self._done(game, "products", path, {"kind": "bizz"}, who))["product_id"])
        await self.carrier.deliver()
        return game

    async def _registered(self, game: Game, administrator: str, number: int) -> dict[str, str]:
        form = {
            "cvr": f"{10_000_000 + 2 * game.number + number}",
            "legal_name": "Nordlys Transport ApS",
            "payment": "invoice",
            "contact_person": "Nora Nord",
            "contact_email": "office@nordlys.example.com",
            "account_name": "Road",
            "administrator": game.person(administrator),
        }
        return await self._done(game, "company", "/companies", form)

    async def _done(self, game: Game, service: str, path: str, body: Any, by: str = "susanne") -> dict[str, str]:
        answer = await (await self.asked_by(game, by, service))("POST", path, body)
        assert answer.status_code == 201, answer.text
        told: dict[str, str] = answer.json()
        return told


@asynccontextmanager
async def opened_house(new_database: Callable[[], str]) -> AsyncIterator[House]:
    """All four services with their stores open; they know the signing key and customer service."""
    built = {
        "profiles": build_profiles(settings_for(new_database())),
        "products": build_products(settings_for(new_database())),
        "company": build_company(settings_for(new_database())),
        "auth": build_auth(settings_of_auth(new_database())),
    }
    backbones = {name: backbone for name, (backbone, _) in built.items()}
    async with running(*backbones.values()):
        for name, backbone in backbones.items():
            if name != "auth":
                await Feed(backbone).given_the_house()
        yield House(backbones, {name: app for name, (_, app) in built.items()}, Carrier(*backbones.values()))
