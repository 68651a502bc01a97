"""Keys that rotate and retire without end, in a process that a test may kill: `-m tests.auth.key_turner DSN OWNER`."""

import asyncio
import sys

from services.auth.domain.signing_key import LAST_TOKEN, SETTLING
from tests.auth.conftest import TurningClock, replica
from tests.feed import running
from tests.parts import OWNERS


async def turn(dsn: str, owner: str) -> None:
    """Each round is half an hour later, so that in each a key is made and one retires."""
    OWNERS[dsn] = owner
    clock = TurningClock()
    world = replica(dsn, clock)
    async with running(world.auth.backbone):
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        while True:
            await world.auth.use.keys.rotate(world.cause)
            clock.now += SETTLING + LAST_TOKEN
            await world.auth.upkeep.keep_signing_key_fresh()


if __name__ == "__main__":
    asyncio.run(turn(*sys.argv[1:]))
