"""One round of a mailer as a process of its own, which a test may kill: `-m tests.auth.one_delivery DSN OWNER SMTP`."""

import asyncio
import sys

from services.auth.service import assemble
from shared.clock import system_clock
from tests.auth.conftest import settings_for
from tests.feed import running
from tests.parts import OWNERS


async def deliver(dsn: str, owner: str, smtp_url: str) -> None:
    OWNERS[dsn] = owner
    auth = assemble(settings_for(dsn, smtp_url), system_clock)
    async with running(auth.backbone):
        await auth.mailer.deliver_due()


if __name__ == "__main__":
    asyncio.run(deliver(*sys.argv[1:]))
