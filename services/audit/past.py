"""What people may ask of the past: who could reach what at a moment and by which grant, and what differs between two.

H2   At a moment, everything is as the logs had said by then (*recorded* time). A product is besides in force at times
     of its own (*valid* time): usable some time after it was ordered (P2), closed at partners some time after it was
     closed (P4). `standing` tells both apart; a grant is in force from the moment that it is recorded.
H3   Somebody sees of the past what lies in their reach now, and is recorded before they are answered.
A13  What is out of reach answers like what does not exist, and what lies there is not named.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from services.audit.events import PastRead, Question
from services.audit.use_cases import READINGS, reading, refusal
from services.audit.views import access_then, state_then
from services.audit.views import differences as differing
from services.audit.views.differences import Cursor
from services.audit.views.history import Cursor as Beginning
from services.audit.views.history import history_of
from services.profiles.access import Access, Permit
from services.profiles.policy import PLACES, READ_PAST_GRANTS, READ_PAST_HOLDERS, READ_PAST_REACH, at
from shared.actor import Actor
from shared.cause import Cause
from shared.clock import Clock
from shared.database import Database, Row
from shared.errors import Invalid
from shared.eventstore.streams import Streams
from shared.ids import kind_of, new_id

After = tuple[str, str]
Standing = Literal["not-yet", "usable", "closing", "closed"]


class MomentsOutOfOrder(Invalid):
    """The first of the two moments must come before the second."""

    code = "moments-out-of-order"
    rule = "H2"


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines of an answer about a moment, and after what the next ones come; None at the end."""

    at: datetime
    items: list[Row]
    next: str | None


@dataclass(frozen=True, slots=True)
class State:
    """What an entity was at a moment; a product besides by the times at which it is in force."""

    at: datetime
    valid_at: datetime
    fields: list[Row]
    standing: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question
    about: str | None
    moments: tuple[datetime, ...]


class Past:
    """The questions about moments that have passed."""

    def __init__(self, streams: Streams, database: Database, access: Access, clock: Clock) -> None:
        self._streams = streams
        self._database = database
        self._access = access
        self._clock = clock

    async def holders(self, place_id: str, moment: datetime | None, after: After, limit: int, cause: Cause) -> Page:
        """Who could reach a place at a moment, by which grant. Raises NotFound, NotPermitted, GrantWithdrawn."""
        moment, actor = moment or self._clock(), cause.actor
        permit = await self._may_see(actor, place_id)
        rows = await access_then.who_reached(
            self._database.asked_by(actor), place_id, moment, after=after, limit=limit + 1
        )
        return await self._answered(_Asked("holders", place_id, (moment,)), rows, limit, permit, cause)

    async def reach(self, profile_id: str, moment: datetime | None, after: After, limit: int, cause: Cause) -> Page:
        """What a person reached at a moment, each thing by which grant. Raises as `holders`."""
        moment, actor = moment or self._clock(), cause.actor
        permit = await self._may_ask_about(actor, profile_id)
        rows = await access_then.reached_by(
            self._database.asked_by(actor), profile_id, moment, after=after, limit=limit + 1
        )
        page = await self._answered(_Asked("reach", profile_id, (moment,)), rows, limit, permit, cause)
        return replace(page, next=_behind_thing(page.items[-1]) if page.next else None)

    async def grants(self, moment: datetime | None, after: After, limit: int, cause: Cause) -> Page:
        """Everything that anybody in reach held at a moment. Raises as `holders`."""
        moment, actor = moment or self._clock(), cause.actor
        permit = await self._access.require(actor, READ_PAST_GRANTS)
        staff = await self._access.is_staff(actor)
        rows = await access_then.held_by_all(
            self._database.asked_by(actor), moment, staff=staff, after=after, limit=limit + 1
        )
        return await self._answered(_Asked("grants", None, (moment,)), rows, limit, permit, cause)

    async def differences(
        self, between: tuple[datetime, datetime], of: str | None, after: Cursor, limit: int, cause: Cause
    ) -> Page:
        """What differs between two moments, and what made it so. Raises MomentsOutOfOrder, and as `holders`."""
        if between[0] >= between[1]:
            raise MomentsOutOfOrder
        permit = await self._may_compare(cause.actor, of)
        staff = await self._access.is_staff(cause.actor)
        rows = await differing.differences(
            self._database.asked_by(cause.actor), between, of=of, staff=staff, after=after, limit=limit + 1
        )
        items = await self._shown(cause.actor, rows[:limit])
        await self._record(_Asked("differences", of, between), len(items), permit, cause)
        return Page(between[1], items, str(Cursor.behind(items[-1])) if len(rows) > limit else None)

    async def state(self, entity_id: str, moment: datetime | None, valid_at: datetime | None, cause: Cause) -> State:
        """What an entity was at a moment, as far as the asker sees its history. Raises as `holders`."""
        moment = moment or self._clock()
        valid_at = valid_at or moment
        staff = await self._access.is_staff(cause.actor)
        entries = await history_of(self._database, cause.actor, entity_id, staff=staff, after=Beginning(), limit=1)
        if not entries:
            raise await refusal(self._access, cause.actor, entity_id)
        permit = await self._access.require(cause.actor, *reading(entries[0]["via"] or ""))
        fields = await state_then.state_of(
            self._database.asked_by(cause.actor), entity_id, moment, seen_by=None if staff else cause.actor.id
        )
        place = await access_then.place_of(self._database, entity_id) if kind_of(entity_id) == "product" else None
        await self._record(_Asked("state", entity_id, (moment, valid_at)), len(fields), permit, cause)
        return State(moment, valid_at, fields, standing(place, moment, valid_at) if place else None)

    # Who may ask -----------------------------------------------------------------------------------------------------

    async def _may_see(self, actor: Actor, place_id: str) -> Permit:
        known = await access_then.place_of(self._database, place_id) is not None
        return await self._access.require(actor, at(READ_PAST_HOLDERS, place_id), place_id, exists=known)

    async def _may_ask_about(self, actor: Actor, profile_id: str) -> Permit:
        """Somebody is seen by whoever sees anything that they ever held, and by whoever sees them now."""
        held = await access_then.ever_held(self._database.asked_by(actor), profile_id)
        if held is None:
            return await self._access.require(actor, READ_PAST_REACH, profile_id)
        if held["account_id"] is None:
            return await self._access.require(actor, replace(READ_PAST_REACH, on="agreement"), held["target_id"])
        return await self._access.require(actor, replace(READ_PAST_REACH, on="account"), held["account_id"])

    async def _may_compare(self, actor: Actor, of: str | None) -> Permit:
        if of is None:
            return await self._access.require(actor, READ_PAST_GRANTS)
        return await (self._may_see if kind_of(of) in PLACES else self._may_ask_about)(actor, of)

    # What they are told ----------------------------------------------------------------------------------------------

    async def _answered(self, asked: "_Asked", rows: list[Row], limit: int, permit: Permit, cause: Cause) -> Page:
        items = await self._shown(cause.actor, rows[:limit])
        await self._record(asked, len(items), permit, cause)
        last = f"{items[-1]['since_event']}.{items[-1]['profile_id']}" if len(rows) > limit else None
        return Page(asked.moments[-1], items, last)

    async def _record(self, asked: "_Asked", entries: int, permit: Permit, cause: Cause) -> None:
        read = PastRead(
            reading_id=new_id("reading"),
            question=asked.question,
            entity_id=asked.about,
            moments=asked.moments,
            entries=entries,
        )
        await self._streams.change(READINGS, read.reading_id, lambda _: [read], permit.covers(cause))

    async def _shown(self, actor: Actor, rows: list[Row]) -> list[Row]:
        """Of a grant that somebody acted under only the kind is shown, where it lies on what is out of reach (H3)."""
        if await self._access.is_staff(actor):
            return rows
        named = [target for row in rows for name in _NAMING if (target := _target(row.get(name)))]
        stays = [row["target_id"] for row in rows if row.get("what") == "stay"]
        seen = await access_then.in_sight(self._database.asked_by(actor), [*named, *stays])
        return [_withheld(row, seen) for row in rows]


