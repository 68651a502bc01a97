"""The inbox: every event of another service takes effect exactly once, in the order of its stream.

One row a foreign stream holds the last version applied. The next version is applied, an older one skipped, a later one
parked until the gap is closed. Effect, row and reaction commit together, so redelivery and changes of partitions do no
harm. Views are fed in batches of one transaction; an event that somebody reacts to goes with the reaction's own commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from aiokafka import ConsumerRecord, TopicPartition
from orjson import JSONDecodeError
from psycopg import Connection
from pydantic import ValidationError

from shared import dead_letters
from shared.cause import Cause, Seen
from shared.dead_letters import TOO_EARLY, Letter
from shared.envelope import Attributes, MalformedEnvelopeError, Recorded, attributes
from shared.errors import Refusal, Unavailable
from shared.events import Event, UnknownEventError
from shared.eventstore.group_commit import ConstraintViolated, GroupCommit, Unit
from shared.eventstore.statement import Statement
from shared.ids import kind_of
from shared.logs import log
from shared.views import View

INBOX_LOCK = 0x5E1F5E14
MOST_TRIES = 5
NEXT_VERSION = "inbox_takes_the_next_version"

TABLES: LiteralString = f"""
CREATE TABLE IF NOT EXISTS inbox (stream text PRIMARY KEY, version bigint NOT NULL) WITH (fillfactor = 50);
CREATE OR REPLACE FUNCTION inbox_take(taken text, at bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inbox AS i VALUES (taken, at)
    ON CONFLICT (stream) DO UPDATE SET version = at WHERE i.version = at - 1;
    IF NOT FOUND THEN
        RAISE unique_violation USING CONSTRAINT = '{NEXT_VERSION}', MESSAGE = 'not the next version of ' || taken;
    END IF;
END $$;
{dead_letters.TABLE}
"""

Reaction = Callable[[Recorded, Cause], Awaitable[object]]
"""Whenever another service says X: handed the event and the cause to act under; commits at most once."""


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
        self._connect = connect
        self._connection: Connection[Any] | None = None
        self._writer = writer
        self._pause = pause_seconds
        self._one_at_a_time = asyncio.Lock()
        self.taken: dict[TopicPartition, int] = {}
        """The offset after the last record taken in, of each partition: how far this replica is."""

    @property
    def follows(self) -> frozenset[str]:
        return self._follows

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        """Apply a batch of records as they come from the broker; comes back when all of it is committed."""
        letters = [
            Letter(r.topic, r.partition, r.offset, [(k, v or b"") for k, v in r.headers], r.value or b"")
            for r in records
        ]
        await self.take_letters(letters)
        for r in records:
            self.taken[TopicPartition(r.topic, r.partition)] = r.offset + 1

    async def take_letters(self, letters: Sequence[Letter]) -> None:
        async with self._one_at_a_time:
            due = list(letters)
            while due:
                streams = await self._take(due)
                due = await asyncio.to_thread(self._now_due, streams)

    async def redrive(self) -> tuple[int, int]:
        """Try every dead letter again; answers how many are gone and how many are left."""
        before = await asyncio.to_thread(lambda: dead_letters.all_letters(self._connected()))
        await self.take_letters(before)
        left = await asyncio.to_thread(lambda: len(dead_letters.all_letters(self._connected())))
        return len(before) - left, left

    async def _take(self, letters: Sequence[Letter]) -> list[str]:
        run: list[_Item] = []
        touched: list[str] = []
        for item in self._placed(letters):
            touched.append(item.at.stream)
            if self._is_reacted_to(item.at.type):
                await self._apply(run)
                run = []
                await self._react(item)
            else:
                run.append(item)
        await self._apply(run)
        return touched

    def _placed(self, letters: Sequence[Letter]) -> Iterable[_Item]:
        for letter in letters:
            try:
                at = attributes(letter.headers)
            except MalformedEnvelopeError as malformed:
                log.error("record parked", topic=letter.topic, offset=letter.offset, reason=str(malformed))
                self._run([dead_letters.park(letter, None, None, str(malformed))])
                continue
            if kind_of(at.stream) in self._follows:
                yield _Item(at, letter)

    def _is_reacted_to(self, name: str) -> bool:
        return any(event.type == name for event in self._reactions)

    # Copies of others' facts, in batches ---------------------------------------------------------------------------

    async def _apply(self, items: Sequence[_Item]) -> None:
        """Apply a run of events to the copies in one transaction; one by one when one of them cannot be."""
        if not items:
            return
        try:
            await self._until_reachable(lambda: self._apply_batch(items))
        except _NOT_APPLICABLE as failure:
            if len(items) > 1:
                for item in items:
                    await self._apply([item])
            else:
                await self._park(items[0], failure)

    def _apply_batch(self, items: Sequence[_Item]) -> None:
        connection = self._connected()
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (INBOX_LOCK,))
            known = _versions(connection, {item.at.stream for item in items})
            before = dict(known)
            with connection.pipeline():
                for item in items:
                    for statement in self._next_in(known, item):
                        connection.execute(statement.sql, statement.params)
            _advance(connection, before, known)

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
            except _NOT_APPLICABLE as failure:
                tries += 1
                if tries == MOST_TRIES or isinstance(failure, _NEVER_APPLICABLE):
                    return await self._park(item, failure)
                await asyncio.sleep(self._pause * 2**tries)

    async def _react_once(self, item: _Item) -> None:
        version = await self._until_reachable(lambda: _versions(self._connected(), {item.at.stream}))
        known = version.get(item.at.stream, 0)
        if item.at.version <= known:
            return
        if item.at.version > known + 1:
            await asyncio.to_thread(
                self._run, [dead_letters.park(item.letter, item.at.stream, item.at.version, TOO_EARLY)]
            )
            return
        recorded = item.at.with_data(item.letter.value)
        effects = [
            Statement("SELECT inbox_take(%s, %s)", (item.at.stream, item.at.version)),
            *self._effects(recorded),
            dead_letters.forget([item.at.stream], [item.at.version]),
        ]
        committed = _Once(effects)
        cause = Cause(recorded.actor, recorded.correlation, recorded.id, recorded.grant, bookkeeping=committed)
        try:
            for kind, reaction in self._reactions.items():
                if isinstance(recorded.data, kind):
                    await reaction(recorded, cause)
            if not committed.used:
                await self._writer.commit(Unit(statements=effects))
        except ConstraintViolated as violated:
            if violated.constraint != NEXT_VERSION:
                raise
            # Another replica took this very event while partitions moved: its effect is there, ours is rolled back.

    # -----------------------------------------------------------------------------------------------------------------

    async def _park(self, item: _Item, failure: Exception) -> None:
        reason = f"{type(failure).__name__}: {_without_values(failure)}"
        log.error("event parked", stream=item.at.stream, version=item.at.version, type=item.at.type, reason=reason)
        statement = dead_letters.park(item.letter, item.at.stream, item.at.version, reason)
        await self._until_reachable(lambda: self._run([statement]))

    async def _until_reachable(self, work: Callable[[], Any]) -> Any:
        """Do database work in a thread, again until the database can be reached."""
        wait = 0.05
        while True:
            try:
                return await asyncio.to_thread(work)
            except (psycopg.OperationalError, psycopg.InterfaceError) as lost:
                log.warning("inbox: connection lost", error=str(lost))
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
                await asyncio.sleep(wait)
                wait = min(wait * 2, 2.0)

    def _run(self, statements: Iterable[Statement]) -> None:
        with self._connected().transaction():
            for statement in statements:
                self._connected().execute(statement.sql, statement.params)

    def _now_due(self, streams: Sequence[str]) -> list[Letter]:
        return dead_letters.now_due(self._connected(), streams)

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


_NEVER_APPLICABLE = (UnknownEventError, ValidationError, JSONDecodeError, MalformedEnvelopeError)
_NOT_APPLICABLE = (*_NEVER_APPLICABLE, psycopg.DatabaseError, ConstraintViolated, Refusal, LookupError, ValueError)


class _Once:
    """The inbox's part of a reaction's commit; remembers whether the reaction committed at all."""

    def __init__(self, effects: Sequence[Statement]) -> None:
        self._effects = effects
        self.used = False

    def __call__(self, _seen: Seen, _answer: Mapping[str, Any]) -> Iterable[Statement]:
        self.used = True
        return self._effects


def _versions(connection: Connection[Any], streams: Iterable[str]) -> dict[str, int]:
    rows = connection.execute("SELECT stream, version FROM inbox WHERE stream = ANY(%s)", (list(streams),))
    return dict(rows.fetchall())


def _advance(connection: Connection[Any], before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Record what was applied, from the version it was before: whoever came between makes this fail and try again."""
    moved = sorted(stream for stream, version in after.items() if before.get(stream, 0) != version)
    if not moved:
        return
    rows = connection.execute(
        "INSERT INTO inbox AS i SELECT m.stream, m.after "
        "FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS m(stream, before, after) "
        "ON CONFLICT (stream) DO UPDATE SET version = excluded.version "
        "WHERE i.version = (SELECT u.before FROM unnest(%s::text[], %s::bigint[]) AS u(stream, before) "
        "                   WHERE u.stream = i.stream) RETURNING 1",
        (
            moved,
            [before.get(stream, 0) for stream in moved],
            [after[stream] for stream in moved],
            moved,
            [before.get(stream, 0) for stream in moved],
        ),
    ).fetchall()
    if len(rows) != len(moved):
        raise psycopg.OperationalError("another replica applied some of this batch meanwhile")
    forget = dead_letters.forget(moved, [after[stream] for stream in moved])
    connection.execute(forget.sql, forget.params)


def _without_values(failure: Exception) -> str:
    """What went wrong, without the values: a dead letter's reason is read by people who may not see the data."""
    if isinstance(failure, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in failure.errors(include_input=False))
    if isinstance(failure, psycopg.Error):
        return failure.diag.message_primary or type(failure).__name__
    if isinstance(failure, (UnknownEventError, ConstraintViolated, MalformedEnvelopeError)):
        return str(failure)
    return getattr(failure, "code", type(failure).__name__)
