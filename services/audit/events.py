"""What audit says: that somebody read the history (reading is itself recorded, H3)."""

from datetime import datetime
from typing import Literal

from shared.events import Event, Plain, Pseudonym
from shared.refusals import RefusedAttempt


class HistoryRead(Event, type="audit.history-read.v1"):
    """Somebody read the history of one entity; who and under which grant stands in the envelope."""

    reading_id: Pseudonym[str]
    entity_id: Pseudonym[str]
    entries: Plain[int]


class HistoryTakenOut(Event, type="audit.history-taken-out.v1"):
    """Somebody took the whole history out, from one leaf up to, but not including, another one."""

    reading_id: Pseudonym[str]
    how: Plain[Literal["export", "replay"]]
    first: Plain[int]
    end: Plain[int]


Question = Literal["holders", "reach", "grants", "differences", "state", "decisions"]
"""Who could reach a place; what a person reached; all grants; what differs between two moments; what an entity was;
what was decided, to be decided again by another table of the policy."""


class PastRead(Event, type="audit.past-read.v1"):
    """Somebody asked how things were at a moment, or what differs between two; who stands in the envelope."""

    reading_id: Pseudonym[str]
    question: Plain[Question]
    entity_id: Pseudonym[str | None]
    """What it was about; None for all that is in the reader's reach."""
    moments: Plain[tuple[datetime, ...]]
    entries: Plain[int]


class AttemptRefused(RefusedAttempt, type="audit.attempt-refused.v1"):
    """A rule of audit refused an attempt (H1)."""
