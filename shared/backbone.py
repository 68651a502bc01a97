"""The backbone: the parts that every service has, put together, started and stopped in order.

A service's `service.py` makes one, hands its streams to its use cases, says what it reacts to, and serves its routes.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import uvicorn
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, FastAPI
from psycopg import Connection

from shared import health, idempotency, schema
from shared.broker import BatchHandler, PartitionsChangedError, Topic, ensure_topics, topic_of
from shared.cause import Cause
from shared.clock import Clock, system_clock
from shared.database import Database
from shared.errors import Refusal, Unavailable
from shared.events import Event
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.recorder import OrderedRecorder, datastore
from shared.eventstore.streams import Streams
from shared.health import Health
from shared.heard import Ages, Heard
from shared.http import problems
from shared.http.card_numbers import must_carry_no_card_number
from shared.http.denied import must_name_its_rows
from shared.http.door import Door, MustStand
from shared.http.edge import Edge
from shared.ids import new_id
from shared.inbox import Inbox, Reaction
from shared.logs import configure_logs, log
from shared.refusals import RefusedAttempt
from shared.relay import Relay
from shared.seen import Applied
from shared.settings import ServiceSettings
from shared.subscription import Subscription
from shared.tokens import FindKey, Verifier
from shared.views import View
from shared.wall import Roles

PURGE_SECONDS = 3600.0
LOOK_FOR_TOPIC_SECONDS = 5.0
IDLE_SECONDS = 65
"""A connection is kept for longer than clients keep theirs: one that is closed just now would fail the next request."""


class Backbone:
    """The mechanism of one service: its log, its views, its relay, its inbox and its door."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        own: Iterable[str],
        views: Sequence[View],
        hears: Sequence[str] = (),
        heeds: Sequence[str] = (),
        follows: Iterable[str] = (),
        copies: Sequence[View] = (),
        attempt_refused: type[RefusedAttempt],
        clock: Clock = system_clock,
    ) -> None:
        """`own` and `follows` name kinds of streams; `hears` names the services whose topics are subscribed to,
        `heeds` those among them that revoke what callers rely on: while they are not heard, no command is taken.

        `views` change in the commit of this service's own events, `copies` in the inbox with others'.
        """
        self.name = name
        self.settings = settings
        self.clock = clock
        self._dsn = settings.database_url.get_secret_value()
        self.views, self.copies = views, copies
        self._own, self.follows = frozenset(own), frozenset(follows)
        self.topics = [topic_of(service, settings.kafka.topic_prefix) for service in hears]
        heeded = [topic_of(service, settings.kafka.topic_prefix) for service in heeds]
        self._attempt_refused = attempt_refused
        self._datastore = datastore(self._dsn, connections=8)
        self.recorder = OrderedRecorder(self._datastore)
        self.writer = GroupCommit(self.connect)
        self.streams = Streams(name, self.recorder, self.writer, views, clock)
        self.database = Database(self._dsn)
        self.heard = Heard(self.database, heeded, settings.revocations_within_seconds)
        self.relay = Relay(name, topic_of(name, settings.kafka.topic_prefix), self.recorder, self._dsn, settings.kafka)
        self.applied = Applied(self.database, own=self._own, follows=self.follows)
        self.inbox: Inbox | None = None
        self._subscription: Subscription | None = None
        self._feeds: list[Subscription] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._background: list[Callable[[], Coroutine[Any, Any, Any]]] = []
        self._alarms: list[Callable[[], Iterable[str]]] = []
        self.subscribed = False

    def connect(self) -> Connection[Any]:
        """A connection of one's own for a thread that writes."""
        return psycopg.connect(self._dsn, autocommit=True, prepare_threshold=2, options="-c lock_timeout=10s")

    def reacts(self, reactions: Mapping[type[Event], Reaction] | None = None) -> None:
        """Say what this service does whenever another service says something, and take in the copies."""
        self.inbox = Inbox(
            follows=self.follows,
            copies=self.copies,
            reactions=reactions or {},
            connect=self.connect,
            writer=self.writer,
        )

    def runs(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Add work of the service's own that goes on until it stops (a mailer, a clean-up)."""
        self._background.append(work)

    def is_alarmed_by(self, look: Callable[[], Iterable[str]]) -> None:
        """Show in this service's health what `look` says that somebody has to look at."""
        self._alarms.append(look)

    def takes_in(self, feed: Topic, handle: BatchHandler, *, most: int) -> None:
        """Take in a feed that others write, in batches of so many records; `handle` keeps what it needs of them."""
        self._feeds.append(Subscription([feed], f"{self.name}-takes-in", self.settings.kafka, handle, most))
        self.runs(partial(self._keep_topic, feed))

    def door(self, find_key: FindKey, must_stand: MustStand) -> Door:
        """The way in for requests, with tokens verified by the keys that `find_key` answers and `must_stand`."""
        return Door(
            verifier=Verifier(self.name, find_key, self.clock),
            must_stand=must_stand,
            must_have_heard=self.heard.must_be_fresh,
            applied=self.applied,
            database=self.database,
            record_refusal=self.record_refusal,
        )

    def app(self, routes: APIRouter, door: Door) -> FastAPI:
        """The service as an ASGI application."""
        app = FastAPI(
            title=self.name, version="1", lifespan=self._lifespan, docs_url=None, redoc_url=None, openapi_url=None
        )
        problems.install(app)
        app.add_exception_handler(Refusal, door.refused)
        app.include_router(routes, dependencies=[Depends(must_name_its_rows), Depends(must_carry_no_card_number)])
        app.include_router(health.routes(self.name, self.look))
        app.add_middleware(Edge)
        return app

    async def record_refusal(self, operation: str, about: Sequence[str], refusal: Refusal, cause: Cause) -> None:
        """Make a refused attempt part of the history (H1), in a stream of its own."""
        attempt = self._attempt_refused(
            attempt_id=new_id("attempt"),
            operation=operation,
            about=tuple(about),
            code=refusal.code,
            rule=refusal.rule,
            reason=refusal.detail,
        )
        await self.streams.record(attempt.attempt_id, attempt, cause)

    # Life ------------------------------------------------------------------------------------------------------------

    def migrate(self) -> None:
        """Create what is missing in the database, as its owner, if we know its address; see that all is there.

        Raises SchemaNotReady, NotForProduction.
        """
        views = list({id(view): view for view in (*self.views, *self.copies)}.values())
        roles, owner = Roles.of(self._dsn), self.settings.database_owner_url
        if owner is not None:
            schema.migrate(owner.get_secret_value(), roles, views)
        with self.connect() as connection:
            schema.look(connection, roles, views)
            if self.settings.environment == "production":
                schema.refuse_what_is_for_development(connection)

    async def open_store(self) -> None:
        """Everything that writing and reading needs, without the broker."""
        await asyncio.to_thread(self.migrate)
        await self.database.open()
        self.writer.after_commit = self.relay.wake
        await self.writer.start()

    async def close_store(self) -> None:
        await self.writer.stop()
        if self.inbox is not None:
            self.inbox.close()
        await self.database.close()
        self._datastore.close()

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        # The writer's thread must not wait out the interpreter's usual 5 ms for its turn after every answer.
        sys.setswitchinterval(0.0005)
        await self.open_store()
        mechanism = (self.relay.run, self._subscribe, self._note_what_is_heard, self._purge)
        for work in (*mechanism, *(feed.start for feed in self._feeds), *self._background):
            self._tasks.append(asyncio.create_task(_kept_going(work)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for subscription in self._subscriptions():
            await subscription.stop()
        await self.close_store()

    async def _subscribe(self) -> None:
        if self.inbox is not None and self.topics:
            self._subscription = Subscription(self.topics, self.name, self.settings.kafka, self.inbox.take)
            await self._subscription.start()
        self.subscribed = True

    def _subscriptions(self) -> list[Subscription]:
        return [*([self._subscription] if self._subscription else []), *self._feeds]

    async def _note_what_is_heard(self) -> None:
        async def look() -> Ages:
            return await self._subscription.heard() if self._subscription else {}

        await self.heard.keep_noting(look)

    async def _keep_topic(self, feed: Topic) -> None:
        """Make a feed's topic anew when a broker has lost it: no relay of ours does."""
        while True:
            await asyncio.sleep(LOOK_FOR_TOPIC_SECONDS)
            try:
                await ensure_topics([feed], self.settings.kafka)
            except (KafkaError, PartitionsChangedError, OSError) as not_now:
                log.warning("cannot look for the topic", topic=feed.name, error=str(not_now))

    async def _purge(self) -> None:
        while True:
            try:
                await self.database.execute(idempotency.PURGE)
            except (Unavailable, psycopg.Error) as failure:
                log.warning("purge failed", error=repr(failure))
            await asyncio.sleep(PURGE_SECONDS)

    async def look(self) -> Health:
        """How this service is doing."""
        progress = self.relay.progress
        row = None
        try:
            row = await self.database.row(
                "SELECT coalesce((SELECT max(notification_id) FROM events), 0) AS newest, "
                "coalesce((SELECT max(position) FROM relay), 0) AS relayed, "
                "(SELECT count(*) FROM dead_letters) AS dead"
            )
        except Unavailable as unreachable:
            progress = replace(progress, error=unreachable.detail)
        counts = row or {"newest": 0, "relayed": 0, "dead": 0}
        return Health(
            ready=self.subscribed and self.heard.once and row is not None,
            relay_state=progress.state,
            relay_position=counts["relayed"],
            relay_behind=counts["newest"] - counts["relayed"],
            inbox_behind={
                topic: behind
                for subscription in self._subscriptions()
                for topic, behind in (await subscription.behind()).items()
            },
            dead_letters=counts["dead"],
            revocations_heard_seconds_ago=self.heard.seconds_ago,
            alarms=[alarm for look in self._alarms for alarm in look()],
            error=progress.error,
        )


async def _kept_going(work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Background work ends when it says so or when the service stops; a defect in it is said, and it begins again."""
    while True:
        try:
            await work()
        except Exception as defect:  # noqa: BLE001 (one defect must not silence a relay or a mailer for ever)
            log.error(
                "defect in the background",
                work=getattr(work, "__qualname__", repr(work)),
                error=repr(defect),
                exc_info=defect,
            )
            await asyncio.sleep(1.0)
        else:
            return


def serve(app: FastAPI, settings: ServiceSettings, name: str) -> None:
    """Run one service until it is told to stop."""
    configure_logs(name, json=settings.environment == "production")
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        loop="uvloop",
        http="httptools",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=5,
    )
