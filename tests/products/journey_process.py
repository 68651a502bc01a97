"""A whole products service that takes in the feed, as a process that a test may kill: `-m … DSN OWNER SETTINGS`."""

import asyncio
import sys

from services.products.service import assemble
from shared.settings import KafkaSettings
from tests.feed import settings_for
from tests.parts import OWNERS


async def serve(dsn: str, owner: str, kafka: str) -> None:
    """Run until killed."""
    OWNERS[dsn] = owner
    settings = settings_for(dsn).model_copy(update={"kafka": KafkaSettings.model_validate_json(kafka)})
    await assemble(settings).backbone.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
