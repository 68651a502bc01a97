"""Asking a company again changes nothing, whatever happened before."""

from collections.abc import Callable
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from services.company.domain.company import Company, evolve, rename_account
from services.company.events import CompanyEvent, FrameworkAgreementOpened
from shared.errors import Refusal
from tests.company.test_company import (
    change_nordlys,
    create_nordlys_sub_account,
    open_nordlys_agreement,
    register_nordlys,
)

Command = Callable[[Company], list[CompanyEvent]]

ACCOUNTS = st.sampled_from(["account-1", "account-2", "account-3"])
AGREEMENTS = st.sampled_from(["agreement-1", "agreement-2"])
NAMES = st.sampled_from(["Nordlys Odense", "Nordlys Aarhus ", "", "4111-1111-1111-1111"])
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        lambda account, cvr: lambda company: register_nordlys(company, account_id=account, cvr=cvr),
        ACCOUNTS,
        st.sampled_from(["12345678", "87654321", "1234"]),
    ),
    st.builds(
        lambda agreement, account: (
            lambda company: open_nordlys_agreement(company, agreement_id=agreement, framework_account_id=account)
        ),
        AGREEMENTS,
        st.just("account-9"),
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
)
# Most histories begin with a company, many with its agreement, or little would ever happen in them.
BEGINNINGS: list[list[Command]] = [[], [register_nordlys], [register_nordlys, open_nordlys_agreement]]
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
def test_c5_no_history_has_a_second_agreement_or_one_without_a_sub_account(commands: list[Command]) -> None:
    opened = [event for event in history_of(commands) if isinstance(event, FrameworkAgreementOpened)]
    assert len(opened) <= 1
    assert all(event.sub_account_ids for event in opened)
