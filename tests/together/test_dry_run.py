"""A dry run announces what the command then does, in its own service and in every other (A8, A11, A12, A13, P4).

Random commands of everybody on people and products of two companies: first as a dry run, then really, then everything
is delivered. What was announced is compared with the logs of all services; what was refused, with the real refusal.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, LiteralString

import httpx
from fastapi import FastAPI
from hypothesis import Phase, example, given, note, settings
from hypothesis import strategies as st

from services.auth.events import SessionEnded, SessionStarted
from services.auth.service import build as build_auth
from services.company.events import AccountAdministratorNamed, FrameworkAgreementOpened, MainAdministratorNamed
from services.products.events import ProductClosed
from services.products.service import build as build_products
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCreated,
)
from services.profiles.service import build as build_profiles
from shared.actor import Actor
from shared.backbone import Backbone
from shared.cause import Cause
from shared.envelope import Recorded, from_state
from shared.events import Event
from shared.ids import new_id
from tests.auth.conftest import settings_for as settings_of_auth
from tests.feed import SUSANNE, SYSTEM, Asking, Feed, running, settings_for
from tests.profiles.conftest import opened
from tests.together.carrier import Carrier

Command = tuple[str, str, str, int]
"""What, asked by whom, about whom, and which of the things there are."""

BIZZ, OTHER_BIZZ, OF_HANS, ROAD, HARBOUR, AGREEMENT = range(6)
"""Two products on Anna's account and one on Hans', the two accounts, and the agreement of Anna's company."""
COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(["create", "create", "create", "grant", "revoke", "revoke", "cancel", "close", "log-in"]),
        st.sampled_from(["susanne", "susanne", "anna", "hans", "mette", "mette", "dora"]),
        st.sampled_from(["anna", "hans", "mette", "dora", "dora", "emil"]),
        st.sampled_from([BIZZ, BIZZ, OTHER_BIZZ, OF_HANS, ROAD, ROAD, HARBOUR, AGREEMENT]),
    ),
    min_size=6,
    max_size=16,
)
EVERYTHING: list[Command] = [
    ("create", "anna", "dora", BIZZ),
    ("create", "mette", "emil", BIZZ),
    ("grant", "susanne", "dora", HARBOUR),
    ("grant", "hans", "emil", OF_HANS),
    ("close", "anna", "dora", BIZZ),
    ("close", "anna", "dora", BIZZ),
    ("create", "hans", "emil", OF_HANS),
    ("log-in", "emil", "emil", BIZZ),
    ("log-in", "emil", "emil", BIZZ),
    ("revoke", "dora", "hans", HARBOUR),
    ("revoke", "dora", "dora", HARBOUR),
    ("cancel", "hans", "emil", OF_HANS),
    ("log-in", "mette", "mette", BIZZ),
    ("cancel", "mette", "mette", AGREEMENT),
    ("cancel", "anna", "anna", ROAD),
]
"""A story in which everything comes about that a dry run can announce; all else is left to chance."""


@dataclass
class Game:
    """Two companies of this game alone: Anna and Hans administer an account each, Mette the agreement of Anna's."""

    number: int
    accounts: tuple[str, str] = ("", "")
    agreement: str = ""
    products: list[str] = field(default_factory=list)

    def email(self, who: str) -> str:
        return f"{who}{self.number}@nordlys.example.com"

    @property
    def things(self) -> list[dict[str, str]]:
        """What may be granted, in the order of their numbers."""
        accounts = [{"kind": "account-administrator", "id": account} for account in self.accounts]
        agreement = [{"kind": "main-administrator", "id": self.agreement}]
        return [*({"kind": "product-access", "id": product} for product in self.products), *accounts, *agreement]


