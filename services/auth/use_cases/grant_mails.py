"""Mails about grants: people are told what they may reach."""

from collections.abc import Mapping
from datetime import datetime

from services.auth.adapters import mail_queue
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.eventstore.streams import Streams


class GrantMails:
    """What follows from grants elsewhere."""

    def __init__(self, streams: Streams, clock: Clock) -> None:
        self._streams = streams
        self._clock = clock

    async def tell_of_grant(
        self, profile_id: str, about: Mapping[str, str], *, event_id: str, granted_at: datetime, cause: Cause
    ) -> Written:
        """Queue the mail about a grant: the first one invites (L4). The commit has no event, only the row."""
        now = self._clock()
        row = mail_queue.queue_grant(
            event_id=event_id, profile_id=profile_id, about=about, granted_at=granted_at, now=now
        )
        return await self._streams.change_all([], cause.ensuring(lambda _: [row]))
