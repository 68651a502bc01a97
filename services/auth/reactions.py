"""Whenever another service says X, auth does Y.

A mail about a grant or a payment card is a reaction, not a view: a view may be rebuilt at any time, and that must mail
nobody. Its commit carries the queue's rows and the inbox's entry, so one grant is one mail, whatever is delivered
again.
"""

from collections.abc import Mapping

from services.auth.use_cases import UseCases
from services.auth.use_cases.change_mails import Closed
from services.company.events import ChangeRequestApproved, ChangeRequestDeclined, ChangeRequestWithdrawn
from services.products.events import PaymentCardExpired, PaymentCardExpiring
from services.profiles.events import (
    AccountAdministratorGranted,
    EmailChanged,
    MainAdministratorGranted,
    ProductAccessGranted,
    ProfileCancelled,
)
from shared.cause import Cause
from shared.envelope import Recorded
from shared.events import Event
from shared.inbox import Reaction


def reactions(use: UseCases) -> Mapping[type[Event], Reaction]:
    """The reactions of auth."""

    async def whenever_a_profile_is_cancelled_its_sessions_end(recorded: Recorded, cause: Cause) -> None:
        cancelled = recorded.data
        assert isinstance(cancelled, ProfileCancelled)  # noqa: S101 (narrows: registered for it)
        await use.sessions.end_sessions_of(cancelled.profile_id, cause)

    async def whenever_somebody_is_granted_something_they_are_told(recorded: Recorded, cause: Cause) -> None:
        profile_id, about = _in_short(recorded)
        await use.grant_mails.tell_of_grant(
            profile_id, about, event_id=recorded.id, granted_at=recorded.time, cause=cause
        )

    async def whenever_somebody_has_another_address_the_old_one_is_told(recorded: Recorded, cause: Cause) -> None:
        changed = recorded.data
        assert isinstance(changed, EmailChanged)  # noqa: S101 (narrows: registered for it)
        await use.email_change.tell_old_address(
            changed.profile_id, event_id=recorded.id, changed_at=recorded.time, cause=cause
        )

    async def whenever_a_change_request_is_closed_its_company_is_told(recorded: Recorded, cause: Cause) -> None:
        closed = recorded.data
        assert isinstance(closed, Closed)  # noqa: S101 (narrows: registered for it)
        if isinstance(closed, ChangeRequestWithdrawn) and recorded.actor.id == closed.requested_by:
            return  # they know
        await use.change_mails.tell_what_became_of(closed, event_id=recorded.id, closed_at=recorded.time, cause=cause)

    async def whenever_a_charged_card_expires_they_who_may_replace_it_are_told(
        recorded: Recorded, cause: Cause
    ) -> None:
        said = recorded.data
        assert isinstance(said, (PaymentCardExpiring, PaymentCardExpired))  # noqa: S101 (narrows: registered for them)
        await use.card_mails.tell_of_card(
            said.account_id, said.product_id, _of_card(said), event_id=recorded.id, said_at=recorded.time, cause=cause
        )

    return {
        ChangeRequestApproved: whenever_a_change_request_is_closed_its_company_is_told,
        ChangeRequestDeclined: whenever_a_change_request_is_closed_its_company_is_told,
        ChangeRequestWithdrawn: whenever_a_change_request_is_closed_its_company_is_told,
        EmailChanged: whenever_somebody_has_another_address_the_old_one_is_told,
        ProfileCancelled: whenever_a_profile_is_cancelled_its_sessions_end,
        MainAdministratorGranted: whenever_somebody_is_granted_something_they_are_told,
        AccountAdministratorGranted: whenever_somebody_is_granted_something_they_are_told,
        ProductAccessGranted: whenever_somebody_is_granted_something_they_are_told,
        PaymentCardExpiring: whenever_a_charged_card_expires_they_who_may_replace_it_are_told,
        PaymentCardExpired: whenever_a_charged_card_expires_they_who_may_replace_it_are_told,
    }


def _in_short(recorded: Recorded) -> tuple[str, Mapping[str, str]]:
    """Who was granted, and what the mail has to say: what, of which company, by whom."""
    match recorded.data:
        case MainAdministratorGranted(profile_id=profile, agreement_id=agreement, company_id=company):
            grant, of = "main-administrator", agreement
        case AccountAdministratorGranted(profile_id=profile, account_id=account, company_id=company):
            grant, of = "account-administrator", account
        case ProductAccessGranted(profile_id=profile, product_id=product, company_id=company):
            grant, of = "product-access", product
        case other:
            raise TypeError(f"{other.type} grants nothing")
    return profile, {"grant": grant, "of": of, "company": company, "by": str(recorded.actor)}


def _of_card(said: PaymentCardExpiring | PaymentCardExpired) -> Mapping[str, str]:
    """What the mail has to say of a card, and of what is charged to it."""
    return {
        "what": "expiring" if isinstance(said, PaymentCardExpiring) else "expired",
        "account": said.account_id,
        "charged": "account" if said.product_id is None else "product",
        "brand": said.brand,
        "last_four": said.last_four,
        "month": str(said.expiry_month),
        "year": str(said.expiry_year),
    }
