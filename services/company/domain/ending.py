"""Ending an account or a framework agreement: what may end, and what has to stay.

C5   A framework agreement always has a sub-account and its framework account; these end with it or after it.
C6   A company has at least one account from its first day on, and keeps one.
C7   An account that ends closes its products and ends the grants on it; a framework agreement that ends ends its main
     administrators' grants, and its accounts stay. Ending is confirmed.
"""

from services.company.domain.company import Company
from services.company.events import AccountEnded, CompanyEvent, FrameworkAgreementEnded
from shared.errors import Conflict, Invalid, NotFound


class EndingNotConfirmed(Invalid):
    """Ending an account or a framework agreement must be confirmed."""

    code = "ending-not-confirmed"
    rule = "C7"


class LastAccount(Conflict):
    """A company keeps at least one account."""

    code = "last-account"
    rule = "C6"


class LastSubAccount(Conflict):
    """A framework agreement keeps at least one sub-account; the agreement has to end first."""

    code = "last-sub-account"
    rule = "C5"


class FrameworkAccountStays(Conflict):
    """The framework account stays as long as its framework agreement; the agreement has to end first."""

    code = "framework-account-stays"
    rule = "C5"


def end_account(company: Company, *, account_id: str, confirmed: bool) -> list[CompanyEvent]:
    """End an account (C7).

    Raises NotFound, EndingNotConfirmed, FrameworkAccountStays, LastSubAccount (C5), LastAccount (C6).
    """
    if account_id not in company.accounts:
        raise NotFound
    if account_id in company.ended_accounts:
        return []
    if not confirmed:
        raise EndingNotConfirmed
    _must_not_be_needed(company, account_id)
    return [AccountEnded(company_id=company.id, account_id=account_id)]


def end_framework_agreement(company: Company, *, agreement_id: str, confirmed: bool) -> list[CompanyEvent]:
    """End the framework agreement; its accounts stay, outside any (C7). Raises NotFound, EndingNotConfirmed."""
    if agreement_id in company.ended_agreements:
        return []
    if company.agreement_id != agreement_id:
        raise NotFound
    if not confirmed:
        raise EndingNotConfirmed
    return [
        FrameworkAgreementEnded(company_id=company.id, agreement_id=agreement_id, account_ids=company.open_accounts)
    ]


def _must_not_be_needed(company: Company, account_id: str) -> None:
    left = [account for account in company.open_accounts if account != account_id]
    if not left:
        raise LastAccount
    if company.agreement_id is None:
        return
    if account_id == company.framework_account_id:
        raise FrameworkAccountStays
    if left == [company.framework_account_id]:
        raise LastSubAccount
