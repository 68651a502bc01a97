"""What does this person reach, each thing with the grant that it rests on? Agreements first, then account by account.

A product stands behind its account and never moves from there, so a page goes on exactly where the last one ended: it
neither skips nor repeats what is reached throughout, whatever is granted and revoked meanwhile. A page reads no more
accounts than it has lines, and of each no more products.
"""

from dataclasses import dataclass
from typing import LiteralString, Self

from shared.actor import Actor
from shared.database import Asked, Database, Row


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: behind an agreement, an account, or a product of an account."""

    account_id: str = ""
    thing: str = ""
    """The agreement or the product; empty for the account itself."""

    def __str__(self) -> str:
        return ".".join(part for part in (self.account_id, self.thing) if part)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form back; whoever takes the text in has checked its form."""
        first, _, product = text.partition(".")
        return cls("", first) if first.startswith("agreement-") else cls(first, product)


_STRONGEST: LiteralString = (
    "array_position(ARRAY['main-administrator', 'account-administrator', 'product-access'], kind), target_id"
)
# `thing` is empty for an account, so that it stands before its products. What is reached in two ways stands once, with
# the stronger grant. Whoever asks about somebody else is told of what lies on accounts that they administer (A9).
_REACHED: LiteralString = f"""
    WITH accounts AS MATERIALIZED (
        SELECT DISTINCT ON (account_id) account_id, kind, target_id FROM (
            SELECT a.account_id, g.kind, g.target_id FROM reach_grants g JOIN reach_accounts a
            ON a.agreement_id = g.target_id
            WHERE g.profile_id = %(who)s AND g.kind = 'main-administrator' AND a.account_id >= %(account)s
            UNION ALL
            SELECT g.target_id, g.kind, g.target_id FROM reach_grants g
            WHERE g.profile_id = %(who)s AND g.kind = 'account-administrator' AND g.target_id >= %(account)s) AS each
        WHERE %(seer)s::text IS NULL OR account_id IN (SELECT account_id FROM administered_accounts(%(seer)s))
        ORDER BY account_id, {_STRONGEST} LIMIT %(limit)s + 1),
    things AS (
        SELECT 'agreement' AS what, '' AS account, g.target_id AS thing, NULL::boolean AS open, g.kind, g.target_id
        FROM reach_grants g
        WHERE g.profile_id = %(who)s AND g.kind = 'main-administrator' AND (%(seer)s::text IS NULL OR g.target_id IN (
            SELECT agreement_id FROM reach_accounts JOIN administered_accounts(%(seer)s) USING (account_id)))
        UNION ALL
        SELECT 'account', a.account_id, '', NULL, a.kind, a.target_id FROM accounts a
        UNION ALL
        SELECT 'product', a.account_id, p.product_id, p.open, a.kind, a.target_id
        FROM accounts a CROSS JOIN LATERAL (
            SELECT p.product_id, p.open FROM reach_products p
            WHERE p.account_id = a.account_id AND (a.account_id > %(account)s OR p.product_id > %(thing)s)
            ORDER BY p.product_id LIMIT %(limit)s) p
        UNION ALL
        SELECT 'product', g.account_id, g.target_id, true, g.kind, g.target_id FROM reach_grants g
        WHERE g.profile_id = %(who)s AND g.kind = 'product-access'
          AND NOT EXISTS (SELECT 1 FROM reach_products p WHERE p.product_id = g.target_id AND NOT p.open)
          AND (%(seer)s::text IS NULL OR g.account_id IN (SELECT account_id FROM administered_accounts(%(seer)s)))),
    page AS (
        SELECT DISTINCT ON (account, thing) * FROM things WHERE (account, thing) > (%(account)s, %(thing)s)
        ORDER BY account, thing, {_STRONGEST} LIMIT %(limit)s)
    SELECT page.what, page.account, page.thing, page.open, o.profile_id, o.kind, o.target_id, o.event_id,
           o.stream_version, o.granted_at, o.granted_by, o.granted_under
    FROM page JOIN grant_origins o ON o.profile_id = %(who)s AND (o.kind, o.target_id) = (page.kind, page.target_id)
    ORDER BY page.account, page.thing"""


async def reached_by(
    database: Database | Asked, profile_id: str, *, in_sight_of: Actor | None, after: Cursor, limit: int
) -> list[Row]:
    """At most `limit` things that a person reaches, after a place in the list. Raises Unavailable."""
    seer = in_sight_of.id if in_sight_of else None
    asked = {"who": profile_id, "seer": seer, "account": after.account_id, "thing": after.thing, "limit": limit}
    return await database.rows(_REACHED, asked)
