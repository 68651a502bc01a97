"""What people may do with the history: read it, as far as they reach, and be recorded for it.

H3   Administrators see the history of what is in their reach, customer service all of it; reading is itself recorded.
A13  Of an entity whose history does not touch the asker's reach they are told what they are told of one that does not
     exist. Whoever sees the entity itself, but may not read histories, is told the rule.
"""

from dataclasses import dataclass, replace

from services.audit.events import HistoryRead
from services.audit.views.history import Cursor, history_of
from services.profiles.access import PROFILE_ACTOR, Access, NotPermitted, Permit
from services.profiles.policy import PLACES, READ_HISTORY, Operation, at
from shared.actor import Actor
from shared.cause import Cause
from shared.database import Database, Row
from shared.errors import NotFound, Refusal
from shared.eventstore.streams import Category, Streams
from shared.ids import kind_of, new_id

READINGS: Category[None] = Category("reading", None, lambda nothing, _event: nothing)


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of one entity's history, oldest first, and where to go on; None at the end."""

    entries: list[Row]
    next: Cursor | None


class UseCases:
    """The one question of audit, which is a deed: asking is recorded."""

    def __init__(self, streams: Streams, database: Database, access: Access) -> None:
        self._streams = streams
        self._database = database
        self._access = access

    async def read_history(self, entity_id: str, after: Cursor, limit: int, cause: Cause) -> Page:
        """A page of the history of one entity; the reading is in the log before this answers (H3).

        Raises NotFound, NotPermitted, and GrantWithdrawn when the right to it was withdrawn meanwhile (A14).
        """
        staff = await self._access.is_staff(cause.actor)
        rows = await history_of(self._database, cause.actor, entity_id, staff=staff, after=after, limit=limit + 1)
        if not rows:
            raise await refusal(self._access, cause.actor, entity_id)
        entries = rows[:limit]
        permit = await self._access.require(cause.actor, *reading(rows[0]["via"] or ""))
        await self._record(entity_id, len(entries), permit, cause)
        last = entries[-1]
        stop = min(after.until, last["newest"])
        return Page(entries, Cursor(last["at"], last["id"], stop) if len(rows) > limit else None)

    async def _record(self, entity_id: str, entries: int, permit: Permit, cause: Cause) -> None:
        read = HistoryRead(reading_id=new_id("reading"), entity_id=entity_id, entries=entries)
        await self._streams.change(READINGS, read.reading_id, lambda _: [read], permit.covers(cause))


async def refusal(access: Access, actor: Actor, entity_id: str) -> Refusal:
    """What somebody is told who saw nothing of an entity's history: whoever sees the entity is told the rule."""
    operation, place = reading(entity_id)
    sees_it = actor == Actor(PROFILE_ACTOR, entity_id)
    if place:
        try:
            await access.require(actor, operation, place)
        except NotPermitted:
            sees_it = True
        except NotFound as unknown:
            return unknown
    return NotPermitted(READ_HISTORY, READ_HISTORY.rule) if sees_it else NotFound()


def reading(entity_id: str, operation: Operation = READ_HISTORY) -> tuple[Operation, str]:
    """The operation that reading about an entity is, and its target: the place if it is one, else anywhere."""
    if kind_of(entity_id) in PLACES:
        return at(operation, entity_id), entity_id
    return replace(operation, on="anywhere"), ""
