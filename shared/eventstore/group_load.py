"""Group load: the streams that a process's tasks want at the same time are read by one query."""

import asyncio
from collections.abc import Mapping, Sequence

from eventsourcing.persistence import InterfaceError, OperationalError, StoredEvent

from shared.errors import Unavailable
from shared.eventstore.recorder import OrderedRecorder

RECONNECT_SECONDS = 5.0
Answer = asyncio.Future[Sequence[StoredEvent]]


class GroupLoad:
    """Reads streams for one process; every answer is as new as the moment of asking, or newer."""

    def __init__(self, recorder: OrderedRecorder) -> None:
        self._recorder = recorder
        self._wanted: dict[str, Answer] = {}
        self._reading: asyncio.Task[None] | None = None

    async def events_of(self, stream: str) -> Sequence[StoredEvent]:
        """All events of a stream, in order. Raises Unavailable when the database cannot be reached."""
        if stream not in self._wanted:
            self._wanted[stream] = asyncio.get_running_loop().create_future()
        answer = self._wanted[stream]
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(answer)

    async def _read(self) -> None:
        while self._wanted:
            # From here on whoever asks waits for the next query: this one may already have looked.
            answers, self._wanted = self._wanted, {}
            try:
                _give(answers, await self._select(list(answers)))
            except Exception as failure:  # noqa: BLE001 (each who waits is told; nobody may wait for ever)
                _fail(answers, failure)

    async def _select(self, streams: Sequence[str]) -> Mapping[str, Sequence[StoredEvent]]:
        """Try for a few seconds: after a restart of the server every connection of the pool is dead once."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + RECONNECT_SECONDS
        while True:
            try:
                return await asyncio.to_thread(self._recorder.select_streams, streams)
            except (InterfaceError, OperationalError) as lost:
                if loop.time() > give_up:
                    raise Unavailable("The database cannot be reached.") from lost
            await asyncio.sleep(0.05)


def _give(answers: Mapping[str, Answer], found: Mapping[str, Sequence[StoredEvent]]) -> None:
    for stream, answer in answers.items():
        answer.set_result(found[stream])


def _fail(answers: Mapping[str, Answer], failure: Exception) -> None:
    for answer in answers.values():
        answer.set_exception(failure)
        answer.exception()  # whoever asked may have gone meanwhile: that is no defect
