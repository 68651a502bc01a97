"""Who are the people in my reach, found by name or address, and what do they reach there?

A13  Nothing is shown of their grants elsewhere, and nobody is found who is not in reach.
"""

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
from shared.free_text import folded

PAGE = 100
"""The most people on one page."""


class People:
    """One row a profile."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "people": """
            CREATE TABLE IF NOT EXISTS people (
                profile_id text PRIMARY KEY, email text NOT NULL, name text NOT NULL, phone text,
                cancelled boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL, email_change jsonb,
                searched_name text NOT NULL, searched_email text NOT NULL)"""
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
                    "INSERT INTO people (profile_id, email, name, created_at, searched_name, searched_email) "
                    "VALUES (%s, %s, %s, %s, %s, %s)",
                    (profile, email, name, recorded.time, folded(name), folded(email)),
                )
            case ContactDetailsChanged(profile_id=profile, name=name, phone=phone):
                yield Statement(
                    "UPDATE people SET name = %s, searched_name = %s, phone = %s WHERE profile_id = %s",
                    (name, folded(name), phone, profile),
                )
            case EmailChanged(profile_id=profile, email=email):
                sql: LiteralString = "UPDATE people SET email = %s, searched_email = %s WHERE profile_id = %s"
                yield Statement(sql, (email, folded(email), profile))
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
_SEARCHED: LiteralString = (
    "(%(search)s = '' OR strpos(p.searched_name, %(search)s) > 0 OR strpos(p.searched_email, %(search)s) > 0)"
)

_VISIBLE: LiteralString = f"""
    SELECT p.profile_id, p.email, p.name, p.phone, p.cancelled, jsonb_agg({_GRANT}) AS grants
    FROM people p JOIN reach_grants g USING (profile_id)
    WHERE {IN_SIGHT}
      AND p.profile_id > %(after)s AND (%(one)s::text IS NULL OR p.profile_id = %(one)s)
      AND {_SEARCHED}
    GROUP BY p.profile_id ORDER BY p.profile_id LIMIT %(limit)s"""

_ALL: LiteralString = f"""
    SELECT p.profile_id, p.email, p.name, p.phone, p.cancelled, p.email_change,
           coalesce(jsonb_agg({_GRANT}) FILTER (WHERE g.profile_id IS NOT NULL), '[]') AS grants
    FROM people p LEFT JOIN reach_grants g USING (profile_id)
    WHERE p.profile_id > %(after)s AND (%(one)s::text IS NULL OR p.profile_id = %(one)s)
      AND (%(self)s::text IS NULL OR p.profile_id = %(self)s)
      AND {_SEARCHED}
    GROUP BY p.profile_id ORDER BY p.profile_id LIMIT %(limit)s"""


async def visible_to(
    database: Database,
    actor: Actor,
    *,
    staff: bool,
    search: str | None = None,
    after: str = "",
    one: str | None = None,
) -> list[Row]:
    """People with a grant in the actor's reach, in the order of their ids, after the one named; or just that one.

    `search` narrows it to those with this in their name or their e-mail address.
    """
    asked = {"seer": actor.id, "search": folded(search), "after": after, "one": one, "limit": PAGE, "self": None}
    return await database.asked_by(actor).rows(_ALL if staff else _VISIBLE, asked)


async def oneself(database: Database, actor: Actor) -> Row | None:
    """The actor's own profile, with all of its grants and what came of the last change of its address."""
    asked = {"search": "", "after": "", "one": actor.id, "limit": 1, "self": actor.id}
    return await database.asked_by(actor).row(_ALL, asked)
