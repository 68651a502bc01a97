"""Work that nobody asks for: done again and again, for as long as the service runs."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import psycopg

from shared.errors import Refusal
from shared.logs import log


def again_and_again(
    work: Callable[[], Awaitable[None]], pause_seconds: float
) -> Callable[[], Coroutine[Any, Any, None]]:
    """For `Backbone.runs`: a round that fails is said in the log, and the next one comes."""

    async def run() -> None:
        while True:
            try:
                await work()
            except (Refusal, psycopg.Error) as failure:
                log.warning("will be tried again", work=work.__qualname__, error=repr(failure))
            except Exception as defect:  # noqa: BLE001 (a defect in one round must not end all later ones)
                log.error("defect", work=work.__qualname__, error=type(defect).__name__, exc_info=defect)
            await asyncio.sleep(pause_seconds)

    return run
