"""C3, C4: what is changed by request only, read aloud; given = events."""

from functools import partial, reduce

import pytest

from services.company.domain.change_requests import (
    ChangeRequestClosed,
    ChangeRequestOpen,
    ExpectedUsageMissing,
    ExpectedUsageTooLow,
    NothingWouldChange,
    Wish,
    approve_request,
    decline_request,
    request_change,
    withdraw_request,
)
from services.company.domain.company import Company, create_sub_account, evolve
from services.company.domain.cvr import CvrMalformed, warnings_about
from services.company.domain.ean import EanMalformed, EanNotAskedFor, ean_number
from services.company.events import (
    AccountOpened,
    ChangeRequestApproved,
    ChangeRequestDeclined,
    ChangeRequested,
    ChangeRequestWithdrawn,
    CompanyEvent,
    CvrChanged,
    InvoiceFormatChanged,
    LegalNameChanged,
    Payment,
    PaymentChanged,
)
from shared.errors import Invalid, NotFound
from shared.free_text import LooksLikeACardNumber, TextMalformed
from tests.company.test_company import NORDLYS, open_nordlys_agreement, register_nordlys

ANNA, REQUEST, NEXT = "profile-1", "change-request-1", "change-request-2"
EAN = "5790000000005"
LOGISTIK = Wish("legal-name", "Nordlys Logistik ApS")
NEW_CVR = Wish("cvr", "87654321")
AS_EAN = Wish("invoice-format", "ean", ean=EAN)
TO_CARD = Wish("payment", "card")
TO_INVOICE = Wish("payment", "invoice", expected_yearly_usage_dkk=22_000)

request = partial(request_change, change_request_id=REQUEST, by=ANNA)
approve = partial(approve_request, change_request_id=REQUEST)
decline = partial(decline_request, change_request_id=REQUEST, reason="The register has another name.")
withdraw = partial(withdraw_request, change_request_id=REQUEST)


def nordlys(*more: CompanyEvent, payment: Payment = "invoice") -> Company:
    """The company, registered, with what came of it since."""
    return reduce(evolve, [*register_nordlys(Company(), payment=payment), *more], Company())


def asked(wish: Wish, company: Company | None = None) -> Company:
    """The company with an open request."""
    company = company or nordlys()
    return reduce(evolve, request(company, wish=wish), company)


def test_c3_a_request_says_what_is_to_change_what_it_is_to_be_and_who_asked() -> None:
    assert request(nordlys(), wish=Wish("legal-name", " Nordlys   Logistik ApS")) == [
        ChangeRequested(
            company_id=NORDLYS,
            change_request_id=REQUEST,
            kind="legal-name",
            to="Nordlys Logistik ApS",
            ean=None,
            expected_yearly_usage_dkk=None,
            requested_by=ANNA,
        )
    ]


@pytest.mark.parametrize(
    ("wish", "change"),
    [
        (LOGISTIK, LegalNameChanged(company_id=NORDLYS, legal_name="Nordlys Logistik ApS")),
        (NEW_CVR, CvrChanged(company_id=NORDLYS, cvr="87654321")),
        (AS_EAN, InvoiceFormatChanged(company_id=NORDLYS, invoice_format="ean", ean=EAN)),
        (TO_CARD, PaymentChanged(company_id=NORDLYS, payment="card")),
    ],
)
def test_c3_approving_changes_what_was_asked_for_in_the_same_decision(wish: Wish, change: CompanyEvent) -> None:
    approved = ChangeRequestApproved(company_id=NORDLYS, change_request_id=REQUEST, kind=wish.kind, requested_by=ANNA)
    assert approve(asked(wish)) == [approved, change]


def test_c3_a_request_that_is_open_changes_nothing_yet() -> None:
    company = asked(LOGISTIK)
    assert company.legal_name == "Nordlys Transport ApS"


