"""What customer service decides about a company: may they ask → decide → append (C1, C3).

Who asks for a change is an administrator of the company at that moment. Who is none any more reaches the request no
more either (A13, A14).
"""

from collections.abc import Callable, Sequence
from functools import partial

from services.company.domain import change_requests as rules
from services.company.domain.change_requests import Wish
from services.company.domain.company import Company
from services.company.domain.cvr import warnings_about
from services.company.events import CompanyEvent
from services.company.use_cases.companies import COMPANIES
from services.company.views import change_requests, companies
from services.company.views.change_requests import Wanted
from services.profiles import policy
from services.profiles.access import Access
from services.profiles.policy import Operation
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.database import Database, Row
from shared.errors import NotFound
from shared.eventstore.streams import Streams
from shared.ids import new_id


class ChangeRequests:
    """Asked for by administrators, decided by customer service."""

    def __init__(self, streams: Streams, database: Database, may: Access) -> None:
        self._streams = streams
        self._database = database
        self._access = may

    async def request(self, company_id: str, wish: Wish, cause: Cause) -> Written:
        """Ask customer service for a change (C3, C4).

        Raises NotFound, NotPermitted, TextMalformed, LooksLikeACardNumber, CvrMalformed, EanMalformed,
        ExpectedUsageMissing, ExpectedUsageTooLow, NothingWouldChange, ChangeRequestOpen.
        """
        known = await companies.one(self._database, company_id) is not None
        permit = await self._access.require(cause.actor, policy.REQUEST_CHANGE, company_id, exists=known)
        change_request_id = new_id("change-request")
        decide = partial(rules.request_change, change_request_id=change_request_id, wish=wish, by=cause.actor.id)
        warnings = warnings_about(wish.to) if wish.kind == "cvr" else []
        told = permit.covers(cause).answering(change_request_id=change_request_id, warnings=warnings)
        return await self._streams.change(COMPANIES, company_id, decide, told)

    async def approve(self, change_request_id: str, cause: Cause) -> Written:
        """Say yes: what was asked for is changed in the same commit (C3).

        Raises NotFound, NotPermitted, ChangeRequestClosed, and CvrAlreadyRegistered for a number that another company
        has (C6).
        """
        decide = partial(rules.approve_request, change_request_id=change_request_id)
        return await self._close(policy.DECIDE_CHANGE_REQUEST, change_request_id, decide, cause)

    async def decline(self, change_request_id: str, reason: str, cause: Cause) -> Written:
        """Say no, and why (C3).

        Raises NotFound, NotPermitted, ChangeRequestClosed, TextMalformed, LooksLikeACardNumber.
        """
        decide = partial(rules.decline_request, change_request_id=change_request_id, reason=reason)
        return await self._close(policy.DECIDE_CHANGE_REQUEST, change_request_id, decide, cause)

    async def withdraw(self, change_request_id: str, cause: Cause) -> Written:
        """Take a request back, one's own or that of another administrator (C3).

        Raises NotFound, NotPermitted, ChangeRequestClosed.
        """
        decide = partial(rules.withdraw_request, change_request_id=change_request_id)
        return await self._close(policy.WITHDRAW_CHANGE_REQUEST, change_request_id, decide, cause)

    async def list_requests(self, actor: Actor, wanted: Wanted) -> list[Row]:
        """A page of the requests in reach; all of them for customer service (A13)."""
        return await change_requests.in_reach(self._database, actor, wanted, staff=await self._access.is_staff(actor))

    async def see_request(self, change_request_id: str, actor: Actor) -> Row:
        """One request. Raises NotFound, NotPermitted."""
        company_id = await change_requests.company_of(self._database, change_request_id)
        await self._access.require(actor, policy.READ_CHANGE_REQUEST, company_id or "", exists=company_id is not None)
        staff = await self._access.is_staff(actor)
        request = await change_requests.one(self._database, actor, change_request_id, staff=staff)
        if request is None:
            raise NotFound
        return request

    async def _close(
        self,
        operation: Operation,
        change_request_id: str,
        decide: Callable[[Company], Sequence[CompanyEvent]],
        cause: Cause,
    ) -> Written:
        company_id = await change_requests.company_of(self._database, change_request_id)
        permit = await self._access.require(cause.actor, operation, company_id or "", exists=company_id is not None)
        told = permit.covers(cause).answering(change_request_id=change_request_id)
        return await self._streams.change(COMPANIES, company_id or "", decide, told)
