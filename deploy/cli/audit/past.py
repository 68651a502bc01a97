"""`selfservice audit timeline`, `as-of` and `diff`: one entity's history, a moment, and two moments compared."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.audit.asking import asking, moment, show
from deploy.cli.screen import NotPossible, aside, said_clearly
from deploy.cli.where import FOLDER, Folder
from services.audit.past import standing
from services.audit.views import access_then, differences, history, state_then
from shared.database import Row
from shared.ids import kind_of

app = typer.Typer()
PAGE = 1000
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Moment = Annotated[datetime, typer.Argument(help="Like 2026-03-01T12:00; UTC.", parser=moment, metavar="MOMENT")]
Most = Annotated[int, typer.Option("--limit", min=1, help="At most so many lines.")]
GRANTS = {
    "profile_id": "who",
    "kind": "held",
    "target_id": "on",
    "since": "since",
    "begun_by": "given by",
    "begun_under": "under",
    "since_event": "event",
    "until": "until",
    "ended_by": "ended by",
}
THINGS = {"what": "what", "thing": "reached", "open": "open", "kind": "by", "target_id": "on", **GRANTS}
DIFFERENCES = {
    "at": "at",
    "change": "change",
    "what": "what",
    "profile_id": "who",
    "kind": "kind",
    "target_id": "on",
    "account_id": "account",
    "by": "by",
    "under": "under",
    "because": "because",
    "event_id": "event",
}
FIELDS = {"field": "field", "value": "value", "at": "since", "actor": "said by", "type": "event", "event_id": "id"}
ENTRIES = {
    "time": "time",
    "stream": "stream",
    "version": "version",
    "type": "event",
    "actor": "actor",
    "grant": "grant",
    "data": "what",
}
BEGINNING, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@app.command()
def timeline(
    entity: Annotated[str, typer.Argument(help="Whose history: a product, a person, a session, …")],
    *,
    since: Annotated[datetime, typer.Option("--from", parser=moment, metavar="MOMENT")] = BEGINNING,
    until: Annotated[datetime, typer.Option("--until", parser=moment, metavar="MOMENT")] = END,
    limit: Most = 10_000,
    as_json: AsJson = False,
    folder: Folder = FOLDER,
) -> None:
    """Everything that happened to one entity, oldest first, between two moments."""
    _show(_timeline(entity, since, until, limit, folder), ENTRIES, as_json=as_json)


@app.command("as-of")
def as_of(
    at: Moment,
    place: Annotated[str | None, typer.Option(help="Who could reach it.", metavar="ID")] = None,
    person: Annotated[str | None, typer.Option(help="What they could reach.", metavar="ID")] = None,
    state: Annotated[str | None, typer.Option(help="What it was: each field.", metavar="ID")] = None,
    valid_at: Annotated[
        datetime | None, typer.Option(parser=moment, help="With --state: what was in force at this moment.")
    ] = None,
    *,
    limit: Most = 10_000,
    as_json: AsJson = False,
    folder: Folder = FOLDER,
) -> None:
    """How it was at a moment: who held what, or what is asked for, each with the event that made it so."""
    if sum(given is not None for given in (place, person, state)) > 1:
        raise typer.BadParameter("ask for one of --place, --person and --state")
    if state is not None:
        _show(_state(state, at, valid_at or at, folder), FIELDS, as_json=as_json)
    elif person is not None:
        _show(_reach(person, at, limit, folder), THINGS, as_json=as_json)
    else:
        _show(_holders(place, at, limit, folder), GRANTS, as_json=as_json)


@app.command()
def diff(
    first: Moment,
    second: Moment,
    of: Annotated[str | None, typer.Option(help="Of a place or a person only.", metavar="ID")] = None,
    *,
    limit: Most = 10_000,
    as_json: AsJson = False,
    folder: Folder = FOLDER,
) -> None:
    """What differs between two moments, with the events and people that made it so."""
    if first >= second:
        raise typer.BadParameter("the first moment comes before the second")
    _show(_differences(first, second, of, limit, folder), DIFFERENCES, as_json=as_json)


def _show(question: Awaitable[list[Row]], columns: dict[str, str], *, as_json: bool) -> None:
    async def answered() -> list[Row]:
        return await question

    with said_clearly():
        show(asyncio.run(answered()), columns, as_json=as_json)


async def _timeline(entity: str, since: datetime, until: datetime, limit: int, folder: Path) -> list[Row]:
    async with asking(folder) as ours:
        place = history.Cursor(since - timedelta(microseconds=1), "~", until)

        async def page(last: Row | None) -> list[Row]:
            after = place if last is None else history.Cursor(last["at"], last["id"], until)
            return await history.all_of(ours.database, entity, after, PAGE)

        rows = await _pages(page, limit)
        await _must_be_known(rows, entity)
        await ours.record_reading(entity, len(rows))
        return rows


async def _holders(place: str | None, at: datetime, limit: int, folder: Path) -> list[Row]:
    async with asking(folder) as ours:

        async def page(last: Row | None) -> list[Row]:
            after = (last["profile_id"], last["since_event"]) if last else ("", "")
            if place is None:
                return await access_then.held_by_all(ours.database, at, staff=True, after=after, limit=PAGE)
            return await access_then.who_reached(ours.database, place, at, after=after, limit=PAGE)

        if place is not None:
            await _must_be_known(await access_then.place_of(ours.database, place), place)
        rows = await _pages(page, limit)
        await ours.record("holders" if place else "grants", place, (at,), len(rows))
        return rows


async def _reach(person: str, at: datetime, limit: int, folder: Path) -> list[Row]:
    async with asking(folder) as ours:

        async def page(last: Row | None) -> list[Row]:
            after = (last["account"], last["thing"]) if last else ("", "")
            return await access_then.reached_by(ours.database, person, at, after=after, limit=PAGE)

        await _must_be_known(await access_then.ever_held(ours.database, person), person)
        rows = [{**row, "thing": row["thing"] or row["account"]} for row in await _pages(page, limit)]
        await ours.record("reach", person, (at,), len(rows))
        return rows


async def _state(entity: str, at: datetime, valid_at: datetime, folder: Path) -> list[Row]:
    async with asking(folder) as ours:
        rows = await state_then.state_of(ours.database, entity, at, seen_by=None)
        await _must_be_known(await history.all_of(ours.database, entity, history.Cursor(), 1), entity)
        place = await access_then.place_of(ours.database, entity) if kind_of(entity) == "product" else None
        stood = standing(place, at, valid_at) if place else None
        await ours.record("state", entity, (at, valid_at), len(rows))
        return [*rows, *({"field": f"({name})", "value": value} for name, value in (stood or {}).items())]


async def _differences(first: datetime, second: datetime, of: str | None, limit: int, folder: Path) -> list[Row]:
    async with asking(folder) as ours:

        async def page(last: Row | None) -> list[Row]:
            after = differences.Cursor.behind(last) if last else differences.Cursor()
            return await differences.differences(
                ours.database, (first, second), of=of, staff=True, after=after, limit=PAGE
            )

        rows = await _pages(page, limit)
        await ours.record("differences", of, (first, second), len(rows))
        return rows


async def _pages(page: Callable[[Row | None], Awaitable[list[Row]]], limit: int) -> list[Row]:
    """All lines, page after page, up to a limit that is said aloud when it is reached."""
    rows: list[Row] = []
    while len(rows) < limit and (some := await page(rows[-1] if rows else None)):
        rows += some
    if len(rows) > limit:
        aside.print(f"selfservice: these are the first {limit:,} lines; name a larger --limit for more")
    return rows[:limit]


async def _must_be_known(found: Any, identifier: str) -> None:
    if not found:
        raise NotPossible(f"the history knows of no {identifier}, or not of that time")
