"""Units: what one command commits, whole or not at all, in one transaction with others that it must not harm."""

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
from tests.shared.shop import (
    ANNA,
    PRODUCT,
    NoteAdded,
    Notebook,
    PlateTaken,
    Shop,
    close,
    note,
    open_shop,
    order,
    raw_event,
)


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
END $$;
GRANT SELECT, INSERT ON grants TO test
"""


async def test_a_guard_that_does_not_hold_any_more_refuses_the_command(shop: Shop) -> None:
    with shop.as_owner() as connection:
        connection.execute(GRANT_MUST_HOLD)
    cause = ANNA.under("account-administrator", Statement("SELECT grant_must_hold(%s)", ("profile-anna",)))
    with pytest.raises(ConstraintViolated, match="grant_must_hold"):
        await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), cause)
    assert shop.log() == []
    with shop.connect() as connection:
        connection.execute("INSERT INTO grants VALUES ('profile-anna')")
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), cause)


async def test_bookkeeping_commits_with_the_events_or_fails_with_them(shop: Shop) -> None:
    with shop.as_owner() as connection:
        connection.execute("CREATE TABLE kept (seen text CONSTRAINT kept_once PRIMARY KEY, answer text)")
        connection.execute("GRANT SELECT, INSERT ON kept TO test")
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


async def test_two_units_at_one_version_one_is_refused(shop: Shop) -> None:
    units = [Unit(events=[StoredEvent("product-1", 1, *raw_event("product-1"))]) for _ in range(2)]
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
