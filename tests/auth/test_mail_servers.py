"""Mail servers that are slow, down, full or gone in the middle: nobody is delayed, nothing is lost, nothing is late."""

import asyncio
import email
import email.policy
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from itertools import pairwise
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.ports import LOOPBACK
from services.auth.adapters import mail_queue
from services.auth.adapters.mail_queue import LEASE
from services.auth.adapters.mailer import HAND_OVER, LONGEST_WAIT, pause_after
from services.auth.adapters.words import SecurityNotice
from services.auth.domain.whereabouts import Whereabouts
from services.profiles.events import ProfileCreated
from tests.auth.conftest import ANNA, ANNAS_ID, DORA, DORAS_ID, TurningClock, World, moved_in, name, replica
from tests.feed import running
from tests.parts import owner_of

ROOT = Path(__file__).parents[2]
KEPT = "250 kept"


@dataclass
class MailServer:
    """A real SMTP server that answers as it is told, and keeps what it took."""

    answer: Callable[[str], str] = lambda _to: KEPT
    """To the recipient and to the letter."""
    slow: dict[str, float] = field(default_factory=dict)
    on_quit: Callable[[], None] = lambda: None
    taken: list[EmailMessage] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, to: str, _options: list[str]
    ) -> str:
        if (answer := self.answer(to)).startswith("25"):
            envelope.rcpt_tos.append(to)
            return "250 ok"
        return answer

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.slow.get(envelope.rcpt_tos[0], 0))
        parsed = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        self.taken.append(parsed)
        return KEPT

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        self.on_quit()
        return "221 bye"


@asynccontextmanager
async def serving() -> AsyncIterator[MailServer]:
    handler, loop = MailServer(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop, enable_SMTPUTF8=True), LOOPBACK, 0)
    async with server:
        handler.port = server.sockets[0].getsockname()[1]
        yield handler


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with serving() as server:
        yield server


@pytest.fixture
async def world(database: str, clock: TurningClock, mail: MailServer) -> AsyncIterator[World]:
    one = moved_in(replica(database, clock, f"smtp://{LOOPBACK}:{mail.port}"))
    async with running(one.auth.backbone):
        yield one


def code_in(message: EmailMessage) -> str:
    [code] = re.findall(r"\b\d{6}\b", body(message, "plain"))
    return str(code)


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


async def test_a_mail_is_text_and_html_with_the_same_code_and_says_its_language(world: World, mail: MailServer) -> None:
    login = await world.ask(ANNA, where={"browser": "Chrome, Android", "place": "192.0.2.0/24", "language": "da"})
    await world.auth.mailer.deliver_due()
    [message] = mail.taken
    assert (message["Subject"], message["Content-Language"]) == ("Din login-kode", "da")
    assert message.get_content_type() == "multipart/alternative"
    for kind in ("plain", "html"):
        assert login.code in body(message, kind)
        assert "Chrome, Android" in body(message, kind)
        assert "192.0.2.0/24" in body(message, kind)


async def test_mails_that_nobody_asked_for_are_in_the_language_that_the_person_logged_in_with_last(
    world: World, mail: MailServer
) -> None:
    """Asking for a code changes no language: anybody may ask in anybody's name."""
    await world.logged_in(ANNA, where={"language": "da"})
    await world.ask(ANNA, where={"language": "en"})
    for who in (ANNAS_ID, DORAS_ID):
        await told(world, who, "new-device")
    await world.auth.mailer.deliver_due()
    subjects = {message["To"]: message["Subject"] for message in mail.taken if "code" not in message["Subject"]}
    assert (subjects[ANNA], subjects[DORA]) == (
        "Om dit login til selvbetjeningen",
        "About your login to the self-service",
    )


async def test_c25_a_notice_says_what_happened_and_from_where(world: World, mail: MailServer) -> None:
    await told(world, ANNAS_ID, "success-after-failures", Whereabouts("Firefox, Linux", "198.51.100.0/24"))
    await world.auth.mailer.deliver_due()
    text = " ".join(body(mail.taken[0], "plain").split())
    assert "Somebody has logged in as you after several wrong codes." in text
    assert "With Firefox, Linux, from the network 198.51.100.0/24" in text


