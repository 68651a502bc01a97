"""Change requests: what administrators may not change themselves, and customer service decides.

C3   Legal name, CVR number, invoice format and payment are changed by request: approved, which makes the change itself,
     or declined with a reason; withdrawn while it is open. Of each kind a company has at most one open request (kept by
     a view with a unique key, too).
C4   Card to invoice needs the expected yearly usage; below 22,000 DKK it is refused at once.
"""

from dataclasses import asdict, dataclass, replace
from typing import assert_never

from services.company.domain.company import Company, Outcome, must_be_registered
from services.company.domain.contact_details import NAME
from services.company.domain.cvr import cvr_number
from services.company.domain.ean import EanNotAskedFor, ean_number
from services.company.events import (
    ChangeKind,
    ChangeRequestApproved,
    ChangeRequestDeclined,
    ChangeRequested,
    ChangeRequestWithdrawn,
    CompanyEvent,
    CvrChanged,
    InvoiceFormatChanged,
    LegalNameChanged,
    PaymentChanged,
)
from shared.errors import Conflict, Invalid, NotFound
from shared.free_text import line

LEAST_USAGE_DKK = 22_000
"""C4: what a company uses in a year before invoices are worth their cost."""
REASON = 200
"""The most characters of a reason."""


class ChangeRequestOpen(Conflict):
    """A request of this kind is open already; it is decided or withdrawn before the next one."""

    code = "change-request-open"
    rule = "C3"


class ChangeRequestClosed(Conflict):
    """This request is no longer open."""

    code = "change-request-closed"
    rule = "C3"


class NothingWouldChange(Conflict):
    """The company has it so already."""

    code = "nothing-would-change"
    rule = "C3"


class ExpectedUsageMissing(Invalid):
    """To pay by invoice, say what you expect to use in a year."""

    code = "expected-usage-missing"
    rule = "C4"


class ExpectedUsageTooLow(Conflict):
    """To pay by invoice, a company uses at least 22,000 DKK in a year."""

    code = "expected-usage-too-low"
    rule = "C4"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: what is to change, and what it is to be."""

    kind: ChangeKind
    to: str
    ean: str | None = None
    """Where the invoice format is to be EAN."""
    expected_yearly_usage_dkk: int | None = None
    """Where the company is to pay by invoice (C4)."""


def request_change(company: Company, *, change_request_id: str, wish: Wish, by: str) -> list[CompanyEvent]:
    """Ask customer service for a change (C3, C4); `by` is the profile that asks.

    Raises NotFound, TextMalformed, LooksLikeACardNumber, CvrMalformed, EanMalformed, EanNotAskedFor,
    ExpectedUsageMissing, ExpectedUsageTooLow, NothingWouldChange, ChangeRequestOpen.
    """
    must_be_registered(company)
    if change_request_id in company.requests:
        return []
    wish = _as_it_is_kept(wish)
    if _is_so_already(company, wish):
        raise NothingWouldChange
    if any(asked.kind == wish.kind for asked in open_requests(company)):
        raise ChangeRequestOpen
    return [
        ChangeRequested(company_id=company.id, change_request_id=change_request_id, requested_by=by, **asdict(wish))
    ]


def approve_request(company: Company, *, change_request_id: str) -> list[CompanyEvent]:
    """Say yes, and change what was asked for (C3). Raises NotFound, ChangeRequestClosed."""
    asked = _asked(company, change_request_id)
    if _has_become(company, change_request_id, "approved"):
        return []
    approved = ChangeRequestApproved(
        company_id=company.id, change_request_id=change_request_id, kind=asked.kind, requested_by=asked.requested_by
    )
    return [approved, _change(company, asked)]


def decline_request(company: Company, *, change_request_id: str, reason: str) -> list[CompanyEvent]:
    """Say no, and why (C3). Raises NotFound, ChangeRequestClosed, TextMalformed, LooksLikeACardNumber."""
    asked = _asked(company, change_request_id)
    if _has_become(company, change_request_id, "declined"):
        return []
    return [
        ChangeRequestDeclined(
            company_id=company.id,
            change_request_id=change_request_id,
            kind=asked.kind,
            requested_by=asked.requested_by,
            reason=line(reason, most=REASON),
        )
    ]


def withdraw_request(company: Company, *, change_request_id: str) -> list[CompanyEvent]:
    """Take it back while it is open (C3). Raises NotFound, ChangeRequestClosed."""
    asked = _asked(company, change_request_id)
    if _has_become(company, change_request_id, "withdrawn"):
        return []
    return [
        ChangeRequestWithdrawn(
            company_id=company.id, change_request_id=change_request_id, kind=asked.kind, requested_by=asked.requested_by
        )
    ]


def open_requests(company: Company) -> list[ChangeRequested]:
    """Those that nobody has decided or withdrawn, the oldest first."""
    return [asked for request, asked in company.requests.items() if request not in company.outcomes]


def _asked(company: Company, change_request_id: str) -> ChangeRequested:
    if change_request_id not in company.requests:
        raise NotFound
    return company.requests[change_request_id]


def _has_become(company: Company, change_request_id: str, outcome: Outcome) -> bool:
    """Whether it came to this already; raises ChangeRequestClosed where it came to something else."""
    became = company.outcomes.get(change_request_id)
    if became not in {None, outcome}:
        raise ChangeRequestClosed
    return became == outcome


def _as_it_is_kept(wish: Wish) -> Wish:
    match wish.kind:
        case "legal-name":
            return Wish(wish.kind, line(wish.to, most=NAME))
        case "cvr":
            return Wish(wish.kind, cvr_number(wish.to))
        case "invoice-format":
            return Wish(wish.kind, wish.to, ean=_ean(wish))
        case "payment":
            return replace(_worth_it(wish), ean=None)
        case _:
            assert_never(wish.kind)


def _ean(wish: Wish) -> str | None:
    if wish.to == "ean":
        return ean_number(wish.ean or "")
    if wish.ean is not None:
        raise EanNotAskedFor
    return None


def _worth_it(wish: Wish) -> Wish:
    """C4: what a company has to expect of itself before it pays by invoice."""
    if wish.to == "card":
        return replace(wish, expected_yearly_usage_dkk=None)
    if wish.expected_yearly_usage_dkk is None:
        raise ExpectedUsageMissing
    if wish.expected_yearly_usage_dkk < LEAST_USAGE_DKK:
        raise ExpectedUsageTooLow(least_dkk=LEAST_USAGE_DKK)
    return wish


def _is_so_already(company: Company, wish: Wish) -> bool:
    match wish.kind:
        case "legal-name":
            return wish.to == company.legal_name
        case "cvr":
            return wish.to == company.cvr
        case "invoice-format":
            return (wish.to, wish.ean) == (company.invoice_format, company.ean)
        case "payment":
            return wish.to == company.payment
        case _:
            assert_never(wish.kind)


def _change(company: Company, asked: ChangeRequested) -> CompanyEvent:
    match asked.kind:
        case "legal-name":
            return LegalNameChanged(company_id=company.id, legal_name=asked.to)
        case "cvr":
            return CvrChanged(company_id=company.id, cvr=asked.to)
        case "invoice-format":
            form = "ean" if asked.to == "ean" else "pdf"
            return InvoiceFormatChanged(company_id=company.id, invoice_format=form, ean=asked.ean)
        case "payment":
            return PaymentChanged(company_id=company.id, payment="invoice" if asked.to == "invoice" else "card")
        case _:
            assert_never(asked.kind)
