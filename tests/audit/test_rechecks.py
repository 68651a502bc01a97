"""T-08, T-09, H4: audit looks at itself: what was altered is found and named, what does not go on is said."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deploy.local.postgres import Postgres
from services.audit.adapters.rechecks import Result, last_kept, recheck
from services.audit.proof.nightly import EVERY, Nightly
from services.audit.proof.notes import Checkpoint
from shared.settings import KafkaSettings
from tests.audit.conftest import World
from tests.audit.proofs import KEY, connect, signed
from tests.audit.test_signing import by_a_superuser, happened, sealed_some

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def kept(database: str) -> str:
    """Sixty entries, fifty of them sealed and signed."""
    happened(database, 60)
    for count in (20, 30):
        sealed_some(database, count)
        signed(database)
    return database


def test_t09_a_history_that_is_what_it_was_is_found_so(kept: str) -> None:
    with connect(kept) as connection:
        row = connection.execute("SELECT size, root FROM checkpoints ORDER BY size LIMIT 1").fetchone()
        assert row is not None
        assert recheck(connection, [Checkpoint(KEY.origin, row[0], bytes(row[1]))]) == Result(50, None)


@pytest.mark.parametrize(
    ("deed", "difference"),
    [
        ("UPDATE history SET actor = 'staff:x' WHERE number = 8", "leaf 7 (entry {7}) is not what it was made of"),
        ("UPDATE history SET type = 'x' WHERE number = 8", "leaf 7 (entry {7}): no event is called x"),
        ("DELETE FROM history WHERE number = 8", "the entry of leaf 7 (entry {7}) is not there"),
        ("DELETE FROM leaves WHERE leaf = 7", "leaf 7 is not there"),
        ("DELETE FROM leaves WHERE leaf > 45", "there are 46 leaves, and 50 were signed"),
        (
            "UPDATE tree_nodes SET hash = '' WHERE level = 4 AND index = 1",
            "the node 1 of level 4 is not that of its leaves",
        ),
        ("DELETE FROM unsealed WHERE number = 55", "entry {54} is no leaf, and does not wait to be one"),
        (
            "UPDATE checkpoints SET root = sha256('x') WHERE size = 20",
            "the first 20 entries do not make the root that was said of them",
        ),
    ],
)
def test_t09_the_first_difference_is_named(kept: str, postgres: Postgres, deed: str, difference: str) -> None:
    with connect(kept) as connection:
        ids = [row[0] for row in connection.execute("SELECT event_id FROM history ORDER BY number")]
        by_a_superuser(postgres, kept, deed)
        assert recheck(connection).difference == difference.format(*ids)


def test_t09_a_checkpoint_from_outside_finds_what_was_rewritten_whole(kept: str) -> None:
    with connect(kept) as connection:
        other = Checkpoint(KEY.origin, 30, bytes(32))
        assert recheck(connection, [other]).difference == (
            "the first 30 entries do not make the root that was said of them"
        )


def test_t09_it_is_checked_once_a_day_and_what_was_found_stays_an_alarm(kept: str, postgres: Postgres) -> None:
    now = [NOON]
    nightly = Nightly(lambda: connect(kept), KEY.public, KafkaSettings(), lambda: now[0])
    assert nightly._is_due()
    assert nightly.check([]) == Result(50, None)
    assert (nightly._is_due(), nightly.alarms()) == (False, [])
    now[0] += EVERY
    assert nightly._is_due()
    by_a_superuser(postgres, kept, "DELETE FROM leaves WHERE leaf = 7")
    nightly.check([])
    another = Nightly(lambda: connect(kept), KEY.public, KafkaSettings(), lambda: now[0])
    assert not another._is_due()
    assert another.alarms() == ["the history is not what it was: leaf 7 is not there"]
    with connect(kept) as connection:
        assert last_kept(connection) == (NOON + EVERY, "leaf 7 is not there")


async def test_t08_what_is_alarming_is_shown_in_health_and_metrics(world: World) -> None:
    """Nobody seals or signs here; six minutes later that is an alarm."""
    now = [datetime.now(UTC)]
    upkeep = world.backbone._alarms[0].__self__  # type: ignore[attr-defined]
    upkeep._clock = lambda: now[0]
    await upkeep.look_for_unproven()
    assert (await world.backbone.look()).alarms == []
    now[0] += timedelta(minutes=6)
    await upkeep.look_for_unproven()
    [alarm] = (await world.backbone.look()).alarms
    assert "are in no checkpoint" in alarm
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=world.app), base_url="http://audit") as http:
        assert 'alarms{service="audit"} 1.0' in (await http.get("/metrics")).text
    await upkeep.seal_and_sign()
    await upkeep.look_for_unproven()
    assert (await world.backbone.look()).alarms == []
