"""A8 in the log itself, not only in the view: random commands over people, products and companies, with crashes.

A15: among them, people prove one another's addresses and new ones, at the same moment as they are granted something.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from services.auth.events import AddressProven
from services.company.events import AccountEnded
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    EmailChanged,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCancelled,
    ProfileCreated,
)
from shared.actor import Actor
from shared.dead_letters import Letter
from shared.errors import Unavailable
from tests.feed import log_of, running
from tests.profiles.conftest import (
    HAVNEFART,
    HAVNEFART_MAIN,
    NORDLYS,
    NORDLYS_ROAD,
    World,
    bizz,
    closed,
    name,
    opened,
    replica,
)

PEOPLE = tuple(f"driver{number}@nordlys.example.com" for number in range(3))
ADDRESSES = (*PEOPLE, "new@nordlys.example.com")
NOBODY = name("profile", 404)
PROOFS = itertools.count(1)
PRODUCTS = tuple(name("product", 300 + number) for number in range(4))
WHERE = {p: (NORDLYS_ROAD, NORDLYS) if n % 2 else (HAVNEFART_MAIN, HAVNEFART) for n, p in enumerate(PRODUCTS)}

Command = tuple[str, int, int, int]
"""What, with whom, with which product or address, on which replica."""

COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(
            ["grant", "grant", "grant", "revoke", "cancel", "close", "end", "change-email", "change-email", "crash"]
        ),
        st.integers(0, len(PEOPLE) - 1),
        st.integers(0, len(PRODUCTS) - 1),
        st.integers(0, 1),
    ),
    min_size=8,
    max_size=30,
)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking a race takes for ever; the notes tell what was done
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(commands=COMMANDS)
def test_a8_holds_in_the_log_for_random_commands_on_two_replicas_with_crashes(
    new_database: Callable[[], str], commands: Sequence[Command]
) -> None:
    asyncio.run(_play(new_database(), commands))


async def _play(dsn: str, commands: Sequence[Command]) -> None:
    replicas = [replica(dsn), replica(dsn)]
    async with running(*(world.backbone for world in replicas)):
        administrators = await _given(replicas[0])
        ends = {
            account: replicas[0].feed.letter(AccountEnded(company_id=company, account_id=account))
            for account, company in ((NORDLYS_ROAD, NORDLYS), (HAVNEFART_MAIN, HAVNEFART))
        }
        for first in range(0, len(commands), 4):  # four at a time, at the same moment
            await asyncio.gather(
                *(_do(replicas, administrators, ends, command) for command in commands[first : first + 4])
            )
        _no_address_ever_reaches_two_products(replicas[0])
        await _take(replicas[1], *ends.values())
        _nobody_reaches_anything(replicas[0])  # C7: by now both accounts have ended


async def _given(world: World) -> dict[str, Actor]:
    await world.feed.given_the_house()
    await world.feed.given(opened(NORDLYS, NORDLYS_ROAD), opened(HAVNEFART, HAVNEFART_MAIN))
    await world.feed.given(*(bizz(product, *WHERE[product]) for product in PRODUCTS))
    return {
        account: await world.administrator(f"admin-{company[-1]}@nordlys.example.com", account, company)
        for account, company in ((NORDLYS_ROAD, NORDLYS), (HAVNEFART_MAIN, HAVNEFART))
    }


async def _take(world: World, *letters: Letter) -> None:
    assert world.backbone.inbox is not None
    await world.backbone.inbox.take_letters(letters)


async def _do(
    replicas: Sequence[World], administrators: dict[str, Actor], ends: dict[str, Letter], command: Command
) -> None:
    what, who, which, where = command
    world, email, product = replicas[where], PEOPLE[who], PRODUCTS[which]
    admin = administrators[WHERE[product][0]]
    grant = {"kind": "product-access", "id": product}
    if what == "grant":
        person = {"email": email, "name": "Dora", "grants": [grant]}
        answer = await world.asked_by(admin)("POST", "/profiles", person)
    elif what == "crash":
        await _lose_every_connection(world)
        return
    elif what == "end":
        await _take(world, ends[WHERE[product][0]])  # said again, it does no harm
        return
    elif what == "close":
        await replicas[0].feed.given(closed(product, WHERE[product][0]))  # said again, it does no harm
        return
    elif what == "change-email":
        if (profile := await _profile_of(world, email)) != NOBODY:
            await world.feed.given(_proven(profile, ADDRESSES[which]))
        return
    else:
        profile = await _profile_of(world, email)
        path, body = ("revoke", grant) if what == "revoke" else ("cancel", {"confirm": True})
        answer = await world.asked_by(admin)("POST", f"/profiles/{profile}/{path}", body)
    note(f"{command}: {answer.status_code} {answer.json().get('code')}")
    assert answer.status_code < 500 or answer.status_code == 503, answer.text


def _proven(profile: str, address: str) -> AddressProven:
    challenge = name("email-change", next(PROOFS))
    return AddressProven(challenge_id=challenge, subject=f"profile:{profile}", email=address, address=address)


async def _profile_of(world: World, email: str) -> str:
    query = "SELECT profile_id FROM profile_by_email WHERE address = %s"
    try:
        row = await world.backbone.database.row(query, (email,))
    except Unavailable:
        return await _profile_of(world, email)  # the crash was just now
    return row["profile_id"] if row else NOBODY


async def _lose_every_connection(world: World) -> None:
    """As a crash of the database's host does: every session of this database ends in the middle of whatever it does."""
    with suppress(Unavailable):  # the session that asks may be ended by another crash
        await world.backbone.database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _no_address_ever_reaches_two_products(world: World) -> None:
    address: dict[str, str] = {}
    reaches: dict[str, str] = {}
    for recorded in log_of(world.backbone):
        match recorded.data:
            case ProfileCreated(profile_id=profile, address=its):
                assert its not in address.values(), "an address has one profile (A9)"
                address[profile] = its
            case EmailChanged(profile_id=profile, address=its):
                assert its not in set(address.values()) - {address[profile]}, "an address has one profile (A9)"
                if product := reaches.pop(address[profile], None):
                    assert its not in reaches, "an address reaches one product (A8)"
                    reaches[its] = product
                address[profile] = its
            case ProductAccessGranted(profile_id=profile, product_id=product):
                assert reaches.get(address[profile], product) == product, "an address reaches one product (A8)"
                reaches[address[profile]] = product
            case ProductAccessRevoked(profile_id=profile):
                del reaches[address[profile]]
            case ProfileCancelled(profile_id=profile):
                assert address[profile] not in reaches
                del address[profile]


def _nobody_reaches_anything(world: World) -> None:
    held: dict[tuple[str, str], int] = {}
    for recorded in log_of(world.backbone):
        match recorded.data:
            case AccountAdministratorGranted(profile_id=profile, account_id=target):
                held[profile, target] = recorded.version
            case ProductAccessGranted(profile_id=profile, product_id=target):
                held[profile, target] = recorded.version
            case AccountAdministratorRevoked(profile_id=profile, account_id=target):
                del held[profile, target]
            case ProductAccessRevoked(profile_id=profile, product_id=target):
                del held[profile, target]
            case _:
                pass
    assert held == {}
