"""Health: is the process alive, may it be asked, and how far behind is everything that follows something."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response


class Health(BaseModel):
    """What a service knows of its own progress."""

    ready: bool
    relay_state: str
    relay_position: int
    """The last position of the log that the broker acknowledged."""
    relay_behind: int
    """Positions of the log that are not published yet."""
    inbox_behind: dict[str, int | None]
    """Records of each topic that are not applied yet; None while the broker has not said how many there are."""
    dead_letters: int
    revocations_heard_seconds_ago: float | None = None
    """None while that is not known; too long ago, and no command is taken (S-16)."""
    alarms: list[str] = []
    """What somebody has to look at now, as the service itself says."""
    error: str | None = None


def routes(service: str, look: Callable[[], Awaitable[Health]]) -> APIRouter:
    """`/health/live`, `/health/ready`, `/health/lag` and Prometheus' `/metrics`; for the inside only."""
    api = APIRouter(include_in_schema=False)
    registry = CollectorRegistry()
    relay = Gauge("relay_behind", "Positions not published yet", ["service"], registry=registry)
    inbox = Gauge("inbox_behind", "Records not applied yet", ["service", "topic"], registry=registry)
    parked = Gauge("dead_letters", "Records parked", ["service"], registry=registry)

    heard = Gauge(
        "revocations_heard_seconds_ago", "Above the limit no command is taken", ["service"], registry=registry
    )

    alarms = Gauge("alarms", "What somebody has to look at now", ["service"], registry=registry)

    @api.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @api.get("/health/ready")
    async def ready() -> Response:
        health = await look()
        return JSONResponse({"ready": health.ready}, 200 if health.ready else 503)

    @api.get("/health/lag")
    async def lag() -> dict[str, Any]:
        return (await look()).model_dump()

    @api.get("/metrics")
    async def metrics() -> Response:
        health = await look()
        relay.labels(service).set(health.relay_behind)
        parked.labels(service).set(health.dead_letters)
        alarms.labels(service).set(len(health.alarms))
        for topic, behind in health.inbox_behind.items():
            inbox.labels(service, topic).set(math.nan if behind is None else behind)
        ago = health.revocations_heard_seconds_ago
        heard.labels(service).set(math.inf if ago is None else ago)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return api
