"""The mail catcher, spoken to by SMTP and read from its folder."""

import os
import smtplib
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from deploy.local.mailcatcher import message, messages
from deploy.local.part import Running
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from tests.deploy.scripts import ROOT

ANNA, BO = "anna@nordlys.example.com", "bo@havnefart.example.com"


@pytest.fixture(scope="module")
def catcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A running catcher's port and folder."""
    folder, port = tmp_path_factory.mktemp("mail") / "caught", free_port()
    arguments = ["--host", LOOPBACK, "--port", str(port), "--folder", str(folder)]
    argv = [sys.executable, "-m", "deploy.local.mailcatcher", *arguments]
    running = Running(
        Process(name="mail", argv=argv, port=port, env=lambda: os.environ, folder=ROOT), folder.with_suffix(".log")
    )
    running.start()
    yield port, folder
    running.stop()


def mail(to: str, subject: str, text: str) -> EmailMessage:
    composed = EmailMessage()
    composed["From"], composed["To"], composed["Subject"] = "selvbetjening@example.com", to, subject
    composed.set_content(text)
    composed.add_alternative(f"<p>{text}</p>", subtype="html")
    return composed


def send(port: int, *mails: EmailMessage) -> None:
    with smtplib.SMTP(LOOPBACK, port) as smtp:
        for each in mails:
            smtp.send_message(each)


def test_mails_are_listed_newest_first_with_all_they_say(catcher: tuple[int, Path]) -> None:
    port, folder = catcher
    send(port, mail(ANNA, "Din kode", "Koden er 123456."), mail(BO, "Færgen er forsinket", "Vi beklager, Bo Sørensen."))
    newest, older = messages(folder)[:2]
    assert (newest.subject, newest.to, newest.sender) == ("Færgen er forsinket", (BO,), "selvbetjening@example.com")
    assert newest.text.strip() == "Vi beklager, Bo Sørensen."
    assert newest.html.strip() == "<p>Vi beklager, Bo Sørensen.</p>"
    assert (older.subject, older.text.strip()) == ("Din kode", "Koden er 123456.")
    assert ("From", "selvbetjening@example.com") in older.headers
    assert datetime.now(UTC) - newest.time < timedelta(seconds=5)


def test_they_can_be_asked_for_by_address_and_by_time(catcher: tuple[int, Path]) -> None:
    port, folder = catcher
    send(port, mail(ANNA, "Første", "1"))
    noon = datetime.now(UTC)
    send(port, mail(ANNA, "Anden", "2"), mail(BO, "Tredje", "3"))
    assert [each.subject for each in messages(folder, to="Anna@Nordlys.example.com", since=noon)] == ["Anden"]
    assert [each.subject for each in messages(folder, since=noon)] == ["Tredje", "Anden"]
    assert messages(folder, to="nobody@example.com") == []


def test_one_is_found_by_its_id_and_nothing_else_is(catcher: tuple[int, Path]) -> None:
    port, folder = catcher
    send(port, mail(ANNA, "Invitation", "Velkommen"))
    newest = messages(folder)[0]
    assert message(folder, newest.id) == newest
    assert message(folder, "../../etc/passwd") is None
    assert message(folder, "0" * 20 + "-00000000") is None


def test_only_their_owner_can_read_them(catcher: tuple[int, Path]) -> None:
    port, folder = catcher
    send(port, mail(ANNA, "Din kode", "Koden er 654321."))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no headers at all",
        b"Subject: =?no-such-charset?q?=FF?=\r\n\r\n\xff\xfe",
        b"Content-Type: text/plain; charset=no-such-charset\r\n\r\nhej \xe6",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
    ],
)
def test_a_mail_that_makes_no_sense_is_kept_and_breaks_nothing(catcher: tuple[int, Path], content: bytes) -> None:
    port, folder = catcher
    before = len(messages(folder))
    with smtplib.SMTP(LOOPBACK, port) as smtp:
        smtp.sendmail("x@example.com", [BO], content)
    assert len(messages(folder)) == before + 1
    assert messages(folder)[0].to == (BO,)


def test_an_address_with_danish_letters_is_taken(catcher: tuple[int, Path]) -> None:
    port, folder = catcher
    with smtplib.SMTP(LOOPBACK, port) as smtp:
        smtp.ehlo()
        smtp.sendmail("x@example.com", ["søren@nordlys.example.com"], b"Subject: Hej\r\n\r\n", ["SMTPUTF8"])
    assert messages(folder)[0].to == ("søren@nordlys.example.com",)


def test_a_mail_too_large_is_refused(catcher: tuple[int, Path]) -> None:
    port, _ = catcher
    with smtplib.SMTP(LOOPBACK, port) as smtp, pytest.raises(smtplib.SMTPException, match="552"):
        smtp.sendmail("x@example.com", [ANNA], b"x" * 1_100_000)


def test_many_at_once_are_all_kept(catcher: tuple[int, Path]) -> None:
    port, folder = catcher
    noon = datetime.now(UTC)
    with ThreadPoolExecutor(8) as senders:
        list(senders.map(lambda n: send(port, mail(ANNA, f"Nr. {n}", "tekst")), range(40)))
    assert sorted(each.subject for each in messages(folder, since=noon)) == sorted(f"Nr. {n}" for n in range(40))


def test_a_port_in_use_ends_it_with_an_error(catcher: tuple[int, Path]) -> None:
    port, folder = catcher
    argv = [sys.executable, "-m", "deploy.local.mailcatcher", "--port", str(port), "--folder", str(folder)]
    second = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=20)
    assert second.returncode != 0
    assert "address already in use" in second.stderr
