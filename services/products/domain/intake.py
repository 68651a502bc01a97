"""The intake: how many journeys count by now, said now and then as an event.

P7   Every journey that counts is part of a sum that the history holds; the journeys themselves are no events.
"""

from dataclasses import dataclass
from typing import assert_never

from services.products.events import JourneysTakenIn

FINGERPRINTS = 2**128
"""Fingerprints are added up modulo this."""


@dataclass(frozen=True, slots=True)
class Tally:
    """So many count, so many were ever parked."""

    counted: int = 0
    parked: int = 0
    fingerprint: int = 0


def evolve(_before: Tally, event: JourneysTakenIn) -> Tally:
    """What was said last."""
    match event:
        case JourneysTakenIn(counted=counted, parked=parked, fingerprint=fingerprint):
            return Tally(counted, parked, int(fingerprint, 16))
        case _:
            assert_never(event)


def say(before: Tally, now: Tally, *, intake_id: str) -> list[JourneysTakenIn]:
    """Say what came since it was said last; nothing when nothing did."""
    if now.counted <= before.counted and now.parked <= before.parked:
        return []
    fingerprint = f"{now.fingerprint:032x}"
    return [JourneysTakenIn(intake_id=intake_id, counted=now.counted, parked=now.parked, fingerprint=fingerprint)]
