"""The event store: decide, append and refuse, on one database with one or two replicas."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import LiteralString

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from shared.cause import Cause
from shared.envelope import Recorded
from shared.errors import Refusal, Unavailable
from shared.eventstore.group_commit import STREAM_VERSION, ConstraintViolated, Unit
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Change, HistoryBroken
from tests.shared.shop import (
    ANNA,
    PRODUCT,
    NoteAdded,
    Notebook,
    PlateTaken,
    Product,
    ProductIsClosed,
    ProductOrdered,
    Shop,
    close,
    note,
    open_shop,
    order,
)


async def test_what_was_appended_is_loaded(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    written = await shop.streams.change(PRODUCT, "product-1", note("product-1", "for Sofie"), ANNA)
    assert written.seen == ("product-1@2",)
    assert await shop.streams.load(PRODUCT, "product-1") == (Product(plate="DK12345", notes=1), 2)


async def test_a_stream_where_nothing_happened_is_in_its_initial_state(shop: Shop) -> None:
    assert await shop.streams.load(PRODUCT, "product-unknown") == (Product(), 0)


async def test_an_event_is_recorded_with_who_under_which_grant_and_in_answer_to_what(shop: Shop) -> None:
    cause = Cause(ANNA.actor, "request-7", "event-3", "account-administrator:account-9")
    await shop.streams.record("product-1", ProductOrdered(product_id="product-1", plate="DK12345"), cause)
    (recorded,) = shop.log()
    assert (recorded.actor, recorded.correlation, recorded.causation) == (ANNA.actor, "request-7", "event-3")
    assert recorded.grant == "account-administrator:account-9"


async def test_asking_again_appends_nothing(shop: Shop) -> None:
    for _ in range(3):
        written = await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
        assert written.seen == ("product-1@1",)
    assert len(shop.log()) == 1


async def test_several_streams_change_in_one_commit_or_not_at_all(shop: Shop) -> None:
    swap = [
        Change(PRODUCT, "product-2", order("product-2", "DK22222")),
        Change(PRODUCT, "product-1", order("product-1", "DK11111")),
    ]
    written = await shop.streams.change_all(swap, ANNA)
    assert written.seen == ("product-2@1", "product-1@1")
    taken = [
        Change(PRODUCT, "product-3", note("product-3", "never")),
        Change(PRODUCT, "product-4", order("product-4", "DK11111")),
    ]
    with pytest.raises(PlateTaken):
        await shop.streams.change_all(taken, ANNA)
    assert [r.stream for r in shop.log()] == ["product-1", "product-2"]


async def test_one_stream_is_decided_about_once_in_a_command(shop: Shop) -> None:
    twice = [Change(PRODUCT, "product-1", note("product-1", "one")), Change(PRODUCT, "product-1", close("product-1"))]
    with pytest.raises(ValueError, match="one decision a stream"):
        await shop.streams.change_all(twice, ANNA)


async def test_versions_count_from_one_without_gaps_and_positions_follow_the_commits(shop: Shop) -> None:
    async def notes(stream: str) -> None:
        for number in range(20):
            await shop.streams.change(PRODUCT, stream, note(stream, str(number)), ANNA)

    await asyncio.gather(*(notes(f"product-{n}") for n in range(5)))
    for n in range(5):
        own = [r for r in shop.log() if r.stream == f"product-{n}"]
        assert [r.version for r in own] == list(range(1, 21))
        assert [r.position for r in own] == sorted(r.position for r in own)


async def test_a_lost_race_decides_again(shop: Shop, replica: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    seen: list[int] = []

    def late(product: Product) -> list[NoteAdded]:
        seen.append(product.notes)
        if len(seen) == 1:
            shop.query("SELECT 1")  # a pause in which the other replica is faster
            _append_past(shop, "product-1", 2)
        return [NoteAdded(product_id="product-1", note="late")]

    written = await replica.streams.change(PRODUCT, "product-1", late, ANNA)
    assert written.seen == ("product-1@3",)
    assert seen == [0, 1]


async def test_two_replicas_lose_nothing_and_never_both_succeed_at_a_version(shop: Shop, replica: Shop) -> None:
    answers: list[str] = []

    async def notes(at: Shop, who: str) -> None:
        for number in range(15):
            stream = f"product-{number % 3}"
            written = await at.streams.change(PRODUCT, stream, note(stream, f"{who}{number}"), ANNA)
            answers.extend(written.seen)

    await asyncio.gather(*(notes(at, f"{name}{n}-") for n in range(8) for name, at in (("a", shop), ("b", replica))))
    assert len(answers) == len(set(answers)) == 8 * 2 * 15
    notes_in_log = [note for n in range(3) for note in shop.notes_of(f"product-{n}")]
    assert len(notes_in_log) == len(set(notes_in_log)) == 8 * 2 * 15
    for n in range(3):
        assert [r.version for r in shop.log() if r.stream == f"product-{n}"] == list(range(1, 81))
        said = shop.query("SELECT said FROM notebook WHERE product_id = %s", (f"product-{n}",))
        assert said == [(" ".join(shop.notes_of(f"product-{n}")),)]


async def test_a_refused_unit_fails_alone_in_its_group(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-0", order("product-0", "DK12345"), ANNA)
    plates = ["DK12345" if n % 3 == 0 else f"SE{n:05}" for n in range(1, 31)]
    answers = await asyncio.gather(
        *(
            shop.streams.change(PRODUCT, f"product-{n}", order(f"product-{n}", plate), ANNA)
            for n, plate in enumerate(plates, start=1)
        ),
        return_exceptions=True,
    )
    for plate, answer in zip(plates, answers, strict=True):
        assert isinstance(answer, PlateTaken) == (plate == "DK12345"), answer
    assert len(shop.log()) == 1 + 20
    assert len(shop.query("SELECT 1 FROM plates")) == 1 + 20


async def test_the_refusal_of_a_view_comes_out_by_its_name(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    with pytest.raises(PlateTaken) as refused:
        await shop.streams.change(PRODUCT, "product-2", order("product-2", "DK12345"), ANNA)
    assert refused.value.code == "plate-taken"
    await shop.streams.change(PRODUCT, "product-1", close("product-1"), ANNA)
    await shop.streams.change(PRODUCT, "product-2", order("product-2", "DK12345"), ANNA)


class Unwritable:
    """A view whose statement cannot even be sent."""

    tables: Mapping[str, LiteralString] = {}
    refusals: Mapping[str, type[Refusal]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        if isinstance(recorded.data, NoteAdded) and recorded.data.note == "broken":
            yield Statement("SELECT %s::text", ("\ud800",))


async def test_a_unit_that_cannot_be_sent_fails_alone_and_leaves_no_transaction_open(database: str) -> None:
    async with open_shop(database, [Notebook(), Unwritable()]) as shop:
        texts = ["one", "broken", "two"]
        answers = await asyncio.gather(
            *(shop.streams.change(PRODUCT, f"product-{t}", note(f"product-{t}", t), ANNA) for t in texts),
            return_exceptions=True,
        )
        assert [isinstance(answer, UnicodeEncodeError) for answer in answers] == [False, True, False]
        await shop.streams.change(PRODUCT, "product-after", note("product-after", "three"), ANNA)
        assert {r.stream for r in shop.log()} == {"product-one", "product-two", "product-after"}


async def test_a_unit_too_large_for_an_index_is_refused_and_not_tried_for_ever(shop: Shop) -> None:
    plate = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(4000))
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        await asyncio.wait_for(shop.streams.change(PRODUCT, "product-1", order("product-1", plate), ANNA), timeout=3)


GRANT_MUST_HOLD = """
CREATE TABLE grants (profile_id text);
CREATE FUNCTION grant_must_hold(who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM grants WHERE profile_id = who) THEN
        RAISE check_violation USING CONSTRAINT = 'grant_must_hold', MESSAGE = 'gone';
    END IF;
