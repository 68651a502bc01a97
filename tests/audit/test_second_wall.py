"""Z-07: with our own checks taken away, the database shows everybody the history that lies in their reach (H3, A9)."""

from services.audit.views.history import Cursor, history_of
from services.profiles.events import ContactDetailsChanged
from shared.actor import Actor
from tests.audit.conftest import (
    AGREEMENT,
    ANNA,
    BIZZ,
    DORA,
    FRAMEWORK,
    HANS,
    HARBOUR,
    HAVNEFART,
    HAVNEFART_BIZZ,
    METTE,
    NORDLYS,
    PLATE,
    QUAY,
    ROAD,
    World,
    name,
)
from tests.feed import SUSANNE

NOBODY = Actor("profile", name("profile", 9))


async def shown(world: World, actor: Actor) -> tuple[set[str], set[str]]:
    """The events that somebody is shown of each of both tables by a question without any condition."""
    asked = world.backbone.database.asked_by(actor)
    events = await asked.rows("SELECT event_id FROM history")
    about = await asked.rows("SELECT event_id FROM history_about")
    return {row["event_id"] for row in events}, {row["event_id"] for row in about}


async def lying_in(world: World, *places: str) -> set[str]:
    """The events that lie in one of these places, or with nobody but these people."""
    rows = await world.backbone.database.rows(
        "SELECT event_id FROM history WHERE places && %(within)s "
        "OR places = '{}' AND people <> '{}' AND people <@ %(within)s",
        {"within": list(places)},
    )
    return {row["event_id"] for row in rows}


async def test_h3_a_question_that_forgot_its_condition_shows_each_what_lies_in_their_reach(world: World) -> None:
    await world.happened(ContactDetailsChanged(profile_id=DORA.id, name="Dora Dal", phone=None), by=DORA)
    await world.happened(ContactDetailsChanged(profile_id=HANS.id, name="Hans Holm", phone=None), by=HANS)
    of_nordlys = (ROAD, BIZZ, AGREEMENT, NORDLYS, ANNA.id, METTE.id, DORA.id)
    wanted = {
        ANNA: await lying_in(world, *of_nordlys),
        METTE: await lying_in(world, *of_nordlys, HARBOUR, FRAMEWORK, PLATE),
        HANS: await lying_in(world, QUAY, HAVNEFART_BIZZ, HAVNEFART, HANS.id),
    }
    for actor, events in wanted.items():
        assert await shown(world, actor) == (events, events)
        assert events
    assert len({frozenset(events) for events in wanted.values()}) == 3
    for actor in (DORA, NOBODY, Actor("staff", ANNA.id)):
        assert await shown(world, actor) == (set(), set())
    everything = {row["event_id"] for row in await world.backbone.database.rows("SELECT event_id FROM history")}
    assert await shown(world, SUSANNE) == (everything, everything)


async def test_h3_who_is_taken_for_customer_service_by_mistake_sees_no_more(world: World) -> None:
    database = world.backbone.database
    assert await history_of(database, ANNA, HAVNEFART_BIZZ, staff=True, after=Cursor(), limit=10) == []
    seen = await history_of(database, SUSANNE, HAVNEFART_BIZZ, staff=True, after=Cursor(), limit=10)
    assert [entry["type"] for entry in seen] == ["products.bizz-ordered.v1"]


async def test_h3_spans_asked_for_without_any_condition_are_those_of_what_lies_in_reach(world: World) -> None:
    of_all = {"place_spans": 10, "agreement_spans": 3, "grant_spans": 4}
    wanted = {
        SUSANNE: of_all,
        ANNA: {"place_spans": 4, "agreement_spans": 1, "grant_spans": 3},
        METTE: {"place_spans": 7, "agreement_spans": 3, "grant_spans": 3},
        HANS: {"place_spans": 3, "agreement_spans": 0, "grant_spans": 1},
        DORA: dict.fromkeys(of_all, 0),
        NOBODY: dict.fromkeys(of_all, 0),
    }
    for actor, rows in wanted.items():
        asked = world.backbone.database.asked_by(actor)
        seen = {
            "place_spans": await asked.rows("SELECT 1 AS one FROM place_spans"),
            "agreement_spans": await asked.rows("SELECT 1 AS one FROM agreement_spans"),
            "grant_spans": await asked.rows("SELECT 1 AS one FROM grant_spans"),
        }
        assert {table: len(found) for table, found in seen.items()} == rows, actor
