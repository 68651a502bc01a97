"""Streams: load, decide and append as one verb.

`await streams.change(PROFILES, profile_id, lambda profile: grant_product_access(profile, …), cause)` loads the state,
asks the decision for events, and appends them with every inline view's statements in one commit. A lost race decides
again, so a decision is pure. A refusal of a view comes out as the named refusal that the view declares.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from eventsourcing.persistence import Notification, StoredEvent

from shared.cause import Cause, Seen, Written
from shared.clock import Clock
from shared.envelope import Recorded, from_state, to_state
from shared.errors import Refusal, Unavailable
from shared.events import Event
from shared.eventstore.group_commit import STREAM_VERSION, ConstraintViolated, GroupCommit, Unit
from shared.eventstore.group_load import GroupLoad
from shared.eventstore.recorder import OrderedRecorder
from shared.ids import uuid7
from shared.views import View

MOST_ATTEMPTS = 32
MOST_STATES_KEPT = 10_000

S = TypeVar("S")


class HistoryBroken(Exception):
    """A stream's versions in the log are not 1, 2, 3, …: somebody wrote past `streams`."""


@dataclass(frozen=True)
class Category(Generic[S]):
    """One kind of stream: how its state starts and how each of its events changes it."""

    name: str
    initial: S
    evolve: Callable[[S, Any], S]


@dataclass(frozen=True)
class Change(Generic[S]):
    """One stream's part in a command."""

    category: Category[S]
    stream: str
    decide: Callable[[S], Sequence[Event]]


