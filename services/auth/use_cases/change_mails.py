"""Mails about change requests: a company's administrators are told what became of what they asked for (C3)."""

from datetime import datetime

from services.auth.adapters import mail_queue
from services.company.events import ChangeRequestApproved, ChangeRequestDeclined, ChangeRequestWithdrawn
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.eventstore.streams import Streams

Closed = ChangeRequestApproved | ChangeRequestDeclined | ChangeRequestWithdrawn


class ChangeMails:
    """What follows from requests that are no longer open."""

    def __init__(self, streams: Streams, clock: Clock) -> None:
        self._streams = streams
        self._clock = clock

    async def tell_what_became_of(self, closed: Closed, *, event_id: str, closed_at: datetime, cause: Cause) -> Written:
        """Queue the mails about it. The commit has no event, only the rows."""
        rows = mail_queue.queue_change_decided(
            event_id=event_id,
            company_id=closed.company_id,
            requested_by=closed.requested_by,
            about={"company": closed.company_id, "change": closed.kind, **_decision(closed)},
            decided_at=closed_at,
            now=self._clock(),
            # Of what was only asked for, and taken back, others need not hear.
            to_others=not isinstance(closed, ChangeRequestWithdrawn),
        )
        return await self._streams.change_all([], cause.ensuring(lambda _: [rows]))


def _decision(closed: Closed) -> dict[str, str]:
    match closed:
        case ChangeRequestApproved():
            return {"decision": "approved"}
        case ChangeRequestDeclined(reason=reason):
            return {"decision": "declined", "reason": reason}
        case ChangeRequestWithdrawn():
            return {"decision": "withdrawn"}
