"""A sample history: companies, people, grants, products and logins, as many events as one likes.

The same seed makes the same history to the last byte. It keeps the rules that matter to whoever reads it: an address
has access to one product at most (A8), an account keeps an administrator (A12), what is closed ends its access (P4), a
stream's versions have no gap. Names and addresses are invented.
"""

import random
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.auth.events import CodeAccepted, CodeRequested, SessionEnded, SessionStarted
from services.company.events import AccountOpened, CompanyRegistered, FrameworkAgreementOpened
from services.products.events import (
    AttemptRefused,
    BizzOrdered,
    NumberPlatePaymentOrdered,
    ProductClosed,
    ReferenceChanged,
)
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCreated,
)
from shared.actor import Actor
from shared.envelope import Recorded
from shared.events import Event

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 730
SUSANNE = Actor("staff", "staff-" + "0" * 31 + "5")
ANONYMOUS = Actor("anonymous", "login")
PROFILES = Actor("system", "profiles")
"""Who revokes what follows from a closing."""
EVENTS_A_COMPANY = 500
"""A history of a million events is that of two thousand companies."""


@dataclass
class Person:
    """Somebody who can log in, and the one product that they may have access to."""

    actor: Actor
    product: str | None = None


@dataclass
class Account:
    """An account with its people and its open products."""

    account_id: str
    company_id: str
    administrators: list[Person] = field(default_factory=list)
    drivers: list[Person] = field(default_factory=list)
    products: list[str] = field(default_factory=list)


