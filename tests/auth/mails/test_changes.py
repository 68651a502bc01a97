"""Who asked for a change of their company is told by mail what became of it (C3), and nobody who should not be."""

from pathlib import Path

import pytest

from services.company.events import (
    ChangeKind,
    ChangeRequestApproved,
    ChangeRequestDeclined,
    ChangeRequestWithdrawn,
    LegalNameChanged,
)
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    ProductAccessGranted,
    ProfileCreated,
)
from shared.actor import Actor
from tests.auth.conftest import ANNA, ANNAS_ID, DORA, DORAS_ID, World, cancelled, name
from tests.auth.mails.conftest import delivered, flat
from tests.auth.mails.test_grants import ACCOUNT, AGREEMENT, COMPANY, names

REQUEST, OTHER_COMPANY, OTHER_ACCOUNT = name("change-request", 1), name("company", 2), name("account", 2)
HANS, HANS_ID = "hans@havnefart.example.com", name("profile", 3)
SUSANNE = Actor("staff", name("staff", 5))
SUBJECT = "A change that your company asked for"


def approved(kind: ChangeKind = "legal-name", by: str = ANNAS_ID) -> ChangeRequestApproved:
    return ChangeRequestApproved(company_id=COMPANY, change_request_id=REQUEST, kind=kind, requested_by=by)


def declined(reason: str) -> ChangeRequestDeclined:
    return ChangeRequestDeclined(
        company_id=COMPANY, change_request_id=REQUEST, kind="cvr", requested_by=ANNAS_ID, reason=reason
    )


def withdrawn() -> ChangeRequestWithdrawn:
    return ChangeRequestWithdrawn(company_id=COMPANY, change_request_id=REQUEST, kind="payment", requested_by=ANNAS_ID)


def administers(who: str, account: str = ACCOUNT, company: str = COMPANY) -> AccountAdministratorGranted:
    return AccountAdministratorGranted(profile_id=who, account_id=account, company_id=company)


async def told(world: World, inbox: Path) -> dict[str, str]:
    """What was mailed about changes, by whom it was mailed to."""
    return {mail.to[0]: flat(mail) for mail in await delivered(world, inbox) if mail.subject == SUBJECT}


@pytest.fixture
async def nordlys(world: World, inbox: Path) -> World:
    """Anna administers Nordlys' account, Dora drives for it, Hans administers another company."""
    hans = ProfileCreated(profile_id=HANS_ID, email=HANS, address=HANS, name="Hans Holm")
    drives = ProductAccessGranted(
        profile_id=DORAS_ID, product_id=name("product", 1), account_id=ACCOUNT, company_id=COMPANY
    )
    await world.feed.given(*names(), administers(ANNAS_ID), drives, hans)
    await world.feed.given(administers(HANS_ID, OTHER_ACCOUNT, OTHER_COMPANY))
    return world


async def test_c3_whoever_asked_is_told_that_it_is_done_and_nobody_else_of_another_company_or_with_a_product(
    nordlys: World, inbox: Path
) -> None:
    renamed = LegalNameChanged(company_id=COMPANY, legal_name="Nordlys Logistik ApS")
    await nordlys.feed.given(approved(), renamed, by=SUSANNE)
    mails = await told(nordlys, inbox)
    assert mails.keys() == {ANNA}
    said = "Customer service has approved the change of the legal name of Nordlys Logistik ApS. It is done."
    assert said in mails[ANNA], "under the name that it has by now"


async def test_c3_whoever_asked_is_told_why_it_was_declined(nordlys: World, inbox: Path) -> None:
    await nordlys.feed.given(declined("The register has <another> number."), by=SUSANNE)
    mails = await told(nordlys, inbox)
    assert mails.keys() == {ANNA}
    assert "declined the change of the CVR number of Nordlys Transport ApS. Nothing has changed." in mails[ANNA]
    assert "The reason given: The register has <another> number." in mails[ANNA]


async def test_c3_without_an_agreement_the_other_account_administrators_are_told_too(
    nordlys: World, inbox: Path
) -> None:
    await nordlys.feed.given(administers(DORAS_ID))
    await nordlys.feed.given(approved("payment"), by=SUSANNE)
    mails = await told(nordlys, inbox)
    assert mails.keys() == {ANNA, DORA}
    assert "the way of payment" in mails[DORA]


async def test_c3_with_an_agreement_its_main_administrators_and_whoever_asked_are_told_and_no_other_administrators(
    nordlys: World, inbox: Path
) -> None:
    await nordlys.feed.given(
        MainAdministratorGranted(profile_id=DORAS_ID, agreement_id=AGREEMENT, company_id=COMPANY),
        administers(HANS_ID, ACCOUNT, COMPANY),
    )
    await nordlys.feed.given(approved(), by=SUSANNE)
    assert (await told(nordlys, inbox)).keys() == {ANNA, DORA}


async def test_a14_whoever_asked_and_administers_nothing_there_any_more_is_told_nothing(
    nordlys: World, inbox: Path
) -> None:
    await nordlys.feed.given(administers(DORAS_ID))
    revoked = AccountAdministratorRevoked(
        profile_id=ANNAS_ID, account_id=ACCOUNT, company_id=COMPANY, because="revoked"
    )
    await nordlys.feed.given(revoked)
    await nordlys.feed.given(approved(), by=SUSANNE)
    assert (await told(nordlys, inbox)).keys() == {DORA}


async def test_c3_a_withdrawal_is_told_to_whoever_asked_unless_it_was_theirs(nordlys: World, inbox: Path) -> None:
    await nordlys.feed.given(administers(DORAS_ID))
    await nordlys.feed.given(withdrawn(), by=Actor("profile", ANNAS_ID))
    assert await told(nordlys, inbox) == {}
    await nordlys.feed.given(withdrawn(), by=Actor("profile", DORAS_ID))
    mails = await told(nordlys, inbox)
    assert mails.keys() == {ANNA}
    assert "Somebody has withdrawn your request for a change of the way of payment" in mails[ANNA]


async def test_c3_the_mail_is_in_the_language_that_its_reader_logs_in_with(nordlys: World, inbox: Path) -> None:
    await nordlys.logged_in(ANNA, where={"language": "da"})
    await nordlys.feed.given(declined("Registret har et andet nummer."), by=SUSANNE)
    [mail] = [m for m in await delivered(nordlys, inbox) if m.subject == "En ændring, din virksomhed har bedt om"]
    assert "Kundeservice har afvist ændringen af CVR-nummeret for Nordlys Transport ApS." in flat(mail)


async def test_c3_what_is_delivered_again_is_mailed_once_and_the_past_is_mailed_to_nobody(
    nordlys: World, inbox: Path
) -> None:
    letter = nordlys.feed.letter(approved(), by=SUSANNE)
    assert nordlys.auth.backbone.inbox is not None
    for _ in range(3):
        await nordlys.auth.backbone.inbox.take_letters([letter])
    assert len([mail for mail in await delivered(nordlys, inbox) if mail.subject == SUBJECT]) == 1
    nordlys.clock.turn(days=3)
    await nordlys.feed.given(cancelled(DORA))
    await nordlys.feed.given(declined("No."), by=SUSANNE)
    await nordlys.auth.mailer.wipe_expired()
    assert len([mail for mail in await delivered(nordlys, inbox) if mail.subject == SUBJECT]) == 1
