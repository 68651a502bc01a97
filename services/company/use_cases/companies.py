"""What people may do with companies: may they ask → decide → append.

C1, C6, A4, A5: who may register, open, create and change is asked of the one policy (`services.profiles.policy`),
within reach only. What is missing answers like what is out of reach, to everybody (A13).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from services.company.domain import company as rules
from services.company.domain import direct_changes, ending
from services.company.domain.company import Company, evolve
from services.company.domain.contact_details import ContactDetails
from services.company.domain.cvr import warnings_about
from services.company.events import CompanyEvent, Payment
from services.company.views import accounts, companies
from services.company.views.customer_numbers import CustomerNumberTaken, next_number
from services.profiles import policy
from services.profiles.access import Access
from services.profiles.consequences import DryRun, foresee
from services.profiles.policy import Operation
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.database import Database, Row
from shared.errors import NotFound, Unavailable
from shared.events import Event
from shared.eventstore.streams import Category, Streams
from shared.ids import new_id

COMPANIES = Category("company", Company(), evolve)

MOST_RACES = 8


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom customer service names: where the invitation goes, and to whom."""

    email: str
    name: str


@dataclass(frozen=True, slots=True)
class NewCompany:
    """What customer service knows of a company on its first day."""

    cvr: str
    legal_name: str
    payment: Payment
    contact: ContactDetails
    account_name: str
    administrator: Person


