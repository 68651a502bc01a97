"""Steps: the half minutes that an authenticator app counts, and which of them are accepted.

C-20  The step that it is and the one before; an app whose clock is known to go wrong is met where it is, within bounds.
C-21  A step is accepted once, and none before it ever again.
C-24  Steps are counted from Unix time, so that no time zone has a say.
"""

from collections.abc import Sequence
from datetime import datetime

SECONDS = 30
MOST_DRIFT = 2
"""Steps that the clock of an app may go before or behind ours."""


def step_at(moment: datetime) -> int:
    """The step that it is."""
    return int(moment.timestamp()) // SECONDS


def acceptable(now: int, drift: int, steps: int) -> Sequence[int]:
    """The steps whose codes are looked at: of an app with this drift, so many, the newest first (C-20)."""
    return [now + drift - back for back in range(steps)]


def while_enrolling(now: int) -> Sequence[int]:
    """The steps in which a new app is looked for: it shows how far its clock is off (nobody is let in by it)."""
    return [now + off for off in range(-MOST_DRIFT, MOST_DRIFT + 1)]


def drift_shown(accepted: int, now: int) -> int:
    """How far the clock of an app is off, as its last accepted step shows: as little as explains it, within bounds."""
    off = accepted - now
    return max(-MOST_DRIFT, min(MOST_DRIFT, off if off > 0 else min(off + 1, 0)))
