"""What happened to this entity: who did what, when, on what, under which grant and why?

H1   Every event of every service stands here once, refused attempts included.
H3   An administrator sees what lies in their reach; identifiers of places outside it are withheld.

Entries are in the order of their times, and within a stream always in the order of its versions: a time that a slow
clock gave is lifted past its predecessor's. A place in that order never changes, not even by a rebuild, so a cursor
stays good; what arrives late from another service stands where it belongs.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, LiteralString, Self

from services.audit.about import about, people, places
from services.profiles.reach import ASKER_IS_STAFF
from shared.actor import Actor
from shared.clock import microseconds, moment_of
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class History:
    """One row an event, one for each entity that it is about, and one while it is no leaf yet (`adapters.leaves`)."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "history": """
            CREATE TABLE IF NOT EXISTS history (
                event_id text PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
                service text NOT NULL, stream text NOT NULL, version bigint NOT NULL, position bigint,
                type text NOT NULL, time timestamptz NOT NULL, at timestamptz NOT NULL,
                actor text NOT NULL, "grant" text, correlation text NOT NULL, causation text,
                about text[] NOT NULL, places text[] NOT NULL, people text[] NOT NULL, data jsonb NOT NULL,
                UNIQUE (stream, version))""",
        "history_about": """
            CREATE TABLE IF NOT EXISTS history_about (
                entity_id text NOT NULL, at timestamptz NOT NULL, event_id text NOT NULL,
                PRIMARY KEY (entity_id, at, event_id))""",
        "unsealed": """
            CREATE TABLE IF NOT EXISTS unsealed (number bigint PRIMARY KEY, event_id text NOT NULL UNIQUE)""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "history": f"""{ASKER_IS_STAFF} OR CASE
            WHEN places <> '{{}}' THEN EXISTS (
                SELECT 1 FROM unnest(places) AS place WHERE place IN (SELECT asker_surroundings()))
            ELSE people <> '{{}}' AND NOT EXISTS (
                SELECT 1 FROM unnest(people) AS person WHERE person NOT IN (SELECT asker_surroundings())) END""",
        "history_about": f"""{ASKER_IS_STAFF}
            OR EXISTS (SELECT 1 FROM history h WHERE h.event_id = history_about.event_id)""",
        "unsealed": ASKER_IS_STAFF,
    }

    incidental: ClassVar[Mapping[str, Sequence[str]]] = {"history": ("number",), "unsealed": ()}
    """In which order entries came, and which of them are no leaves yet, is not what the logs say."""

    def __init__(self, own: str) -> None:
        """`own` is the service whose events are taken in while they are appended, before they have a position."""
        self._own = own

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        yield Statement(
            _INSERT,
            {
                "id": recorded.id,
                "service": recorded.source,
                "stream": recorded.stream,
                "version": recorded.version,
                "position": None if recorded.source == self._own else recorded.position,
                "type": recorded.type,
                "time": recorded.time,
                "actor": str(recorded.actor),
                "grant": recorded.grant,
                "correlation": recorded.correlation,
                "causation": recorded.causation,
                "about": about(recorded),
                "places": places(recorded),
                "people": people(recorded),
                "data": recorded.data.to_json().decode(),
            },
        )


