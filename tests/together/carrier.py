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
        self._carried: Counter[tuple[str, str]] = Counter()
        """How far the log of the one was carried to the other."""

    async def deliver(self, *, last: tuple[str, str] | None = None) -> None:
        """Carry everything that was said, and what was said in answer to that, until nobody says anything new.

        What goes `last`, from one service to another, is carried once all else has arrived.
        """
        ways = [
            (source, to)
            for source in self._services
            for to in self._services
            if source is not to and to.inbox is not None
        ]
        early = [(source, to) for source, to in ways if (source.name, to.name) != last]
        for those in (early, ways):
            while any([await self._carry(source, to) for source, to in those]):
                pass

    async def _carry(self, source: Backbone, to: Backbone) -> bool:
        way = (source.name, to.name)
        said = source.recorder.select_notifications(self._carried[way] + 1, 1_000_000)
        assert to.inbox is not None
        await to.inbox.take_letters(
            [Letter(topic_of(source.name).name, 0, each.id, *wire(source.name, each)) for each in said]
        )
        self._carried[way] = said[-1].id if said else self._carried[way]
        return bool(said)