async def test_c25_where_a_code_was_asked_from_is_forgotten_with_the_code(world: World, mail: MailServer) -> None:
    await world.ask(ANNA, where={"browser": "Chrome, Android", "place": "192.0.2.0/24"})
    assert (await world.row("SELECT asked_from FROM mails"))["asked_from"] is not None
    await world.auth.mailer.deliver_due()
    assert (await world.row("SELECT asked_from FROM mails"))["asked_from"] is None


async def told(world: World, profile_id: str, what: SecurityNotice, where: Whereabouts | None = None) -> None:
    statement = mail_queue.queue_security(subject=f"profile:{profile_id}", what=what, now=world.clock(), where=where)
    await world.auth.backbone.database.execute(statement.sql, statement.params)


async def test_what_a_server_refuses_for_now_is_tried_again_and_comes(world: World, mail: MailServer) -> None:
    login = await world.ask(ANNA)
    answers = ["451 greylisted", "421 too busy", "452 full"]
    while answers:
        mail.answer = lambda _to: answers[0]
        await world.auth.mailer.deliver_due()
        answers.pop(0)
        world.clock.turn(seconds=16)
    mail.answer = lambda _to: KEPT
    await world.auth.mailer.deliver_due()
    assert [code_in(message) for message in mail.taken] == [login.code]


async def test_what_a_server_refuses_for_good_is_tried_three_times_an_hour_apart_and_then_never(
    world: World, mail: MailServer
) -> None:
    await told(world, ANNAS_ID, "new-device")
    mail.answer = lambda _to: "550 no such mailbox"
    for refusals in (1, 2, 3):
        await world.auth.mailer.deliver_due()
        row = await world.row("SELECT refusals, fate, tries FROM mails")
        assert (row["refusals"], row["fate"]) == ((refusals, None) if refusals < 3 else (2, "refused"))
        world.clock.turn(minutes=59)
        await world.auth.mailer.deliver_due()
        assert (await world.row("SELECT tries FROM mails"))["tries"] == refusals
        world.clock.turn(minutes=1)
    mail.answer = lambda _to: KEPT
    await world.auth.mailer.deliver_due()
    assert mail.taken == []


async def test_one_recipient_that_is_refused_keeps_no_other_from_their_mail(world: World, mail: MailServer) -> None:
    mail.answer = lambda to: "550 no such mailbox" if to == ANNA else KEPT
    await world.ask(ANNA)
    await world.ask(DORA)
    await world.auth.mailer.deliver_due()
    assert [message["To"] for message in mail.taken] == [DORA]


async def test_a_slow_server_for_one_keeps_no_other_waiting(world: World, mail: MailServer) -> None:
    mail.slow = {ANNA: 3.0}
    running_mailer = asyncio.create_task(world.auth.mailer.run())
    await world.ask(ANNA)
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await world.ask(DORA)
    while not mail.taken:
        await asyncio.sleep(0.05)
        assert time.monotonic() - began < 2.5
    assert [message["To"] for message in mail.taken] == [DORA]
    running_mailer.cancel()
    await asyncio.gather(running_mailer, return_exceptions=True)


async def test_login_codes_go_before_everything_else(world: World, mail: MailServer) -> None:
    for _ in range(60):
        await told(world, DORAS_ID, "new-device")
    login = await world.ask(ANNA)
    first = await mail_queue.claim(world.auth.backbone.database, world.clock(), 1)
    assert [claimed.kind for claimed in first] == ["code"]
    assert login.code


