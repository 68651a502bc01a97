"""A profile is one person's login and what it may reach.

A8   An e-mail address has product access to only one product (across profiles kept by a view with a unique key).
A9   An address has one profile; asking for it again changes nothing in it. Product access stands beside other grants.
A11  Cancelling is confirmed and ends every grant. A cancelled profile holds nothing and is given nothing.
A12  An account never loses its last administrator (kept by a view that locks the account).
A15  Everyone may change their own contact details, and their e-mail address to one that they have proven.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    ContactDetailsChanged,
    EmailChanged,
    EmailChangeRefused,
    Ending,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    NotTheirs,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCancelled,
    ProfileCreated,
    ProfileEvent,
)
from shared import email_address
from shared.errors import Conflict, Invalid, NotFound
from shared.free_text import line, optional_line

NAME, PHONE = 120, 30
"""The most characters of a name and of a telephone number."""


class ProfileHasAnotherAddress(Conflict):
    """This profile is known by another e-mail address."""

    code = "profile-has-another-address"
    rule = "A9"


class EmailHasProductAccess(Conflict):
    """This e-mail address already has product access to another product."""

    code = "email-has-product-access"
    rule = "A8"


class ProfileIsCancelled(Conflict):
    """This profile is cancelled."""

    code = "profile-cancelled"
    rule = "A11"


class CancellingNotConfirmed(Invalid):
    """Cancelling a profile must be confirmed."""

    code = "cancelling-not-confirmed"
    rule = "A11"


class LastAdministrator(Conflict):
    """An account keeps at least one administrator; customer service can help to replace the last one."""

    code = "last-administrator"
    rule = "A12"


@dataclass(frozen=True, slots=True)
class ProductAccess:
    """The one product that a profile reaches, and where that product is."""

    product_id: str
    account_id: str
    company_id: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What the rules ask of a profile; `Profile()` is one that nobody created yet."""

    id: str = ""
    email: str = ""
    address: str = ""
    name: str = ""
    phone: str | None = None
    main: Mapping[str, str] = field(default_factory=dict)
    """The agreements of which it is a main administrator: the company of each by the agreement's id."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """The accounts that it administers: the company of each by the account's id."""
    product_access: ProductAccess | None = None
    cancelled: bool = False


def evolve(profile: Profile, event: ProfileEvent) -> Profile:
    """The profile after one more event of its history."""
    match event:
        case ProfileCreated(profile_id=profile_id, email=email, address=address, name=name):
            return replace(profile, id=profile_id, email=email, address=address, name=name)
        case MainAdministratorGranted(agreement_id=agreement, company_id=company):
            return replace(profile, main={**profile.main, agreement: company})
        case AccountAdministratorGranted(account_id=account, company_id=company):
            return replace(profile, accounts={**profile.accounts, account: company})
        case ProductAccessGranted(product_id=product, account_id=account, company_id=company):
            return replace(profile, product_access=ProductAccess(product, account, company))
        case MainAdministratorRevoked(agreement_id=agreement):
            return replace(profile, main=_without(profile.main, agreement))
        case AccountAdministratorRevoked(account_id=account):
            return replace(profile, accounts=_without(profile.accounts, account))
        case ProductAccessRevoked():
            return replace(profile, product_access=None)
        case ContactDetailsChanged(name=name, phone=phone):
            return replace(profile, name=name, phone=phone)
        case EmailChanged(email=email, address=address):
            return replace(profile, email=email, address=address)
        case EmailChangeRefused():
            return profile
        case ProfileCancelled():
            return replace(profile, cancelled=True)
        case _:
            assert_never(event)


def create_profile(profile: Profile, *, profile_id: str, email: str, name: str) -> list[ProfileEvent]:
    """Give a person a login; one that exists stays as it is, its name too (A9).

    Raises EmailMalformed, ProfileIsCancelled, ProfileHasAnotherAddress, TextMalformed, LooksLikeACardNumber.
    """
    # The name is read even where it will not be used: what is refused must not tell whether the address is known (A9).
    address, name = email_address.normalised(email), line(name, most=NAME)
    if profile.cancelled:
        raise ProfileIsCancelled
    if profile.address == address:
        return []
    if profile.id:
        raise ProfileHasAnotherAddress
    return [ProfileCreated(profile_id=profile_id, email=email.strip(), address=address, name=name)]


def grant_main_administrator(profile: Profile, *, agreement_id: str, company_id: str) -> list[ProfileEvent]:
    """Let the profile do everything on all accounts of an agreement (A4). Raises NotFound, ProfileIsCancelled."""
    _must_be_alive(profile)
    if agreement_id in profile.main:
        return []
    return [MainAdministratorGranted(profile_id=profile.id, agreement_id=agreement_id, company_id=company_id)]