class SampleHistory:
    """A world that goes on by itself, event by event; every step is drawn from the seed."""

    def __init__(self, seed: int, count: int) -> None:
        """A history of `count` events over two years."""
        self._chance = random.Random(seed)  # noqa: S311 (a sample that can be made again)
        self._count = count
        self._made = 0
        self._versions: Counter[str] = Counter()
        self._positions: Counter[str] = Counter()
        self._accounts: list[Account] = []
        self._of: dict[str, Account] = {}
        self._steps: list[tuple[Callable[[], Iterator[Recorded]], int]] = [
            (self._order, 22),
            (self._rename, 14),
            (self._give_access, 14),
            (self._take_access, 6),
            (self._close, 8),
            (self._hire, 3),
            (self._dismiss, 2),
            (self._log_in, 22),
            (self._be_refused, 9),
        ]

    def events(self) -> Iterator[Recorded]:
        """All of them, in the order of their times."""
        while self._made < self._count:
            for recorded in self._step():
                yield recorded
                if self._made == self._count:
                    return

    def _step(self) -> Iterator[Recorded]:
        if len(self._accounts) * EVENTS_A_COMPANY <= self._made:
            return self._found_a_company()
        steps, weights = zip(*self._steps, strict=True)
        step: Callable[[], Iterator[Recorded]] = self._chance.choices(steps, weights)[0]
        return step()

    # What is said -----------------------------------------------------------------------------------------------------

    def _says(
        self, event: Event, stream: str, by: Actor, grant: str | None = None, request: str | None = None
    ) -> Recorded:
        source = event.type.split(".", 1)[0]
        self._versions[stream] += 1
        self._positions[source] += 1
        self._made += 1
        spread = timedelta(days=DAYS) / self._count * self._made
        return Recorded(
            id=self._hex(),
            source=source,
            stream=stream,
            version=self._versions[stream],
            position=self._positions[source],
            time=SINCE + timedelta(microseconds=round(spread / timedelta(microseconds=1)) + self._made),
            actor=by,
            grant=grant,
            correlation=request or f"request-{self._hex()}",
            causation=None,
            data=event,
        )

    def _hex(self) -> str:
        return f"{self._chance.getrandbits(128):032x}"

    def _id(self, kind: str) -> str:
        return f"{kind}-{self._hex()}"

    def _account(self) -> Account:
        return self._accounts[self._chance.randrange(len(self._accounts))]

    def _administrator(self, account: Account) -> tuple[Actor, str]:
        """Somebody who administers it, and the grant that they act under."""
        one = account.administrators[self._chance.randrange(len(account.administrators))]
        return one.actor, f"account-administrator:{account.account_id}"

    # What happens -----------------------------------------------------------------------------------------------------

    def _found_a_company(self) -> Iterator[Recorded]:
        company, account_id, number = self._id("company"), self._id("account"), len(self._accounts)
        account = Account(account_id, company)
        contact = {"contact_person": f"Nora {number}", "contact_email": f"office@c{number}.example.com"}
        registered: Any = {
            "company_id": company,
            "cvr": f"{10_000_000 + number}",
            "legal_name": f"Company {number} ApS",
            "payment": "invoice" if number % 3 else "card",
            **contact,
            **dict.fromkeys(("phone", "postal_address", "invoice_email")),
        }
        yield self._says(CompanyRegistered(**registered), company, SUSANNE, "customer-service")
        agreement = self._id("agreement") if number % 4 == 0 else None
        opened = AccountOpened(
            company_id=company,
            account_id=account_id,
            customer_number=f"{1_000_000 + number}",
            name="Main account",
            payment=registered["payment"],
            agreement_id=agreement,
        )
        yield self._says(opened, company, SUSANNE, "customer-service")
        yield from self._employ(account, SUSANNE, "customer-service")
        if agreement:
            yield from self._agree(account, agreement)
        self._accounts.append(account)

    def _agree(self, account: Account, agreement: str) -> Iterator[Recorded]:
        opened = FrameworkAgreementOpened(
            company_id=account.company_id,
            agreement_id=agreement,
            framework_account_id=self._id("account"),
            sub_account_ids=(account.account_id,),
        )
        yield self._says(opened, account.company_id, SUSANNE, "customer-service")
        main = account.administrators[0].actor
        granted = MainAdministratorGranted(profile_id=main.id, agreement_id=agreement, company_id=account.company_id)
        yield self._says(granted, main.id, SUSANNE, "customer-service")

    def _employ(self, account: Account, by: Actor, grant: str) -> Iterator[Recorded]:
        """One more administrator, with a profile of their own."""
        person = yield from self._person(by, grant)
        granted = AccountAdministratorGranted(
            profile_id=person.actor.id, account_id=account.account_id, company_id=account.company_id
        )
        yield self._says(granted, person.actor.id, by, grant)
        account.administrators.append(person)

    def _person(self, by: Actor, grant: str) -> Generator[Recorded, None, Person]:
        profile = self._id("profile")
        email = f"p{profile[-12:]}@example.com"
        created = ProfileCreated(profile_id=profile, email=email, address=email, name=f"Person {profile[-6:]}")
        yield self._says(created, profile, by, grant)
        return Person(Actor("profile", profile))

    def _hire(self) -> Iterator[Recorded]:
        account = self._account()
        yield from self._employ(account, *self._administrator(account))

    def _dismiss(self) -> Iterator[Recorded]:
        account = self._account()
        if len(account.administrators) < 2:
            return
        gone = account.administrators.pop(0)
        by, grant = self._administrator(account)
        revoked = AccountAdministratorRevoked(
            profile_id=gone.actor.id, account_id=account.account_id, company_id=account.company_id, because="revoked"
        )
        yield self._says(revoked, gone.actor.id, by, grant)

    def _order(self) -> Iterator[Recorded]:
        account = self._account()
        product = self._id("product")
        common: Any = {"product_id": product, "account_id": account.account_id, "company_id": account.company_id}
        by, grant = self._administrator(account)
        if self._chance.random() < 0.6:
            ordered: Event = BizzOrdered(**common, reference=f"Van {self._chance.randrange(1000)}")
        else:
            at = SINCE + timedelta(days=DAYS) / self._count * self._made
            ordered = NumberPlatePaymentOrdered(
                **common,
                country="DK",
                plate=f"{self._chance.choice('ABCDE')}{self._chance.choice('FGHJK')}{self._made % 100_000:05}",
                usable_at_storebaelt_from=at + timedelta(minutes=20),
                usable_elsewhere_from=at + timedelta(hours=24),
                reference=None,
            )
        yield self._says(ordered, product, by, grant)
        account.products.append(product)

    def _rename(self) -> Iterator[Recorded]:
        account = self._account()
        if not account.products:
            return
        product = account.products[self._chance.randrange(len(account.products))]
        reference = f"Car {self._chance.randrange(1000)}"
        changed = ReferenceChanged(product_id=product, account_id=account.account_id, reference=reference)
        yield self._says(changed, product, *self._administrator(account))

    def _give_access(self) -> Iterator[Recorded]:
        account = self._account()
        if not account.products:
            return
        by, grant = self._administrator(account)
        idle = [driver for driver in account.drivers if driver.product is None]
        if idle and self._chance.random() < 0.6:
            driver = idle[0]
        else:
            driver = yield from self._person(by, grant)
            account.drivers.append(driver)
        driver.product = account.products[self._chance.randrange(len(account.products))]
        granted = ProductAccessGranted(
            profile_id=driver.actor.id,
            product_id=driver.product,
            account_id=account.account_id,
            company_id=account.company_id,
        )
        yield self._says(granted, driver.actor.id, by, grant)

    def _take_access(self) -> Iterator[Recorded]:
        account = self._account()
        drivers = [driver for driver in account.drivers if driver.product]
        if drivers:
            by, grant = self._administrator(account)
            yield self._revoked(account, drivers[0], None, by=by, grant=grant)

    def _revoked(self, account: Account, driver: Person, of: Recorded | None, **said: Any) -> Recorded:
        """Access ends, because somebody revokes it or because of an event that it follows from."""
        revoked = ProductAccessRevoked(
            profile_id=driver.actor.id,
            product_id=str(driver.product),
            account_id=account.account_id,
            company_id=account.company_id,
            because="product-closed" if of else "revoked",
        )
        driver.product = None
        return self._says(revoked, driver.actor.id, request=of.correlation if of else None, **said)

    def _close(self) -> Iterator[Recorded]:
        account = self._account()
        if len(account.products) < 3:
            return
        product = account.products.pop(self._chance.randrange(len(account.products)))
        by, grant = self._administrator(account)
        at = SINCE + timedelta(days=DAYS) / self._count * self._made
        closed = ProductClosed(
            product_id=product, account_id=account.account_id, closed_at_partners_by=at + timedelta(hours=24)
        )
        said = self._says(closed, product, by, grant)
        yield said
        for driver in [driver for driver in account.drivers if driver.product == product]:
            yield self._revoked(account, driver, said, by=PROFILES)

    def _log_in(self) -> Iterator[Recorded]:
        account = self._account()
        people = [*account.administrators, *account.drivers]
        person = people[self._chance.randrange(len(people))]
        subject, challenge, session = str(person.actor), self._id("challenge"), self._id("session")
        asked = CodeRequested(challenge_id=challenge, subject=subject, purpose="login", by="mailed-code")
        yield self._says(asked, challenge, ANONYMOUS)
        accepted = CodeAccepted(challenge_id=challenge, subject=subject, by="mailed-code", completes=True)
        yield self._says(accepted, challenge, person.actor)
        ends = SINCE + timedelta(days=DAYS) / self._count * self._made + timedelta(hours=12)
        started = SessionStarted(session_id=session, subject=subject, challenge_id=challenge, ends_at=ends)
        yield self._says(started, session, person.actor)
        if self._chance.random() < 0.7:
            ended = SessionEnded(session_id=session, subject=subject, because="logged-out")
            yield self._says(ended, session, person.actor)

    def _be_refused(self) -> Iterator[Recorded]:
        account = self._account()
        drivers = [driver for driver in account.drivers if driver.product]
        if not drivers:
            return
        driver, attempt = drivers[self._chance.randrange(len(drivers))], self._id("attempt")
        refused = AttemptRefused(
            attempt_id=attempt,
            operation="POST /products/{product_id}/close",
            about=(str(driver.product),),
            code="not-permitted",
            rule="A6",
            reason="not-permitted",
        )
        yield self._says(refused, attempt, driver.actor)