_INSERT: LiteralString = """
    WITH added AS (
        INSERT INTO history (event_id, service, stream, version, position, type, time, at, actor, "grant",
                             correlation, causation, about, places, people, data)
        VALUES (%(id)s, %(service)s, %(stream)s, %(version)s, %(position)s, %(type)s, %(time)s,
                greatest(%(time)s, (SELECT h.at + interval '1 microsecond' FROM history h
                                    WHERE h.stream = %(stream)s AND h.version = %(version)s - 1)),
                %(actor)s, %(grant)s, %(correlation)s, %(causation)s,
                %(about)s, %(places)s, %(people)s, %(data)s::jsonb)
        RETURNING about, at, event_id, number),
    waiting AS (INSERT INTO unsealed SELECT number, event_id FROM added)
    INSERT INTO history_about SELECT unnest(about), at, event_id FROM added"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an entity's history, and where the reading that it belongs to stops.

    Without that stop a reader would come upon the records of their own reading, page after page.
    """

    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    event_id: str = ""
    until: datetime = datetime(9999, 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{microseconds(self.at)}-{self.event_id}-{microseconds(self.until)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form back; whoever takes the text in has checked its form."""
        at, event_id, until = text.split("-")
        return cls(moment_of(int(at)), event_id, moment_of(int(until)))


_COLUMNS: LiteralString = (
    "a.at, h.event_id AS id, h.service, h.stream, h.version, h.type, h.time, h.actor, "
    "h.correlation, h.causation, h.data, "
    "(SELECT max(at) FROM history_about WHERE entity_id = %(entity)s) AS newest"
)
_PAGE: LiteralString = """
    WHERE a.entity_id = %(entity)s AND (a.at, a.event_id) > (%(at)s, %(event_id)s) AND a.at <= %(until)s
        AND (%(only)s::text IS NULL OR a.event_id = %(only)s) """
_ORDER: LiteralString = "ORDER BY a.at, a.event_id LIMIT %(limit)s"

_IS_A_PLACE: LiteralString = "'^(account|product|agreement|company)-'"

_ALL: LiteralString = f"""
    SELECT {_COLUMNS}, h.grant, NULL AS via, '{{}}'::text[] AS outside
    FROM (SELECT * FROM history_about a {_PAGE} {_ORDER}) a JOIN history h USING (event_id)
    ORDER BY a.at, a.event_id"""

# Within reach are: the accounts that the asker administers, their products, agreements and companies, and the people
# who hold something there. A place outside has no history for the asker, even where an entry within names it too. Of a
# grant on something else only its kind is shown.
INSIDE: LiteralString = "inside AS MATERIALIZED (SELECT id FROM surroundings(%(who)s) WHERE id IS NOT NULL)"
SHOWN: LiteralString = f"""
    seen.via, CASE WHEN split_part(h.grant, ':', 2) IN (SELECT id FROM inside) THEN h.grant
                   ELSE split_part(h.grant, ':', 1) END AS "grant",
    ARRAY(SELECT id FROM unnest(h.about) AS id WHERE id NOT IN (SELECT id FROM inside)
          AND id ~ {_IS_A_PLACE}) AS outside"""
SEEN: LiteralString = """
    CROSS JOIN LATERAL (
        SELECT min(id) FILTER (WHERE reached) AS via, bool_and(reached) AS wholly
        FROM (SELECT id, id IN (SELECT id FROM inside) AS reached
              FROM unnest(CASE WHEN h.places = '{}' THEN h.people ELSE h.places END) AS id) AS each) AS seen"""
IN_REACH: LiteralString = f"""
    (%(entity)s !~ {_IS_A_PLACE} OR %(entity)s IN (SELECT id FROM inside))
    AND seen.via IS NOT NULL AND (seen.wholly OR h.places <> '{{}}')"""
_WITHIN: LiteralString = f"""
    WITH {INSIDE} SELECT {_COLUMNS}, {SHOWN}
    FROM history_about a JOIN history h USING (event_id) {SEEN} {_PAGE} AND {IN_REACH} {_ORDER}"""


async def history_of(
    database: Database,
    actor: Actor,
    entity_id: str,
    *,
    staff: bool,
    after: Cursor,
    limit: int,
    only: str | None = None,
) -> list[Row]:
    """At most `limit` entries after a place, oldest first, of those in the actor's reach; `only` one, if it is named.

    `via` is an entity in reach in which the entry lies, `newest` the time of the newest entry. Raises Unavailable.
    """
    asked = _asked(entity_id, after, limit, only)
    if staff:
        return await database.asked_by(actor).rows(_ALL, asked)
    rows = await database.asked_by(actor).rows(_WITHIN, {**asked, "who": actor.id})
    return [{**row, "data": withhold(row["data"], row["outside"])} for row in rows]


async def all_of(database: Database, entity_id: str, after: Cursor, limit: int) -> list[Row]:
    """As `history_of`, for the operator, who needs no reach. Raises Unavailable."""
    return await database.rows(_ALL, _asked(entity_id, after, limit))


def _asked(entity_id: str, after: Cursor, limit: int, only: str | None = None) -> dict[str, Any]:
    place = {"at": after.at, "event_id": after.event_id, "until": after.until}
    return {"entity": entity_id, **place, "limit": limit, "only": only}


def withhold(value: Any, outside: Collection[str]) -> Any:
    """What somebody is shown of a value: identifiers of what lies outside are null, or left out of a list."""
    if isinstance(value, dict):
        return {name: withhold(part, outside) for name, part in value.items()}
    if isinstance(value, list):
        return [withhold(part, outside) for part in value if not (isinstance(part, str) and part in outside)]
    return None if isinstance(value, str) and value in outside else value
