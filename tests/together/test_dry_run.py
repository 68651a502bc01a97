"""A dry run announces what the command then does, in its own service and in every other (A8, A11, A12, A13, C7, P4).

Random commands of everybody on people, products and accounts of two companies: first as a dry run, then really, then
everything is delivered. What was announced is compared with the logs of all services; what was refused, with the real
refusal.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from hypothesis import Phase, example, given, note, settings
from hypothesis import strategies as st

from services.auth.events import SessionEnded
from services.products.events import ProductClosed
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCreated,
)
from shared.envelope import Recorded
from shared.events import Event
from shared.ids import new_id
from tests.together.house import Game, House, opened_house

Command = tuple[str, str, str, int]
"""What, asked by whom, about whom, and which of the things there are."""
Ended = tuple[str, str, str, str]
"""Whose access ended, of which kind, to what, and why."""

BIZZ, OTHER_BIZZ, OF_HANS, ROAD, HARBOUR, AGREEMENT = range(6)
"""Two products on Anna's account and one on Hans', the two accounts, and the agreement of Anna's company."""
WHAT = [
    *("create", "create", "create", "grant", "revoke", "revoke", "change", "change", "cancel", "close", "log-in"),
    *("end-account", "end-agreement"),
]
COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(WHAT),
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
    ("change", "anna", "dora", OTHER_BIZZ),
    ("change", "mette", "dora", BIZZ),
    ("change", "anna", "dora", OF_HANS),
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
    ("cancel", "emil", "emil", BIZZ),
    ("cancel", "mette", "mette", AGREEMENT),
    ("create", "mette", "dora", OTHER_BIZZ),
    ("create", "anna", "hans", OTHER_BIZZ),
    ("grant", "susanne", "dora", AGREEMENT),
    ("end-account", "anna", "dora", ROAD),
    ("end-account", "mette", "dora", HARBOUR),
    ("end-account", "susanne", "dora", HARBOUR),
    ("end-account", "mette", "dora", OTHER_BIZZ),
    ("end-account", "mette", "dora", ROAD),
    ("end-account", "mette", "dora", ROAD),
    ("end-account", "anna", "dora", ROAD),
    ("end-agreement", "mette", "dora", AGREEMENT),
    ("end-agreement", "susanne", "dora", AGREEMENT),
    ("end-agreement", "susanne", "dora", AGREEMENT),
    ("end-agreement", "mette", "dora", AGREEMENT),
    ("cancel", "dora", "dora", BIZZ),
]
"""A story in which everything comes about that a dry run can announce; all else is left to chance."""
Way = tuple[str, str]
PRODUCTS_FIRST: Way = ("company", "profiles")
"""The way that is slow when profiles hears that products were closed before it hears that their account ended."""
SEEN = (
    *("begins", "accesses", "elsewhere", "sessions", "products"),
    *("revoked", "product-closed", "profile-cancelled", "account-ended", "agreement-ended"),
    *("last-administrator", "last-account", "not-found", "not-permitted", "ending-not-confirmed"),
)
"""What has to have come about, or this test has shown less than it says."""


def test_a_dry_run_announces_what_the_command_then_does_in_every_service(new_database: Callable[[], str]) -> None:
    tally: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        house = opened_house(new_database)
        opened_now = runner.run(house.__aenter__())

        @example(EVERYTHING, None)
        @example(EVERYTHING, PRODUCTS_FIRST)
        @settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])
        @given(COMMANDS, st.sampled_from([None, PRODUCTS_FIRST]))
        def play(commands: Sequence[Command], last: Way | None) -> None:
            runner.run(_played(opened_now, commands, last, tally))

        try:
            play()
        finally:
            runner.run(house.__aexit__(None, None, None))
    for each in SEEN:
        assert tally[each], f"no command had anything to do with {each}: {tally}"


async def _played(house: House, commands: Sequence[Command], last: Way | None, tally: Counter[str]) -> None:
    game = await house.new_game()
    for command in commands:
        await _do(house, game, command, last, tally)