class CareOfCompanies:
    """Companies, accounts and agreements, and the questions about them."""

    def __init__(self, streams: Streams, database: Database, may: Access) -> None:
        self._streams = streams
        self._database = database
        self._access = may

    # What customer service does ---------------------------------------------------------------------------------------

    async def register_company(self, new: NewCompany, cause: Cause) -> Written:
        """Register a company with its first account and that account's first administrator (C6).

        Raises NotPermitted, CvrAlreadyRegistered, CvrMalformed, EmailMalformed, TextMalformed, LooksLikeACardNumber.
        """
        permit = await self._access.require(cause.actor, policy.REGISTER_COMPANY)
        company_id, account_id = new_id("company"), new_id("account")
        decide = partial(
            rules.register_company,
            company_id=company_id,
            account_id=account_id,
            cvr=new.cvr,
            legal_name=new.legal_name,
            payment=new.payment,
            **asdict(new.contact),
            account_name=new.account_name,
            administrator_email=new.administrator.email,
            administrator_name=new.administrator.name,
        )
        return await self._numbered(
            company_id,
            decide,
            permit.covers(cause),
            company_id=company_id,
            account_id=account_id,
            warnings=warnings_about(new.cvr),
        )

    async def open_framework_agreement(self, company_id: str, main_administrator: Person, cause: Cause) -> Written:
        """Open a company's framework agreement with its first main administrator (C6).

        Raises NotFound, NotPermitted, FrameworkAgreementExists, EmailMalformed, TextMalformed, LooksLikeACardNumber.
        """
        cause = await self._permitted(policy.OPEN_FRAMEWORK_AGREEMENT, company_id, cause)
        agreement_id, account_id = new_id("agreement"), new_id("account")
        decide = partial(
            rules.open_framework_agreement,
            agreement_id=agreement_id,
            framework_account_id=account_id,
            main_administrator_email=main_administrator.email,
            main_administrator_name=main_administrator.name,
        )
        return await self._numbered(
            company_id, decide, cause, agreement_id=agreement_id, framework_account_id=account_id
        )

    async def end_framework_agreement(self, agreement_id: str, confirmed: bool, cause: Cause) -> Written:
        """End a framework agreement; its accounts stay (C7). Raises NotFound, NotPermitted, EndingNotConfirmed."""
        company_id = await companies.with_agreement(self._database, agreement_id) or ""
        cause = await self._permitted(policy.END_FRAMEWORK_AGREEMENT, agreement_id, cause, exists=bool(company_id))
        decide = partial(ending.end_framework_agreement, agreement_id=agreement_id, confirmed=confirmed)
        return await self._streams.change(COMPANIES, company_id, decide, cause.answering(agreement_id=agreement_id))

    # What administrators do -------------------------------------------------------------------------------------------

    async def create_sub_account(self, agreement_id: str, name: str, cause: Cause) -> Written:
        """Open one more account in a framework agreement (A4, C5).

        Raises NotFound, NotPermitted, AgreementHasEnded, TextMalformed, LooksLikeACardNumber.
        """
        company_id = await companies.with_agreement(self._database, agreement_id) or ""
        cause = await self._permitted(policy.CREATE_SUB_ACCOUNT, agreement_id, cause, exists=bool(company_id))
        account_id = new_id("account")
        decide = partial(rules.create_sub_account, agreement_id=agreement_id, account_id=account_id, name=name)
        return await self._numbered(company_id, decide, cause, account_id=account_id)

    async def change_contact_details(self, company_id: str, contact: ContactDetails, cause: Cause) -> Written:
        """Change what may be changed directly of a company, all of it at once (C1, C2).

        Raises NotFound, NotPermitted, EmailMalformed, TextMalformed, LooksLikeACardNumber.
        """
        known = await companies.one(self._database, company_id) is not None
        cause = await self._permitted(policy.CHANGE_COMPANY, company_id, cause, exists=known)
        decide = partial(direct_changes.change_contact_details, **asdict(contact))
        return await self._streams.change(COMPANIES, company_id, decide, cause.answering(company_id=company_id))

    async def rename_account(self, account_id: str, name: str, cause: Cause) -> Written:
        """Give an account another name (C1, C2).

        Raises NotFound, NotPermitted, AccountHasEnded, TextMalformed, LooksLikeACardNumber.
        """
        decide = partial(direct_changes.rename_account, account_id=account_id, name=name)
        return await self._change_account(policy.RENAME_ACCOUNT, account_id, decide, cause)

    async def end_account(self, account_id: str, confirmed: bool, cause: Cause) -> Written:
        """End an account (A4, C7).

        Raises NotFound, NotPermitted, EndingNotConfirmed, FrameworkAccountStays, LastSubAccount, LastAccount.
        """
        decide = partial(ending.end_account, account_id=account_id, confirmed=confirmed)
        return await self._change_account(policy.END_ACCOUNT, account_id, decide, cause)

    # Questions --------------------------------------------------------------------------------------------------------

    async def list_companies(self, actor: Actor, search: str | None, after: str) -> list[Row]:
        """A page of the companies with an account in reach; all of them for customer service (A13)."""
        staff = await self._access.is_staff(actor)
        return await companies.in_reach(self._database, actor, staff=staff, search=search, after=after)

    async def see_company(self, company_id: str, actor: Actor) -> Row:
        """A company with the first page of its accounts in reach. Raises NotFound, NotPermitted."""
        await self._access.require(actor, policy.READ_COMPANY, company_id)
        company = await companies.one(self._database.asked_by(actor), company_id)
        if company is None:
            raise NotFound
        return {**company, "accounts": await self.list_accounts(actor, company_id, "")}

    async def list_accounts(self, actor: Actor, company_id: str | None, after: str) -> list[Row]:
        """A page of the accounts in reach, of one company or of all; all of them for customer service (A13)."""
        staff = await self._access.is_staff(actor)
        return await accounts.in_reach(self._database, actor, staff=staff, company=company_id, after=after)

    async def see_account(self, account_id: str, actor: Actor) -> Row:
        """One account. Raises NotFound, NotPermitted."""
        await self._access.require(actor, policy.READ_ACCOUNT, account_id)
        account = await accounts.one(self._database.asked_by(actor), account_id)
        if account is None:
            raise NotFound
        return account

    async def foresee(self, events: Sequence[Event], actor: Actor) -> DryRun:
        """What would come of these events in every service, within the actor's reach. Raises Unavailable."""
        return await foresee(self._database, events, actor)

    # ------------------------------------------------------------------------------------------------------------------

    async def _permitted(self, operation: Operation, target: str, cause: Cause, *, exists: bool = True) -> Cause:
        return (await self._access.require(cause.actor, operation, target, exists=exists)).covers(cause)

    async def _change_account(
        self, operation: Operation, account_id: str, decide: Callable[[Company], Sequence[CompanyEvent]], cause: Cause
    ) -> Written:
        account = await accounts.one(self._database, account_id) or {}
        cause = await self._permitted(operation, account_id, cause, exists=bool(account))
        told = cause.answering(account_id=account_id)
        return await self._streams.change(COMPANIES, account["company_id"], decide, told)

    async def _numbered(self, stream: str, decide: "_DecideNumbered", cause: Cause, **answer: Any) -> Written:
        """Change a company by a decision that asks for a fresh customer number, which the answer tells, too."""
        for _ in range(MOST_RACES):
            number = await next_number(self._database)
            told = cause.answering(**answer, customer_number=number)
            try:
                return await self._streams.change(COMPANIES, stream, partial(decide, customer_number=number), told)
            except CustomerNumberTaken:
                continue  # the sequence began again and another account was faster
        raise Unavailable


_DecideNumbered = Callable[..., Sequence[CompanyEvent]]
