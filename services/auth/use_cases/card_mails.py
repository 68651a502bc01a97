"""Mails about payment cards: whoever may replace a card is told in time that it expires, and when it has."""

from collections.abc import Mapping
from datetime import datetime

from services.auth.adapters import mail_queue
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.eventstore.streams import Streams


class CardMails:
    """What follows from what products says of cards."""

    def __init__(self, streams: Streams, clock: Clock) -> None:
        self._streams = streams
        self._clock = clock

    async def tell_of_card(
        self,
        account_id: str,
        product_id: str | None,
        about: Mapping[str, str],
        *,
        event_id: str,
        said_at: datetime,
        cause: Cause,
    ) -> Written:
        """Queue a mail for each of the account's administrators, and those who have access to the product (P6, A6).

        The commit has no event, only the rows.
        """
        rows = mail_queue.queue_card(
            event_id=event_id,
            account_id=account_id,
            product_id=product_id,
            about=about,
            said_at=said_at,
            now=self._clock(),
        )
        return await self._streams.change_all([], cause.ensuring(lambda _: [rows]))
