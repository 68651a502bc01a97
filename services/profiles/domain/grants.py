"""Grants as people name them, given and taken one by one or several at once; a profile's own rules decide each.

A8   What is taken goes first, so a person can be moved from one product to another in one decision.
A11  What a profile holds is what its cancelling ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from services.profiles.domain import profile as rules
from services.profiles.domain.profile import Profile, evolve
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    Ending,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileEvent,
)
from shared.errors import Invalid

GrantKind = Literal["main-administrator", "account-administrator", "product-access"]

Decide = Callable[[Profile], Sequence[ProfileEvent]]


class GrantGivenAndTaken(Invalid):
    """The same grant cannot be given and taken at once."""

    code = "grant-given-and-taken"


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as people name it: its kind, and the agreement, account or product it is for."""

    kind: GrantKind
    id: str


def giving(grant: Grant, *, account_id: str, company_id: str) -> Decide:
    """The decision that makes a grant; `account_id` is that of the product, where it is one."""

    def decide(profile: Profile) -> Sequence[ProfileEvent]:
        match grant.kind:
            case "main-administrator":
                return rules.grant_main_administrator(profile, agreement_id=grant.id, company_id=company_id)
            case "account-administrator":
                return rules.grant_account_administrator(profile, account_id=grant.id, company_id=company_id)
            case "product-access":
                return rules.grant_product_access(
                    profile, product_id=grant.id, account_id=account_id, company_id=company_id
                )
            case _:
                assert_never(grant.kind)

    return decide


def taking(grant: Grant, because: Ending = "revoked") -> Decide:
    """The decision that ends a grant; one that is not held ends nothing."""

    def decide(profile: Profile) -> Sequence[ProfileEvent]:
        match grant.kind:
            case "main-administrator":
                return rules.revoke_main_administrator(profile, agreement_id=grant.id, because=because)
            case "account-administrator":
                return rules.revoke_account_administrator(profile, account_id=grant.id, because=because)
            case "product-access":
                return rules.end_product_access(profile, product_id=grant.id, because=because)
            case _:
                assert_never(grant.kind)

    return decide


def in_turn(*decisions: Decide) -> Decide:
    """Several decisions as one, all or nothing: each sees what those before it decided."""

    def decide(profile: Profile) -> Sequence[ProfileEvent]:
        events: list[ProfileEvent] = []
        for decision in decisions:
            decided = decision(profile)
            for event in decided:
                profile = evolve(profile, event)
            events += decided
        return events

    return decide


def must_not_contradict(give: Sequence[Grant], take: Sequence[Grant]) -> None:
    """Nothing is both given and taken: whoever asks for that means something else. Raises GrantGivenAndTaken."""
    if set(give) & set(take):
        raise GrantGivenAndTaken


def held_by(profile: Profile) -> frozenset[Grant]:
    """Every grant that a profile holds."""
    product = {Grant("product-access", profile.product_access.product_id)} if profile.product_access else set()
    return frozenset(
        {Grant("main-administrator", agreement) for agreement in profile.main}
        | {Grant("account-administrator", account) for account in profile.accounts}
        | product
    )


def changed_by(event: object) -> Grant | None:
    """The grant that an event gives or ends, if it is about one."""
    match event:
        case MainAdministratorGranted(agreement_id=agreement) | MainAdministratorRevoked(agreement_id=agreement):
            return Grant("main-administrator", agreement)
        case AccountAdministratorGranted(account_id=account) | AccountAdministratorRevoked(account_id=account):
            return Grant("account-administrator", account)
        case ProductAccessGranted(product_id=product) | ProductAccessRevoked(product_id=product):
            return Grant("product-access", product)
        case _:
            return None