_NAMING = ("begun_under", "ended_under", "under")
"""Where a line names a grant that somebody acted under."""


def _target(grant: str | None) -> str:
    return (grant or "").partition(":")[2]


def _withheld(row: Row, seen: frozenset[str]) -> Row:
    shown = {name: _kind_at_least(row[name], seen) for name in _NAMING if name in row}
    outside = row.get("what") == "stay" and row["target_id"] not in seen
    return {**row, **shown, "target_id": None if outside else row["target_id"]}


def _kind_at_least(grant: str | None, seen: frozenset[str]) -> str | None:
    return grant if grant is None or _target(grant) in seen else grant.partition(":")[0]


def _behind_thing(row: Row) -> str:
    return ".".join(part for part in (row["account"], row["thing"]) if part)


def standing(place: Row, known: datetime, valid: datetime) -> dict[str, Any] | None:
    """How a product stood at a moment, by what was known at another; None while nobody had ordered it.

    Closing takes effect here, and at Storebælt, at once; partners may need until the time that it names (P4).
    """
    if place["since"] > known:
        return None
    closed_at = place["until"] if place["until"] and place["until"] <= known else None
    partners_by = place["closed_at_partners_by"] if closed_at else None
    return {
        "open": place["since"] <= valid and not (closed_at and closed_at <= valid),
        "at_storebaelt": _usable(_from(place, "usable_at_storebaelt_from", known), closed_at, closed_at, valid),
        "elsewhere": _usable(_from(place, "usable_elsewhere_from", known), closed_at, partners_by, valid),
    }


def _from(place: Row, name: str, known: datetime) -> datetime | None:
    """From when a product is usable: known with its order if it is made for a plate, of a bizz once it is active."""
    began: datetime | None = place[name]
    return None if began and place["product"] == "bizz" and began > known else began


def _usable(
    began: datetime | None, closed_at: datetime | None, surely_by: datetime | None, valid: datetime
) -> Standing:
    if surely_by and surely_by <= valid:
        return "closed"
    if began is None or began > valid:
        return "not-yet"
    return "closing" if closed_at and closed_at <= valid else "usable"
