"""The intake: a batch of records becomes journeys that count and records that are parked, in one transaction.

P7   A batch is whole or not at all, whoever is killed in the middle; taken in again, it changes nothing.

Replicas take turns: what one was told about its batch stays so to its commit. Nothing here waits for an append, nor
does any append wait here, save for the moment in which somebody attributes a parked journey by hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from services.products.adapters import journeys, parked_journeys
from services.products.adapters.journey_feed import Coming, read
from services.products.adapters.journeys import Taken
from services.products.adapters.parked_journeys import Parked, parked_id
from services.products.domain.journeys import Journey, Verdict, judged

Trip = tuple[str, str]
"""A product that is good for some trips only, and a journey that counts for it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a batch, and the trips that it used up (P3)."""

    taken: Taken
    trips: Sequence[Trip] = ()


def take(connection: Connection[Any], coming: Sequence[Coming], came_from: str) -> Batch:
    """Count or park each record that was not here before."""
    said = [record.says for record in coming if isinstance(record.says, Journey)]
    with connection.transaction():
        journeys.take_turn(connection)
        verdicts = _judged(connection, said)
        of_each = iter(verdicts)
        each = [(record, next(of_each) if isinstance(record.says, Journey) else None) for record in coming]
        aside = [(record, verdict) for record, verdict in each if verdict is None or verdict.reason]
        return _kept(connection, verdicts, parked_journeys.park(connection, aside, came_from), len(coming))


def take_again(connection: Connection[Any], parked: Sequence[Parked]) -> Batch:
    """Judge parked records once more: those that count now are parked no more. In the caller's transaction."""
    again = [(one, record, record.says) for one in parked if isinstance((record := read(one.raw)).says, Journey)]
    verdicts = _judged(connection, [says for *_, says in again if isinstance(says, Journey)], again=True)
    stay: list[tuple[Parked, Verdict]] = []
    gone: list[str] = []
    for (one, record, _), verdict in zip(again, verdicts, strict=True):
        if verdict.reason and one.parked_id == parked_id(verdict.journey.fingerprint):
            stay.append((one, verdict))
            continue
        gone.append(one.parked_id)
        if verdict.reason:  # it could not be read when it came
            parked_journeys.park(connection, [(record, verdict)], one.came_from)
    parked_journeys.take_away(connection, gone)
    parked_journeys.wait_for(connection, stay)
    return _kept(connection, verdicts, 0, len(parked))


def _judged(connection: Connection[Any], said: Sequence[Journey], *, again: bool = False) -> list[Verdict]:
    return list(judged(zip(said, journeys.facts_of(connection, said), strict=True), again=again)) if said else []


def _kept(connection: Connection[Any], verdicts: Sequence[Verdict], parked: int, of: int) -> Batch:
    counting = [verdict for verdict in verdicts if verdict.counts]
    taken = Taken(len(counting), parked, of - len(counting) - parked)
    if counting:
        journeys.count(connection, counting)
    journeys.add_up(connection, taken, counting)
    return Batch(
        taken, [(c.product_id, v.journey.id) for v in counting if (c := v.carrier) and c.trips_left is not None]
    )
