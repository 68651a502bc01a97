"""The running system against a model of the rules: random people do random things to each other, with crashes.

Every answer of the system must be the model's, and afterwards everybody must see exactly what the model says. The seed
is printed; MODEL_SEED=… plays another, MODEL_SEED=new one that nobody chose, MODEL_STEPS=… more of it.
"""

import asyncio
import os
import secrets
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from deploy.demo.person import Person
from deploy.demo.run import add_staff
from deploy.local import world
from deploy.local.runfile import read
from deploy.sample import STAFF as SUSANNE
from tests.access.game import Game, held
from tests.access.model import ACCOUNT, MAIN, PRODUCT, STAFF, Grant

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

REPLICAS = {"profiles": 2, "products": 2}
ASKED = os.environ.get("MODEL_SEED", "20261124")
SEED = secrets.randbelow(2**32) if ASKED == "new" else int(ASKED)
RUNS = 8
STEPS = int(os.environ.get("MODEL_STEPS") or 2440)
FLOATING = ("dora", "emil", "frida", "gorm")
CRASHES = ("profiles", "profiles-2", "products", "company", "audit", "broker")

ANY = st.integers(0, 9999)
OFTEN = {
    "grant": 30,
    "look": 20,
    "revoke": 16,
    "order": 14,
    "close": 9,
    "change": 8,
    "end_account": 3,
    "end_agreement": 1,
    "cancel": 5,
    "create_sub_account": 3,
    "open_agreement": 2,
    "crash": 1,
}
"""What happens, and how often in about a hundred times."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running system with two replicas of profiles and one member of staff."""
    here = tmp_path_factory.mktemp("model")
    told = {"REQUESTS_PER_SECOND": "100000", "LOGIN_CODES_PER_MINUTE": "10000", "LOGIN_TRIES_PER_MINUTE": "10000"}
    with world.running(here, replicas=REPLICAS, ports=world.free_ports(REPLICAS), environment=told):
        add_staff(here, *SUSANNE)
        yield here


