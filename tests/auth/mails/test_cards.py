"""P6: the administrators of an account are told by mail, once, that its card expires and when it has."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from services.auth.adapters import mail_queue
from services.products.events import PaymentCardExpired, PaymentCardExpiring
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
)
from tests.auth.conftest import ANNA, ANNAS_ID, DORA, DORAS_ID, World, cancelled, name, replica
from tests.auth.mails.conftest import delivered, flat
from tests.auth.mails.test_grants import ACCOUNT, AGREEMENT, COMPANY, ETICKET, names, product_access
from tests.feed import running

OF_THE_CARD = {
    "cards_id": name("cards", 1),
    "account_id": ACCOUNT,
    "card_id": name("card", 1),
    "brand": "visa",
    "last_four": "4242",
    "expiry_month": 4,
    "expiry_year": 2027,
    "good_until": datetime(2027, 4, 30, 22, 0, tzinfo=UTC),
}
EXPIRING, EXPIRED = PaymentCardExpiring(**OF_THE_CARD), PaymentCardExpired(**OF_THE_CARD)
ANNA_ADMINISTERS = AccountAdministratorGranted(profile_id=ANNAS_ID, account_id=ACCOUNT, company_id=COMPANY)


async def told_of_cards(world: World, inbox: Path) -> list[tuple[tuple[str, ...], str]]:
    return [(mail.to, mail.subject) for mail in await delivered(world, inbox) if "payment card" in mail.subject]


async def test_p6_account_administrators_are_told_that_their_card_expires_and_when_it_has(
    world: World, inbox: Path
) -> None:
    await world.feed.given(*names(), ANNA_ADMINISTERS, product_access(DORAS_ID), EXPIRING)
    assert await told_of_cards(world, inbox) == [((ANNA,), "A payment card expires soon")]
    await world.feed.given(EXPIRED)
    mails = [mail for mail in await delivered(world, inbox) if mail.subject == "A payment card has expired"]
    assert [mail.to for mail in mails] == [(ANNA,)]
    assert 'the account "Nordlys Road" is charged to, Visa ending in 4242, was good to the end of 04/2027' in flat(
        mails[0]
    )


async def test_a4_main_administrators_of_the_agreement_are_told_too_and_each_once(world: World, inbox: Path) -> None:
    company, account = names()
    await world.feed.given(
        company,
        account.model_copy(update={"agreement_id": AGREEMENT}),
        ANNA_ADMINISTERS,
        MainAdministratorGranted(profile_id=ANNAS_ID, agreement_id=AGREEMENT, company_id=COMPANY),
        MainAdministratorGranted(profile_id=DORAS_ID, agreement_id=AGREEMENT, company_id=COMPANY),
        EXPIRING,
    )
    assert sorted(await told_of_cards(world, inbox)) == [
        ((ANNA,), "A payment card expires soon"),
        ((DORA,), "A payment card expires soon"),
    ]


async def test_a6_of_the_card_of_one_product_whoever_has_access_to_it_is_told_too(world: World, inbox: Path) -> None:
    of_product = EXPIRING.model_copy(update={"product_id": ETICKET, "brand": "jcb"})
    await world.feed.given(*names(), ANNA_ADMINISTERS, product_access(DORAS_ID), of_product)
    subject = "A payment card expires soon"
    assert sorted(await told_of_cards(world, inbox)) == [((ANNA,), subject), ((DORA,), subject)]
    [mail, _] = [mail for mail in await delivered(world, inbox) if mail.subject == subject]
    assert 'one product of the account "Nordlys Road" is charged to, JCB ending in 4242' in flat(mail)


async def test_p6_who_administers_it_no_longer_or_is_cancelled_is_not_told(world: World, inbox: Path) -> None:
    dora = ANNA_ADMINISTERS.model_copy(update={"profile_id": DORAS_ID})
    revoked = AccountAdministratorRevoked(
        profile_id=ANNAS_ID, account_id=ACCOUNT, company_id=COMPANY, because="revoked"
    )
    await world.feed.given(*names(), ANNA_ADMINISTERS, dora, revoked, cancelled(DORA), EXPIRING)
    assert await told_of_cards(world, inbox) == []


async def test_p6_what_products_said_once_is_mailed_once_on_two_replicas_and_whatever_is_delivered_again(
    world: World, inbox: Path, database: str
) -> None:
    await world.feed.given(*names(), ANNA_ADMINISTERS)
    letter = world.feed.letter(EXPIRING)
    other = replica(database, world.clock)
    async with running(other.auth.backbone):
        inboxes = (world.auth.backbone.inbox, other.auth.backbone.inbox)
        await asyncio.gather(*(one.take_letters([letter]) for one in inboxes * 3 if one is not None))
    assert await told_of_cards(world, inbox) == [((ANNA,), "A payment card expires soon")]


async def test_p6_whoever_starts_from_an_empty_database_mails_nobody_about_the_past(world: World, inbox: Path) -> None:
    await world.feed.given(*names(), ANNA_ADMINISTERS)
    letter = world.feed.letter(EXPIRING)
    world.clock.turn(days=mail_queue.INVITATIONS_LIVE.days)
    assert world.auth.backbone.inbox is not None
    await world.auth.backbone.inbox.take_letters([letter])
    world.clock.turn(seconds=1)
    assert await told_of_cards(world, inbox) == []
