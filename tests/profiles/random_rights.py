"""Random rights: people who hold anything on two companies, one of them with an agreement over two of its accounts."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hypothesis import strategies as st

from services.profiles.access import Access
from services.profiles.domain.profile import Profile
from services.profiles.events import (
    AccountAdministratorGranted,
    MainAdministratorGranted,
    ProductAccessGranted,
    ProfileCancelled,
    ProfileCreated,
    ProfileEvent,
)
from services.profiles.explaining import Explaining
from services.profiles.use_cases import PROFILES, UseCases
from shared.actor import Actor
from shared.cause import Cause
from tests.feed import SUSANNE, running
from tests.profiles.conftest import (
    AGREEMENT,
    BIZZ,
    HAVNEFART,
    HAVNEFART_BIZZ,
    HAVNEFART_MAIN,
    NORDLYS,
    NORDLYS_FRAMEWORK,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    agreement_opened,
    bizz,
    closed,
    name,
    opened,
    replica,
)

KIOSK, HARBOUR_BIZZ, KIOSK_BIZZ, CLOSED_BIZZ = name("account", 5), *(name("product", number) for number in (4, 5, 6))
PEOPLE = tuple(name("profile", number) for number in range(1, 6))
NOBODY = name("profile", 99)
COMPANY_OF = {
    NORDLYS_ROAD: NORDLYS,
    NORDLYS_HARBOUR: NORDLYS,
    NORDLYS_FRAMEWORK: NORDLYS,
    KIOSK: NORDLYS,
    HAVNEFART_MAIN: HAVNEFART,
}
ACCOUNT_OF = {
    BIZZ: NORDLYS_ROAD,
    PLATE_PAYMENT: NORDLYS_ROAD,
    CLOSED_BIZZ: NORDLYS_ROAD,
    HARBOUR_BIZZ: NORDLYS_HARBOUR,
    KIOSK_BIZZ: KIOSK,
    HAVNEFART_BIZZ: HAVNEFART_MAIN,
}
PLACES = (NORDLYS, HAVNEFART, AGREEMENT, *COMPANY_OF, *ACCOUNT_OF)
RESOURCES = (*PLACES, *PEOPLE, NOBODY, *(name(kind, 999) for kind in ("company", "agreement", "account", "product")))


@dataclass(frozen=True)
class Held:
    """What one person holds."""

    main: bool
    accounts: frozenset[str]
    product: str | None
    cancelled: bool


HELD = st.builds(
    Held,
    main=st.sampled_from([False, False, True]),
    accounts=st.frozensets(st.sampled_from([NORDLYS_ROAD, NORDLYS_HARBOUR, KIOSK, HAVNEFART_MAIN]), max_size=2),
    product=st.sampled_from([None, *(product for product in ACCOUNT_OF if product != CLOSED_BIZZ)]),
    cancelled=st.sampled_from([False, False, False, True]),
)
RIGHTS = st.tuples(*(HELD for _ in PEOPLE))


@dataclass
class Rights:
    """A service in which people hold what was drawn."""

    world: World
    may: Access
    explaining: Explaining
    use: UseCases


@asynccontextmanager
async def given_rights(dsn: str, rights: tuple[Held, ...]) -> AsyncIterator[Rights]:
    """The two companies, and everybody with what they hold, given by customer service."""
    world = replica(dsn)
    async with running(world.backbone):
        await world.feed.given_the_house()
        await world.feed.given(
            *(opened(company, account) for account, company in COMPANY_OF.items() if account != NORDLYS_FRAMEWORK),
            *agreement_opened(),
            *(bizz(product, account, COMPANY_OF[account]) for product, account in ACCOUNT_OF.items()),
            closed(CLOSED_BIZZ, NORDLYS_ROAD),
        )
        cause = Cause(SUSANNE, "given", grant="customer-service")
        for person, held in zip(PEOPLE, rights, strict=True):
            await world.backbone.streams.change(PROFILES, person, _having(_events(person, held)), cause)
        database, may = world.backbone.database, Access(world.backbone.database)
        use = UseCases(world.backbone.streams, database, may)
        yield Rights(world, may, Explaining(database, may), use)


def person(profile_id: str) -> Actor:
    return Actor("profile", profile_id)


def _having(events: list[ProfileEvent]) -> Callable[[Profile], list[ProfileEvent]]:
    return lambda _: events


def _events(person: str, held: Held) -> list[ProfileEvent]:
    address = f"person{person[-1]}@nordlys.example.com"
    events: list[ProfileEvent] = [ProfileCreated(profile_id=person, email=address, address=address, name="Anna Aas")]
    if held.cancelled:
        return [*events, ProfileCancelled(profile_id=person)]
    if held.main:
        events.append(MainAdministratorGranted(profile_id=person, agreement_id=AGREEMENT, company_id=NORDLYS))
    events += [
        AccountAdministratorGranted(profile_id=person, account_id=account, company_id=COMPANY_OF[account])
        for account in sorted(held.accounts)
    ]
    if held.product:
        account = ACCOUNT_OF[held.product]
        events.append(
            ProductAccessGranted(
                profile_id=person, product_id=held.product, account_id=account, company_id=COMPANY_OF[account]
            )
        )
    return events