END $$
"""


async def test_a_guard_that_does_not_hold_any_more_refuses_the_command(shop: Shop) -> None:
    with shop.connect() as connection:
        connection.execute(GRANT_MUST_HOLD)
    cause = ANNA.under("account-administrator", Statement("SELECT grant_must_hold(%s)", ("profile-anna",)))
    with pytest.raises(ConstraintViolated, match="grant_must_hold"):
        await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), cause)
    assert shop.log() == []
    with shop.connect() as connection:
        connection.execute("INSERT INTO grants VALUES ('profile-anna')")
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), cause)


async def test_bookkeeping_commits_with_the_events_or_fails_with_them(shop: Shop) -> None:
    with shop.connect() as connection:
        connection.execute("CREATE TABLE kept (seen text CONSTRAINT kept_once PRIMARY KEY, answer text)")
    keep = Cause(
        ANNA.actor,
        "request-1",
        bookkeeping=lambda _seen, answer: [Statement("INSERT INTO kept VALUES (%s, %s)", ("key", answer["id"]))],
    ).answering(id="product-1")
    written = await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), keep)
    assert written.answer == {"id": "product-1"}
    assert shop.query("SELECT seen, answer FROM kept") == [("key", "product-1")]
    with pytest.raises(ConstraintViolated, match="kept_once"):
        await shop.streams.change(PRODUCT, "product-2", order("product-2", "DK22222"), keep)
    with pytest.raises(PlateTaken):
        await shop.streams.change(PRODUCT, "product-3", order("product-3", "DK12345"), _keeping("other"))
    assert len(shop.log()) == 1
    assert len(shop.query("SELECT * FROM kept")) == 1


def _keeping(key: str) -> Cause:
    keep = Statement("INSERT INTO kept VALUES (%s, 'x')", (key,))
    return Cause(ANNA.actor, "request-1", bookkeeping=lambda _seen, _answer: [keep])


async def test_a_kept_state_gone_stale_is_not_believed_for_an_answer_without_events(database: str) -> None:
    async with open_shop(database, []) as shop, open_shop(database, []) as replica:
        await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK11111"), ANNA)
        await replica.streams.change(PRODUCT, "product-1", order("product-1", "DK22222"), ANNA)
        written = await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK11111"), ANNA)
        assert written.seen == ("product-1@3",)


async def test_a_kept_state_gone_stale_is_not_believed_for_a_refusal(shop: Shop, replica: Shop) -> None:
    def only_with_a_note(product: Product) -> list[ProductOrdered]:
        if product.notes == 0:
            raise ProductIsClosed
        return [ProductOrdered(product_id="product-1", plate="DK99999")]

    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK11111"), ANNA)
    with pytest.raises(ProductIsClosed):
        await shop.streams.change(PRODUCT, "product-1", only_with_a_note, ANNA)
    await replica.streams.change(PRODUCT, "product-1", note("product-1", "now"), ANNA)
    await shop.streams.change(PRODUCT, "product-1", only_with_a_note, ANNA)


async def test_a_decision_whose_asker_went_away_does_no_harm(shop: Shop) -> None:
    task = asyncio.create_task(shop.streams.change(PRODUCT, "product-1", note("product-1", "gone"), ANNA))
    await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    written = await shop.streams.change(PRODUCT, "product-1", note("product-1", "here"), ANNA)
    assert written.seen[0] == f"product-1@{len(shop.log())}"
    assert shop.notes_of("product-1")[-1] == "here"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET state = 'x'",
        "DELETE FROM events",
        "TRUNCATE events",
        "INSERT INTO events SELECT * FROM events ON CONFLICT ON CONSTRAINT events_pkey DO UPDATE SET state = 'x'",
        "MERGE INTO events e USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    ],
)
async def test_history_is_only_ever_added_to(shop: Shop, sql: LiteralString) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    with shop.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql)
    assert len(shop.log()) == 1


async def test_a_stream_with_a_missing_version_is_not_decided_upon(shop: Shop) -> None:
    _append_past(shop, "product-1", 3)
    with pytest.raises(HistoryBroken):
        await shop.streams.change(PRODUCT, "product-1", note("product-1", "on sand"), ANNA)


async def test_the_library_sees_the_same_log(shop: Shop) -> None:
    shop.recorder.insert_events(
        [StoredEvent("product-1", 1, *_state("product-1")), StoredEvent("product-2", 1, *_state("product-2"))]
    )
    await shop.streams.change(PRODUCT, "product-1", close("product-1"), ANNA)
    assert [(r.stream, r.version) for r in shop.log()] == [("product-1", 1), ("product-2", 1), ("product-1", 2)]


async def test_two_units_at_one_version_one_is_refused(shop: Shop) -> None:
    units = [Unit(events=[StoredEvent("product-1", 1, *_state("product-1"))]) for _ in range(2)]
    answers = await asyncio.gather(*(shop.writer.commit(unit) for unit in units), return_exceptions=True)
    assert [getattr(answer, "constraint", None) for answer in answers] == [None, STREAM_VERSION]


async def test_who_waits_for_a_row_that_others_hold_is_told_to_ask_again(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    with shop.connect() as holder, holder.transaction():
        holder.execute("INSERT INTO plates VALUES ('DK22222', 'elsewhere')")
        unit = Unit(
            statements=[
                Statement("SET LOCAL lock_timeout = '50ms'"),
                Statement("INSERT INTO plates VALUES ('DK22222', 'product-2')"),
            ]
        )
        with pytest.raises(Unavailable):
            await shop.writer.commit(unit)
    await shop.streams.change(PRODUCT, "product-1", note("product-1", "goes on"), ANNA)


def _append_past(shop: Shop, stream: str, version: int) -> None:
    topic, state = _state(stream, "past")
    with shop.connect() as connection:
        connection.execute(
            "INSERT INTO events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)",
            (stream, version, topic, state),
        )


def _state(stream: str, text: str = "raw") -> tuple[str, bytes]:
    head = b'{"id":"e","time":"2026-03-01T12:00:00Z","actor":"system:x","grant":null,"correlation":"c","causation":null'
    event = NoteAdded(product_id=stream, note=text)
    return event.type, head + b',"data":' + event.to_json() + b"}"
