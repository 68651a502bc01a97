"""Taking in a file of journeys: resumable, and the same file twice changes nothing (P7)."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from psycopg import Connection

from services.products.adapters import journey_files
from services.products.adapters.journey_feed import Coming
from services.products.adapters.journeys import Taken
from services.products.use_cases.journeys import MOST_AT_ONCE, IntakeOfJourneys
from shared.inbox_store import InboxStore


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: of the records that were not through before."""

    taken: Taken
    began_after: int
    was_through: bool = False


class JourneyFilesComing:
    """Files of journeys, taken in batch by batch as what comes on the topic is."""

    def __init__(self, intake: IntakeOfJourneys, connect: Callable[[], Connection[Any]]) -> None:
        self._intake = intake
        self._connect = connect

    async def take(self, path: Path, progressed: Callable[[int, int], None]) -> Outcome:
        """Take in what of the file is not through; `progressed` is told how many bytes of how many are read.

        How far it came is noted after each batch: one that is cut off in between is taken in again and changes nothing.
        Raises NotAJourneyFile, OSError.
        """
        store = InboxStore(self._connect)
        try:
            file = await store.done(lambda connection: journey_files.open_file(connection, path))
            if file.whole:
                return Outcome(Taken(), file.done, was_through=True)
            taken, done = Taken(), file.done
            with journey_files.reading(path) as reading:
                records = reading.records(skip=done)
                while batch := await asyncio.to_thread(_some, records):
                    taken += await self._intake.take(batch, path.name)
                    done += len(batch)
                    await store.done(_noting(file, done))
                    progressed(reading.at, reading.size)
            await store.done(_noting(file, done, whole=True))
            return Outcome(taken, file.done)
        finally:
            store.close()


def _some(records: Iterator[Coming]) -> list[Coming]:
    return list(islice(records, MOST_AT_ONCE))


def _noting(file: journey_files.JourneyFile, done: int, *, whole: bool = False) -> Callable[[Connection[Any]], None]:
    return lambda connection: journey_files.note(connection, file, done, whole=whole)
