"""The sample's spans made at once are those that the view makes of each event."""

from itertools import islice

from deploy.sample_history import SampleHistory
from deploy.sample_history_load import load
from deploy.sample_spans_load import fill_spans
from services.audit.views.spans import Spans
from shared.eventstore.statement import run
from tests.audit.conftest import World
from tests.parts import OWNERS
from tests.rebuilt import tables_of


async def test_the_spans_of_a_sample_made_at_once_are_those_made_event_by_event(audit: World, database: str) -> None:
    events, owner = list(islice(SampleHistory(7, 3000).events(), 3000)), OWNERS[database]
    with audit.backbone.connect() as connection:
        for table in ("history", "history_about", "unsealed"):
            connection.execute(f"DELETE FROM {table}")
    assert list(load(owner, events))[-1] == 3000
    with audit.backbone.connect() as connection, connection.transaction():
        for recorded in events:
            run(connection, Spans().changes(recorded))
    one_by_one = tables_of(audit.backbone, Spans.tables)
    fill_spans(owner)
    assert tables_of(audit.backbone, Spans.tables) == one_by_one
    assert all(len(rows) > 3 for rows in one_by_one.values())
