"""Who are the people in my reach, and what do they reach there? (A13: nothing is shown of their grants elsewhere.)"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.profiles.access import IN_SIGHT
from services.profiles.events import (
    ContactDetailsChanged,
    EmailChanged,
    EmailChangeRefused,
    ProfileCancelled,
    ProfileCreated,
)
from services.profiles.reach import ASKER_IS_STAFF
from shared.actor import Actor
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

PAGE = 100
"""The most people on one page."""


class People:
    """One row a profile."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "people": """
            CREATE TABLE IF NOT EXISTS people (
                profile_id text PRIMARY KEY, email text NOT NULL, name text NOT NULL, phone text,
                cancelled boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL, email_change jsonb)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "people": f"""{ASKER_IS_STAFF} OR profile_id = (SELECT asker('profile'))
            OR profile_id IN (SELECT asker_people())"""
    }

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case ProfileCreated(profile_id=profile, email=email, name=name):
                yield Statement(
                    "INSERT INTO people (profile_id, email, name, created_at) VALUES (%s, %s, %s, %s)",
                    (profile, email, name, recorded.time),
                )
            case ContactDetailsChanged(profile_id=profile, name=name, phone=phone):
                yield Statement("UPDATE people SET name = %s, phone = %s WHERE profile_id = %s", (name, phone, profile))
            case EmailChanged(profile_id=profile, email=email):
                yield Statement("UPDATE people SET email = %s WHERE profile_id = %s", (email, profile))
                yield _email_change(profile, email, "changed", None)
            case EmailChangeRefused(profile_id=profile, email=email, because=because):
                yield _email_change(profile, email, "refused", because)
            case ProfileCancelled(profile_id=profile):
                yield Statement("UPDATE people SET cancelled = true WHERE profile_id = %s", (profile,))
            case _:
                pass


def _email_change(profile_id: str, email: str, state: str, because: str | None) -> Statement:
    """What came of the address that the person proved last (A15)."""
    return Statement(
        "UPDATE people SET email_change = jsonb_build_object("
        "'email', %s::text, 'state', %s::text, 'because', %s::text) WHERE profile_id = %s",
        (email, state, because, profile_id),
    )


_GRANT: LiteralString = "jsonb_build_object('kind', g.kind, 'id', g.target_id) ORDER BY g.kind, g.target_id"

_VISIBLE: LiteralString = f"""
    SELECT p.profile_id, p.email, p.name, p.phone, p.cancelled, jsonb_agg({_GRANT}) AS grants
    FROM people p JOIN reach_grants g USING (profile_id)
    WHERE {IN_SIGHT}
      AND p.profile_id > %(after)s AND (%(one)s::text IS NULL OR p.profile_id = %(one)s)
    GROUP BY p.profile_id ORDER BY p.profile_id LIMIT %(limit)s"""

_ALL: LiteralString = f"""
    SELECT p.profile_id, p.email, p.name, p.phone, p.cancelled, p.email_change,
           coalesce(jsonb_agg({_GRANT}) FILTER (WHERE g.profile_id IS NOT NULL), '[]') AS grants
    FROM people p LEFT JOIN reach_grants g USING (profile_id)
    WHERE p.profile_id > %(after)s AND (%(one)s::text IS NULL OR p.profile_id = %(one)s)
      AND (%(self)s::text IS NULL OR p.profile_id = %(self)s)
    GROUP BY p.profile_id ORDER BY p.profile_id LIMIT %(limit)s"""


async def visible_to(
    database: Database, actor: Actor, *, staff: bool, after: str = "", one: str | None = None
) -> list[Row]:
    """People with a grant in the actor's reach, in the order of their ids, after the one named; or just that one."""
    asked = {"seer": actor.id, "after": after, "one": one, "limit": PAGE, "self": None}
    return await database.asked_by(actor).rows(_ALL if staff else _VISIBLE, asked)


async def oneself(database: Database, actor: Actor) -> Row | None:
    """The actor's own profile, with all of its grants and what came of the last change of its address."""
    return await database.asked_by(actor).row(_ALL, {"after": "", "one": actor.id, "limit": 1, "self": actor.id})
