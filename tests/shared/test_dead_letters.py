"""Dead letters: what cannot be applied is kept whole, holds up its own stream only, and can be redriven."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from shared import dead_letters
from shared.cause import Cause
from shared.dead_letters import TOO_EARLY, Letter
from shared.envelope import Recorded
from shared.eventstore.statement import Statement
from shared.inbox import Inbox
from tests.shared.elsewhere import Echo, Elsewhere, inbox_of, parked, said, versions
from tests.shared.shop import NoteAdded, Notebook, Shop


def broken(letter: Letter, value: bytes = b'{"note": 7}') -> Letter:
    return replace(letter, value=value)


def with_header(letter: Letter, name: str, value: bytes | None) -> Letter:
    return replace(letter, headers=[(known, value if known == name else kept) for known, kept in letter.headers])


async def test_an_event_that_cannot_be_read_is_parked_and_its_stream_waits_while_others_go_on(shop: Shop) -> None:
    elsewhere = Elsewhere()
    one, two, three = elsewhere.notes("product-1", "a", "b", "c")
    with inbox_of(shop) as inbox:
        await inbox.take_letters([one, broken(two), three, *elsewhere.notes("product-2", "x", "y")])
        assert parked(shop) == [
            ("product-1", 2, "ValidationError: product_id: missing; note: string_type"),
            ("product-1", 3, TOO_EARLY),
        ]
        assert (said(shop, "product-1"), said(shop, "product-2")) == ("a", "x y")
        await inbox.take_letters([two])  # corrected at its source
    assert said(shop, "product-1") == "a b c"
    assert parked(shop) == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "JSONDecodeError"),
        (b"\xff\x00", "JSONDecodeError"),
        (b"[]", "TypeError"),
        (b"null", "TypeError"),
        (b'{"product_id": "product-1", "note": "x", "more": 1}', "ValidationError"),
    ],
)
async def test_whatever_the_value_is_it_is_parked(shop: Shop, value: bytes, reason: str) -> None:
    (letter,) = Elsewhere().notes("product-1", "a")
    with inbox_of(shop) as inbox:
        await inbox.take_letters([broken(letter, value)])
    ((_, version, why),) = parked(shop)
    assert (version, why.split(":")[0]) == (1, reason)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_version", b"0"),
        ("ce_version", b"99999999999999999999"),
        ("ce_stream", b"product-\x00"),
        ("ce_stream", b"\xff\xfe"),
        ("ce_stream", b"product-" + b"1" * 5000),
        ("ce_actor", None),
        ("ce_time", b"now\x00"),
    ],
)
async def test_a_record_that_has_no_place_is_parked_once_and_its_neighbours_go_on(
    shop: Shop, name: str, value: bytes | None
) -> None:
    before, bad, after = Elsewhere().notes("product-1", "a", "bad", "b")
    bad = with_header(bad, name, value)
    after = with_header(after, "ce_version", b"2")
    with inbox_of(shop) as inbox:
        for _ in range(3):
            await inbox.take_letters([before, bad, after])
        assert await inbox.redrive() == (0, 1)
        with shop.connect() as connection:
            (kept,) = dead_letters.all_letters(connection)
    assert said(shop, "product-1") == "a b"
    assert (list(kept.headers), kept.value) == (list(bad.headers), bad.value)


async def test_an_unknown_event_waits_for_the_version_of_this_service_that_knows_it(shop: Shop) -> None:
    (letter,) = Elsewhere().notes("product-1", "a")
    with inbox_of(shop) as inbox:
        await inbox.take_letters([with_header(letter, "ce_type", b"shop.product-teleported.v1")])
    assert parked(shop) == [("product-1", 1, "UnknownEventError: no event is called shop.product-teleported.v1")]


class Unfinished(Notebook):
    """A copied view with a defect that is mended later."""

    mended = False

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        if not self.mended and isinstance(recorded.data, NoteAdded) and recorded.data.note == "b":
            raise AttributeError("a defect")
        yield from super().changes(recorded)


async def test_after_the_defect_is_mended_a_redrive_applies_all_in_order(shop: Shop) -> None:
    view = Unfinished()
    inbox = Inbox(follows=["product"], copies=[view], reactions={}, connect=shop.connect, writer=shop.writer)
    await inbox.take_letters(Elsewhere().notes("product-1", "a", "b", "c", "d"))
    assert [version for _, version, _ in parked(shop)] == [2, 3, 4]
    assert await inbox.redrive() == (0, 3)
    view.mended = True
    assert await inbox.redrive() == (3, 0)
    inbox.close()
    assert said(shop, "product-1") == "a b c d"


async def test_a_statement_that_the_database_refuses_for_good_is_parked_and_not_tried_for_ever(shop: Shop) -> None:
    with shop.as_owner() as connection:
        connection.execute("CREATE UNIQUE INDEX ON notebook (said)")
    long = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(4000))
    elsewhere = Elsewhere()
    with inbox_of(shop) as inbox:
        await inbox.take_letters([*elsewhere.notes("product-1", long), *elsewhere.notes("product-2", "x")])
    ((stream, _, reason),) = parked(shop)
    assert (stream, reason.split(":")[0]) == ("product-1", "ProgramLimitExceeded")
    assert said(shop, "product-2") == "x"


async def test_a_reaction_that_fails_five_times_is_parked_and_redriven(shop: Shop) -> None:
    class Failing(Echo):
        async def __call__(self, recorded: Recorded, cause: Cause) -> None:
            if self.called < 5:
                self.called += 1
                raise RuntimeError("anna@nordlys.example.com could not be reached")
            await super().__call__(recorded, cause)

    elsewhere = Elsewhere()
    with inbox_of(shop, Failing(shop)) as inbox:
        await inbox.take_letters([*elsewhere.ordered("product-1"), *elsewhere.notes("product-1", "later")])
        assert parked(shop) == [("product-1", 1, "RuntimeError: "), ("product-1", 2, TOO_EARLY)]
        assert await inbox.redrive() == (2, 0)
    assert shop.notes_of("echo-product-1") == ["v1"]
    assert said(shop, "product-1") == "later"


async def test_a_letter_whose_version_somebody_else_applied_meanwhile_is_dropped(shop: Shop) -> None:
    one, two = Elsewhere().notes("product-1", "a", "b")
    with inbox_of(shop) as inbox:
        await inbox.take_letters([one, two])
        statement = dead_letters.park(two, "product-1", 2, TOO_EARLY)
        with shop.connect() as connection:
            connection.execute(statement.sql, statement.params)
        await inbox.take_letters([one])
    assert parked(shop) == []
    assert versions(shop) == {"product-1": 2}


async def test_one_letter_can_be_dropped_for_good(shop: Shop) -> None:
    (letter,) = Elsewhere().notes("product-1", "a")
    with inbox_of(shop) as inbox:
        await inbox.take_letters([broken(letter)])
    with shop.connect() as connection:
        (kept,) = dead_letters.all_letters(connection)
        dead_letters.drop(connection, kept)
    assert parked(shop) == []
