"""What profiles says: who has a login, what each may reach, and when that ended.

The stream of an event is its profile (`profile-…`). Who granted or revoked, and under which grant of their own, stands
in the envelope (`ce_actor`, `ce_grant`).
"""

from typing import Literal

from shared.events import Event, Personal, Plain, Pseudonym
from shared.refusals import RefusedAttempt

Ending = Literal["revoked", "product-closed", "profile-cancelled", "account-ended", "agreement-ended"]
"""Why a grant ended."""

NotTheirs = Literal["address-taken", "profile-cancelled"]
"""Why a proven address did not become a profile's."""


class ProfileCreated(Event, type="profiles.profile-created.v1"):
    """A person got a login, known by one e-mail address (A9)."""

    profile_id: Pseudonym[str]
    email: Personal[str]
    """The address as it was written by whoever created the profile; mail goes there."""
    address: Personal[str]
    """The address as it is compared (A8)."""
    name: Personal[str]


class MainAdministratorGranted(Event, type="profiles.main-administrator-granted.v1"):
    """The profile may do everything on all accounts of a framework agreement (A2, A4)."""

    profile_id: Pseudonym[str]
    agreement_id: Pseudonym[str]
    company_id: Pseudonym[str]


class AccountAdministratorGranted(Event, type="profiles.account-administrator-granted.v1"):
    """The profile administers an account (A3, A5)."""

    profile_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]


class ProductAccessGranted(Event, type="profiles.product-access-granted.v1"):
    """The profile reaches one single product (A6)."""

    profile_id: Pseudonym[str]
    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]


class MainAdministratorRevoked(Event, type="profiles.main-administrator-revoked.v1"):
    """The profile is no longer a main administrator of the agreement."""

    profile_id: Pseudonym[str]
    agreement_id: Pseudonym[str]
    company_id: Pseudonym[str]
    because: Plain[Ending]


class AccountAdministratorRevoked(Event, type="profiles.account-administrator-revoked.v1"):
    """The profile no longer administers the account."""

    profile_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]
    because: Plain[Ending]


class ProductAccessRevoked(Event, type="profiles.product-access-revoked.v1"):
    """The profile no longer reaches the product; its address is free again (A8)."""

    profile_id: Pseudonym[str]
    product_id: Pseudonym[str]
    account_id: Pseudonym[str]
    company_id: Pseudonym[str]
    because: Plain[Ending]


class ContactDetailsChanged(Event, type="profiles.contact-details-changed.v1"):
    """A person changed their own contact details (A15)."""

    profile_id: Pseudonym[str]
    name: Personal[str]
    phone: Personal[str | None]


class EmailChanged(Event, type="profiles.email-changed.v1"):
    """A person proved a new e-mail address; it is the profile's, and the old one is free (A15, A8, A9)."""

    profile_id: Pseudonym[str]
    email: Personal[str]
    """The address as it was written; mail goes there."""
    address: Personal[str]
    """The address as it is compared."""


class EmailChangeRefused(Event, type="profiles.email-change-refused.v1"):
    """A person proved a new e-mail address, but their profile keeps the one it has (A9, A11)."""

    profile_id: Pseudonym[str]
    email: Personal[str]
    because: Plain[NotTheirs]


class ProfileCancelled(Event, type="profiles.profile-cancelled.v1"):
    """The login is over: every grant ended before this event in the same commit, every session ends with it (A11)."""

    profile_id: Pseudonym[str]


class AttemptRefused(RefusedAttempt, type="profiles.attempt-refused.v1"):
    """A rule of profiles refused an attempt (H1)."""


ProfileEvent = (
    ProfileCreated
    | MainAdministratorGranted
    | AccountAdministratorGranted
    | ProductAccessGranted
    | MainAdministratorRevoked
    | AccountAdministratorRevoked
    | ProductAccessRevoked
    | ContactDetailsChanged
    | EmailChanged
    | EmailChangeRefused
    | ProfileCancelled
)
