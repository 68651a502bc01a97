"""The rules of a company, read aloud; given = events."""

from functools import partial, reduce

import pytest

from services.company.domain.company import (
    Company,
    CompanyAlreadyRegistered,
    FrameworkAgreementExists,
    create_sub_account,
    evolve,
    open_framework_agreement,
    register_company,
)
from services.company.domain.cvr import CvrMalformed
from services.company.domain.direct_changes import change_contact_details, rename_account
from services.company.events import (
    AccountAdministratorNamed,
    AccountOpened,
    AccountRenamed,
    CompanyEvent,
    CompanyRegistered,
    ContactDetailsChanged,
    FrameworkAgreementOpened,
    MainAdministratorNamed,
)
from shared.email_address import EmailMalformed
from shared.errors import Conflict, Invalid, NotFound
from shared.free_text import LooksLikeACardNumber, TextMalformed

NORDLYS, FIRST, FRAMEWORK, SUB, AGREEMENT = "company-1", "account-1", "account-2", "account-3", "agreement-1"

register_nordlys = partial(
    register_company,
    company_id=NORDLYS,
    account_id=FIRST,
    cvr="12345678",
    legal_name="Nordlys Transport ApS",
    payment="invoice",
    contact_person="Anna Lund",
    contact_email="kontor@nordlys.example.com",
    phone="+45 11 22 33 44",
    postal_address="Nordhavnsvej 1, 2150 Nordhavn",
    invoice_email=None,
    customer_number="100001",
    account_name="Nordlys Transport",
    administrator_email="anna@nordlys.example.com",
    administrator_name="Anna Lund",
)
open_nordlys_agreement = partial(
    open_framework_agreement,
    agreement_id=AGREEMENT,
    framework_account_id=FRAMEWORK,
    customer_number="100002",
    main_administrator_email="maja@nordlys.example.com",
    main_administrator_name="Maja Holm",
)
create_nordlys_sub_account = partial(
    create_sub_account, agreement_id=AGREEMENT, account_id=SUB, customer_number="100003", name="Nordlys Odense"
)
change_nordlys = partial(
    change_contact_details,
    contact_person="Anna Lund",
    contact_email="kontor@nordlys.example.com",
    phone="+45 11 22 33 44",
    postal_address="Nordhavnsvej 1, 2150 Nordhavn",
    invoice_email=None,
)


def given(*events: CompanyEvent) -> Company:
    return reduce(evolve, events, Company())


def registered() -> list[CompanyEvent]:
    return register_nordlys(Company())


def with_agreement() -> list[CompanyEvent]:
    return [*registered(), *open_nordlys_agreement(given(*registered()))]


def test_c6_a_company_is_registered_with_its_first_account_and_that_accounts_first_administrator() -> None:
    assert registered() == [
        CompanyRegistered(
            company_id=NORDLYS,
            cvr="12345678",
            legal_name="Nordlys Transport ApS",
            payment="invoice",
            contact_person="Anna Lund",
            contact_email="kontor@nordlys.example.com",
            phone="+45 11 22 33 44",
            postal_address="Nordhavnsvej 1, 2150 Nordhavn",
            invoice_email=None,
        ),
        AccountOpened(
            company_id=NORDLYS,
            account_id=FIRST,
            customer_number="100001",
            name="Nordlys Transport",
            payment="invoice",
            agreement_id=None,
        ),
        AccountAdministratorNamed(
            company_id=NORDLYS, account_id=FIRST, email="anna@nordlys.example.com", name="Anna Lund"
        ),
    ]


@pytest.mark.parametrize("cvr", ["1234567", "123456789", "DK123456", "1234567a", "１２３４５６７８", ""])
def test_c6_a_cvr_number_is_eight_digits(cvr: str) -> None:
    with pytest.raises(CvrMalformed):
        register_nordlys(Company(), cvr=cvr)


@pytest.mark.parametrize("cvr", ["00000000", "12345678", "99999999", " 12345678 "])
def test_c6_a_cvr_number_that_fails_modulus_11_is_registered_all_the_same(cvr: str) -> None:
    assert given(*register_nordlys(Company(), cvr=cvr)).cvr == cvr.strip()


def test_c6_registering_a_company_again_as_something_else_is_refused() -> None:
    nordlys = given(*registered())
    assert register_nordlys(nordlys) == []
    with pytest.raises(CompanyAlreadyRegistered):
        register_nordlys(nordlys, cvr="87654321")
    with pytest.raises(CompanyAlreadyRegistered):
        register_nordlys(nordlys, account_id=SUB)


