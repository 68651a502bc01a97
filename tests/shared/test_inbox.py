"""The inbox: whatever the broker brings, as often and in whatever order, each event takes effect once, in order."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest

from shared import inbox_store
from shared.cause import Cause
from shared.dead_letters import TOO_EARLY, Letter
from shared.envelope import Recorded
from shared.inbox import Inbox
from tests.shared.elsewhere import BO, Echo, Elsewhere, inbox_of, parked, record, said, versions
from tests.shared.shop import PRODUCT, NoteAdded, PlateTaken, Shop, order

CHANCE = random.Random(20260301)  # noqa: S311 (a shuffle that is the same every time)
TEXTS = [f"n{number}" for number in range(12)]
PRODUCTS = ["product-1", "product-2", "product-3"]


async def test_events_are_copied_in_the_order_of_their_stream(shop: Shop) -> None:
    elsewhere = Elsewhere()
    with inbox_of(shop) as inbox:
        await inbox.take([record(letter) for letter in elsewhere.notes("product-1", "a", "b", "c")])
        assert said(shop, "product-1") == "a b c"
        assert versions(shop) == {"product-1": 3}


async def test_what_comes_again_is_skipped(shop: Shop) -> None:
    letters = Elsewhere().notes("product-1", "a", "b", "c")
    with inbox_of(shop) as inbox:
        for _ in range(3):
            await inbox.take_letters(letters)
        await inbox.take_letters(letters[:1])
    assert said(shop, "product-1") == "a b c"


async def test_kinds_of_streams_that_do_not_matter_here_are_left_alone(shop: Shop) -> None:
    with inbox_of(shop) as inbox:
        await inbox.take_letters(Elsewhere().notes("profile-1", "a"))
    assert versions(shop) == {}


async def test_each_event_takes_effect_once_however_often_and_in_whatever_order_it_comes(shop: Shop) -> None:
    elsewhere = Elsewhere()
    letters = [letter for product in PRODUCTS for letter in elsewhere.notes(product, *TEXTS)]
    with inbox_of(shop) as inbox:
        for batch in redelivered(letters):
            await inbox.take_letters(batch)
    for product in PRODUCTS:
        assert said(shop, product) == " ".join(TEXTS)
    assert parked(shop) == []


async def test_a_gap_is_parked_and_closes_by_itself(shop: Shop) -> None:
    one, two, three, four = Elsewhere().notes("product-1", "a", "b", "c", "d")
    with inbox_of(shop) as inbox:
        await inbox.take_letters([one, three, four])
        assert parked(shop) == [("product-1", 3, TOO_EARLY), ("product-1", 4, TOO_EARLY)]
        assert said(shop, "product-1") == "a"
        await inbox.take_letters([two])
    assert said(shop, "product-1") == "a b c d"
    assert parked(shop) == []


async def test_other_streams_go_on_while_one_waits(shop: Shop) -> None:
    elsewhere = Elsewhere()
    _, late = elsewhere.notes("product-1", "a", "b")
    with inbox_of(shop) as inbox:
        await inbox.take_letters([late, *elsewhere.notes("product-2", "x", "y")])
    assert said(shop, "product-1") is None
    assert said(shop, "product-2") == "x y"


async def test_a_reaction_acts_for_whoever_caused_the_event_and_names_it_as_its_cause(shop: Shop) -> None:
    with inbox_of(shop) as inbox:
        await inbox.take_letters(Elsewhere().ordered("product-1"))
    (echo,) = shop.log()
    assert (echo.actor, echo.correlation, echo.causation) == (BO, "request-1", "event-1")
    assert echo.grant == "main-administrator:agreement-1"


async def test_a_reaction_happens_once_however_often_its_event_comes(shop: Shop) -> None:
    echo = Echo(shop)
    letters = Elsewhere().ordered("product-1")
    with inbox_of(shop, echo) as inbox:
        for _ in range(3):
            await inbox.take_letters(letters * 2)
    assert echo.called == 1
    assert shop.notes_of("echo-product-1") == ["v1"]


async def test_copies_and_reactions_of_one_stream_keep_its_order(shop: Shop) -> None:
    elsewhere = Elsewhere()
    letters: list[Letter] = []
    for number in range(6):
        letters += elsewhere.notes("product-1", f"n{number}")
        letters += elsewhere.ordered("product-1")
    with inbox_of(shop) as inbox:
        for batch in redelivered(letters):
            await inbox.take_letters(batch)
    assert said(shop, "product-1") == "n0 n1 n2 n3 n4 n5"
    assert shop.notes_of("echo-product-1") == ["v2", "v4", "v6", "v8", "v10", "v12"]
    assert versions(shop)["product-1"] == 12


async def test_a_reaction_that_dies_before_its_commit_leaves_neither_its_effect_nor_the_inbox_row(shop: Shop) -> None:
    class Dies(Echo):
        async def __call__(self, _recorded: Recorded, _cause: Cause) -> None:
            raise asyncio.CancelledError  # the process ends here

    with inbox_of(shop, Dies(shop)) as inbox, pytest.raises(asyncio.CancelledError):
        await inbox.take_letters(Elsewhere().ordered("product-1"))
    assert (shop.log(), versions(shop)) == ([], {})


async def test_a_reaction_that_dies_after_its_commit_has_happened_once(shop: Shop) -> None:
    class Dies(Echo):
        async def __call__(self, recorded: Recorded, cause: Cause) -> None:
            await super().__call__(recorded, cause)
            raise asyncio.CancelledError

    letters = Elsewhere().ordered("product-1")
    with inbox_of(shop, Dies(shop)) as inbox, pytest.raises(asyncio.CancelledError):
        await inbox.take_letters(letters)
    with inbox_of(shop) as inbox:
        await inbox.take_letters(letters)
    assert shop.notes_of("echo-product-1") == ["v1"]


async def test_a_reaction_whose_commit_is_refused_leaves_no_inbox_row(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-9", order("product-9", "DK12345"), Cause(BO, "request-0"))

    class Orders(Echo):
        async def __call__(self, _recorded: Recorded, cause: Cause) -> None:
            await shop.streams.change(PRODUCT, "product-8", order("product-8", "DK12345"), cause)

    with inbox_of(shop, Orders(shop)) as inbox:
        await inbox.take_letters(Elsewhere().ordered("product-1"))
    assert versions(shop) == {}
    assert [reason for *_, reason in parked(shop)] == ["PlateTaken: plate-taken"]


async def test_a_reaction_that_takes_a_refusal_for_an_answer_is_over(shop: Shop) -> None:
    """It asked, was refused and let it be: its event is taken, or everything after it would wait for ever."""
    await shop.streams.change(PRODUCT, "product-9", order("product-9", "DK12345"), Cause(BO, "request-0"))

    class Asks(Echo):
        async def __call__(self, _recorded: Recorded, cause: Cause) -> None:
            with suppress(PlateTaken):
                await shop.streams.change(PRODUCT, "product-8", order("product-8", "DK12345"), cause)

    elsewhere = Elsewhere()
    with inbox_of(shop, Asks(shop)) as inbox:
        await inbox.take_letters([*elsewhere.ordered("product-1"), *elsewhere.notes("product-1", "goes on")])
    assert versions(shop) == {"product-1": 2}
    assert said(shop, "product-1") == "goes on"


async def test_a_reaction_with_nothing_to_do_is_over(shop: Shop) -> None:
    class Nothing(Echo):
        async def __call__(self, _recorded: Recorded, _cause: Cause) -> None:
            pass

    with inbox_of(shop, Nothing(shop)) as inbox:
        await inbox.take_letters(Elsewhere().ordered("product-1"))
    assert versions(shop) == {"product-1": 1}


async def test_a_reaction_that_fails_at_first_is_tried_again(shop: Shop) -> None:
    class Reluctant(Echo):
        async def __call__(self, recorded: Recorded, cause: Cause) -> None:
            if self.called < 3:
                self.called += 1
                raise ConnectionResetError
            await super().__call__(recorded, cause)

    with inbox_of(shop, Reluctant(shop)) as inbox:
        await inbox.take_letters(Elsewhere().ordered("product-1"))
    assert shop.notes_of("echo-product-1") == ["v1"]
    assert parked(shop) == []


async def test_two_replicas_may_take_the_same_records_at_the_same_time(shop: Shop, replica: Shop) -> None:
    elsewhere = Elsewhere()
    letters: list[Letter] = []
    for product in PRODUCTS:
        for text in TEXTS:
            letters += elsewhere.notes(product, text)
            letters += elsewhere.ordered(product)
    with inbox_of(shop) as first, inbox_of(replica) as second:
        await asyncio.gather(*(all_of(inbox, redelivered(letters)) for inbox in (first, second)))
    expect_each_once(shop)


async def test_a_database_that_is_lost_in_the_middle_loses_and_repeats_nothing(shop: Shop, replica: Shop) -> None:
    elsewhere = Elsewhere()
    letters: list[Letter] = []
    for product in PRODUCTS:
        for text in TEXTS:
            letters += elsewhere.notes(product, text)
            letters += elsewhere.ordered(product)
    async with losing_connections(shop):
        with inbox_of(shop) as first, inbox_of(replica) as second:
            await asyncio.gather(*(all_of(inbox, redelivered(letters)) for inbox in (first, second)))
    expect_each_once(shop)


async def test_the_inbox_takes_only_the_next_version(shop: Shop) -> None:
    with shop.connect() as connection:
        connection.execute("SELECT inbox_take('product-1', 1)")
        connection.execute("SELECT inbox_take('product-1', 2)")
        for wrong in (1, 2, 4):
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("SELECT inbox_take('product-1', %s)", (wrong,))


async def test_a_batch_that_was_decided_upon_an_older_version_does_not_count(shop: Shop) -> None:
    """Two replicas of different releases may disagree on what is reacted to, and take the same event in two ways."""
    with shop.connect() as connection, connection.transaction():
        connection.execute("INSERT INTO inbox VALUES ('product-1', 3), ('product-2', 1)")
        inbox_store.advance(connection, {"product-1": 3}, {"product-1": 5})
        for before, after in (({"product-1": 3}, {"product-1": 4}), ({}, {"product-2": 1})):
            with pytest.raises(inbox_store.Overtaken):
                inbox_store.advance(connection, before, after)


# ---------------------------------------------------------------------------------------------------------------------


def redelivered(letters: list[Letter]) -> list[list[Letter]]:
    """Every record one to five times, shuffled, in batches."""
    often = [letter for letter in letters for _ in range(CHANCE.randint(1, 5))]
    CHANCE.shuffle(often)
    return [often[start : start + 17] for start in range(0, len(often), 17)]


async def all_of(inbox: Inbox, batches: list[list[Letter]]) -> None:
    for batch in batches:
        await inbox.take_letters(batch)


def expect_each_once(shop: Shop) -> None:
    for product in PRODUCTS:
        assert said(shop, product) == " ".join(TEXTS)
        echoes = [r.data for r in shop.log() if r.stream == f"echo-{product}"]
        assert echoes == [
            NoteAdded(product_id=f"echo-{product}", note=f"v{2 * number}") for number in range(1, len(TEXTS) + 1)
        ]
    assert parked(shop) == []


@asynccontextmanager
async def losing_connections(shop: Shop) -> AsyncIterator[None]:
    """Every few milliseconds somebody's session is ended by the server."""

    async def lose() -> None:
        with psycopg.connect(shop.dsn, autocommit=True) as connection:
            while True:
                await asyncio.sleep(CHANCE.uniform(0.02, 0.06))
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
                )

    task = asyncio.create_task(lose())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
