"""Fixtures of the mechanism's tests."""

from collections.abc import AsyncIterator

import pytest

from shared.broker import Topic, topic_of
from shared.settings import KafkaSettings
from tests.parts import Broker
from tests.shared.shop import Shop, open_shop


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    """One replica of the little service on a fresh database."""
    async with open_shop(database) as opened:
        yield opened


@pytest.fixture
async def replica(shop: Shop) -> AsyncIterator[Shop]:
    """A second replica on the same database."""
    async with open_shop(shop.dsn) as opened:
        yield opened


@pytest.fixture
def kafka(broker: Broker, request: pytest.FixtureRequest) -> KafkaSettings:
    """Settings for the running broker; the embedded one knows no idempotent producers, and joins groups slowly."""
    if request.node.callspec.params["broker"] == "kafka":
        return KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    return KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        idempotence=False,
        session_timeout_ms=3_000,
        heartbeat_interval_ms=800,
    )


@pytest.fixture
def topic(topic_prefix: str) -> Topic:
    """A topic of this test alone."""
    return topic_of("shop", topic_prefix)