@pytest.mark.parametrize("email", ["anna", "anna@", "@nordlys.example.com", "anna @x.example.com", "a@b@example.com"])
def test_c6_the_first_administrator_is_named_by_an_email_address(email: str) -> None:
    with pytest.raises(EmailMalformed):
        register_nordlys(Company(), administrator_email=email)


def test_c5_opening_a_framework_agreement_makes_the_companys_accounts_its_sub_accounts() -> None:
    assert open_nordlys_agreement(given(*registered())) == [
        FrameworkAgreementOpened(
            company_id=NORDLYS, agreement_id=AGREEMENT, framework_account_id=FRAMEWORK, sub_account_ids=(FIRST,)
        ),
        AccountOpened(
            company_id=NORDLYS,
            account_id=FRAMEWORK,
            customer_number="100002",
            name="Nordlys Transport ApS",
            payment="invoice",
            agreement_id=AGREEMENT,
        ),
        MainAdministratorNamed(
            company_id=NORDLYS, agreement_id=AGREEMENT, email="maja@nordlys.example.com", name="Maja Holm"
        ),
    ]


def test_c6_a_company_has_one_framework_agreement() -> None:
    nordlys = given(*with_agreement())
    assert open_nordlys_agreement(nordlys) == []
    with pytest.raises(FrameworkAgreementExists):
        open_nordlys_agreement(nordlys, agreement_id="agreement-2")


def test_c5_a_sub_account_is_created_in_the_agreement_and_pays_as_the_company_does() -> None:
    assert create_nordlys_sub_account(given(*with_agreement())) == [
        AccountOpened(
            company_id=NORDLYS,
            account_id=SUB,
            customer_number="100003",
            name="Nordlys Odense",
            payment="invoice",
            agreement_id=AGREEMENT,
        )
    ]


def test_c5_a_sub_account_that_exists_is_not_created_again() -> None:
    created = create_nordlys_sub_account(given(*with_agreement()))
    assert create_nordlys_sub_account(given(*with_agreement(), *created)) == []


def test_c5_without_that_agreement_there_are_no_sub_accounts() -> None:
    with pytest.raises(NotFound):
        create_nordlys_sub_account(given(*registered()))
    with pytest.raises(NotFound):
        create_nordlys_sub_account(given(*with_agreement()), agreement_id="agreement-2")


def test_c2_contact_details_are_changed_as_a_whole() -> None:
    changed = change_nordlys(given(*registered()), contact_person="Maja  Holm ", phone=" ")
    assert changed == [
        ContactDetailsChanged(
            company_id=NORDLYS,
            contact_person="Maja Holm",
            contact_email="kontor@nordlys.example.com",
            phone=None,
            postal_address="Nordhavnsvej 1, 2150 Nordhavn",
            invoice_email=None,
        )
    ]


def test_c2_contact_details_that_are_already_so_change_nothing() -> None:
    assert change_nordlys(given(*registered())) == []


def test_c2_an_account_is_renamed() -> None:
    renamed = rename_account(given(*registered()), account_id=FIRST, name="Nordlys Aarhus")
    assert renamed == [AccountRenamed(company_id=NORDLYS, account_id=FIRST, name="Nordlys Aarhus")]
    assert rename_account(given(*registered(), *renamed), account_id=FIRST, name="Nordlys Aarhus") == []
    with pytest.raises(NotFound):
        rename_account(given(*registered()), account_id=SUB, name="Nordlys Aarhus")


def test_nothing_is_done_to_a_company_that_nobody_registered() -> None:
    for command in (open_nordlys_agreement, create_nordlys_sub_account, change_nordlys):
        with pytest.raises(NotFound):
            command(Company())


@pytest.mark.parametrize("name", ["", "   ", "Nord\x00lys", "Nord\u202elys", "x" * 121, "Nord\ud800lys"])
def test_a_name_is_one_line_of_visible_characters(name: str) -> None:
    with pytest.raises(TextMalformed):
        rename_account(given(*registered()), account_id=FIRST, name=name)


def test_p6_a_name_that_holds_a_card_number_is_refused_and_not_repeated() -> None:
    with pytest.raises(LooksLikeACardNumber) as refusal:
        rename_account(given(*registered()), account_id=FIRST, name="Kort 4111 1111 1111 1111")
    assert "4111" not in str(refusal.value)


def test_every_refusal_has_a_code_and_says_which_kind_of_answer_it_is() -> None:
    assert (CvrMalformed.code, CvrMalformed.rule) == ("cvr-malformed", "C6")
    assert (FrameworkAgreementExists.code, FrameworkAgreementExists.rule) == ("framework-agreement-exists", "C6")
    assert issubclass(CvrMalformed, Invalid)
    assert issubclass(FrameworkAgreementExists, Conflict)