class Streams:
    """The event streams of one service."""

    def __init__(
        self, source: str, recorder: OrderedRecorder, writer: GroupCommit, views: Sequence[View], clock: Clock
    ) -> None:
        self._source = source
        self._reading = GroupLoad(recorder)
        self._writer = writer
        self._views = views
        self._clock = clock
        self._refusals = {name: refusal for view in views for name, refusal in view.refusals.items()}
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    async def load(self, category: Category[S], stream: str) -> tuple[S, int]:
        """The state of a stream and its version; the initial state and 0 when nothing happened there.

        Raises Unavailable when the database cannot be reached, HistoryBroken when versions are missing.
        """
        stored = await self._reading.events_of(stream)
        if stored and stored[-1].originator_version != len(stored):
            raise HistoryBroken(f"{stream} ends at version {stored[-1].originator_version} after {len(stored)} events")
        state = category.initial
        for event in stored:
            state = category.evolve(state, self._read(event).data)
        return state, len(stored)

    async def change(
        self, category: Category[S], stream: str, decide: Callable[[S], Sequence[Event]], cause: Cause
    ) -> Written:
        """Decide about one stream and append what was decided.

        Raises what `decide` and the views refuse with, and Unavailable when the database cannot be reached or the
        stream is changed elsewhere all the time.
        """
        return await self.change_all([Change(category, stream, decide)], cause)

    async def change_all(self, changes: Sequence[Change[Any]], cause: Cause) -> Written:
        """Decide about several streams and append all of it in one commit, or nothing. Raises as `change` does."""
        if len({change.stream for change in changes}) < len(changes):
            raise ValueError("one decision a stream: the second would not know of the first")
        async with self._turn_of(*(change.stream for change in changes)):
            for _ in range(MOST_ATTEMPTS):
                decided = [(change, *await self._decide(change)) for change in changes]
                try:
                    return await self._append(decided, cause)
                except ConstraintViolated as violated:
                    for change in changes:
                        self._kept.pop(change.stream, None)
                    if violated.constraint != STREAM_VERSION:
                        raise self._refusal(violated) from violated
        raise Unavailable("This is being changed by many at once; ask again.")

    async def record(self, stream: str, event: Event, cause: Cause) -> Written:
        """Append a fact that nothing decides about, as the first event of a stream of its own. Raises as `change`."""
        try:
            return await self._append([(None, stream, [event], 0, None)], cause)
        except ConstraintViolated as violated:
            raise self._refusal(violated) from violated

    async def _decide(self, change: Change[Any]) -> tuple[str, Sequence[Event], int, Any]:
        """The events to append, the version they follow and the state after them.

        A state that is kept from the last change may only be believed by appending to it: there a stale one collides
        with the version it missed. An answer that appends nothing is given from a state read afresh.
        """
        if change.stream in self._kept:
            state, version = self._kept[change.stream]
            try:
                if events := change.decide(state):
                    return change.stream, events, version, _after(change.category, state, events)
            except Refusal:
                pass
        state, version = await self.load(change.category, change.stream)
        events = change.decide(state)
        return change.stream, events, version, _after(change.category, state, events)

    async def _append(
        self, decided: Sequence[tuple[Change[Any] | None, str, Sequence[Event], int, Any]], cause: Cause
    ) -> Written:
        recorded = [
            self._envelop(stream, version + offset, event, cause)
            # Streams in the order of their names: two commands over the same streams cannot wait for each other.
            for _, stream, events, version, _ in sorted(decided, key=lambda part: part[1])
            for offset, event in enumerate(events, start=1)
        ]
        seen: Seen = tuple(f"{stream}@{version + len(events)}" for _, stream, events, version, _ in decided)
        written = Written(seen, cause.answer or {}, [event for _, _, events, _, _ in decided for event in events])
        unit = self._unit(recorded, cause, written)
        if unit.events or unit.guards or unit.statements:
            await self._writer.commit(unit)
        if cause.rehearsal:
            return replace(written, seen=())
        for change, stream, events, version, state in decided:
            if change is not None:
                self._keep(stream, state, version + len(events))
        return written

    def _unit(self, recorded: Sequence[Recorded], cause: Cause, written: Written) -> Unit:
        return Unit(
            events=[StoredEvent(r.stream, r.version, r.type, to_state(r)) for r in recorded],
            guards=cause.guards if recorded else (),
            statements=[
                *(statement for r in recorded for view in self._views for statement in view.changes(r)),
                *(check for ensure in cause.ensures for check in ensure([r.data for r in recorded])),
                *cause.bookkeeping(written.seen, written.answer),
            ],
            rehearsal=cause.rehearsal,
        )

    def _envelop(self, stream: str, version: int, event: Event, cause: Cause) -> Recorded:
        return Recorded(
            id=uuid7().hex,
            source=self._source,
            stream=stream,
            version=version,
            position=0,
            time=self._clock(),
            actor=cause.actor,
            grant=cause.grant_of(event) or cause.grant,
            correlation=cause.correlation,
            causation=cause.causation,
            data=event,
        )

    def _refusal(self, violated: ConstraintViolated) -> Exception:
        refusal = self._refusals.get(violated.constraint)
        return refusal() if refusal is not None else violated

    def _read(self, stored: StoredEvent) -> Recorded:
        return from_state(
            self._source,
            Notification(stored.originator_id, stored.originator_version, stored.topic, stored.state, id=0),
        )

    def _keep(self, stream: str, state: Any, version: int) -> None:
        self._kept[stream] = (state, version)
        self._kept.move_to_end(stream)
        if len(self._kept) > MOST_STATES_KEPT:
            self._kept.popitem(last=False)

    @asynccontextmanager
    async def _turn_of(self, *streams: str) -> AsyncIterator[None]:
        """Changes to one stream take turns within a process, so that they need not collide in the database."""
        async with AsyncExitStack() as turns:
            for stream in sorted(set(streams)):
                await turns.enter_async_context(self._turn(stream))
            yield

    @asynccontextmanager
    async def _turn(self, stream: str) -> AsyncIterator[None]:
        lock, waiting = self._turns.get(stream, (asyncio.Lock(), 0))
        self._turns[stream] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._turns[stream]
            if waiting == 1:
                del self._turns[stream]
            else:
                self._turns[stream] = (lock, waiting - 1)


def _after(category: Category[Any], state: Any, events: Sequence[Event]) -> Any:
    for event in events:
        state = category.evolve(state, event)
    return state