@dataclass
class House:
    """Profiles, products and auth, each with its own database, and the way between them."""

    backbones: tuple[Backbone, Backbone, Backbone]
    apps: dict[str, FastAPI]
    carrier: Carrier
    feeds: list[Feed]
    games: int = 0

    async def told(self, *events: Event) -> None:
        """What company said reaches all three."""
        for feed in self.feeds:
            await feed.given(*events, by=SUSANNE)

    def ends(self) -> dict[str, int | None]:
        """Where each log ends."""
        return {backbone.name: backbone.recorder.max_notification_id() for backbone in self.backbones}

    def since(self, ends: dict[str, int | None]) -> dict[str, list[Recorded]]:
        """What each log says since."""
        return {
            backbone.name: [
                from_state(backbone.name, stored)
                for stored in backbone.recorder.select_notifications((ends[backbone.name] or 0) + 1, 1_000)
            ]
            for backbone in self.backbones
        }

    async def rows(self, table: Literal["idempotency", "mails"]) -> int:
        """How many keys are used up in profiles and products, or how many mails auth has queued."""
        count: LiteralString = f"SELECT count(*) AS rows FROM {table}"
        holders = self.backbones[2:] if table == "mails" else self.backbones[:2]
        return sum([row["rows"] for backbone in holders for row in await backbone.database.rows(count)])

    async def profile_of(self, email: str) -> str | None:
        row = await self.backbones[0].database.row(
            "SELECT profile_id FROM profile_by_email WHERE address = %s", (email,)
        )
        return row["profile_id"] if row else None

    async def actor(self, game: Game, who: str) -> Actor:
        if who == "susanne":
            return SUSANNE
        return Actor("profile", await self.profile_of(game.email(who)) or f"profile-{0:032x}")


@asynccontextmanager
async def opened_house(new_database: Callable[[], str]) -> AsyncIterator[House]:
    """All three services with their stores open; they know the signing key and customer service."""
    profiles, of_profiles = build_profiles(settings_for(new_database()))
    products, of_products = build_products(settings_for(new_database()))
    auth, _ = build_auth(settings_of_auth(new_database()))
    backbones = (profiles, products, auth)
    async with running(*backbones):
        feeds = [Feed(backbone) for backbone in backbones]
        for feed in feeds[:2]:
            await feed.given_the_house()
        yield House(backbones, {"profiles": of_profiles, "products": of_products}, Carrier(*backbones), feeds)


def test_a_dry_run_announces_what_the_command_then_does_in_every_service(new_database: Callable[[], str]) -> None:
    tally: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        house = opened_house(new_database)
        opened_now = runner.run(house.__aenter__())

        @example(EVERYTHING)
        @settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])
        @given(COMMANDS)
        def play(commands: Sequence[Command]) -> None:
            runner.run(_played(opened_now, commands, tally))

        try:
            play()
        finally:
            runner.run(house.__aexit__(None, None, None))
    for each in ("begins", "accesses", "elsewhere", "sessions", "products", "last-administrator", "not-found"):
        assert tally[each], f"no command had anything to do with {each}: {tally}"


async def _played(house: House, commands: Sequence[Command], tally: Counter[str]) -> None:
    game = await _new_game(house)
    for command in commands:
        await _do(house, game, command, tally)


async def _new_game(house: House) -> Game:
    house.games += 1
    game = Game(house.games, (new_id("account"), new_id("account")), new_id("agreement"))
    company, other = new_id("company"), new_id("company")
    agreed = FrameworkAgreementOpened(
        company_id=company,
        agreement_id=game.agreement,
        framework_account_id=new_id("account"),
        sub_account_ids=game.accounts[:1],
    )
    await house.told(opened(company, game.accounts[0]), opened(other, game.accounts[1]), agreed)
    for who, account, of in (("anna", game.accounts[0], company), ("hans", game.accounts[1], other)):
        named = AccountAdministratorNamed(company_id=of, account_id=account, email=game.email(who), name=who.title())
        await house.feeds[0].given(named, by=SUSANNE)
    mette = MainAdministratorNamed(
        company_id=company, agreement_id=game.agreement, email=game.email("mette"), name="Mette"
    )
    await house.feeds[0].given(mette, by=SUSANNE)
    await house.carrier.deliver()
    for who, at in (("anna", 0), ("anna", 0), ("hans", 1)):
        ask = Asking(house.apps["products"], "products", await house.actor(game, who))
        answer = await ask("POST", f"/accounts/{game.accounts[at]}/products", {"kind": "bizz"})
        game.products.append(answer.json()["product_id"])
    await house.carrier.deliver()
    return game


