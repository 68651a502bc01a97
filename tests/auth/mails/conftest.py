"""A real mail server for auth, and what it got."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.mailcatcher import Mail, messages
from deploy.local.part import Running
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from tests.auth.conftest import (
    TurningClock,
    World,
    moved_in,
    replica,
)
from tests.feed import running

ROOT = Path(__file__).parents[3]


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


def flat(mail: Mail) -> str:
    return " ".join(mail.text.split())


async def delivered(world: World, inbox: Path) -> list[Mail]:
    """Everything mailed so far, oldest first, once all that is due was tried."""
    await world.auth.mailer.deliver_due()
    return list(reversed(messages(inbox)))
