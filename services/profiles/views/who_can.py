"""Who holds one of these grants, each with the strongest of them and its origin? A page in the order of their ids.

A page goes on after an id, so it neither skips nor repeats anybody who holds something throughout, whatever is granted
and revoked meanwhile. From every grant that is looked for only a page's worth is read.
"""

from collections.abc import Sequence
from typing import Any, LiteralString

from services.profiles.access import IN_SIGHT
from shared.actor import Actor
from shared.database import Asked, Database, Row

_STRONGEST: LiteralString = (
    "array_position(ARRAY['main-administrator', 'account-administrator', 'product-access'], g.kind), g.target_id"
)
_COLUMNS: LiteralString = (
    "f.profile_id, p.email, p.name, f.kind, f.target_id, f.event_id, f.stream_version, f.granted_at, f.granted_by, "
    "f.granted_under"
)
# Of an agreement's accounts those count that the asker administers, or all of them.
_OF_GRANTS: LiteralString = f"""
    WITH wanted AS (
        SELECT * FROM unnest(%(kinds)s::text[], %(targets)s::text[]) AS w(kind, target_id)
        UNION ALL
        SELECT 'account-administrator', a.account_id FROM reach_accounts a
        WHERE a.agreement_id = %(below)s AND (%(seer)s::text IS NULL
            OR a.account_id IN (SELECT account_id FROM administered_accounts(%(seer)s)))),
    found AS (
        SELECT DISTINCT ON (g.profile_id) g.* FROM wanted w CROSS JOIN LATERAL (
            SELECT * FROM grant_origins o
            WHERE o.target_id = w.target_id AND o.kind = w.kind AND o.profile_id > %(after)s
            ORDER BY o.profile_id LIMIT %(limit)s) g
        ORDER BY g.profile_id, {_STRONGEST} LIMIT %(limit)s)
    SELECT {_COLUMNS} FROM found f JOIN people p USING (profile_id) ORDER BY f.profile_id"""

# Of a company the asker sees those who hold something on accounts that they administer, and main administrators there.
_OF_COMPANY: LiteralString = f"""
    WITH found AS (
        SELECT DISTINCT ON (g.profile_id) g.* FROM grant_origins g
        WHERE g.company_id = %(company)s AND g.kind = ANY(%(kinds)s) AND g.profile_id > %(after)s
          AND (%(seer)s::text IS NULL OR {IN_SIGHT})
        ORDER BY g.profile_id, {_STRONGEST} LIMIT %(limit)s)
    SELECT {_COLUMNS} FROM found f JOIN people p USING (profile_id) ORDER BY f.profile_id"""


async def holders(
    database: Database | Asked,
    grants: Sequence[tuple[str, str]],
    *,
    below: str | None,
    in_sight_of: Actor | None,
    after: str,
    limit: int,
) -> list[Row]:
    """Who holds one of the grants (kind and target each), or administers an account `below` that agreement."""
    asked: dict[str, Any] = {
        "kinds": [kind for kind, _ in grants],
        "targets": [target for _, target in grants],
        "below": below,
        **_asked(in_sight_of, after, limit),
    }
    return await database.rows(_OF_GRANTS, asked)


async def holders_in(
    database: Database | Asked,
    company_id: str,
    kinds: Sequence[str],
    *,
    in_sight_of: Actor | None,
    after: str,
    limit: int,
) -> list[Row]:
    """Who holds a grant of one of the kinds anywhere in a company. Raises Unavailable."""
    asked = {"company": company_id, "kinds": list(kinds), **_asked(in_sight_of, after, limit)}
    return await database.rows(_OF_COMPANY, asked)


def _asked(in_sight_of: Actor | None, after: str, limit: int) -> dict[str, Any]:
    return {"seer": in_sight_of.id if in_sight_of else None, "after": after, "limit": limit}
