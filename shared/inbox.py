"""The inbox: every event of another service takes effect exactly once, in the order of its stream.

One row a foreign stream holds the last version applied. The next version is applied, an older one skipped, a later one
parked until the gap is closed. Effect, row and reaction commit together, so redelivery and changes of partitions do no
harm. Views are fed in batches of one transaction; an event that somebody reacts to goes with the reaction's own commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from aiokafka import ConsumerRecord
from orjson import JSONDecodeError
from psycopg import Connection
from pydantic import ValidationError

from shared import dead_letters, inbox_store
from shared.cause import Cause
from shared.dead_letters import TOO_EARLY, Letter
from shared.envelope import Attributes, MalformedEnvelopeError, Recorded, attributes
from shared.errors import Unavailable
from shared.events import Event, UnknownEventError, newest
from shared.eventstore.group_commit import ConstraintViolated, GroupCommit, Unit
from shared.eventstore.statement import Statement, run
from shared.ids import kind_of
from shared.inbox_store import NEXT_VERSION, TABLES, InboxStore
from shared.logs import log
from shared.views import View

__all__ = ["TABLES", "Inbox", "Reaction"]

MOST_TRIES = 5

Reaction = Callable[[Recorded, Cause], Awaitable[object]]
"""Whenever another service says X: handed the event and the cause to act under; commits under that at most once.

What is too much for one commit goes before it, under `cause.on_the_way()`; after a crash in between it is asked again.
"""

_UNREADABLE = (UnknownEventError, ValidationError, JSONDecodeError, TypeError)
"""What no later try will change."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A record that could be placed in its stream."""

    at: Attributes
    letter: Letter


