"""What is mailed, to whom, and what becomes of it when the mail server is slow, dead, or asked twice."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from deploy.local.mailcatcher import Mail, messages
from deploy.local.part import Running
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from services.company.events import AccountEnded, AccountOpened, CompanyRegistered
from services.products.events import ETicketOrdered
from services.profiles.events import (
    AccountAdministratorGranted,
    EmailChanged,
    MainAdministratorGranted,
    ProductAccessGranted,
    ProfileCreated,
)
from shared.actor import Actor
from shared.events import Event
from tests.auth.conftest import (
    ANNA,
    ANNAS_ID,
    DORA,
    DORAS_ID,
    NOBODY,
    SUSANNE,
    TurningClock,
    World,
    cancelled,
    created,
    moved_in,
    name,
    replica,
)
from tests.auth.test_email_change import logged_in
from tests.feed import running

COMPANY, ACCOUNT, AGREEMENT, ETICKET = name("company", 1), name("account", 1), name("agreement", 1), name("product", 1)
BY_ANNA = Actor("profile", ANNAS_ID)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A real mail server's port, and the folder that it keeps what it got in."""
    folder, port = tmp_path_factory.mktemp("mail") / "caught", free_port()
    arguments = ["--host", LOOPBACK, "--port", str(port), "--folder", str(folder)]
    argv = [sys.executable, "-m", "deploy.local.mailcatcher", *arguments]
    process = Process(name="mail", argv=argv, port=port, env=lambda: os.environ, folder=ROOT)
    server = Running(process, folder.with_suffix(".log"))
    server.start()
    yield port, folder
    server.stop()


@pytest.fixture
def inbox(catcher: tuple[int, Path]) -> Path:
    """The mail server's folder, empty."""
    for mail in catcher[1].glob("*.json"):
        mail.unlink()
    return catcher[1]


@pytest.fixture
async def world(database: str, clock: TurningClock, catcher: tuple[int, Path], inbox: Path) -> AsyncIterator[World]:
    """As everywhere, with a mail server."""
    one = moved_in(replica(database, clock, f"smtp://{LOOPBACK}:{catcher[0]}"))
    async with running(one.auth.backbone):
        yield one


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


def flat(mail: Mail) -> str:
    return " ".join(mail.text.split())


async def delivered(world: World, inbox: Path) -> list[Mail]:
    """Everything mailed so far, oldest first, once all that is due was tried."""
    await world.auth.mailer.deliver_due()
    return list(reversed(messages(inbox)))


async def test_c17_the_code_is_mailed_and_its_sealed_form_wiped_at_once(world: World, inbox: Path) -> None:
    answer = await world.post("/login/codes", email=ANNA)
    assert (await world.row("SELECT sealed_code FROM mails"))["sealed_code"] is not None
    [mail] = await delivered(world, inbox)
    row = await world.row("SELECT fate, sealed_code FROM mails")
    assert (row["fate"], row["sealed_code"]) == ("sent", None)
    assert (mail.to, mail.subject) == ((ANNA,), "Your login code")
    [code] = re.findall(r"\b\d{6}\b", mail.text)
    assert "http" not in mail.text, "C-28: nothing to fetch"
    assert (await world.give(answer.json()["challenge"], code)).status_code == 201


async def test_c15_an_unknown_address_gets_a_row_in_the_queue_and_no_mail(world: World, inbox: Path) -> None:
    await world.post("/login/codes", email=NOBODY)
    row = await world.row("SELECT subject, sealed_code FROM mails")
    assert row["subject"] is None
    assert row["sealed_code"] is not None
    assert await delivered(world, inbox) == []
    row = await world.row("SELECT fate, sealed_code FROM mails")
    assert (row["fate"], row["sealed_code"]) == ("dropped", None)


async def test_c17_an_unsent_code_is_wiped_when_it_expires_and_an_outdated_one_when_it_is_replaced(
    world: World, inbox: Path
) -> None:
    await world.ask(ANNA)
    world.clock.turn(minutes=1)
    newer = await world.ask(ANNA)
    [mail] = await delivered(world, inbox)
    assert newer.code in mail.text
    await world.ask(DORA)
    world.clock.turn(minutes=5)
    await world.auth.mailer.wipe_expired()
    assert len(await delivered(world, inbox)) == 1
    rows = await world.auth.backbone.database.rows("SELECT fate, sealed_code FROM mails ORDER BY mail_id")
    assert [row["fate"] for row in rows] == ["dropped", "sent", "expired"]
    assert not any(row["sealed_code"] for row in rows)