async def _do(house: House, game: Game, command: Command, last: Way | None, tally: Counter[str]) -> None:
    what, by, whom, _ = command
    profile = await house.profile_of(game.email(whom))
    if what == "log-in":
        return await house.log_in(profile) if profile else None
    service, path, body = _request(game, command, profile or new_id("profile"))
    ask = await house.asked_by(game, by, service)
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
    await house.carrier.deliver(last=last)
    elsewhere = [recorded for log in house.since(before).values() for recorded in log]
    _compare(dry.json(), here, elsewhere, last, tally)
    assert dry.json()["mails"] == await house.rows("mails") - mails
    return None


def _request(game: Game, command: Command, profile: str) -> tuple[str, str, Any]:
    """The service that a command is for, its path and its body."""
    what, _, whom, which = command
    thing, confirmed = game.things[which], {"confirm": which != OTHER_BIZZ}
    return {
        "create": ("profiles", "/profiles", {**game.person(whom), "grants": [thing]}),
        "grant": ("profiles", f"/profiles/{profile}/grants", thing),
        "revoke": ("profiles", f"/profiles/{profile}/revoke", thing),
        # From the one bizz to the other, for example.
        "change": ("profiles", f"/profiles/{profile}/changes", {"grant": [thing], "revoke": [game.things[which ^ 1]]}),
        "cancel": ("profiles", f"/profiles/{profile}/cancel", confirmed),
        "close": ("products", f"/products/{game.products[which % 3]}/close", {"confirm": True}),
        "end-account": ("company", f"/accounts/{game.accounts[which == HARBOUR]}/end", confirmed),
        "end-agreement": ("company", f"/agreements/{game.agreement}/end", confirmed),
    }[what]


def _told(refused: httpx.Response) -> dict[str, Any]:
    return {**refused.json(), "request_id": ""}


def _compare(
    announced: dict[str, Any], here: list[Recorded], elsewhere: list[Recorded], last: Way | None, tally: Counter[str]
) -> None:
    """What was announced is what the logs say now."""
    everything = [*here, *elsewhere]
    told_here = [recorded for recorded in here if not isinstance(recorded.data, ProfileCreated)]
    assert [event["type"] for event in announced["events"]] == [recorded.type for recorded in told_here]
    for event, recorded in zip(announced["events"], told_here, strict=True):
        assert all(identifier in recorded.data.model_dump_json() for identifier in event["about"])
    begun = [granted for recorded in here if (granted := _granted(recorded.data))]
    assert [(grant["kind"], grant["id"]) for grant in announced["begins"]] == [granted[1:] for granted in begun]
    for grant, granted in zip(announced["begins"], begun, strict=True):
        assert grant["profile_id"] in (None, granted[0])
    ends = announced["ends"]
    ended = [revoked for recorded in everything if (revoked := _revoked(recorded.data))]
    assert sorted(_as_heard(access, last) for access in ends["accesses"]) == sorted(ended)
    assert ends["products"] == [r.data.product_id for r in everything if isinstance(r.data, ProductClosed)]
    assert ends["sessions"] == sum(isinstance(recorded.data, SessionEnded) for recorded in everything)
    followed = Counter((recorded.source, recorded.type) for recorded in elsewhere)
    assert {(each["service"], each["type"]): each["times"] for each in announced["elsewhere"]} == followed
    assert announced["mails"] == len(begun)
    tally.update(name for name in ("begins", "elsewhere") if announced[name])
    tally.update(name for name in ("accesses", "products", "sessions") if ends[name])
    tally.update(access["because"] for access in ends["accesses"])


def _as_heard(announced: dict[str, str], last: Way | None) -> Ended:
    """An access that was announced to end, with the reason that profiles heard first (C7, P4)."""
    profile, kind, target, because = announced.values()
    if last == PRODUCTS_FIRST and (kind, because) == ("product-access", "account-ended"):
        because = "product-closed"
    return profile, kind, target, because


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


def _revoked(event: Event) -> Ended | None:
    match event:
        case MainAdministratorRevoked(profile_id=profile, agreement_id=target, because=because):
            return profile, "main-administrator", target, because
        case AccountAdministratorRevoked(profile_id=profile, account_id=target, because=because):
            return profile, "account-administrator", target, because
        case ProductAccessRevoked(profile_id=profile, product_id=target, because=because):
            return profile, "product-access", target, because
        case _:
            return None
