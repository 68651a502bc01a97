"""The time, as an argument: decisions never look at a clock, so whoever calls them does it here."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Answers the present moment as an aware UTC datetime."""


def system_clock() -> datetime:
    """The machine's time in UTC."""
    return datetime.now(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """A moment as a whole number of microseconds since 1970, exactly: so it stands in cursors."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(number: int) -> datetime:
    """The moment that `microseconds` made the number of. Raises OverflowError beyond the year 9999."""
    return _EPOCH + timedelta(microseconds=number)