async def test_a_dead_mail_server_delays_nobody_and_mails_go_out_when_it_is_back(
    world: World, inbox: Path, database: str, clock: TurningClock
) -> None:
    without_server = replica(database, clock)
    async with running(without_server.auth.backbone):
        login = await without_server.ask(ANNA)
        for tries, pause in ((1, 2), (2, 4), (3, 8)):
            await without_server.auth.mailer.deliver_due()
            row = await world.row("SELECT tries, due_at FROM mails")
            assert row["tries"] == tries
            assert pause / 2 <= (row["due_at"] - clock()).total_seconds() <= pause
            clock.turn(seconds=pause)
    [mail] = await delivered(world, inbox)
    assert login.code in mail.text


async def test_a_mail_server_that_never_answers_delays_nobody(database: str, clock: TurningClock) -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, LOOPBACK, 0)
    world = replica(database, clock, f"smtp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}")
    async with server, running(world.auth.backbone):
        await world.ask(ANNA)
        stuck = asyncio.create_task(world.auth.mailer.deliver_due())
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        await world.logged_in(DORA)
        assert time.perf_counter() - began < 1.0
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)


async def test_two_mailers_send_each_mail_once(
    world: World, inbox: Path, database: str, clock: TurningClock, catcher: tuple[int, Path]
) -> None:
    other = replica(database, clock, f"smtp://{LOOPBACK}:{catcher[0]}")
    emails = [f"driver{number}@nordlys.example.com" for number in range(24)]
    people = [
        ProfileCreated(profile_id=name("profile", 100 + n), email=email, address=email, name=f"Driver {n}")
        for n, email in enumerate(emails)
    ]
    await world.feed.given(*people)
    async with running(other.auth.backbone):
        await asyncio.gather(*(world.post("/login/codes", email=email) for email in emails))
        await asyncio.gather(world.auth.mailer.deliver_due(), other.auth.mailer.deliver_due())
    assert sorted(to for mail in messages(inbox) for to in mail.to) == sorted(emails)


async def test_a_mail_that_another_mailer_is_just_claiming_is_left_to_it(
    world: World, inbox: Path, database: str
) -> None:
    annas, doras = await world.ask(ANNA), await world.ask(DORA)
    async with await AsyncConnection.connect(database) as another:
        await another.execute("SELECT 1 FROM mails WHERE subject = %s FOR UPDATE", (f"profile:{ANNAS_ID}",))
        async with asyncio.timeout(5):
            [mail] = await delivered(world, inbox)
        assert doras.code in mail.text
        await another.rollback()
    assert [annas.code in mail.text for mail in await delivered(world, inbox)] == [False, True]


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


async def test_a15_the_code_goes_to_the_new_address_and_once_it_is_changed_the_old_one_is_told(
    world: World, inbox: Path
) -> None:
    dora, new = await logged_in(world, DORA), "dora@rødgrød.example.com"
    code = await dora.request(new)
    [to_new] = [mail for mail in await delivered(world, inbox) if mail.subject == "Confirm your e-mail address"]
    assert (to_new.to, code in to_new.text) == (("dora@xn--rdgrd-vuad.example.com",), True)
    assert "Dora Dahl wants to log in" in flat(to_new)
    changed = EmailChanged(profile_id=DORAS_ID, email=new, address="dora@xn--rdgrd-vuad.example.com")
    letter = world.feed.letter(changed)
    assert world.auth.backbone.inbox is not None
    for _ in range(3):
        await world.auth.backbone.inbox.take_letters([letter])
    mails = [mail for mail in await delivered(world, inbox) if mail.subject == "Your e-mail address has been changed"]
    [to_old] = mails
    assert to_old.to == (DORA,)
    assert "If that was not you" in flat(to_old)
    assert "rødgrød" not in to_old.text, "whoever reads the old mailbox learns no new address"


async def test_mail_goes_to_the_address_as_it_was_written(world: World, inbox: Path) -> None:
    await world.auth.use.staff.add("Karl.Krag@Example.COM", "Karl Krag", world.cause)
    await world.feed.given(
        ProfileCreated(
            profile_id=name("profile", 7),
            email="søren@rødgrød.example.com",
            address="søren@xn--rdgrd-vuad.example.com",
            name="Søren Sørensen",
        )
    )
    await world.post("/login/codes", email="karl.krag@example.com")
    await world.post("/login/codes", email="Søren@RØDGRØD.example.com")
    mails = await delivered(world, inbox)
    assert sorted(mail.to for mail in mails) == [("Karl.Krag@Example.COM",), ("søren@xn--rdgrd-vuad.example.com",)]


async def test_c25_whoever_has_logged_in_from_a_new_device_is_mailed_about_it(world: World, inbox: Path) -> None:
    for _ in range(2):
        await world.logged_in(ANNA)
    mails = [mail for mail in await delivered(world, inbox) if mail.subject != "Your login code"]
    assert [(mail.to, mail.subject) for mail in mails] == [((ANNA,), "About your login to the self-service")]
    assert "from a browser that has not done so before" in flat(mails[0])
    assert not re.search(r"\d{6}", mails[0].text), "C-25: it carries nothing to log in with"