def test_c3_declining_says_why_and_changes_nothing() -> None:
    [declined] = decline(asked(LOGISTIK), reason=" The register   has another name.")
    assert declined == ChangeRequestDeclined(
        company_id=NORDLYS,
        change_request_id=REQUEST,
        kind="legal-name",
        requested_by=ANNA,
        reason="The register has another name.",
    )


@pytest.mark.parametrize("reason", ["", " ", "x" * 201])
def test_c3_nothing_is_declined_without_a_reason_that_can_be_read(reason: str) -> None:
    with pytest.raises(TextMalformed):
        decline(asked(LOGISTIK), reason=reason)


def test_p6_neither_a_name_nor_a_reason_holds_a_card_number() -> None:
    with pytest.raises(LooksLikeACardNumber):
        request(nordlys(), wish=Wish("legal-name", "Nordlys 4111 1111 1111 1111"))
    with pytest.raises(LooksLikeACardNumber):
        decline(asked(LOGISTIK), reason="Paid with 4111-1111-1111-1111")


def test_c3_a_request_is_withdrawn_while_it_is_open() -> None:
    withdrawn = ChangeRequestWithdrawn(company_id=NORDLYS, change_request_id=REQUEST, kind="cvr", requested_by=ANNA)
    assert withdraw(asked(NEW_CVR)) == [withdrawn]


@pytest.mark.parametrize("first", [approve, decline, withdraw])
@pytest.mark.parametrize("then", [approve, decline, withdraw])
def test_c3_what_became_of_a_request_stays(
    first: "partial[list[CompanyEvent]]", then: "partial[list[CompanyEvent]]"
) -> None:
    company = asked(LOGISTIK)
    company = reduce(evolve, first(company), company)
    if first is then:
        assert then(company) == []
    else:
        with pytest.raises(ChangeRequestClosed):
            then(company)


@pytest.mark.parametrize("command", [approve, decline, withdraw])
def test_c3_a_request_that_nobody_made_does_not_exist(command: "partial[list[CompanyEvent]]") -> None:
    with pytest.raises(NotFound):
        command(nordlys())


def test_c3_a_company_has_one_open_request_of_each_kind() -> None:
    company = asked(LOGISTIK)
    with pytest.raises(ChangeRequestOpen):
        request(company, change_request_id=NEXT, wish=Wish("legal-name", "Nordlys Fragt ApS"))
    assert len(request(company, change_request_id=NEXT, wish=NEW_CVR)) == 1


@pytest.mark.parametrize("end", [approve, decline, withdraw])
def test_c3_after_the_end_of_one_request_the_next_may_be_made(end: "partial[list[CompanyEvent]]") -> None:
    company = asked(LOGISTIK)
    company = reduce(evolve, end(company), company)
    assert len(request(company, change_request_id=NEXT, wish=Wish("legal-name", "Nordlys Fragt ApS"))) == 1


@pytest.mark.parametrize(
    "wish",
    [
        Wish("legal-name", "Nordlys Transport  ApS "),
        Wish("cvr", "12345678"),
        Wish("invoice-format", "pdf"),
        TO_INVOICE,
    ],
)
def test_c3_what_is_so_already_is_not_asked_for(wish: Wish) -> None:
    with pytest.raises(NothingWouldChange):
        request(nordlys(), wish=wish)


def test_c3_another_ean_number_is_a_change() -> None:
    company = nordlys(InvoiceFormatChanged(company_id=NORDLYS, invoice_format="ean", ean=EAN))
    with pytest.raises(NothingWouldChange):
        request(company, wish=AS_EAN)
    assert len(request(company, wish=Wish("invoice-format", "ean", ean="5790000000012"))) == 1
    assert len(request(company, wish=Wish("invoice-format", "pdf"))) == 1


def test_c3_nobody_asks_for_a_company_that_is_not_registered() -> None:
    with pytest.raises(NotFound):
        request(Company(), wish=LOGISTIK)


