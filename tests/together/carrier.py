"""Carries what services say from their logs into each other's inboxes, as relay, broker and subscription would."""

from collections import Counter

from shared.backbone import Backbone
from shared.broker import topic_of
from shared.dead_letters import Letter
from shared.envelope import wire


class Carrier:
    """The way from every log to every inbox; nothing moves until it is told to."""

    def __init__(self, *services: Backbone) -> None:
        self._services = services
        self._carried: Counter[str] = Counter()

    async def deliver(self) -> None:
        """Carry everything that was said, and what was said in answer to that, until nobody says anything new."""
        while any([await self._carry(source) for source in self._services]):
            pass

    async def _carry(self, source: Backbone) -> bool:
        said = source.recorder.select_notifications(self._carried[source.name] + 1, 1_000_000)
        letters = [Letter(topic_of(source.name).name, 0, each.id, *wire(source.name, each)) for each in said]
        for service in self._services:
            if service is not source and service.inbox is not None:
                await service.inbox.take_letters(letters)
        self._carried[source.name] = said[-1].id if said else self._carried[source.name]
        return bool(said)
