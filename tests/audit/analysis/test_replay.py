"""H2: any range through somebody's own code, typed, once each, in order; it can be cut off, and it has a digest."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from deploy.contracts import events as every_event
from deploy.samples import content_of
from services.audit.analysis.decoding import ERASED, Row, typed
from services.audit.analysis.history import History, exported, recorded
from services.audit.analysis.layout import Layout
from services.audit.analysis.replay import BLOCK, NotItsCursor, Replay
from services.audit.canonical import commitment, personal_fields
from services.profiles.events import ProductAccessGranted
from shared.envelope import Recorded
from shared.events import Event, Plain, UnknownEventError, upcast
from tests.audit.analysis.conftest import EVENTS, sample_events, seal_all
from tests.audit.analysis.conftest import exported as export_of
from tests.audit.analysis.test_export import small_history

SOURCES = ("database", "parquet", "csv")
Histories = Mapping[str, History]


@pytest.fixture(scope="module")
def histories(history_dsn: str, exports: Mapping[Layout, Path]) -> Iterator[Histories]:
    """The same history from everywhere."""
    with psycopg.connect(history_dsn, autocommit=True) as connection:
        yield {"database": recorded(connection), **{layout: exported(folder) for layout, folder in exports.items()}}


def without_position(recorded_: Recorded) -> tuple[object, ...]:
    return tuple(getattr(recorded_, name) for name in Recorded.__slots__ if name != "position")


def ids(replay: Replay) -> list[str]:
    return [event.id for event in replay]


@pytest.mark.parametrize("source", SOURCES)
def test_h2_every_event_comes_once_typed_and_in_order(histories: Histories, source: str) -> None:
    replayed = list(histories[source].replay())
    assert [event.position for event in replayed] == list(range(EVENTS))
    assert [without_position(event) for event in replayed] == [without_position(event) for event in sample_events()]


def test_h2_the_same_events_have_the_same_digest_wherever_they_come_from(histories: Histories) -> None:
    digests = set()
    for source in SOURCES:
        replay = histories[source].replay()
        assert len(ids(replay)) == replay.events == EVENTS
        digests.add(replay.digest)
    assert len(digests) == 1


def test_other_events_have_another_digest(histories: Histories) -> None:
    replays = [
        histories["parquet"].replay(),
        histories["parquet"].replay(leaves=EVENTS - 1),
        histories["parquet"].replay(types=["auth.code-requested.v1"]),
    ]
    for replay in replays:
        ids(replay)
    assert len({replay.digest for replay in replays}) == 3


@pytest.mark.parametrize("source", SOURCES)
def test_h2_a_range_of_time_streams_and_types_is_what_comes(histories: Histories, source: str) -> None:
    events, history = sample_events(), histories[source]
    begin, end = events[500].time, events[1800].time
    assert ids(history.replay(from_=begin, until=end)) == [event.id for event in events[500:1800]]
    granted = [event.id for event in events if isinstance(event.data, ProductAccessGranted)]
    assert ids(history.replay(types=["profiles.product-access-granted.v1"])) == granted
    stream = events[0].stream
    assert ids(history.replay(streams=[stream])) == [event.id for event in events if event.stream == stream]
    products = [event.id for event in events if event.stream.startswith("product-")]
    assert ids(history.replay(streams=["product"])) == products
    assert ids(history.replay(from_=end + timedelta(days=900))) == []


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("types", [(), ("products.reference-changed.v1", "auth.code-requested.v1")])
def test_h2_a_replay_that_was_cut_off_goes_on_at_its_cursor_with_the_same_digest(
    histories: Histories, source: str, types: tuple[str, ...]
) -> None:
    whole = histories[source].replay(types=types)
    every = ids(whole)
    for after in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, EVENTS):
        first = histories[source].replay(types=types)
        begun = [event.id for event in islice(first, min(after, len(every)))]
        rest = histories[source].replay(types=types, after=str(first.cursor))
        assert begun + ids(rest) == every
        assert (rest.digest, rest.events, rest.cursor) == (whole.digest, whole.events, whole.cursor)


def test_a_cursor_goes_on_in_another_source(histories: Histories) -> None:
    first = histories["database"].replay()
    begun = [event.id for event in islice(first, 1234)]
    rest = histories["parquet"].replay(after=first.cursor)
    assert begun + ids(rest) == [event.id for event in sample_events()]


def test_a_replay_that_is_left_and_iterated_again_goes_on(histories: Histories) -> None:
    replay = histories["csv"].replay()
    parts = [[event.id for event in islice(replay, 700)] for _ in range(3)]
    assert [*parts[0], *parts[1], *parts[2], *ids(replay)] == [event.id for event in sample_events()]
    whole = histories["csv"].replay()
    ids(whole)
    assert replay.digest == whole.digest


def test_a_cursor_of_another_question_or_of_none_is_refused(histories: Histories) -> None:
    cursor = histories["csv"].replay(types=["auth.code-requested.v1"]).cursor
    for wrong in (cursor, "nonsense", "a:b:c:d"):
        with pytest.raises(NotItsCursor):
            histories["csv"].replay(after=wrong)


def test_h2_what_came_since_is_replayed_after_the_old_cursor_as_if_in_one_go(database: str, tmp_path: Path) -> None:
    dsn = small_history(database, 1700)
    seal_all(dsn, 1500)
    before = exported(export_of(dsn, tmp_path, "parquet")).replay()
    begun = ids(before)
    seal_all(dsn)
    grown = exported(export_of(dsn, tmp_path, "parquet", at_once=70))
    rest, whole = grown.replay(after=before.cursor), grown.replay()
    assert begun + ids(rest) == ids(whole)
    assert rest.digest == whole.digest
    same = grown.replay(leaves=1500)
    assert (ids(same), same.digest) == (begun, before.digest)


def test_how_far_a_replay_is_is_told(histories: Histories) -> None:
    told: list[tuple[int, int]] = []
    ids(histories["parquet"].replay(watch=lambda done, of: told.append((done, of))))
    assert told == [(1000, EVENTS), (2000, EVENTS), (EVENTS, EVENTS), (EVENTS, EVENTS)]


class OldName(Event, type="archive.letter-written.v1"):
    """As it was said once."""

    name: Plain[str]


class NewName(Event, type="archive.letter-written.v2"):
    """As it is said today."""

    names: Plain[tuple[str, ...]]


@upcast("archive.letter-written.v1", "archive.letter-written.v2")
def _lift(content: dict[str, Any]) -> dict[str, Any]:
    return {"names": [content["name"]]}


def row(name: str, data: dict[str, Any]) -> Row:
    return (
        7,
        "1" * 32,
        name.partition(".")[0],
        "x-" + "1" * 32,
        1,
        name,
        0,
        "system:audit",
        None,
        "r",
        None,
        json.dumps(data),
    )


def test_h2_an_old_event_is_lifted_to_the_newest_version() -> None:
    assert typed(row("archive.letter-written.v1", {"name": "Anna"})).data == NewName(names=("Anna",))


def test_every_event_reads_fast_as_it_reads_from_the_log() -> None:
    for event in every_event():
        said = event.model_validate(content_of(event))
        assert typed(row(event.type, json.loads(said.to_json()))).data == said


def test_h5_of_an_erased_event_everything_but_the_personal_values_is_there() -> None:
    for event in every_event():
        content = json.loads(event.model_validate(content_of(event)).to_json())
        personal = [name for name in personal_fields(event.type) if name in content]
        erased = {name: commitment(b"salt", name, content[name]) for name in personal}
        read = typed(row(event.type, {**content, **erased})).data.model_dump(mode="json")
        assert {name: read[name] for name in content if name not in personal} == {
            name: value for name, value in content.items() if name not in personal
        }
        assert all(read[name] in (ERASED, 0) for name in personal)


def test_what_this_version_does_not_know_is_not_passed_over() -> None:
    with pytest.raises(UnknownEventError, match="ferries"):
        typed(row("ferries.sailed.v1", {}))
    with pytest.raises(ValidationError):
        typed(row("archive.letter-written.v2", {"names": 3}))
