"""What people may ask about what was driven: may they ask → the rows that are theirs.

A5, A6: an account's usage and payments are its administrators', a product's journeys whoever has access to it, too.
A13: what is out of reach answers like what does not exist. A14: a download asks again before each piece, so a right
that is revoked meanwhile cuts it off; it never looks as if it had come to its end.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.products.views import cards, payments, receipts, usage
from services.products.views.usage import HEADER, Lines, Wanted
from services.profiles import policy
from services.profiles.access import Access
from shared.actor import Actor
from shared.database import Database, Row
from shared.errors import NotFound


class NoReceipt(NotFound):
    """There is no receipt: this product has no such journey that was paid by card."""

    code = "no-receipt"
    rule = "P8"


@dataclass(frozen=True, slots=True)
class Usage:
    """Journeys as pages and as files, what they come to, and their receipts."""

    database: Database
    access: Access

    async def page(self, wanted: Wanted, actor: Actor) -> list[Row]:
        """A page of the journeys of an account or a product. Raises NotFound, NotPermitted."""
        await self._require(wanted, actor)
        return await usage.page(self.database, actor, wanted)

    async def file(self, wanted: Wanted, actor: Actor) -> AsyncIterator[str]:
        """The same as CSV, piece by piece; nothing is said before the first one is there.

        Raises NotFound, NotPermitted; a piece raises them, too, when the right is gone by then (A14).
        """
        first = await self._lines(wanted, actor)
        return self._pieces(first, wanted, actor)

    async def payments(self, wanted: payments.Wanted, actor: Actor) -> list[Row]:
        """A page of what an account paid, by month. Raises NotFound, NotPermitted."""
        await self.access.require(actor, policy.READ_PAYMENTS, wanted.account_id)
        return await payments.page(self.database, actor, wanted)

    async def invoiced(self, account_id: str, wanted: Wanted, actor: Actor) -> AsyncIterator[str]:
        """The journeys on an account's invoice as CSV. Raises NotFound, NotPermitted."""
        await self.access.require(actor, policy.READ_PAYMENTS, account_id)
        return await self.file(wanted, actor)

    async def receipt(self, product_id: str, journey_id: str, actor: Actor) -> Row:
        """The journey that a receipt is of, with what is written on the card. Raises NotFound, NotPermitted, NoReceipt.

        Whoever may have the receipt is told of the card on it, be it another's.
        """
        await self.access.require(actor, policy.READ_JOURNEYS, product_id)
        journey = await receipts.paid_by_card(self.database, actor, product_id, journey_id)
        if journey is None:
            raise NoReceipt
        card = await cards.written_on(self.database, journey["card_id"]) if journey["card_id"] else None
        return {**journey, "card": card}

    async def _pieces(self, lines: Lines, wanted: Wanted, actor: Actor) -> AsyncIterator[str]:
        yield HEADER + lines.text
        while lines.next is not None:
            lines = await self._lines(usage.going_on(wanted, lines.next), actor)
            yield lines.text

    async def _lines(self, wanted: Wanted, actor: Actor) -> Lines:
        await self._require(wanted, actor)
        return await usage.lines(self.database, actor, wanted)

    async def _require(self, wanted: Wanted, actor: Actor) -> None:
        if wanted.account_id is not None:
            await self.access.require(actor, policy.READ_USAGE, wanted.account_id)
        else:
            await self.access.require(actor, policy.READ_JOURNEYS, wanted.product_id or "")
