"""The rules of a profile, read aloud; given = events."""

from functools import partial, reduce

import pytest

from services.profiles.domain.profile import (
    CancellingNotConfirmed,
    EmailHasProductAccess,
    LastAdministrator,
    Profile,
    ProfileHasAnotherAddress,
    ProfileIsCancelled,
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
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    ContactDetailsChanged,
    EmailChanged,
    EmailChangeRefused,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCancelled,
    ProfileCreated,
    ProfileEvent,
)
from shared.email_address import EmailMalformed
from shared.errors import Conflict, NotFound
from shared.free_text import LooksLikeACardNumber

ANNA, NORDLYS, AGREEMENT, ACCOUNT = "profile-1", "company-1", "agreement-1", "account-1"
BIZZ, PLATE_PAYMENT = "product-1", "product-2"

CREATED = ProfileCreated(
    profile_id=ANNA, email="Anna@nordlys.example.com", address="anna@nordlys.example.com", name="Anna Lund"
)
MAIN = MainAdministratorGranted(profile_id=ANNA, agreement_id=AGREEMENT, company_id=NORDLYS)
ADMINISTRATOR = AccountAdministratorGranted(profile_id=ANNA, account_id=ACCOUNT, company_id=NORDLYS)
REACHES_BIZZ = ProductAccessGranted(profile_id=ANNA, product_id=BIZZ, account_id=ACCOUNT, company_id=NORDLYS)
CANCELLED = ProfileCancelled(profile_id=ANNA)

create_anna = partial(create_profile, profile_id=ANNA, email="Anna@nordlys.example.com ", name="Anna Lund")
reach_bizz = partial(grant_product_access, product_id=BIZZ, account_id=ACCOUNT, company_id=NORDLYS)
make_main_administrator = partial(grant_main_administrator, agreement_id=AGREEMENT, company_id=NORDLYS)
make_administrator = partial(grant_account_administrator, account_id=ACCOUNT, company_id=NORDLYS)


def given(*events: ProfileEvent) -> Profile:
    return reduce(evolve, events, Profile())


def test_a9_a_profile_is_created_with_the_address_as_written_and_as_compared() -> None:
    assert create_anna(Profile()) == [CREATED]


def test_a9_creating_a_profile_that_exists_changes_nothing_not_even_the_name() -> None:
    assert create_anna(given(CREATED), email="ANNA@NORDLYS.example.com", name="Somebody Else") == []


def test_a9_a_profile_is_known_by_one_address() -> None:
    with pytest.raises(ProfileHasAnotherAddress):
        create_anna(given(CREATED), email="maja@nordlys.example.com")


def test_a_profile_is_not_created_for_a_malformed_address() -> None:
    with pytest.raises(EmailMalformed):
        create_anna(Profile(), email="anna at nordlys")


def test_p6_a_name_that_holds_a_card_number_is_refused_and_not_repeated() -> None:
    with pytest.raises(LooksLikeACardNumber) as refusal:
        create_anna(Profile(), name="Anna 5500 0000 0000 0004")
    assert "5500" not in str(refusal.value)


def test_a4_a_main_administrator_is_granted_an_agreement_once() -> None:
    assert make_main_administrator(given(CREATED)) == [MAIN]
    assert make_main_administrator(given(CREATED, MAIN)) == []


def test_a5_an_account_administrator_is_granted_an_account_once() -> None:
    assert make_administrator(given(CREATED)) == [ADMINISTRATOR]
    assert make_administrator(given(CREATED, ADMINISTRATOR)) == []


def test_a6_product_access_reaches_one_product() -> None:
    assert reach_bizz(given(CREATED)) == [REACHES_BIZZ]
    assert reach_bizz(given(CREATED, REACHES_BIZZ)) == []


def test_a8_a_profile_with_access_to_one_product_is_refused_a_second() -> None:
    with pytest.raises(EmailHasProductAccess):
        reach_bizz(given(CREATED, REACHES_BIZZ), product_id=PLATE_PAYMENT)


def test_a8_the_address_is_free_again_once_the_access_ended() -> None:
    anna = given(CREATED, REACHES_BIZZ)
    ended = end_product_access(anna, product_id=BIZZ, because="product-closed")
    assert ended == [
        ProductAccessRevoked(
            profile_id=ANNA, product_id=BIZZ, account_id=ACCOUNT, company_id=NORDLYS, because="product-closed"
        )
    ]
    assert reach_bizz(given(CREATED, REACHES_BIZZ, *ended), product_id=PLATE_PAYMENT) != []


def test_a8_the_end_of_another_product_ends_nothing() -> None:
    assert end_product_access(given(CREATED, REACHES_BIZZ), product_id=PLATE_PAYMENT, because="product-closed") == []


def test_a9_product_access_stands_beside_administrator_grants() -> None:
    assert reach_bizz(given(CREATED, MAIN, ADMINISTRATOR)) == [REACHES_BIZZ]
    assert make_administrator(given(CREATED, REACHES_BIZZ)) == [ADMINISTRATOR]