class System(RuleBasedStateMachine):
    """What can be done to the system, each beside what the model says of it."""

    folder: ClassVar[Path]
    runner: ClassVar[asyncio.Runner]
    staff: ClassVar[Person]
    done: ClassVar[Counter[str]] = Counter()

    @initialize()
    def two_companies(self) -> None:
        self.game = Game(self.runner, self.staff, secrets.token_hex(4), self.done)
        self.model, self.profiles = self.game.model, self.game.profiles
        self.companies = [self._register(number, admin) for number, admin in enumerate(("anna", "hans"), start=1)]
        self.agreement: str | None = None

    @rule(
        what=st.sampled_from([name for name, often in OFTEN.items() for _ in range(often)]), one=ANY, two=ANY, three=ANY
    )
    def something_happens(self, what: str, one: int, two: int, three: int) -> None:
        getattr(self, what)(one, two, three)

    # What people do -------------------------------------------------------------------------------------------------

    def order(self, by: int, at: int, _: int) -> None:
        actor, account = self._actor(by), _pick(self.model.agreement_of, at)
        answer = self.game.ask(actor, f"/accounts/{account}/products", {"kind": "bizz"})
        if self.game.agree("order", answer, self.model.ordering(actor, account)):
            self.model.account_of[answer.json()["product_id"]] = account

    def end_account(self, by: int, which: int, _: int) -> None:
        actor, account = self._actor(by), _pick(self.model.agreement_of, which)
        answer = self.game.ask(actor, f"/accounts/{account}/end", {"confirm": True})
        if self.game.agree("end account", answer, self.model.ending(actor, account)):
            self.game.somebody_loses(lambda: self.model.end_account(account))

    def end_agreement(self, by: int, *_: int) -> None:
        if self.agreement is None:
            return
        actor, agreement = (STAFF, *self.model.grants)[by % 3 % (1 + len(self.model.grants))], self.agreement
        answer = self.game.ask(actor, f"/agreements/{agreement}/end", {"confirm": True})
        if self.game.agree("end agreement", answer, self.model.may(actor, "end agreement", "agreement", agreement)):
            self.agreement = None
            self.game.somebody_loses(lambda: self.model.end_agreement(agreement))

    def change(self, by: int, of: int, which: int) -> None:
        actor, person = self._actor(by), self._person(of)
        holds = sorted(self.model.grants.get(person, ())) or [self._grant(PRODUCT, which)]
        give, take = self._grant((PRODUCT, ACCOUNT)[which % 2], which // 2), holds[which % len(holds)]
        body = {name: [{"kind": grant[0], "id": grant[1]}] for name, grant in (("grant", give), ("revoke", take))}
        answer = self.game.ask(actor, f"/profiles/{self.game.profile(person)}/changes", body)
        if self.game.agree("change", answer, self.model.changing(actor, person, give, take)):
            self.model.grants[person] -= {take}
            self.model.grants[person] |= {give}

    def grant(self, by: int, to: int, what: int) -> None:
        kind = (PRODUCT, PRODUCT, ACCOUNT, MAIN)[what % 4]
        actor, person, grant = self._actor(by), self._person(to), self._grant(kind, what // 4)
        body = {
            "email": self.game.address(person),
            "name": person.title(),
            "grants": [{"kind": grant[0], "id": grant[1]}],
        }
        answer = self.game.ask(actor, "/profiles", body)
        if self.game.agree("grant", answer, self.model.granting(actor, person, grant)):
            self.model.grants.setdefault(person, set()).add(grant)
            self.profiles[person] = answer.json()["profile_id"]

    def revoke(self, by: int, of: int, which: int) -> None:
        actor, person = self._actor(by), self._person(of)
        holds = sorted(self.model.grants.get(person, ()))
        grant = holds[which % len(holds)] if holds and which % 4 else self._grant(PRODUCT, which)
        answer = self.game.ask(
            actor, f"/profiles/{self.game.profile(person)}/revoke", {"kind": grant[0], "id": grant[1]}
        )
        if self.game.agree("revoke", answer, self.model.revoking(actor, person, grant)):
            self.model.grants[person].discard(grant)

    def cancel(self, by: int, of: int, _: int) -> None:
        actor, person = self._actor(by), self._person(of)
        answer = self.game.ask(actor, f"/profiles/{self.game.profile(person)}/cancel", {"confirm": True})
        if person not in self.model.grants:
            self.game.agree("cancel", answer, (404, "not-found"))
        elif self.game.agree("cancel", answer, self.model.cancelling(actor, person)):
            del self.model.grants[person], self.profiles[person]
            self.game.is_logged_out(person)

    def close(self, by: int, which: int, _: int) -> None:
        if not self.model.account_of:
            return
        actor, product = self._actor(by), _pick(self.model.account_of, which)
        answer = self.game.ask(actor, f"/products/{product}/close", {"confirm": True})
        if self.game.agree("close", answer, self.model.may(actor, "close", "product", product)):
            self.game.somebody_loses(lambda: self.model.close(product))

    def open_agreement(self, *_: int) -> None:
        if self.agreement is not None or len(self.model.agreement_of) > 7:
            return
        named = {"main_administrator": {"email": self.game.address("mette"), "name": "Mette"}}
        company = self.companies[0]
        answer = self.game.ask(STAFF, f"/companies/{company}/framework-agreement", named)
        assert answer.status_code == 201, answer.text
        self.agreement = answer.json()["agreement_id"]
        framework = answer.json()["framework_account_id"]
        self.model.company_of[framework] = company
        self.model.framework.add(framework)
        live = [one for one, its in self.model.company_of.items() if its == company and one not in self.model.ended]
        self.model.agreement_of |= dict.fromkeys(live, self.agreement)
        self._is_named("mette", (MAIN, self.agreement))

    def create_sub_account(self, by: int, *_: int) -> None:
        if self.agreement is None or len(self.model.agreement_of) > 7:
            return
        actor = self._actor(by)
        answer = self.game.ask(actor, f"/agreements/{self.agreement}/accounts", {"name": "Harbour"})
        expected = self.model.may(actor, "create sub-account", "agreement", self.agreement)
        if self.game.agree("create sub-account", answer, expected):
            self.model.agreement_of[answer.json()["account_id"]] = self.agreement
            self.model.company_of[answer.json()["account_id"]] = self.companies[0]

    def look(self, of: int, *_: int) -> None:
        self.done["look"] += 1
        self.game.sees_what_it_must(self._person(of))

    def crash(self, which: int, *_: int) -> None:
        part = _pick(CRASHES, which)
        if pid := read(self.folder).parts[part].pid:
            os.kill(pid, signal.SIGKILL)
            self.done[f"kill -9 {part}"] += 1

    def teardown(self) -> None:
        for person in sorted(self.model.grants):
            self.game.sees_what_it_must(person)

    # Who and what -----------------------------------------------------------------------------------------------------

    def _register(self, number: int, admin: str) -> str:
        company = {
            "cvr": f"{number}{int(self.game.mark, 16) % 10_000_000:07d}",
            "legal_name": f"Company {number}",
            "payment": "invoice",
            "contact_person": "Inge Ibsen",
            "contact_email": "office@nordlys.example.com",
            "account_name": "Main account",
            "administrator": {"email": self.game.address(admin), "name": admin.title()},
        }
        answer = self.game.ask(STAFF, "/companies", company)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        self.model.agreement_of[made["account_id"]] = None
        self.model.company_of[made["account_id"]] = made["company_id"]
        self._is_named(admin, (ACCOUNT, made["account_id"]))
        return str(made["company_id"])

    def _is_named(self, person: str, grant: Grant) -> None:
        """Customer service named somebody: profiles gives them the grant as soon as it hears of it."""
        self.model.grants.setdefault(person, set()).add(grant)
        self.game.logged_in(person)
        self.profiles[person] = self.game.eventually(person, "/profiles/me", lambda me: held(me) >= {grant})[
            "profile_id"
        ]
        self.game.sees_what_it_must(person)  # every service has heard of it: nobody was answered that it was done

    def _actor(self, number: int) -> str:
        return _pick([STAFF, *sorted(self.model.grants)], number)

    def _person(self, number: int) -> str:
        return _pick(["anna", "hans", "mette", *FLOATING], number)

    def _grant(self, kind: str, number: int) -> Grant:
        if kind == MAIN and self.agreement:
            return MAIN, self.agreement
        if kind == PRODUCT and self.model.account_of:
            return PRODUCT, _pick(self.model.account_of, number)
        return ACCOUNT, _pick(self.model.agreement_of, number)


def test_the_running_system_answers_as_the_model_does(folder: Path, tell: Callable[[str], None]) -> None:
    """A2–A6, A8–A13, C5, C7, P4: thousands of steps of everybody with everybody, crashes included."""
    tell(f"against the model: MODEL_SEED={SEED}")
    with asyncio.Runner() as runner:
        System.folder, System.runner = folder, runner
        http = httpx.AsyncClient(base_url=read(folder).parts["gateway"].url, timeout=30)
        System.staff = Person(http, SUSANNE[0])
        runner.run(System.staff.log_in())
        try:
            seed(SEED)(System)
            run_state_machine_as_test(
                System,
                settings=settings(
                    max_examples=RUNS,
                    stateful_step_count=STEPS // RUNS,
                    deadline=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                    database=None,
                ),
            )
        finally:
            tell(f"against the model: {sum(System.done.values())} steps: {dict(sorted(System.done.items()))}")
            runner.run(http.aclose())


def _pick(among: Any, number: int) -> str:
    found = list(among)
    return str(found[number % len(found)])
