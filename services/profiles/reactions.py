"""Whenever another service says X, profiles does Y."""

from collections.abc import Mapping

from services.auth.events import AddressProven
from services.company.events import (
    AccountAdministratorNamed,
    AccountEnded,
    FrameworkAgreementEnded,
    MainAdministratorNamed,
)
from services.products.events import ProductClosed
from services.profiles.domain.grants import Grant
from services.profiles.use_cases import UseCases
from shared.actor import Actor
from shared.cause import Cause
from shared.envelope import Recorded
from shared.events import Event
from shared.inbox import Reaction


def reactions(use: UseCases) -> Mapping[type[Event], Reaction]:
    """The reactions of profiles."""

    async def whenever_an_account_administrator_is_named_they_get_a_profile(recorded: Recorded, cause: Cause) -> None:
        named = recorded.data
        assert isinstance(named, AccountAdministratorNamed)  # noqa: S101 (narrows: registered for it)
        grant = Grant("account-administrator", named.account_id)
        await use.grant_named(named.email, named.name, grant, named.company_id, cause)

    async def whenever_a_main_administrator_is_named_they_get_a_profile(recorded: Recorded, cause: Cause) -> None:
        named = recorded.data
        assert isinstance(named, MainAdministratorNamed)  # noqa: S101 (narrows: registered for it)
        grant = Grant("main-administrator", named.agreement_id)
        await use.grant_named(named.email, named.name, grant, named.company_id, cause)

    async def whenever_an_address_is_proven_its_profile_gets_it(recorded: Recorded, cause: Cause) -> None:
        proven = recorded.data
        assert isinstance(proven, AddressProven)  # noqa: S101 (narrows: registered for it)
        await use.change_email(Actor.parse(proven.subject).id, proven.email, cause)

    async def whenever_a_product_closes_access_to_it_ends(recorded: Recorded, cause: Cause) -> None:
        closed = recorded.data
        assert isinstance(closed, ProductClosed)  # noqa: S101 (narrows: registered for it)
        await use.end_access_to_product(closed.product_id, cause)

    async def whenever_an_account_ends_what_is_granted_on_it_ends(recorded: Recorded, cause: Cause) -> None:
        ended = recorded.data
        assert isinstance(ended, AccountEnded)  # noqa: S101 (narrows: registered for it)
        await use.end_grants_on_account(ended.account_id, cause)

    async def whenever_an_agreement_ends_it_has_no_main_administrator(recorded: Recorded, cause: Cause) -> None:
        ended = recorded.data
        assert isinstance(ended, FrameworkAgreementEnded)  # noqa: S101 (narrows: registered for it)
        await use.end_main_administrators_of(ended.agreement_id, cause)

    return {
        AddressProven: whenever_an_address_is_proven_its_profile_gets_it,
        AccountAdministratorNamed: whenever_an_account_administrator_is_named_they_get_a_profile,
        MainAdministratorNamed: whenever_a_main_administrator_is_named_they_get_a_profile,
        ProductClosed: whenever_a_product_closes_access_to_it_ends,
        AccountEnded: whenever_an_account_ends_what_is_granted_on_it_ends,
        FrameworkAgreementEnded: whenever_an_agreement_ends_it_has_no_main_administrator,
    }
