"""Who could reach this place at a moment, what could this person reach, and who held anything at all: by which grant?

H2   Every grant is shown with the event that made it, and with the one that ended it later.
A4   A main administrator reaches the accounts that lay in the agreement at that moment, and their products.
H3   An administrator is shown what lies in their reach now: the database sees to it (`spans`), and what they have in
     reach is where the search begins, so that its cost is that of their own accounts.

A page goes on after a key that never changes, so the pages of a moment fit together whatever is heard meanwhile.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, LiteralString

from services.profiles.access import STRONGEST_FIRST
from shared.database import Asked, Database, Row

GRANT: LiteralString = """g.profile_id, g.kind, g.target_id, g.account_id, g.since, g.since_event, g.made_at_version,
    g.begun_by, g.begun_under, nullif(g.until, 'infinity') AS until, g.until_event, g.ended_by, g.ended_under,
    g.because"""
"""A grant `g` as it is shown."""


Ours = Asked | Database
"""A database as one person may see it, or as the operator who needs no reach."""


def stood(span: LiteralString, moment: LiteralString = "%(at)s") -> LiteralString:
    """The condition that a span was there at a moment."""
    return f"{span}.since <= {moment} AND {span}.until > {moment}"


_ASKED_FOR: LiteralString = """
    (SELECT * FROM grant_spans WHERE account_id IN (SELECT asker_accounts())
     UNION ALL
     SELECT * FROM grant_spans WHERE kind = 'main-administrator' AND target_id IN (SELECT asker_agreements()))"""


def grants_in_reach(*, staff: bool) -> LiteralString:
    """The table of all grants that somebody may be shown."""
    return "grant_spans" if staff else _ASKED_FOR


# The ways to a place: a product by access to it, by its account, or by the agreement that the account lay in then. What
# was not there yet was in nobody's reach.
WAYS: LiteralString = f"""
    SELECT 'product-access' AS kind, place_id AS target_id FROM place_spans p
    WHERE p.place_id = %(place)s AND p.kind = 'product' AND p.since <= %(at)s
    UNION ALL
    SELECT 'account-administrator', p.account_id FROM place_spans p
    WHERE p.place_id = %(place)s AND p.account_id IS NOT NULL AND p.since <= %(at)s
    UNION ALL
    SELECT 'main-administrator', p.place_id FROM place_spans p
    WHERE p.place_id = %(place)s AND p.kind = 'agreement' AND p.since <= %(at)s
    UNION ALL
    SELECT 'main-administrator', m.agreement_id FROM place_spans p JOIN agreement_spans m USING (account_id)
    WHERE p.place_id = %(place)s AND p.since <= %(at)s AND {stood("m")}"""
_PAGE: LiteralString = f"""
    {stood("g")} AND (g.profile_id, g.since_event) > (%(profile)s, %(event)s)
    ORDER BY g.profile_id, g.since_event LIMIT %(limit)s"""
_WHO_REACHED: LiteralString = f"""
    WITH ways AS MATERIALIZED ({WAYS})
    SELECT {GRANT} FROM ways w JOIN grant_spans g ON g.target_id = w.target_id AND g.kind = w.kind WHERE {_PAGE}"""
_WHO_REACHED_COMPANY: LiteralString = f"""
    SELECT {GRANT} FROM grant_spans g WHERE g.company_id = %(place)s AND g.kind <> 'product-access' AND {_PAGE}"""
_ALL: LiteralString = f"SELECT {GRANT} FROM grant_spans g WHERE {_PAGE}"
_ALL_IN_REACH: LiteralString = f"SELECT {GRANT} FROM {_ASKED_FOR} g WHERE {_PAGE}"


async def who_reached(ours: Ours, place_id: str, moment: datetime, *, after: tuple[str, str], limit: int) -> list[Row]:
    """The grants by which a place was in reach at a moment, by who held them. Raises Unavailable."""
    asked: dict[str, Any] = {"place": place_id, **_page(moment, after, limit)}
    sql = _WHO_REACHED_COMPANY if place_id.startswith("company-") else _WHO_REACHED
    return await ours.rows(sql, asked)


async def held_by_all(ours: Ours, moment: datetime, *, staff: bool, after: tuple[str, str], limit: int) -> list[Row]:
    """All grants that stood at a moment, by who held them. Raises Unavailable."""
    sql = _ALL if staff else _ALL_IN_REACH
    return await ours.rows(sql, _page(moment, after, limit))


def _page(moment: datetime, after: tuple[str, str], limit: int) -> dict[str, Any]:
    return {"at": moment, "profile": after[0], "event": after[1], "limit": limit}


# As profiles answers it of now (its `views/reached.py`): agreements, then account by account, each with its products
# behind it; what was reached in several ways stands once, with the strongest grant. A page reads no more accounts than
# it has lines, and of each no more products.
_REACHED: LiteralString = f"""
    WITH held AS MATERIALIZED (SELECT * FROM grant_spans g WHERE g.profile_id = %(who)s AND {stood("g")}),
    accounts AS MATERIALIZED (
        SELECT DISTINCT ON (account_id) account_id, kind, target_id, since_event FROM (
            SELECT m.account_id, h.kind, h.target_id, h.since_event
            FROM held h JOIN agreement_spans m ON m.agreement_id = h.target_id AND {stood("m")}
            JOIN place_spans a ON a.place_id = m.account_id AND a.since <= %(at)s
            WHERE h.kind = 'main-administrator' AND m.account_id >= %(account)s
            UNION ALL
            SELECT h.target_id, h.kind, h.target_id, h.since_event FROM held h
            WHERE h.kind = 'account-administrator' AND h.target_id >= %(account)s) AS g
        ORDER BY account_id, {STRONGEST_FIRST} LIMIT %(limit)s + 1),
    things AS (
        SELECT 'agreement' AS what, '' AS account, h.target_id AS thing, h.kind, h.target_id, h.since_event
        FROM held h WHERE h.kind = 'main-administrator'
        UNION ALL
        SELECT 'account', a.account_id, '', a.kind, a.target_id, a.since_event FROM accounts a
        UNION ALL
        SELECT 'product', a.account_id, p.place_id, a.kind, a.target_id, a.since_event
        FROM accounts a CROSS JOIN LATERAL (
            SELECT p.place_id FROM place_spans p
            WHERE p.account_id = a.account_id AND p.kind = 'product' AND p.since <= %(at)s
              AND (a.account_id > %(account)s OR p.place_id > %(thing)s)
            ORDER BY p.place_id LIMIT %(limit)s) p
        UNION ALL
        SELECT 'product', h.account_id, h.target_id, h.kind, h.target_id, h.since_event FROM held h
        WHERE h.kind = 'product-access'),
    page AS (
        SELECT DISTINCT ON (account, thing) * FROM things g WHERE (account, thing) > (%(account)s, %(thing)s)
        ORDER BY account, thing, {STRONGEST_FIRST} LIMIT %(limit)s)
    SELECT page.what, page.account, page.thing, p.until > %(at)s AS open, {GRANT}
    FROM page JOIN held g USING (since_event) LEFT JOIN place_spans p
        ON p.place_id = CASE page.thing WHEN '' THEN page.account ELSE page.thing END
    ORDER BY page.account, page.thing"""


async def reached_by(ours: Ours, profile_id: str, moment: datetime, *, after: tuple[str, str], limit: int) -> list[Row]:
    """What a person reached at a moment, each thing with the grant that it rested on. Raises Unavailable."""
    asked = {"who": profile_id, "at": moment, "account": after[0], "thing": after[1], "limit": limit}
    return await ours.rows(_REACHED, asked)


async def place_of(database: Database, place_id: str) -> Row | None:
    """A place with all that is known of its life, or None. Raises Unavailable."""
    return await database.row(
        "SELECT kind, product, since, nullif(until, 'infinity') AS until, usable_at_storebaelt_from, "
        "usable_elsewhere_from, closed_at_partners_by FROM place_spans WHERE place_id = %s",
        (place_id,),
    )


async def ever_held(ours: Ours, profile_id: str) -> Row | None:
    """A grant that a person ever held in the actor's reach, or None. Raises Unavailable."""
    return await ours.row(
        "SELECT g.kind, g.target_id, g.account_id FROM grant_spans g WHERE g.profile_id = %(who)s LIMIT 1",
        {"who": profile_id},
    )


async def in_sight(ours: Ours, ids: Iterable[str]) -> frozenset[str]:
    """Those of some accounts and agreements that an administrator has in reach. Raises Unavailable."""
    rows = await ours.rows(
        "SELECT id FROM unnest(%s::text[]) AS id "
        "WHERE id IN (SELECT asker_accounts()) OR id IN (SELECT asker_agreements())",
        (sorted(set(ids)),),
    )
    return frozenset(row["id"] for row in rows)
