"""Asking a profile again changes nothing; A8 and A11 hold in every history."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial, reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from services.profiles.domain.grants import Grant, changed_by, giving, held_by, in_turn, taking
from services.profiles.domain.profile import (
    Profile,
    cancel,
    change_contact_details,
    change_email,
    create_profile,
    end_product_access,
    evolve,
    grant_account_administrator,
    grant_main_administrator,
    grant_product_access,
    refuse_email_change,
    revoke_account_administrator,
    revoke_main_administrator,
)
from services.profiles.events import ProductAccessGranted, ProductAccessRevoked, ProfileEvent
from shared.errors import Refusal

Command = Callable[[Profile], list[ProfileEvent]]

AGREEMENTS = st.sampled_from(["agreement-1", "agreement-2"])
ACCOUNTS = st.sampled_from(["account-1", "account-2"])
PRODUCTS = st.sampled_from(["product-1", "product-2", "product-3"])
EMAILS = st.sampled_from(
    ["anna@nordlys.example.com", "ＡＮＮＡ@nordlys.example.com", "maja@havnefart.example.dk", "anna"]
)
BECAUSE = st.sampled_from(["revoked", "product-closed", "account-ended", "agreement-ended"])
NAMES = st.sampled_from(["Anna Lund", "Anna Holm", " "])


def asked(decision: Callable[..., list[ProfileEvent]], **asks: st.SearchStrategy[object]) -> st.SearchStrategy[Command]:
    return st.fixed_dictionaries(asks).map(lambda arguments: partial(decision, **arguments))


GRANTS = st.one_of(
    st.builds(Grant, st.just("main-administrator"), AGREEMENTS),
    st.builds(Grant, st.just("account-administrator"), ACCOUNTS),
    st.builds(Grant, st.just("product-access"), PRODUCTS),
)
SETS = st.lists(GRANTS, max_size=4, unique=True)


def change_grants(profile: Profile, *, give: list[Grant], take: list[Grant]) -> list[ProfileEvent]:
    """A change set, as the use case puts it together."""
    given = [giving(grant, account_id="account-1", company_id="company-1") for grant in give if grant not in take]
    return list(in_turn(*(taking(grant) for grant in take), *given)(profile))


COMPANY: dict[str, st.SearchStrategy[object]] = {"company_id": st.just("company-1")}
COMMANDS = st.one_of(
    asked(create_profile, profile_id=st.just("profile-1"), email=EMAILS, name=NAMES),
    asked(grant_main_administrator, agreement_id=AGREEMENTS, **COMPANY),
    asked(grant_account_administrator, account_id=ACCOUNTS, **COMPANY),
    asked(grant_product_access, product_id=PRODUCTS, account_id=ACCOUNTS, **COMPANY),
    asked(revoke_main_administrator, agreement_id=AGREEMENTS, because=BECAUSE),
    asked(revoke_account_administrator, account_id=ACCOUNTS, because=BECAUSE),
    asked(end_product_access, product_id=PRODUCTS, because=BECAUSE),
    asked(change_contact_details, name=NAMES, phone=st.sampled_from([None, "+45 11 22 33 44"])),
    asked(change_email, email=EMAILS),
    asked(change_grants, give=SETS, take=SETS),
    asked(cancel, confirmed=st.booleans()),
)
CREATE = partial(create_profile, profile_id="profile-1", email="anna@nordlys.example.com", name="Anna Lund")
# Most histories begin with a profile, or little would ever happen in them.
HISTORIES = st.lists(COMMANDS, max_size=12).flatmap(lambda asks: st.sampled_from([[CREATE, *asks], asks]))


def answer(profile: Profile, command: Command) -> list[ProfileEvent] | type[Refusal]:
    try:
        return command(profile)
    except Refusal as refusal:
        return type(refusal)


def history_of(commands: list[Command]) -> list[ProfileEvent]:
    history: list[ProfileEvent] = []
    for command in commands:
        said = answer(reduce(evolve, history, Profile()), command)
        history += said if isinstance(said, list) else []
    return history


@settings(deadline=None)
@given(HISTORIES)
def test_every_command_repeated_in_any_state_changes_nothing_or_is_refused_alike(commands: list[Command]) -> None:
    profile = Profile()
    for command in commands:
        first = answer(profile, command)
        events = first if isinstance(first, list) else []
        profile = reduce(evolve, events, profile)
        assert answer(profile, command) == ([] if isinstance(first, list) else first)


@settings(deadline=None)
@given(HISTORIES)
def test_a11_a_cancelled_profile_holds_nothing_and_is_given_nothing(commands: list[Command]) -> None:
    history = history_of([CREATE, *commands, partial(cancel, confirmed=True)])
    profile = reduce(evolve, history, Profile())
    assert profile.cancelled
    assert (dict(profile.main), dict(profile.accounts), profile.product_access) == ({}, {}, None)
    for command in commands:
        assert not isinstance(said := answer(profile, command), list) or said == []


@settings(deadline=None)
@given(HISTORIES, SETS, SETS)
def test_a12_a_change_set_makes_what_its_result_says_or_nothing(
    commands: list[Command], give: list[Grant], take: list[Grant]
) -> None:
    """Held afterwards is what was held, less what is taken, and what is given; each event is about one of them."""
    profile = reduce(evolve, history_of([CREATE, *commands]), Profile())
    said = answer(profile, partial(change_grants, give=give, take=take))
    if not isinstance(said, list):
        return
    assert held_by(reduce(evolve, said, profile)) == (held_by(profile) - set(take)) | (set(give) - set(take))
    assert {changed_by(event) for event in said} <= {*give, *take}


@settings(deadline=None)
@given(HISTORIES)
def test_a15_an_address_changes_nothing_but_itself(commands: list[Command]) -> None:
    profile = reduce(evolve, history_of([CREATE, *commands]), Profile())
    changed = answer(profile, partial(change_email, email=" Anna.New@nordlys.example.com"))
    refused = answer(profile, partial(refuse_email_change, email="anna@nordlys.example.com", because="address-taken"))
    assert isinstance(refused, list)
    assert reduce(evolve, refused, profile) == profile
    if isinstance(changed, list):
        assert reduce(evolve, changed, profile) == replace(
            profile, email="Anna.New@nordlys.example.com", address="anna.new@nordlys.example.com"
        )
    else:
        assert profile.cancelled


@settings(deadline=None)
@given(HISTORIES)
def test_a8_no_history_gives_a_profile_two_products_at_once(commands: list[Command]) -> None:
    reached: set[str] = set()
    for event in history_of(commands):
        if isinstance(event, ProductAccessGranted):
            reached.add(event.product_id)
        elif isinstance(event, ProductAccessRevoked):
            reached.remove(event.product_id)
        assert len(reached) <= 1
