"""The clock check: how far this machine's clock is from the database's (C-24).

Two machines that both follow network time agree; where they do not, one of them is wrong, and codes of an app, which
are nothing but the time, cannot be trusted.
"""

from datetime import timedelta

from shared.clock import Clock
from shared.database import Database
from shared.errors import Unavailable
from shared.logs import log

ALARM = timedelta(seconds=1)
MOST = timedelta(seconds=5)


class ClockNotTrusted(Unavailable):
    """Codes of an authenticator app cannot be checked just now; use a mailed code."""

    code = "clock-not-trusted"


class ClockCheck:
    """What was found when it was last looked at."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.off = timedelta(0)

    async def look(self) -> None:
        """Compare the clocks. Raises Unavailable."""
        before = self._clock()
        row = await self._database.row("SELECT clock_timestamp() AS there")
        after = self._clock()
        assert row is not None  # noqa: S101 (it selects a value)
        there = row["there"]
        self.off = max(before - there, there - after, timedelta(0))
        if self.off > ALARM:
            log.error("alarm: clocks differ", seconds=self.off.total_seconds())

    def must_be_trusted(self) -> None:
        """Raises ClockNotTrusted."""
        if self.off > MOST:
            raise ClockNotTrusted(retry_after=60)