async def test_f16_a_mailer_killed_after_the_server_took_a_mail_sends_it_again_with_the_same_code(
    world: World, mail: MailServer, database: str
) -> None:
    """The mailer is a process of its own and is killed when it says goodbye: accepted, not yet written down."""
    login = await world.ask(ANNA)
    argv = [
        sys.executable,
        "-m",
        "tests.auth.one_delivery",
        database,
        owner_of(database),
        f"smtp://{LOOPBACK}:{mail.port}",
    ]
    mailer = await asyncio.create_subprocess_exec(*argv, cwd=ROOT)
    mail.on_quit = lambda: os.kill(mailer.pid, signal.SIGKILL)
    assert await mailer.wait() == -signal.SIGKILL
    mail.on_quit = lambda: None
    assert (await world.row("SELECT done_at FROM mails"))["done_at"] is None
    await world.auth.mailer.deliver_due()
    assert len(mail.taken) == 1, "whoever was killed has it for the length of its lease"
    world.clock.turn(seconds=LEASE.total_seconds() + 60)  # the killed process had a clock of its own
    await world.auth.mailer.deliver_due()
    assert [code_in(message) for message in mail.taken] == [login.code] * 2
    assert len({message["Message-ID"] for message in mail.taken}) == 1
    row = await world.row("SELECT fate, sealed_code FROM mails")
    assert (row["fate"], row["sealed_code"]) == ("sent", None)


async def test_a_code_is_not_sent_after_its_time_nor_after_a_newer_one_took_its_place(
    world: World, mail: MailServer, database: str
) -> None:
    """Both happen after the mail was claimed, while its mailer was held up."""
    await world.ask(ANNA)
    [held_up] = await mail_queue.claim(world.auth.backbone.database, world.clock(), 5)
    world.clock.turn(minutes=1)  # nobody asks again sooner (C-14)
    newer = await world.ask(ANNA)
    await world.auth.mailer._try(held_up)
    await world.auth.mailer.deliver_due()
    assert [code_in(message) for message in mail.taken] == [newer.code]
    await world.ask(DORA)
    [held_up] = await mail_queue.claim(world.auth.backbone.database, world.clock(), 5)
    world.clock.turn(minutes=5)
    await world.auth.mailer._try(held_up)
    assert len(mail.taken) == 1
    assert (await world.row("SELECT fate FROM mails WHERE mail_id = %s", held_up.mail_id))["fate"] == "expired"


async def test_an_hour_without_a_server_loses_no_notice_and_sends_no_dead_code(
    world: World, mail: MailServer, database: str, clock: TurningClock
) -> None:
    without_server = replica(database, clock)
    async with running(without_server.auth.backbone):
        await world.ask(ANNA)
        await told(world, DORAS_ID, "new-device")
        for _ in range(60):
            await without_server.auth.mailer.deliver_due()
            await without_server.auth.mailer.wipe_expired()
            clock.turn(minutes=1)
    await world.auth.mailer.deliver_due()
    clock.turn(minutes=5)
    await world.auth.mailer.deliver_due()
    assert [message["To"] for message in mail.taken] == [DORA]


async def test_many_mails_with_a_server_that_fails_now_and_then_come_once_each(world: World, mail: MailServer) -> None:
    emails = [f"driver{number}@nordlys.example.com" for number in range(40)]
    people = [
        ProfileCreated(profile_id=name("profile", 100 + n), email=address, address=address, name=f"Driver {n}")
        for n, address in enumerate(emails)
    ]
    await world.feed.given(*people)
    for number in range(40):
        await told(world, name("profile", 100 + number), "new-device")
    tried: list[str] = []

    def moody(to: str) -> str:
        tried.append(to)
        return KEPT if len(tried) % 3 == 0 else "451 not now"

    mail.answer = moody
    for _ in range(12):
        await world.auth.mailer.deliver_due()
        world.clock.turn(minutes=5)
    assert sorted(message["To"] for message in mail.taken) == sorted(emails)


@given(st.integers(1, 1_000_000), st.floats(0, 1))
def test_the_pause_after_a_failure_doubles_is_bounded_and_jitters(tries: int, jitter: float) -> None:
    pauses = [pause_after(n, jitter) for n in range(1, 12)]
    assert all(later >= sooner for sooner, later in pairwise(pauses))
    assert timedelta(seconds=1) <= pause_after(tries, jitter) <= LONGEST_WAIT
    assert pause_after(tries, 1.0) * 2 == pause_after(tries, 0.0)


def test_handing_over_ends_before_another_replica_may_begin() -> None:
    assert HAND_OVER + timedelta(seconds=5) < LEASE