def test_c4_from_card_to_invoice_needs_the_expected_yearly_usage() -> None:
    with pytest.raises(ExpectedUsageMissing) as refused:
        request(nordlys(payment="card"), wish=Wish("payment", "invoice"))
    assert refused.value.rule == "C4"


@pytest.mark.parametrize("usage", [0, 1, 21_999])
def test_c4_below_22000_dkk_a_year_it_is_refused_at_once(usage: int) -> None:
    with pytest.raises(ExpectedUsageTooLow) as refused:
        request(nordlys(payment="card"), wish=Wish("payment", "invoice", expected_yearly_usage_dkk=usage))
    assert (refused.value.code, refused.value.rule) == ("expected-usage-too-low", "C4")


@pytest.mark.parametrize("usage", [22_000, 22_001, 10**9])
def test_c4_from_22000_dkk_a_year_on_it_is_for_customer_service_to_decide(usage: int) -> None:
    wish = Wish("payment", "invoice", expected_yearly_usage_dkk=usage)
    [said] = request(nordlys(payment="card"), wish=wish)
    assert isinstance(said, ChangeRequested)
    assert said.expected_yearly_usage_dkk == usage


def test_c4_from_invoice_to_card_asks_for_no_usage_and_keeps_none() -> None:
    [said] = request(nordlys(), wish=Wish("payment", "card", expected_yearly_usage_dkk=5))
    assert isinstance(said, ChangeRequested)
    assert said.expected_yearly_usage_dkk is None


def test_c3_an_account_opened_after_the_change_pays_as_the_company_does_then() -> None:
    company = nordlys(PaymentChanged(company_id=NORDLYS, payment="card"))
    company = reduce(evolve, open_nordlys_agreement(company), company)
    [account] = create_sub_account(
        company, agreement_id="agreement-1", account_id="account-9", customer_number="100009", name="Odense"
    )
    assert isinstance(account, AccountOpened)
    assert account.payment == "card"


@pytest.mark.parametrize("ean", [EAN, "579 0000 000005", "5790000000012", "4006381333931"])
def test_c3_an_ean_number_is_13_digits_with_gs1s_check_digit(ean: str) -> None:
    assert ean_number(ean) == "".join(ean.split())


@pytest.mark.parametrize(
    "ean", ["5790000000006", "579000000000", "57900000000050", "٥٧٩٠٠٠٠٠٠٠٠٠٥", "", "579000000000X"]
)
def test_c3_whatever_else_is_no_ean_number(ean: str) -> None:
    with pytest.raises(EanMalformed):
        ean_number(ean)


def test_c3_electronic_invoices_need_an_ean_number_and_pdf_keeps_none() -> None:
    with pytest.raises(EanMalformed):
        request(nordlys(), wish=Wish("invoice-format", "ean"))
    with pytest.raises(EanNotAskedFor):
        request(nordlys(), wish=Wish("invoice-format", "pdf", ean=EAN))
    company = nordlys(InvoiceFormatChanged(company_id=NORDLYS, invoice_format="ean", ean=EAN))
    [said] = request(company, wish=Wish("invoice-format", "pdf"))
    assert isinstance(said, ChangeRequested)
    assert said.ean is None


@pytest.mark.parametrize("cvr", ["1234567", "123456789", "1234567x", "١٢٣٤٥٦٧٨"])
def test_c6_a_cvr_number_that_is_asked_for_is_eight_digits(cvr: str) -> None:
    with pytest.raises(CvrMalformed) as refused:
        request(nordlys(), wish=Wish("cvr", cvr))
    assert isinstance(refused.value, Invalid)


def test_c6_a_cvr_number_that_fails_modulus_11_is_warned_about_and_taken() -> None:
    assert warnings_about("10150817") == []
    assert warnings_about("10150818") == ["cvr-fails-modulus-11"]
    assert len(request(nordlys(), wish=Wish("cvr", "10150818"))) == 1
    assert warnings_about("no number") == []
