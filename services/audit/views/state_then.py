"""What was an entity at a moment: the newest value of each field, and which event said so?

H2   The fields are those of the events of its stream, each as the last event before the moment gave it.
H3   As far as these events lie in the asker's reach, by the rule of the history (`history`).

Of a company's stream each event tells of the narrowest thing that it names: an account, an agreement, a change request,
or else the company itself. What is granted to a person is no field of theirs: `access_then` answers that.
"""

from datetime import datetime
from typing import Any, LiteralString

from services.audit.views.access_then import Ours
from services.audit.views.history import IN_REACH, INSIDE, SEEN, SHOWN, withhold
from shared.database import Row

_OWN_STREAM: LiteralString = "SELECT stream FROM history WHERE stream = %(entity)s AND version = 1"
_COMPANYS_STREAM: LiteralString = """
    SELECT h.stream FROM history_about a JOIN history h USING (event_id)
    WHERE a.entity_id = %(entity)s AND h.service = 'company' AND h.stream LIKE 'company-%%'
    ORDER BY a.at, a.event_id LIMIT 1"""
_TELLS_OF_IT: LiteralString = """
    h.at <= %(at)s
    AND h.type NOT SIMILAR TO 'profiles.%%-(granted|revoked).v%%'
    AND (h.stream NOT LIKE 'company-%%' OR %(entity)s = coalesce(
        h.data ->> 'account_id', h.data ->> 'agreement_id', h.data ->> 'change_request_id', h.stream))"""
_COLUMNS: LiteralString = """
    f.key AS field, f.value, h.event_id, h.version, h.type, h.at, h.actor, h.stream"""
_NEWEST: LiteralString = "ORDER BY f.key, h.version DESC"
_ALL: LiteralString = f"""
    SELECT DISTINCT ON (f.key) {_COLUMNS}, h."grant", NULL AS via, '{{}}'::text[] AS outside
    FROM history h CROSS JOIN LATERAL jsonb_each(h.data) f
    WHERE h.stream = %(stream)s AND {_TELLS_OF_IT} {_NEWEST}"""
_WITHIN: LiteralString = f"""
    WITH {INSIDE} SELECT DISTINCT ON (f.key) {_COLUMNS}, {SHOWN}
    FROM history h {SEEN} CROSS JOIN LATERAL jsonb_each(h.data) f
    WHERE h.stream = %(stream)s AND {_TELLS_OF_IT} AND {IN_REACH} {_NEWEST}"""


async def state_of(ours: Ours, entity_id: str, moment: datetime, *, seen_by: str | None) -> list[Row]:
    """Each field of an entity at a moment, with the event that gave it its value; none if it was not there yet.

    `seen_by` is the profile in whose reach the events must lie, None for all; `via` is an entity in their reach in
    which the event lies. Raises Unavailable.
    """
    asked: dict[str, Any] = {"entity": entity_id, "at": moment}
    found = await ours.row(_OWN_STREAM, asked) or await ours.row(_COMPANYS_STREAM, asked)
    if found is None:
        return []
    asked["stream"] = found["stream"]
    if seen_by is None:
        return await ours.rows(_ALL, asked)
    rows = await ours.rows(_WITHIN, {**asked, "who": seen_by})
    return [{**row, "value": withhold(row["value"], row["outside"])} for row in rows]
