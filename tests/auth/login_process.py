"""One process that logs somebody in, to be killed amid it.

`python -m tests.auth.login_process DSN OWNER CHALLENGE CODE` says "ready", goes on when it is told to, and says the
answer's status if it lives so long.
"""

import asyncio
import sys

from tests.auth.conftest import TurningClock, replica
from tests.feed import running
from tests.parts import OWNERS


async def _log_in(dsn: str, owner: str, challenge: str, code: str) -> None:
    OWNERS[dsn] = owner
    world = replica(dsn, TurningClock())
    async with running(world.auth.backbone):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        answer = await world.give(challenge, code)
        sys.stdout.write(f"{answer.status_code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_log_in(*sys.argv[1:]))