async def _do(house: House, game: Game, command: Command, tally: Counter[str]) -> None:
    what, by, whom, which = command
    profile = await house.profile_of(game.email(whom))
    if what == "log-in":
        return await _log_in(house, profile) if profile else None
    thing = game.things[which]
    service, path, body = {
        "create": ("profiles", "/profiles", {"email": game.email(whom), "name": whom, "grants": [thing]}),
        "grant": ("profiles", f"/profiles/{profile or new_id('profile')}/grants", thing),
        "revoke": ("profiles", f"/profiles/{profile or new_id('profile')}/revoke", thing),
        "cancel": ("profiles", f"/profiles/{profile or new_id('profile')}/cancel", {"confirm": which != OTHER_BIZZ}),
        "close": ("products", f"/products/{game.products[which % 3]}/close", {"confirm": True}),
    }[what]
    ask = Asking(house.apps[service], service, await house.actor(game, by))
    before, keys, mails = house.ends(), await house.rows("idempotency"), await house.rows("mails")
    dry = await ask("POST", f"{path}?dry-run=true", body, idempotency_key=new_id("key"))
    assert (house.ends(), await house.rows("idempotency")) == (before, keys), "a dry run wrote something"
    real = await ask("POST", path, body)
    note(f"{command}: {dry.status_code} {dry.json()} {real.status_code} {real.json()}")
    if dry.status_code != 200:
        tally[dry.json()["code"]] += 1
        assert (dry.status_code, _told(dry)) == (real.status_code, _told(real))
        return await house.carrier.deliver()
    assert real.status_code in (200, 201), real.text
    here = house.since(before)[service]
    before[service] = house.ends()[service]
    await house.carrier.deliver()
    elsewhere = [recorded for log in house.since(before).values() for recorded in log]
    _compare(dry.json(), here, elsewhere, await house.rows("mails") - mails, tally)
    return None


async def _log_in(house: House, profile: str) -> None:
    session, subject = new_id("session"), f"profile:{profile}"
    started = SessionStarted(
        session_id=session,
        subject=subject,
        challenge_id=new_id("challenge"),
        ends_at=datetime.now(UTC) + timedelta(hours=12),
    )
    await house.backbones[2].streams.record(session, started, Cause(SYSTEM, "given"))
    await house.carrier.deliver()


def _told(refused: httpx.Response) -> dict[str, Any]:
    return {**refused.json(), "request_id": ""}


def _compare(
    announced: dict[str, Any], here: list[Recorded], elsewhere: list[Recorded], mails: int, tally: Counter[str]
) -> None:
    """What was announced is what the logs say now."""
    everything = [*here, *elsewhere]
    told_here = [recorded for recorded in here if not isinstance(recorded.data, ProfileCreated)]
    assert [event["type"] for event in announced["events"]] == [recorded.type for recorded in told_here]
    for event, recorded in zip(announced["events"], told_here, strict=True):
        assert set(event["about"]) <= set(map(str, recorded.data.model_dump().values()))
    begun = [granted for recorded in here if (granted := _granted(recorded.data))]
    assert [(grant["kind"], grant["id"]) for grant in announced["begins"]] == [granted[1:] for granted in begun]
    for grant, granted in zip(announced["begins"], begun, strict=True):
        assert grant["profile_id"] in (None, granted[0])
    ends = announced["ends"]
    ended = [revoked for recorded in everything if (revoked := _revoked(recorded.data))]
    assert sorted(tuple(access.values()) for access in ends["accesses"]) == sorted(ended)
    assert ends["products"] == [r.data.product_id for r in everything if isinstance(r.data, ProductClosed)]
    assert ends["sessions"] == sum(isinstance(recorded.data, SessionEnded) for recorded in everything)
    followed = Counter((recorded.source, recorded.type) for recorded in elsewhere)
    assert {(each["service"], each["type"]): each["times"] for each in announced["elsewhere"]} == followed
    assert announced["mails"] == mails == len(begun)
    tally.update(name for name in ("begins", "elsewhere") if announced[name])
    tally.update(name for name in ("accesses", "products", "sessions") if ends[name])


def _granted(event: Event) -> tuple[str, str, str] | None:
    match event:
        case MainAdministratorGranted(profile_id=profile, agreement_id=target):
            return profile, "main-administrator", target
        case AccountAdministratorGranted(profile_id=profile, account_id=target):
            return profile, "account-administrator", target
        case ProductAccessGranted(profile_id=profile, product_id=target):
            return profile, "product-access", target
        case _:
            return None


def _revoked(event: Event) -> tuple[str, str, str, str] | None:
    match event:
        case MainAdministratorRevoked(profile_id=profile, agreement_id=target, because=because):
            return profile, "main-administrator", target, because
        case AccountAdministratorRevoked(profile_id=profile, account_id=target, because=because):
            return profile, "account-administrator", target, because
        case ProductAccessRevoked(profile_id=profile, product_id=target, because=because):
            return profile, "product-access", target, because
        case _:
            return None
