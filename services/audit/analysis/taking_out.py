"""Whoever takes the history out is in it (H3), before they have any of it."""

from typing import Literal

from services.audit.events import HistoryTakenOut
from services.audit.use_cases import READINGS
from shared.cause import Cause
from shared.eventstore.streams import Streams
from shared.ids import new_id


async def record_taking_out(
    streams: Streams, how: Literal["export", "replay"], first: int, end: int, cause: Cause
) -> None:
    """Make it part of the history that these leaves are taken out; what cannot be recorded is not handed out."""
    taken = HistoryTakenOut(reading_id=new_id("reading"), how=how, first=first, end=end)
    await streams.change(READINGS, taken.reading_id, lambda _: [taken], cause)
