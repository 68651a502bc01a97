"""What was different at the second of two moments from what was at the first, and which event and whose made it so?

H2   A difference is a grant, a place or a stay in an agreement that was there at one of the moments only.
     What began and ended in between is none, nor is a grant that ended and was given again.
H3   As far as it lies in the asker's reach now.

In the order in which the differences were made, so a page costs its own lines, however long the history is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString, Self

from services.audit.views.access_then import Ours, grants_in_reach, stood
from shared.clock import microseconds, moment_of
from shared.database import Row
from shared.ids import kind_of


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: behind a difference, by when it was made, by which event, and in what."""

    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    event_id: str = ""
    key: str = ""

    def __str__(self) -> str:
        return f"{microseconds(self.at)}.{self.event_id}.{self.key}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form back; whoever takes the text in has checked its form."""
        at, event_id, key = text.split(".", 2)
        return cls(moment_of(int(at)), event_id, key)

    @classmethod
    def behind(cls, line: Row) -> Self:
        """The place behind a difference."""
        return cls(line["at"], line["event_id"], line["key"])


_THEN, _LATER = stood("s", "%(from)s"), stood("s", "%(until)s")
_BEGAN: LiteralString = f"s.since > %(from)s AND {_LATER}"
_ENDED: LiteralString = f"{_THEN} AND s.until <= %(until)s"
_HERE: LiteralString = "(at, event_id, key) > (%(at)s, %(event)s, %(key)s) ORDER BY at, event_id, key LIMIT %(limit)s"

_GRANT: LiteralString = """'grant' AS what, s.profile_id, s.kind, s.target_id, s.account_id,
    s.profile_id || '.' || s.kind || '.' || s.target_id AS key"""
_PLACE: LiteralString = """'place' AS what, NULL AS profile_id, s.kind, s.place_id AS target_id, s.account_id,
    '.' || s.kind || '.' || s.place_id AS key"""
_STAY: LiteralString = """'stay' AS what, NULL AS profile_id, 'agreement' AS kind, s.agreement_id AS target_id,
    s.account_id, '.stay.' || s.account_id AS key"""
_BY_BEGINNING: LiteralString = """'began' AS change, s.since AS at, s.since_event AS event_id, s.begun_by AS by,
    s.begun_under AS under, NULL::text AS because"""
_BY_END: LiteralString = """'ended' AS change, s.until AS at, s.until_event AS event_id, s.ended_by AS by,
    s.ended_under AS under"""


def _differences(
    columns: LiteralString,
    spans: LiteralString,
    *,
    because: LiteralString = "NULL::text",
    more: LiteralString = "true",
    again: LiteralString | None = None,
) -> LiteralString:
    """What began and what ended between the moments, among some spans; `again` is where the same may stand again."""
    began, ended = (_not_again(again, "%(from)s"), _not_again(again, "%(until)s")) if again else ("true", "true")
    return f"""
    (SELECT * FROM (SELECT {columns}, {_BY_BEGINNING} FROM {spans} s
                    WHERE {_BEGAN} AND s.since >= %(at)s AND ({more}) AND {began}) AS d WHERE {_HERE})
    UNION ALL
    (SELECT * FROM (SELECT {columns}, {_BY_END}, {because} AS because FROM {spans} s
                    WHERE {_ENDED} AND s.until >= %(at)s AND ({more}) AND {ended}) AS d WHERE {_HERE})"""


def _not_again(spans: LiteralString, moment: LiteralString) -> LiteralString:
    """The same grant did not stand at the other moment by having been given once more."""
    return f"""NOT EXISTS (
        SELECT 1 FROM {spans} o WHERE o.profile_id = s.profile_id AND o.kind = s.kind AND o.target_id = s.target_id
        AND {stood("o", moment)})"""


def _in_order(*parts: LiteralString) -> LiteralString:
    return " UNION ALL ".join(parts) + " ORDER BY at, event_id, key LIMIT %(limit)s"