def test_revoking_ends_the_grant_that_is_held_and_no_other() -> None:
    anna = given(CREATED, MAIN, ADMINISTRATOR)
    assert revoke_main_administrator(anna, agreement_id=AGREEMENT, because="revoked") == [
        MainAdministratorRevoked(profile_id=ANNA, agreement_id=AGREEMENT, company_id=NORDLYS, because="revoked")
    ]
    assert revoke_account_administrator(anna, account_id=ACCOUNT, because="revoked") == [
        AccountAdministratorRevoked(profile_id=ANNA, account_id=ACCOUNT, company_id=NORDLYS, because="revoked")
    ]
    assert revoke_main_administrator(anna, agreement_id="agreement-2", because="revoked") == []
    assert revoke_account_administrator(anna, account_id="account-2", because="revoked") == []


def test_a11_cancelling_ends_every_grant_and_then_the_profile() -> None:
    because = "profile-cancelled"
    assert cancel(given(CREATED, REACHES_BIZZ, ADMINISTRATOR, MAIN), confirmed=True) == [
        MainAdministratorRevoked(profile_id=ANNA, agreement_id=AGREEMENT, company_id=NORDLYS, because=because),
        AccountAdministratorRevoked(profile_id=ANNA, account_id=ACCOUNT, company_id=NORDLYS, because=because),
        ProductAccessRevoked(profile_id=ANNA, product_id=BIZZ, account_id=ACCOUNT, company_id=NORDLYS, because=because),
        CANCELLED,
    ]


def test_a11_cancelling_must_be_confirmed() -> None:
    with pytest.raises(CancellingNotConfirmed):
        cancel(given(CREATED), confirmed=False)


def test_a11_cancelling_again_changes_nothing() -> None:
    assert cancel(given(CREATED, CANCELLED), confirmed=True) == []


def test_a11_a_cancelled_profile_is_given_nothing() -> None:
    for command in (create_anna, make_main_administrator, make_administrator, reach_bizz):
        with pytest.raises(ProfileIsCancelled):
            command(given(CREATED, CANCELLED))
    with pytest.raises(ProfileIsCancelled):
        change_contact_details(given(CREATED, CANCELLED), name="Anna Holm", phone=None)
    with pytest.raises(ProfileIsCancelled):
        change_email(given(CREATED, CANCELLED), email="anna.holm@nordlys.example.com")


def test_a15_a_person_changes_their_own_name_and_phone() -> None:
    changed = change_contact_details(given(CREATED), name="Anna Holm", phone="+45 11 22 33 44")
    assert changed == [ContactDetailsChanged(profile_id=ANNA, name="Anna Holm", phone="+45 11 22 33 44")]
    assert change_contact_details(given(CREATED, *changed), name=" Anna  Holm", phone="+45 11 22 33 44 ") == []


def test_a15_a_proven_address_takes_the_place_of_the_old_one_and_leaves_the_grants() -> None:
    before = given(CREATED, REACHES_BIZZ)
    changed = change_email(before, email=" Anna.Holm@Nordlys.example.com ")
    new = {"email": "Anna.Holm@Nordlys.example.com", "address": "anna.holm@nordlys.example.com"}
    assert changed == [EmailChanged(profile_id=ANNA, **new)]
    assert change_email(given(CREATED, *changed), email=new["email"]) == []
    assert given(CREATED, REACHES_BIZZ, *changed).product_access == before.product_access
    assert create_anna(given(CREATED, *changed), email=new["email"]) == []


def test_a15_the_own_address_in_another_spelling_is_where_mail_goes_from_now_on() -> None:
    [changed] = change_email(given(CREATED), email="anna@Nordlys.example.com")
    assert isinstance(changed, EmailChanged)
    assert (changed.email, changed.address) == ("anna@Nordlys.example.com", "anna@nordlys.example.com")


def test_a9_an_address_that_cannot_become_the_profiles_changes_nothing_in_it() -> None:
    for profile in (given(CREATED), given(CREATED, CANCELLED)):
        refused = refuse_email_change(profile, email="maja@nordlys.example.com", because="address-taken")
        assert refused == [
            EmailChangeRefused(profile_id=ANNA, email="maja@nordlys.example.com", because="address-taken")
        ]
        assert reduce(evolve, refused, profile) == profile


def test_nothing_is_done_to_a_profile_that_nobody_created() -> None:
    change_address = partial(change_email, email="anna.holm@nordlys.example.com")
    make = (make_main_administrator, make_administrator, reach_bizz, change_address)
    for command in (*make, partial(cancel, confirmed=True)):
        with pytest.raises(NotFound):
            command(Profile())


def test_every_refusal_names_its_code_and_its_rule() -> None:
    assert (EmailHasProductAccess.code, EmailHasProductAccess.rule) == ("email-has-product-access", "A8")
    assert (LastAdministrator.code, LastAdministrator.rule) == ("last-administrator", "A12")
    assert issubclass(LastAdministrator, Conflict)
    assert "customer service" in str(LastAdministrator())
