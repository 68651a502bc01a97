"""Who is granted something is told by mail, once: the first time as an invitation (L4)."""

from pathlib import Path

from services.company.events import AccountEnded, AccountOpened, CompanyRegistered
from services.products.events import ETicketOrdered
from services.profiles.events import (
    AccountAdministratorGranted,
    MainAdministratorGranted,
    ProductAccessGranted,
)
from shared.actor import Actor
from shared.events import Event
from tests.auth.conftest import (
    ANNA,
    ANNAS_ID,
    DORA,
    DORAS_ID,
    SUSANNE,
    World,
    cancelled,
    created,
    name,
)
from tests.auth.mails.conftest import delivered, flat

COMPANY, ACCOUNT, AGREEMENT, ETICKET = name("company", 1), name("account", 1), name("agreement", 1), name("product", 1)
BY_ANNA = Actor("profile", ANNAS_ID)


def names() -> list[Event]:
    company = CompanyRegistered(
        company_id=COMPANY,
        cvr="12345678",
        legal_name="Nordlys Transport ApS",
        payment="invoice",
        contact_person="Anna Aas",
        contact_email=ANNA,
        phone=None,
        postal_address=None,
        invoice_email=None,
    )
    account = AccountOpened(
        company_id=COMPANY,
        account_id=ACCOUNT,
        customer_number="100001",
        name="Nordlys Road",
        payment="invoice",
        agreement_id=None,
    )
    return [company, account]


def eticket(world: World) -> Event:
    return ETicketOrdered(
        product_id=ETICKET,
        account_id=ACCOUNT,
        company_id=COMPANY,
        country="DK",
        plate="AB12345",
        vin="1M8GDM9AXKP042788",
        vehicle_type="van",
        trips=2,
        usable_at_storebaelt_from=world.clock(),
        usable_elsewhere_from=world.clock(),
        reference="Van 7",
    )


def product_access(profile_id: str) -> Event:
    return ProductAccessGranted(profile_id=profile_id, product_id=ETICKET, account_id=ACCOUNT, company_id=COMPANY)


async def test_l4_the_invitation_names_who_invited_and_to_what_and_later_grants_are_notices(
    world: World, inbox: Path
) -> None:
    susanne = (await world.row("SELECT staff_id FROM staff"))["staff_id"]
    account = AccountAdministratorGranted(profile_id=DORAS_ID, account_id=ACCOUNT, company_id=COMPANY)
    main = MainAdministratorGranted(profile_id=DORAS_ID, agreement_id=AGREEMENT, company_id=COMPANY)
    await world.feed.given(*names(), eticket(world))
    await world.feed.given(product_access(DORAS_ID), by=BY_ANNA)
    await world.feed.given(account, main, by=Actor("staff", susanne))
    mails = await delivered(world, inbox)
    assert {mail.to for mail in mails} == {(DORA,)}
    [invitation] = [mail for mail in mails if mail.subject == "You have been invited to the self-service"]
    assert (
        'Anna Aas (anna@nordlys.example.com) has given you access to an eTicket "Van 7" of Nordlys Transport ApS.'
        in (flat(invitation))
    )
    assert f"this e-mail address, {DORA}" in flat(invitation)
    notices = sorted(flat(mail) for mail in mails if mail is not invitation)
    by_susanne = "Hello Dora Dahl, Susanne Skov, customer service, has given you the "
    assert notices[0].startswith(f'{by_susanne}administration of the account "Nordlys Road" of Nordlys Transport ApS.')
    assert notices[1].startswith(
        f"{by_susanne}main administration of the framework agreement of Nordlys Transport ApS."
    )


async def test_a_grant_that_is_delivered_again_is_mailed_once(world: World, inbox: Path) -> None:
    await world.feed.given(*names(), eticket(world))
    letter = world.feed.letter(product_access(DORAS_ID), by=BY_ANNA)
    assert world.auth.backbone.inbox is not None
    for _ in range(3):
        await world.auth.backbone.inbox.take_letters([letter])
    assert len(await delivered(world, inbox)) == 1


async def test_l4_a_grant_on_an_account_that_ended_before_the_mail_went_out_is_still_called_by_its_name(
    world: World, inbox: Path
) -> None:
    await world.feed.given(*names(), AccountEnded(company_id=COMPANY, account_id=ACCOUNT))
    granted = AccountAdministratorGranted(profile_id=ANNAS_ID, account_id=ACCOUNT, company_id=COMPANY)
    await world.feed.given(granted, by=BY_ANNA)
    [mail] = await delivered(world, inbox)
    assert "Nordlys Road" in flat(mail)


async def test_an_invitation_waits_a_minute_for_names_that_come_on_another_topic(world: World, inbox: Path) -> None:
    await world.feed.given(product_access(DORAS_ID), by=BY_ANNA)
    assert await delivered(world, inbox) == []
    await world.feed.given(*names(), eticket(world))
    world.clock.turn(seconds=1)
    [mail] = await delivered(world, inbox)
    assert '"Van 7" of Nordlys Transport ApS' in flat(mail)


async def test_an_invitation_whose_names_never_come_goes_out_without_them(world: World, inbox: Path) -> None:
    await world.feed.given(product_access(DORAS_ID), by=BY_ANNA)
    world.clock.turn(minutes=1)
    [mail] = await delivered(world, inbox)
    assert "Anna Aas (anna@nordlys.example.com) has given you access to a product." in flat(mail)


async def test_nobody_is_mailed_about_the_past_or_after_their_login_is_cancelled(world: World, inbox: Path) -> None:
    await world.feed.given(
        *names(), eticket(world), created(ANNA).model_copy(update={"profile_id": name("profile", 9)})
    )
    await world.feed.given(product_access(DORAS_ID), cancelled(DORA), by=BY_ANNA)
    world.clock.turn(days=8)
    await world.feed.given(product_access(name("profile", 9)), by=BY_ANNA)
    await world.auth.mailer.wipe_expired()
    assert await delivered(world, inbox) == []
    await world.post("/login/codes", email=SUSANNE)
    assert [mail.to for mail in await delivered(world, inbox)] == [(SUSANNE,)]
