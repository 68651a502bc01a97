"""Asking a company again changes nothing, whatever happened before."""

from collections.abc import Callable
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from services.company.domain.change_requests import (
    approve_request,
    decline_request,
    request_change,
    withdraw_request,
)
from services.company.domain.company import Company, evolve
from services.company.domain.direct_changes import rename_account
from services.company.domain.ending import end_account, end_framework_agreement
from services.company.events import AccountEnded, CompanyEvent, FrameworkAgreementOpened
from shared.errors import Refusal
from tests.company.test_company import (
    change_nordlys,
    create_nordlys_sub_account,
    open_nordlys_agreement,
    register_nordlys,
)
from tests.company.test_life_of_a_request import WISHES

Command = Callable[[Company], list[CompanyEvent]]

ACCOUNTS = st.sampled_from(["account-1", "account-2", "account-3"])
FRAMEWORKS = st.sampled_from(["account-of-agreement-1", "account-of-agreement-2"])
CONFIRMED = st.sampled_from([True, True, True, False])
REQUESTS = st.sampled_from(["change-request-1", "change-request-2"])
AGREEMENTS = st.sampled_from(["agreement-1", "agreement-2"])
NAMES = st.sampled_from(["Nordlys Odense", "Nordlys Aarhus ", "", "4111-1111-1111-1111"])
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        lambda account, cvr: lambda company: register_nordlys(company, account_id=account, cvr=cvr),
        ACCOUNTS,
        st.sampled_from(["12345678", "87654321", "1234"]),
    ),
    st.builds(
        lambda agreement: (
            lambda company: open_nordlys_agreement(
                company, agreement_id=agreement, framework_account_id=f"account-of-{agreement}"
            )
        ),
        AGREEMENTS,
    ),
    st.builds(
        lambda agreement, account, name: (
            lambda company: create_nordlys_sub_account(company, agreement_id=agreement, account_id=account, name=name)
        ),
        AGREEMENTS,
        ACCOUNTS,
        NAMES,
    ),
    st.builds(lambda name: lambda company: change_nordlys(company, contact_person=name), NAMES),
    st.builds(
        lambda account, name: lambda company: rename_account(company, account_id=account, name=name), ACCOUNTS, NAMES
    ),
    st.builds(
        lambda account, sure: lambda company: end_account(company, account_id=account, confirmed=sure),
        st.one_of(ACCOUNTS, FRAMEWORKS),
        CONFIRMED,
    ),
    st.builds(
        lambda agreement, sure: (
            lambda company: end_framework_agreement(company, agreement_id=agreement, confirmed=sure)
        ),
        AGREEMENTS,
        CONFIRMED,
    ),
    st.builds(
        lambda request, wish: (
            lambda company: request_change(company, change_request_id=request, wish=wish, by="profile-1")
        ),
        REQUESTS,
        WISHES,
    ),
    st.builds(lambda request: lambda company: approve_request(company, change_request_id=request), REQUESTS),
    st.builds(
        lambda request: lambda company: decline_request(company, change_request_id=request, reason="No."), REQUESTS
    ),
    st.builds(lambda request: lambda company: withdraw_request(company, change_request_id=request), REQUESTS),
)
# Most histories begin with a company, many with its agreement, or little would ever happen in them.
BEGINNINGS: list[list[Command]] = [
    [],
    [register_nordlys],
    [register_nordlys, open_nordlys_agreement],
    [register_nordlys, open_nordlys_agreement, create_nordlys_sub_account],
]
HISTORIES = st.builds(lambda first, more: [*first, *more], st.sampled_from(BEGINNINGS), st.lists(COMMANDS, max_size=10))


def answer(company: Company, command: Command) -> list[CompanyEvent] | type[Refusal]:
    try:
        return command(company)
    except Refusal as refusal:
        return type(refusal)


def history_of(commands: list[Command]) -> list[CompanyEvent]:
    history: list[CompanyEvent] = []
    for command in commands:
        said = answer(reduce(evolve, history, Company()), command)
        history += said if isinstance(said, list) else []
    return history


@settings(deadline=None)
@given(HISTORIES)
def test_every_command_repeated_in_any_state_changes_nothing_or_is_refused_alike(commands: list[Command]) -> None:
    company = Company()
    for command in commands:
        first = answer(company, command)
        events = first if isinstance(first, list) else []
        company = reduce(evolve, events, company)
        assert answer(company, command) == ([] if isinstance(first, list) else first)


@settings(deadline=None)
@given(HISTORIES)
def test_c5_no_history_has_two_agreements_at_once_or_one_without_its_framework_account_and_a_sub_account(
    commands: list[Command],
) -> None:
    company = Company()
    for event in history_of(commands):
        assert not (isinstance(event, FrameworkAgreementOpened) and company.agreement_id)
        company = evolve(company, event)
        if company.agreement_id and not isinstance(event, FrameworkAgreementOpened):
            assert company.framework_account_id in company.open_accounts
            assert len(company.open_accounts) >= 2


@settings(deadline=None)
@given(HISTORIES)
def test_c6_every_history_of_a_company_leaves_it_an_account(commands: list[Command]) -> None:
    history = history_of(commands)
    assert bool(reduce(evolve, history, Company()).open_accounts) == bool(history)


@settings(deadline=None)
@given(HISTORIES)
def test_c7_nothing_happens_to_an_account_after_its_end(commands: list[Command]) -> None:
    ended: set[str] = set()
    for event in history_of(commands):
        named = {getattr(event, "account_id", None), *getattr(event, "account_ids", ())}
        assert not named & ended
        if isinstance(event, FrameworkAgreementOpened):
            assert not {event.framework_account_id, *event.sub_account_ids} & ended
        if isinstance(event, AccountEnded):
            ended.add(event.account_id)
