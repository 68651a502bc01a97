"""Random histories of who was given what where, and a fold of them in plain Python that says how it was at a moment.

The fold is written from the rules (A4, A5, A6, C7, P4), not from the tables that it is compared with: it reads the
events one after another, up to a moment, and keeps who holds what and what there is.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from services.company.events import (
    AccountEnded,
    AccountOpened,
    CompanyRegistered,
    FrameworkAgreementEnded,
    FrameworkAgreementOpened,
)
from services.products.events import BizzOrdered, ProductClosed
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
)
from services.profiles.policy import ACCOUNT, MAIN, PRODUCT
from shared.actor import Actor
from shared.envelope import Recorded
from shared.events import Event
from tests.audit.conftest import NOON, account, bizz, closed, company, name, stream_of

COMPANY = name("company", 1)
ACCOUNTS = tuple(name("account", number) for number in (1, 2, 3))
AGREEMENTS = tuple(name("agreement", number) for number in (1, 2))
PRODUCTS = tuple(name("product", number) for number in (1, 2, 3))
PEOPLE = tuple(name("profile", number) for number in (1, 2, 3))
PLACES = (COMPANY, *ACCOUNTS, *AGREEMENTS, *PRODUCTS)
ACCOUNT_OF = dict(zip(PRODUCTS, (ACCOUNTS[0], ACCOUNTS[0], ACCOUNTS[1]), strict=True))
Grant = tuple[str, str, str]
"""Who, of which kind, on what."""

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["give", "give", "give", "take", "open", "order", "order", "close", "agree", "leave", "end"]),
        st.integers(0, 2),
        st.integers(0, 8),
        st.sampled_from([0, 0, 1, 1, 1, 5, -3]),
    ),
    min_size=4,
    max_size=22,
)
"""What is done, by or to which person, to which of the things, and how many seconds after the step before."""


@dataclass
class World:
    """What there is and who holds what: the fold itself."""

    there: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    agreement_of: dict[str, str] = field(default_factory=dict)
    held: set[Grant] = field(default_factory=set)

    def after(self, event: Event) -> None:
        """One more event."""
        match event:
            case CompanyRegistered(company_id=place):
                self.there.add(place)
            case AccountOpened(account_id=place):
                self.there.add(place)
            case BizzOrdered(product_id=place):
                self.there.add(place)
            case FrameworkAgreementOpened(agreement_id=place):
                self.there.add(place)
                self.agreement_of |= dict.fromkeys((event.framework_account_id, *event.sub_account_ids), place)
            case ProductClosed(product_id=place):
                self._end(place, {grant for grant in self.held if grant[2] == place})
            case AccountEnded(account_id=place):
                self._end(place, {grant for grant in self.held if place in (grant[2], ACCOUNT_OF.get(grant[2]))})
            case FrameworkAgreementEnded(agreement_id=place):
                self._end(place, {grant for grant in self.held if grant[2] == place})
                self.agreement_of = {a: its for a, its in self.agreement_of.items() if its != place}
            case MainAdministratorGranted() | AccountAdministratorGranted() | ProductAccessGranted():
                who, kind, on = grant_of(event)
                if not {on, ACCOUNT_OF.get(on)} & self.ended:
                    self.held.add((who, kind, on))
            case MainAdministratorRevoked() | AccountAdministratorRevoked() | ProductAccessRevoked():
                self.held.discard(grant_of(event))
            case _:
                raise AssertionError(event)

    def _end(self, place: str, grants: set[Grant]) -> None:
        self.ended.add(place)
        self.held -= grants

    def reaches(self, grant: Grant, place: str) -> bool:
        """Whether a place is in reach by a grant."""
        _, kind, on = grant
        if place not in self.there:
            return False
        if place == COMPANY:
            return kind != PRODUCT
        account = ACCOUNT_OF.get(place, place)
        return (
            on == place
            or (kind == ACCOUNT and on == account)
            or (kind == MAIN and self.agreement_of.get(account) == on)
        )

    def reached_by(self, who: str) -> set[str]:
        """All that somebody reaches; what they hold something on is reached even if nobody has heard of it yet."""
        mine = {grant for grant in self.held if grant[0] == who}
        reached = {p for p in PLACES if p != COMPANY and any(self.reaches(grant, p) for grant in mine)}
        return reached | {on for _, _, on in mine}


def grant_of(event: Any) -> Grant:
    """The grant that an event of profiles gives or takes."""
    if isinstance(event, (MainAdministratorGranted, MainAdministratorRevoked)):
        return event.profile_id, MAIN, event.agreement_id
    if isinstance(event, (AccountAdministratorGranted, AccountAdministratorRevoked)):
        return event.profile_id, ACCOUNT, event.account_id
    return event.profile_id, PRODUCT, event.product_id


@dataclass
class Story:
    """Events as their services would say them: each stream says nothing twice, and knows nothing of the others."""

    events: list[Recorded] = field(default_factory=list)
    at: dict[str, datetime] = field(default_factory=dict)
    """When each event stands in the history: never before its predecessor in the stream."""
    _versions: Counter[str] = field(default_factory=Counter)
    _last: dict[str, datetime] = field(default_factory=dict)
    clock: datetime = NOON
    _told: World = field(default_factory=World)
    _given: set[Grant] = field(default_factory=set)

    def says(self, event: Event, later: int) -> None:
        """One more event, by a clock that may run backwards."""
        self.clock += timedelta(seconds=later)
        stream, number = stream_of(event), len(self.events) + 1
        self._versions[stream] += 1
        recorded = Recorded(
            id=f"{number * 7919 % 1009:032x}",
            source=event.type.split(".")[0],
            stream=stream,
            version=self._versions[stream],
            position=number,
            time=self.clock,
            actor=Actor("profile", PEOPLE[number % 3]),
            grant=None,
            correlation=f"request-{number}",
            causation=None,
            data=event,
        )
        before = self._last.get(stream)
        self._last[stream] = max(self.clock, before + timedelta(microseconds=1)) if before else self.clock
        self.at[recorded.id] = self._last[stream]
        self.events.append(recorded)

    def moments(self) -> list[datetime]:
        """Every moment at which something happened, and one before all of them."""
        return sorted({NOON - timedelta(days=1), *self.at.values()})

    def world(self, moment: datetime) -> World:
        """How it was: all that was said by then, one after another."""
        world = World()
        for recorded in sorted(self.events, key=lambda each: (self.at[each.id], each.position)):
            if self.at[recorded.id] <= moment:
                world.after(recorded.data)
        return world

    def done(self, what: str, person: int, thing: int, later: int) -> None:
        """A step, if its own service would allow it."""
        for event in self._events_of(what, PEOPLE[person], thing):
            self.says(event, later)
            later = 0

    def _events_of(self, what: str, who: str, thing: int) -> Iterable[Event]:
        account_id, agreement = ACCOUNTS[thing % 3], AGREEMENTS[thing % 2]
        product = PRODUCTS[thing % 3]
        told = self._told
        match what:
            case "give" | "take":
                grant = self._grant(who, thing)
                if (grant in self._given) == (what == "take"):
                    self._given ^= {grant}
                    yield _change(grant, given=what == "give")
            case "open" if account_id not in told.there:
                yield self._tell(account(COMPANY, account_id))
            case "order" if product not in told.there:
                yield self._tell(bizz(product, ACCOUNT_OF[product], COMPANY))
            case "close" if product in told.there and product not in told.ended:
                yield self._tell(closed(product, ACCOUNT_OF[product]))
            case "agree" if agreement not in told.there:
                free = [a for a in ACCOUNTS if a in told.there and a not in told.agreement_of]
                if free:
                    yield self._tell(
                        FrameworkAgreementOpened(
                            company_id=COMPANY,
                            agreement_id=agreement,
                            framework_account_id=free[0],
                            sub_account_ids=tuple(free[1:]),
                        )
                    )
            case "leave" if agreement in told.there and agreement not in told.ended:
                mine = tuple(a for a, its in told.agreement_of.items() if its == agreement)
                yield self._tell(FrameworkAgreementEnded(company_id=COMPANY, agreement_id=agreement, account_ids=mine))
            case "end" if account_id in told.there and account_id not in told.ended:
                yield self._tell(AccountEnded(company_id=COMPANY, account_id=account_id))
            case _:
                pass

    def _tell(self, event: Event) -> Event:
        self._told.after(event)
        return event

    def _grant(self, who: str, thing: int) -> Grant:
        on = (*ACCOUNTS, *AGREEMENTS, *PRODUCTS, AGREEMENTS[0])[thing]
        kind = {"account": ACCOUNT, "agreement": MAIN, "product": PRODUCT}[on.split("-")[0]]
        return who, kind, on


def _change(grant: Grant, *, given: bool) -> Event:
    who, kind, on = grant
    common: Any = {"profile_id": who, "company_id": COMPANY} | ({} if given else {"because": "revoked"})
    if kind == MAIN:
        return (MainAdministratorGranted if given else MainAdministratorRevoked)(agreement_id=on, **common)
    if kind == ACCOUNT:
        return (AccountAdministratorGranted if given else AccountAdministratorRevoked)(account_id=on, **common)
    lies_in = {"product_id": on, "account_id": ACCOUNT_OF[on]}
    return (ProductAccessGranted if given else ProductAccessRevoked)(**lies_in, **common)


def told(steps: Sequence[tuple[str, int, int, int]]) -> Story:
    """The history that comes of these steps, after a company was registered."""
    story = Story()
    story.says(company(COMPANY, "Nordlys Transport ApS"), 0)
    story.clock += timedelta(hours=1)  # no clock is so slow that anything comes before its company
    for step in steps:
        story.done(*step)
    return story
