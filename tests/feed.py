"""Given: what other services said before, and who asks. Shared by the tests of all services.

`Feed` numbers foreign events per stream and puts them through the real inbox in their wire form; `ask` calls the real
application with a real access token.
"""

import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiokafka import TopicPartition
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import Notification
from fastapi import FastAPI
from pydantic import SecretStr

from services.audit.service import Settings as AuditSettings
from services.auth.events import SigningKeyPublished, StaffAdded
from shared.actor import Actor
from shared.backbone import Backbone
from shared.dead_letters import Letter
from shared.envelope import Recorded, from_state, to_state, wire
from shared.events import Event
from shared.ids import new_id, uuid7
from shared.settings import KafkaSettings, ServiceSettings
from shared.tokens import sign
from tests.parts import OWNERS

SYSTEM = Actor("system", "tests")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY_ID = "key-" + "0" * 31 + "1"
SUSANNE = Actor("staff", "staff-" + "0" * 31 + "5")
"""Customer service."""


def settings_for(dsn: str) -> ServiceSettings:
    """Settings of a service whose broker cannot be reached: its store is real, nothing is published.

    Where the owner of the database is not known, its tables have to be there.
    """
    return ServiceSettings(
        database_url=SecretStr(dsn),
        database_owner_url=SecretStr(OWNERS[dsn]) if dsn in OWNERS else None,
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:9"),
    )


def settings_of_audit(dsn: str) -> AuditSettings:
    """The same, of audit, with the key of its proof."""
    return AuditSettings(**dict(settings_for(dsn)), log_key=SecretStr("log key of the tests, 32 letters!"))


class Feed:
    """Other services' events, given to one service's inbox."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._versions: Counter[str] = Counter()
        self._position = 0

    async def given(self, *events: Event, by: Actor = SYSTEM) -> None:
        """These happened elsewhere, in this order, and have arrived."""
        assert self._backbone.inbox is not None
        await self._backbone.inbox.take_letters([self.letter(event, by=by) for event in events])

    def letter(self, event: Event, *, by: Actor = SYSTEM) -> Letter:
        """The record that the event arrives as; its stream is that of its first identifier of the right kind."""
        stream = _stream_of(event)
        self._versions[stream] += 1
        self._position += 1
        recorded = Recorded(
            id=uuid7().hex,
            source=event.type.split(".")[0],
            stream=stream,
            version=self._versions[stream],
            position=self._position,
            time=datetime.now(UTC),
            actor=by,
            grant=None,
            correlation="given",
            causation=None,
            data=event,
        )
        stored = Notification(stream, recorded.version, event.type, to_state(recorded), id=self._position)
        headers, value = wire(recorded.source, stored)
        return Letter("given", 0, self._position, headers, value)

    async def given_the_house(self) -> None:
        """The signing key is known and Susanne is customer service: what every asking needs."""
        raw = KEY.public_key().public_bytes_raw()
        await self.given(
            SigningKeyPublished(
                key_id=KEY_ID,
                algorithm="EdDSA",
                public_key=base64.urlsafe_b64encode(raw).decode().rstrip("="),
                not_after=datetime.now(UTC) + timedelta(days=1),
            ),
            StaffAdded(
                staff_id=SUSANNE.id,
                email="susanne@example.com",
                address="susanne@example.com",
                name="Susanne Skov",
            ),
        )


_STREAM_FIELD = {
    "profiles": ("profile_id", "attempt_id"),
    "products": ("cards_id", "redrive_id", "parked_id", "intake_id", "product_id", "bulk_id", "attempt_id"),
    "company": ("company_id", "attempt_id"),
    "auth": ("staff_id", "login_id", "session_id", "challenge_id", "key_id", "alarm_id", "attempt_id"),
    "audit": ("reading_id", "attempt_id"),
}


def _stream_of(event: Event) -> str:
    fields = _STREAM_FIELD[event.type.split(".")[0]]
    return str(next(value for field in fields if (value := getattr(event, field, None))))


def token(actor: Actor, audience: str, session: str | None = None) -> str:
    """An access token as auth signs them, of a session of its own unless one is named."""
    session = session or new_id("session")
    return sign(KEY, KEY_ID, audience=audience, actor=actor, session=session, now=datetime.now(UTC))


class Asking:
    """One person asking one service over HTTP."""

    def __init__(self, app: FastAPI, audience: str, actor: Actor | None) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://service"
        )
        self._audience = audience
        self._actor = actor

    async def __call__(
        self, method: str, path: str, body: Any = None, *, content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """Ask; header names are written with underscores (`idempotency_key=…`)."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._actor is not None:
            sent.setdefault("authorization", f"Bearer {token(self._actor, self._audience)}")
        if content is None and body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent.setdefault("content-type", "application/json")
        return await self._client.request(method, path, content=content, headers=sent)


@asynccontextmanager
async def running(*backbones: Backbone) -> AsyncIterator[None]:
    """Services with their stores open and their broker out of reach; revocations count as heard all the time."""
    for backbone in backbones:
        await backbone.open_store()
        await hears_until(backbone, timedelta(days=365))
    try:
        yield
    finally:
        for backbone in backbones:
            await backbone.close_store()


async def hears_until(backbone: Backbone, from_now: timedelta) -> None:
    """The topics that this service heeds were heard until then, as if a broker had said so."""
    await backbone.heard.note(
        {
            TopicPartition(topic.name, number): -from_now.total_seconds()
            for topic in backbone.topics
            for number in range(topic.partitions)
        }
    )


def log_of(backbone: Backbone) -> Iterable[Recorded]:
    """The whole log of a service, in order."""
    for stored in backbone.recorder.select_notifications(start=1, limit=1_000_000):
        yield from_state(backbone.name, stored)
