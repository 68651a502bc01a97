"""H2: what is answered of a moment is what a fold of the log up to it says, whatever happened in what order."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audit.views.access_then import held_by_all, reached_by, who_reached
from services.audit.views.differences import Cursor, differences
from services.audit.views.history import History
from services.audit.views.spans import Spans
from shared.envelope import Recorded
from shared.eventstore.statement import run
from tests.audit import random_past
from tests.audit.conftest import World
from tests.audit.random_past import PEOPLE, PLACES, STEPS, Grant, Story
from tests.feed import SUSANNE

ALL = 1000
NOWHERE = ("", "")


def arrived(world: World, story: Story, order: random.Random) -> None:
    """All of it has come, each stream in its order, the streams among each other in any."""
    streams: dict[str, list[Recorded]] = {}
    for recorded in story.events:
        streams.setdefault(recorded.stream, []).append(recorded)
    coming = [stream for stream, events in streams.items() for _ in events]
    order.shuffle(coming)
    history, spans = History("audit"), Spans()
    with world.backbone.connect() as connection, connection.transaction():
        for table in ("history", "history_about", "unsealed", "place_spans", "agreement_spans", "grant_spans"):
            connection.execute(f"DELETE FROM {table}")
        for stream in coming:
            recorded = streams[stream].pop(0)
            run(connection, [*history.changes(recorded), *spans.changes(recorded)])


def grants(rows: Iterable[dict[str, str]]) -> set[Grant]:
    return {(row["profile_id"], row["kind"], row["target_id"]) for row in rows}


async def agrees(world: World, story: Story, moment: datetime) -> None:
    """Everything that can be asked of a moment is answered as the fold has it."""
    database, was = world.backbone.database.asked_by(SUSANNE), story.world(moment)
    for place in PLACES:
        rows = await who_reached(database, place, moment, after=NOWHERE, limit=ALL)
        assert grants(rows) == {grant for grant in was.held if was.reaches(grant, place)}, place
        assert len(rows) == len(grants(rows))
    for person in PEOPLE:
        rows = await reached_by(database, person, moment, after=NOWHERE, limit=ALL)
        assert {row["thing"] or row["account"] for row in rows} == was.reached_by(person), person
        assert grants(rows) <= was.held
    everything = await held_by_all(database, moment, staff=True, after=NOWHERE, limit=ALL)
    assert grants(everything) == was.held


async def differs_so(world: World, story: Story, first: datetime, second: datetime) -> None:
    """What is told between two moments is the difference of both folds, each made by an event in between."""
    database = world.backbone.database.asked_by(SUSANNE)
    before, after = story.world(first), story.world(second)
    when = {event: at for event, at in story.at.items() if first < at <= second}
    for of in (None, *PLACES, *PEOPLE):
        rows = await differences(database, (first, second), of=of, staff=True, after=Cursor(), limit=ALL)
        for row in rows:
            assert when[row["event_id"]] == row["at"]
            assert row["by"] == next(str(each.actor) for each in story.events if each.id == row["event_id"])
        told = [row for row in rows if row["what"] == "grant"]
        for change, there, not_there in (("began", after, before), ("ended", before, after)):
            lines = [row for row in told if row["change"] == change]
            had, had_not = ({g for g in w.held if _concerns(w, g, of)} for w in (there, not_there))
            assert grants(lines) == had - had_not, (of, change)
            assert len(lines) == len(grants(lines))


def _concerns(world: random_past.World, grant: Grant, of: str | None) -> bool:
    if of in (None, random_past.COMPANY):
        return True
    return grant[0] == of if of in PEOPLE else world.reaches(grant, of)


@pytest.mark.timeout(120)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, order=st.randoms(use_true_random=False))
async def test_h2_every_moment_is_what_a_fold_of_the_log_up_to_it_says(
    audit: World, steps: list[tuple[str, int, int, int]], order: random.Random
) -> None:
    story = random_past.told(steps)
    arrived(audit, story, order)
    moments = story.moments()
    for moment in moments:
        await agrees(audit, story, moment)
    await agrees(audit, story, moments[-1] + timedelta(days=1))
    for first, second in [*pairwise(moments), (moments[0], moments[-1]), (moments[len(moments) // 2], moments[-1])]:
        await differs_so(audit, story, first, second)