def grant_account_administrator(profile: Profile, *, account_id: str, company_id: str) -> list[ProfileEvent]:
    """Let the profile administer an account (A5). Raises NotFound, ProfileIsCancelled."""
    _must_be_alive(profile)
    if account_id in profile.accounts:
        return []
    return [AccountAdministratorGranted(profile_id=profile.id, account_id=account_id, company_id=company_id)]


def grant_product_access(profile: Profile, *, product_id: str, account_id: str, company_id: str) -> list[ProfileEvent]:
    """Let the profile reach one single product (A6).

    Raises NotFound, ProfileIsCancelled, EmailHasProductAccess when it reaches another one (A8).
    """
    _must_be_alive(profile)
    held = profile.product_access
    if held and held.product_id == product_id:
        return []
    if held:
        raise EmailHasProductAccess
    return [
        ProductAccessGranted(profile_id=profile.id, product_id=product_id, account_id=account_id, company_id=company_id)
    ]


def revoke_main_administrator(profile: Profile, *, agreement_id: str, because: Ending) -> list[ProfileEvent]:
    """End what the profile may do under an agreement. Raises NotFound."""
    _must_exist(profile)
    return [
        MainAdministratorRevoked(profile_id=profile.id, agreement_id=agreement, company_id=company, because=because)
        for agreement, company in profile.main.items()
        if agreement == agreement_id
    ]


def revoke_account_administrator(profile: Profile, *, account_id: str, because: Ending) -> list[ProfileEvent]:
    """End that the profile administers an account. Raises NotFound."""
    _must_exist(profile)
    return [
        AccountAdministratorRevoked(profile_id=profile.id, account_id=account, company_id=company, because=because)
        for account, company in profile.accounts.items()
        if account == account_id
    ]


def end_product_access(profile: Profile, *, product_id: str, because: Ending) -> list[ProfileEvent]:
    """End that the profile reaches the product; its address is free again (A8). Raises NotFound."""
    _must_exist(profile)
    held = profile.product_access
    if held is None or held.product_id != product_id:
        return []
    return [
        ProductAccessRevoked(
            profile_id=profile.id,
            product_id=held.product_id,
            account_id=held.account_id,
            company_id=held.company_id,
            because=because,
        )
    ]


def cancel(profile: Profile, *, confirmed: bool) -> list[ProfileEvent]:
    """End the login and, before it, every grant (A11). Raises NotFound, CancellingNotConfirmed."""
    _must_exist(profile)
    if profile.cancelled:
        return []
    if not confirmed:
        raise CancellingNotConfirmed
    return [*_everything_ended(profile), ProfileCancelled(profile_id=profile.id)]


def change_contact_details(profile: Profile, *, name: str, phone: str | None) -> list[ProfileEvent]:
    """Change the person's own name and telephone number (A15).

    Raises NotFound, ProfileIsCancelled, TextMalformed, LooksLikeACardNumber.
    """
    _must_be_alive(profile)
    name, phone = line(name, most=NAME), optional_line(phone, most=PHONE)
    if (profile.name, profile.phone) == (name, phone):
        return []
    return [ContactDetailsChanged(profile_id=profile.id, name=name, phone=phone)]


def change_email(profile: Profile, *, email: str) -> list[ProfileEvent]:
    """Give the profile the address that its person has proven (A15); the grants stay as they are.

    Raises NotFound, ProfileIsCancelled, EmailMalformed.
    """
    _must_be_alive(profile)
    email, address = email.strip(), email_address.normalised(email)
    if (profile.email, profile.address) == (email, address):
        return []
    return [EmailChanged(profile_id=profile.id, email=email, address=address)]


def refuse_email_change(profile: Profile, *, email: str, because: NotTheirs) -> list[ProfileEvent]:
    """A proven address cannot become the profile's; proving it again is another attempt, so another event (H1)."""
    _must_exist(profile)
    return [EmailChangeRefused(profile_id=profile.id, email=email.strip(), because=because)]


def _everything_ended(profile: Profile) -> list[ProfileEvent]:
    ended: list[ProfileEvent] = []
    for agreement in profile.main:
        ended += revoke_main_administrator(profile, agreement_id=agreement, because="profile-cancelled")
    for account in profile.accounts:
        ended += revoke_account_administrator(profile, account_id=account, because="profile-cancelled")
    if held := profile.product_access:
        ended += end_product_access(profile, product_id=held.product_id, because="profile-cancelled")
    return ended


def _must_exist(profile: Profile) -> None:
    # The plain NotFound: what does not exist answers exactly like what is out of reach (A13).
    if not profile.id:
        raise NotFound


def _must_be_alive(profile: Profile) -> None:
    _must_exist(profile)
    if profile.cancelled:
        raise ProfileIsCancelled


def _without(held: Mapping[str, str], ended: str) -> dict[str, str]:
    return {key: company for key, company in held.items() if key != ended}
