"""What is mailed, to whom, and what becomes of it when the mail server is slow, dead, or asked twice."""

import asyncio
import re
import time
from pathlib import Path

from psycopg import AsyncConnection

from deploy.local.mailcatcher import messages
from deploy.local.ports import LOOPBACK
from services.profiles.events import (
    EmailChanged,
    ProfileCreated,
)
from tests.auth.conftest import (
    ANNA,
    ANNAS_ID,
    DORA,
    DORAS_ID,
    NOBODY,
    TurningClock,
    World,
    name,
    replica,
)
from tests.auth.mails.conftest import delivered, flat
from tests.auth.test_email_change import logged_in
from tests.feed import running


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
