"""C3: the life of a request, played in every order that hypothesis thinks of."""

from collections.abc import Callable
from functools import reduce

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from services.company.domain.change_requests import (
    ChangeRequestClosed,
    ChangeRequestOpen,
    NothingWouldChange,
    Wish,
    approve_request,
    decline_request,
    open_requests,
    request_change,
    withdraw_request,
)
from services.company.domain.company import Company, evolve
from services.company.events import CompanyEvent
from shared.errors import Refusal
from tests.company.test_company import register_nordlys

WISHES = st.sampled_from(
    [
        *(Wish("legal-name", name) for name in ("Nordlys Transport ApS", "Nordlys Logistik ApS", "Nordlys A/S")),
        *(Wish("cvr", cvr) for cvr in ("12345678", "10150817", "87654321")),
        *(Wish("invoice-format", "ean", ean=ean) for ean in ("5790000000005", "5790000000012")),
        Wish("invoice-format", "pdf"),
        Wish("payment", "card"),
        Wish("payment", "invoice", expected_yearly_usage_dkk=22_000),
    ]
)
Command = Callable[[], list[CompanyEvent]]
Answer = list[CompanyEvent] | type[Refusal]


class LifeOfARequest(RuleBasedStateMachine):
    """What the company is, beside a model of it that is nothing but three dictionaries."""

    requests = Bundle("requests")

    @initialize()
    def a_company(self) -> None:
        self.company = reduce(evolve, register_nordlys(Company()), Company())
        self.is_: dict[str, tuple[str, str | None]] = {
            "legal-name": ("Nordlys Transport ApS", None),
            "cvr": ("12345678", None),
            "invoice-format": ("pdf", None),
            "payment": ("invoice", None),
        }
        self.wished: dict[str, Wish] = {}
        self.became: dict[str, str] = {}

    @rule(target=requests, wish=WISHES)
    def request(self, wish: Wish) -> str:
        change_request_id = f"change-request-{len(self.wished) + 1}"
        waiting = {self.wished[each].kind for each in self._open()}
        expected = (
            NothingWouldChange
            if self.is_[wish.kind] == (wish.to, wish.ean)
            else ChangeRequestOpen
            if wish.kind in waiting
            else None
        )
        said = self._try(
            lambda: request_change(self.company, change_request_id=change_request_id, wish=wish, by="profile-1")
        )
        assert said == expected or (expected is None and isinstance(said, list) and len(said) == 1)
        self.wished[change_request_id] = wish
        if expected is not None:
            self.became[change_request_id] = "refused"
        return change_request_id

    @rule(change_request_id=requests)
    def approve(self, change_request_id: str) -> None:
        if self._ends(
            change_request_id, "approved", lambda: approve_request(self.company, change_request_id=change_request_id)
        ):
            wish = self.wished[change_request_id]
            self.is_[wish.kind] = (wish.to, wish.ean)

    @rule(change_request_id=requests)
    def decline(self, change_request_id: str) -> None:
        self._ends(
            change_request_id,
            "declined",
            lambda: decline_request(self.company, change_request_id=change_request_id, reason="No."),
        )

    @rule(change_request_id=requests)
    def withdraw(self, change_request_id: str) -> None:
        self._ends(
            change_request_id, "withdrawn", lambda: withdraw_request(self.company, change_request_id=change_request_id)
        )

    @invariant()
    def of_each_kind_at_most_one_is_open(self) -> None:
        kinds = [asked.kind for asked in open_requests(self.company)]
        assert len(kinds) == len(set(kinds))
        assert [asked.change_request_id for asked in open_requests(self.company)] == self._open()

    @invariant()
    def the_company_is_what_was_approved_last_and_nothing_else(self) -> None:
        company = self.company
        assert self.is_ == {
            "legal-name": (company.legal_name, None),
            "cvr": (company.cvr, None),
            "invoice-format": (company.invoice_format, company.ean),
            "payment": (company.payment, None),
        }

    def _open(self) -> list[str]:
        return [each for each in self.wished if each not in self.became]

    def _ends(self, change_request_id: str, outcome: str, command: Command) -> bool:
        """Whether the request came to this by it; what it came to before stays."""
        became, said = self.became.get(change_request_id), self._try(command)
        if became is None:
            assert isinstance(said, list)
            assert said
            self.became[change_request_id] = outcome
            return True
        if became == "refused":
            assert isinstance(said, type)
        else:
            assert said == ([] if became == outcome else ChangeRequestClosed)
        return False

    def _try(self, command: Command) -> Answer:
        """What a command says; asked again it says nothing more, or refuses alike."""
        try:
            events = command()
        except Refusal as refusal:
            return type(refusal)
        self.company = reduce(evolve, events, self.company)
        assert command() == []
        return events


TestLifeOfARequest = LifeOfARequest.TestCase
TestLifeOfARequest.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
