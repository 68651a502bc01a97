"""Which of these people, accounts and agreements does the asker see? What they do not is not named to them (A13)."""

from collections.abc import Iterable
from typing import LiteralString

from services.profiles.access import IN_SIGHT
from shared.actor import Actor
from shared.database import Database

_SEEN: LiteralString = f"""
    WITH mine AS MATERIALIZED (
        SELECT m.account_id, r.agreement_id
        FROM administered_accounts(%(seer)s) m LEFT JOIN reach_accounts r USING (account_id))
    SELECT id FROM unnest(%(ids)s::text[]) AS id
    WHERE id = %(seer)s
        OR id IN (SELECT account_id FROM mine)
        OR id IN (SELECT agreement_id FROM mine WHERE agreement_id IS NOT NULL)
        OR EXISTS (SELECT 1 FROM reach_grants g WHERE g.profile_id = id AND {IN_SIGHT})"""


async def seen_by(database: Database, actor: Actor, ids: Iterable[str]) -> frozenset[str]:
    """Those of the ids that lie within the reach of somebody who is not of customer service. Raises Unavailable."""
    rows = await database.asked_by(actor).rows(_SEEN, {"seer": actor.id, "ids": sorted(set(ids))})
    return frozenset(row["id"] for row in rows)