class Inbox:
    """Takes in other services' events for one service: its copies of their facts and its reactions."""

    def __init__(
        self,
        *,
        follows: Iterable[str],
        copies: Sequence[View],
        reactions: Mapping[type[Event], Reaction],
        connect: Callable[[], Connection[Any]],
        writer: GroupCommit,
        pause_seconds: float = 0.2,
    ) -> None:
        """`follows` names the kinds of streams that matter here; `pause_seconds` doubles after each failed try."""
        self._follows = frozenset(follows)
        self._copies = copies
        self._reactions = reactions
        self._reacted_to = frozenset(event.type for event in reactions)
        self._store = InboxStore(connect)
        self._writer = writer
        self._pause = pause_seconds
        self._one_at_a_time = asyncio.Lock()

    @property
    def follows(self) -> frozenset[str]:
        return self._follows

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        """Apply a batch of records as they come from the broker; comes back when all of it is committed."""
        letters = [Letter(r.topic, r.partition, r.offset, tuple(r.headers), r.value or b"") for r in records]
        await self.take_letters(letters)

    async def take_letters(self, letters: Sequence[Letter]) -> None:
        """Apply records, and then those that had waited for them."""
        async with self._one_at_a_time:
            due = letters
            while due:
                due = await self._now_due(await self._take(due))

    async def redrive(self) -> tuple[int, int]:
        """Try every dead letter again; answers how many are gone and how many are left."""
        before = await self._store.done(dead_letters.all_letters)
        await self.take_letters(before)
        left = len(await self._store.done(dead_letters.all_letters))
        return len(before) - left, left

    def close(self) -> None:
        self._store.close()

    async def _take(self, letters: Sequence[Letter]) -> list[str]:
        """Apply records in their order; answers the streams they belong to."""
        run: list[_Item] = []
        touched: dict[str, None] = {}
        for letter in letters:
            item = await self._placed(letter)
            if item is None:
                continue
            touched[item.at.stream] = None
            if newest(item.at.type) in self._reacted_to:
                await self._apply(run)
                run = []
                await self._react(item)
            else:
                run.append(item)
        await self._apply(run)
        return list(touched)

    async def _placed(self, letter: Letter) -> _Item | None:
        """The record with its place in a stream; None when it does not matter here, or is not an event at all."""
        try:
            at = attributes(letter.headers)
        except MalformedEnvelopeError as malformed:
            await self._park(letter, None, None, f"{type(malformed).__name__}: {malformed}")
            return None
        return _Item(at, letter) if kind_of(at.stream) in self._follows else None

    # Copies of others' facts, in batches ---------------------------------------------------------------------------

    async def _apply(self, items: Sequence[_Item]) -> None:
        """Apply a run of events to the copies in one transaction; in halves when one of them cannot be."""
        if not items:
            return
        try:
            await self._store.done(lambda connection: self._apply_batch(connection, items))
        except Exception as failure:  # noqa: BLE001 (whatever it is: the event is parked, the others go on)
            if len(items) > 1:
                await self._apply(items[: len(items) // 2])
                await self._apply(items[len(items) // 2 :])
            else:
                await self._park_item(items[0], _reason(failure))

    def _apply_batch(self, connection: Connection[Any], items: Sequence[_Item]) -> None:
        with connection.transaction():
            before = inbox_store.take_turn(connection, {item.at.stream for item in items})
            after = dict(before)
            with connection.pipeline():
                run(connection, (statement for item in items for statement in self._next_in(after, item)))
            inbox_store.advance(connection, before, after)

    def _next_in(self, known: dict[str, int], item: _Item) -> Iterable[Statement]:
        version = known.get(item.at.stream, 0)
        if item.at.version <= version:
            return
        if item.at.version > version + 1:
            log.error("event parked", stream=item.at.stream, version=item.at.version, reason=TOO_EARLY)
            yield dead_letters.park(item.letter, item.at.stream, item.at.version, TOO_EARLY)
            return
        yield from self._effects(item.at.with_data(item.letter.value))
        known[item.at.stream] = item.at.version

    def _effects(self, recorded: Recorded) -> Iterable[Statement]:
        return (statement for view in self._copies for statement in view.changes(recorded))

    # Reactions, each with the commit of what it causes -------------------------------------------------------------

    async def _react(self, item: _Item) -> None:
        tries = 0
        while True:
            try:
                return await self._react_once(item)
            except Unavailable:
                await asyncio.sleep(self._pause)
            except Exception as failure:  # noqa: BLE001 (whatever it is: the event is parked, the others go on)
                tries += 1
                if tries == MOST_TRIES or isinstance(failure, _UNREADABLE):
                    return await self._park_item(item, _reason(failure))
                await asyncio.sleep(self._pause * 2**tries)

    async def _react_once(self, item: _Item) -> None:
        stream, version = item.at.stream, item.at.version
        known = await self._version_of(stream)
        if version <= known:
            return
        if version > known + 1:
            await self._park_item(item, TOO_EARLY)
            return
        recorded = item.at.with_data(item.letter.value)
        taking = [
            inbox_store.take(stream, version),
            *self._effects(recorded),
            dead_letters.forget([stream], [version]),
        ]
        cause = Cause(
            recorded.actor, recorded.correlation, recorded.id, recorded.grant, bookkeeping=lambda _seen, _answer: taking
        )
        try:
            for kind, reaction in self._reactions.items():
                if isinstance(recorded.data, kind):
                    await reaction(recorded, cause)
            if await self._version_of(stream) < version:  # there was nothing to commit
                await self._writer.commit(Unit(statements=taking))
        except ConstraintViolated as violated:
            if violated.constraint != NEXT_VERSION:
                raise
            # Another replica took this very event while partitions moved: its effect is there, ours is rolled back.

    async def _version_of(self, stream: str) -> int:
        return await self._store.done(lambda connection: inbox_store.version_of(connection, stream))

    # -----------------------------------------------------------------------------------------------------------------

    async def _now_due(self, streams: Sequence[str]) -> Sequence[Letter]:
        return await self._store.done(lambda connection: dead_letters.now_due(connection, streams))

    async def _park_item(self, item: _Item, reason: str) -> None:
        await self._park(item.letter, item.at.stream, item.at.version, reason)

    async def _park(self, letter: Letter, stream: str | None, version: int | None, reason: str) -> None:
        log.error("record parked", topic=letter.topic, offset=letter.offset, stream=stream, reason=reason)
        statement = dead_letters.park(letter, stream, version, reason)
        await self._store.done(lambda connection: run(connection, [statement]))


def _reason(failure: Exception) -> str:
    """What went wrong, without the values: a dead letter's reason is read by people who may not see the data."""
    return f"{type(failure).__name__}: {_without_values(failure)}"


def _without_values(failure: Exception) -> str:
    if isinstance(failure, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in failure.errors(include_input=False))
    if isinstance(failure, psycopg.Error):
        return failure.diag.message_primary or type(failure).__name__
    if isinstance(failure, (UnknownEventError, ConstraintViolated)):
        return str(failure)
    return getattr(failure, "code", "")