def _everywhere(within: LiteralString, *, staff: bool) -> LiteralString:
    return _in_order(
        _differences(
            _GRANT, grants_in_reach(staff=staff), because="s.because", more=within, again=grants_in_reach(staff=staff)
        ),
        _differences(_PLACE, "place_spans", more=within),
        _differences(_STAY, "agreement_spans", more=within),
    )


_OF_PERSON: LiteralString = _in_order(
    _differences(_GRANT, "grant_spans", because="s.because", more="s.profile_id = %(who)s", again="grant_spans")
)

# A place is reached through a grant on itself or on its account while the place is there, and through a grant on an
# agreement while its account lies in that, too: such a span begins with the latest of them and ends with the earliest.
_WAYS: LiteralString = """
    WITH one AS MATERIALIZED (SELECT * FROM place_spans WHERE place_id = %(place)s),
    ways AS (
        SELECT g.*, NULL AS stay FROM one p JOIN grant_spans g ON g.target_id = p.place_id
        UNION ALL
        SELECT g.*, NULL FROM one p JOIN grant_spans g ON g.target_id = p.account_id AND p.kind = 'product'
        UNION ALL
        SELECT g.*, m.agreement_id FROM one p JOIN agreement_spans m USING (account_id)
        JOIN grant_spans g ON g.target_id = m.agreement_id),
    spans AS MATERIALIZED (
        SELECT w.profile_id, w.kind, w.target_id, w.account_id, b.*, e.*
        FROM ways w CROSS JOIN LATERAL (
            SELECT at AS since, event AS since_event, by AS begun_by, under AS begun_under FROM (
                SELECT w.since, w.since_event, w.begun_by, w.begun_under
                UNION ALL SELECT since, since_event, begun_by, begun_under FROM one
                UNION ALL SELECT since, since_event, begun_by, begun_under FROM agreement_spans
                          WHERE agreement_id = w.stay AND account_id = (SELECT account_id FROM one)
            ) AS each(at, event, by, under) ORDER BY at DESC, event DESC LIMIT 1) AS b
        CROSS JOIN LATERAL (
            SELECT at AS until, event AS until_event, by AS ended_by, under AS ended_under, because FROM (
                SELECT w.until, w.until_event, w.ended_by, w.ended_under, w.because
                UNION ALL SELECT until, until_event, ended_by, ended_under, 'agreement-ended' FROM agreement_spans
                          WHERE agreement_id = w.stay AND account_id = (SELECT account_id FROM one)
            ) AS each(at, event, by, under, because) ORDER BY at, event LIMIT 1) AS e)"""
_STAYS: LiteralString = """
    s.agreement_id = %(place)s OR s.account_id = (SELECT account_id FROM one WHERE kind = 'account')"""
_OF_PLACE: LiteralString = f"{_WAYS} " + _in_order(
    _differences(_GRANT, "spans", because="s.because", again="spans"),
    _differences(_PLACE, "one"),
    _differences(_STAY, "agreement_spans", more=_STAYS),
)
_OF_COMPANY: LiteralString = _everywhere("s.company_id = %(place)s", staff=True)
_OF_ALL: LiteralString = _everywhere("true", staff=True)
_OF_ALL_IN_REACH: LiteralString = _everywhere("true", staff=False)


async def differences(
    ours: Ours,
    between: tuple[datetime, datetime],
    *,
    of: str | None,
    staff: bool,
    after: Cursor,
    limit: int,
) -> list[Row]:
    """What differs between two moments in a place, in what a person held, or in all that is in reach.

    Raises Unavailable.
    """
    asked: dict[str, Any] = {"from": between[0], "until": between[1], "place": of, "who": of, "limit": limit}
    asked |= {"at": after.at, "event": after.event_id, "key": after.key}
    return await ours.rows(_question(of, staff=staff), asked)


def _question(of: str | None, *, staff: bool) -> LiteralString:
    if of is None:
        return _OF_ALL if staff else _OF_ALL_IN_REACH
    return {"profile": _OF_PERSON, "company": _OF_COMPANY}.get(kind_of(of), _OF_PLACE)
