"""How accounts and framework agreements end, read aloud; given = events."""

from functools import partial

import pytest

from services.company.domain.company import AccountHasEnded, AgreementHasEnded
from services.company.domain.direct_changes import rename_account
from services.company.domain.ending import (
    EndingNotConfirmed,
    FrameworkAccountStays,
    LastAccount,
    LastSubAccount,
    end_account,
    end_framework_agreement,
)
from services.company.events import AccountEnded, CompanyEvent, FrameworkAgreementEnded, FrameworkAgreementOpened
from shared.errors import Conflict, Invalid, NotFound
from tests.company.test_company import (
    AGREEMENT,
    FIRST,
    FRAMEWORK,
    NORDLYS,
    SUB,
    create_nordlys_sub_account,
    given,
    open_nordlys_agreement,
    registered,
    with_agreement,
)

end_first = partial(end_account, account_id=FIRST, confirmed=True)
end_nordlys_agreement = partial(end_framework_agreement, agreement_id=AGREEMENT, confirmed=True)
OTHER_AGREEMENT = "agreement-2"


def with_sub_account() -> list[CompanyEvent]:
    """Nordlys has an agreement over its first account and one more."""
    return [*with_agreement(), *create_nordlys_sub_account(given(*with_agreement()))]


def with_ended_account() -> list[CompanyEvent]:
    return [*with_sub_account(), AccountEnded(company_id=NORDLYS, account_id=FIRST)]


def with_ended_agreement() -> list[CompanyEvent]:
    return [*with_sub_account(), *end_nordlys_agreement(given(*with_sub_account()))]


def test_c7_an_account_ends() -> None:
    assert end_first(given(*with_sub_account())) == [AccountEnded(company_id=NORDLYS, account_id=FIRST)]


def test_c7_an_account_that_ended_ends_no_second_time_however_it_is_asked() -> None:
    assert end_first(given(*with_ended_account())) == []
    assert end_first(given(*with_ended_account()), confirmed=False) == []


def test_c7_ending_is_confirmed() -> None:
    with pytest.raises(EndingNotConfirmed):
        end_first(given(*with_sub_account()), confirmed=False)
    with pytest.raises(EndingNotConfirmed):
        end_nordlys_agreement(given(*with_agreement()), confirmed=False)


def test_a13_what_the_company_does_not_have_cannot_end() -> None:
    for nordlys in (given(), given(*registered())):
        with pytest.raises(NotFound):
            end_account(nordlys, account_id="account-9", confirmed=True)
        with pytest.raises(NotFound):
            end_nordlys_agreement(nordlys)


def test_c5_the_last_sub_account_stays_as_long_as_the_agreement() -> None:
    with pytest.raises(LastSubAccount):
        end_first(given(*with_agreement()))
    with pytest.raises(LastSubAccount):
        end_account(given(*with_ended_account()), account_id=SUB, confirmed=True)


def test_c5_the_framework_account_stays_as_long_as_the_agreement() -> None:
    with pytest.raises(FrameworkAccountStays):
        end_account(given(*with_sub_account()), account_id=FRAMEWORK, confirmed=True)
    assert end_account(given(*with_ended_agreement()), account_id=FRAMEWORK, confirmed=True) == [
        AccountEnded(company_id=NORDLYS, account_id=FRAMEWORK)
    ]


def test_c6_a_company_keeps_an_account() -> None:
    with pytest.raises(LastAccount):
        end_first(given(*registered()))
    one_left = [*with_ended_agreement(), *(AccountEnded(company_id=NORDLYS, account_id=a) for a in (FIRST, SUB))]
    with pytest.raises(LastAccount):
        end_account(given(*one_left), account_id=FRAMEWORK, confirmed=True)


def test_c7_when_an_agreement_ends_its_accounts_stay() -> None:
    assert end_nordlys_agreement(given(*with_sub_account())) == [
        FrameworkAgreementEnded(company_id=NORDLYS, agreement_id=AGREEMENT, account_ids=(FIRST, FRAMEWORK, SUB))
    ]
    assert given(*with_ended_agreement()).open_accounts == (FIRST, FRAMEWORK, SUB)


def test_c7_accounts_that_ended_before_the_agreement_do_not_stay() -> None:
    assert end_nordlys_agreement(given(*with_ended_account())) == [
        FrameworkAgreementEnded(company_id=NORDLYS, agreement_id=AGREEMENT, account_ids=(FRAMEWORK, SUB))
    ]


def test_c7_an_agreement_that_ended_ends_no_second_time_also_when_there_is_another_one() -> None:
    assert end_nordlys_agreement(given(*with_ended_agreement())) == []
    another = open_nordlys_agreement(given(*with_ended_agreement()), agreement_id=OTHER_AGREEMENT)
    assert end_nordlys_agreement(given(*with_ended_agreement(), *another), confirmed=False) == []


def test_c5_a_company_whose_agreement_ended_may_get_another_one_over_the_accounts_it_still_has() -> None:
    nordlys = given(*with_ended_agreement(), AccountEnded(company_id=NORDLYS, account_id=SUB))
    opened, *_ = open_nordlys_agreement(nordlys, agreement_id=OTHER_AGREEMENT, framework_account_id="account-9")
    assert opened == FrameworkAgreementOpened(
        company_id=NORDLYS,
        agreement_id=OTHER_AGREEMENT,
        framework_account_id="account-9",
        sub_account_ids=(FIRST, FRAMEWORK),
    )


def test_c7_an_agreement_that_ended_is_not_opened_again_and_gets_no_sub_accounts() -> None:
    for command in (open_nordlys_agreement, create_nordlys_sub_account):
        with pytest.raises(AgreementHasEnded):
            command(given(*with_ended_agreement()))


def test_c7_an_account_that_ended_is_not_renamed_and_not_created_again() -> None:
    with pytest.raises(AccountHasEnded):
        rename_account(given(*with_ended_account()), account_id=FIRST, name="Nordlys Aarhus")
    with pytest.raises(AccountHasEnded):
        create_nordlys_sub_account(given(*with_ended_account()), account_id=FIRST)


@pytest.mark.parametrize(
    ("refusal", "kind", "code", "rule"),
    [
        (EndingNotConfirmed, Invalid, "ending-not-confirmed", "C7"),
        (LastAccount, Conflict, "last-account", "C6"),
        (LastSubAccount, Conflict, "last-sub-account", "C5"),
        (FrameworkAccountStays, Conflict, "framework-account-stays", "C5"),
        (AccountHasEnded, Conflict, "account-ended", "C7"),
        (AgreementHasEnded, Conflict, "agreement-ended", "C7"),
    ],
)
def test_every_refusal_has_a_code_and_a_rule(refusal: type[Conflict], kind: type, code: str, rule: str) -> None:
    assert (refusal.code, refusal.rule) == (code, rule)
    assert issubclass(refusal, kind)
