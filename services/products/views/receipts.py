"""What is told of one journey? (P8: its receipt.)"""

from typing import LiteralString

from services.products.views.usage import TOLD
from shared.actor import Actor
from shared.database import Database, Row

_PAID_BY_CARD: LiteralString = f"""
    SELECT {TOLD}, j.card_id FROM journeys j LEFT JOIN products p USING (product_id)
    WHERE j.journey_id = %s AND j.product_id = %s AND j.payment = 'card'"""


async def paid_by_card(database: Database, actor: Actor, product_id: str, journey_id: str) -> Row | None:
    """A journey of this product that was paid by card, if there is one. Raises Unavailable."""
    return await database.asked_by(actor).row(_PAID_BY_CARD, (journey_id, product_id))
