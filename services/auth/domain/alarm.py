"""An alarm: something that one of the operator's people should look at.

C-09  Many failures over all accounts within an hour are guessing at many accounts at once; it is said once an hour.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.auth.domain.limits import Limits
from services.auth.events import GuessingSuspected

LOOKED_BACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the rules ask of an alarm; `Alarm()` is one that was not raised."""

    raised: bool = False


def alarm_id_of(moment: datetime) -> str:
    """The alarm of this hour: replicas that find the same thing find the same alarm."""
    return f"alarm-{int(moment.timestamp()) // 3600:032x}"


def evolve(_alarm: Alarm, _event: GuessingSuspected) -> Alarm:
    """The alarm after one more event of its history."""
    return Alarm(raised=True)


def suspect_guessing(alarm: Alarm, *, failures: int, now: datetime, limits: Limits) -> list[GuessingSuspected]:
    """So many tries have failed within the last hour."""
    if alarm.raised or failures < limits.alarm_failures_an_hour:
        return []
    return [GuessingSuspected(alarm_id=alarm_id_of(now), failures=failures, since=now - LOOKED_BACK)]
