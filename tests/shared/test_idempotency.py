"""Idempotency keys: a command sent again is answered the same again and done once, for a day."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest

from shared.actor import Actor
from shared.cause import Cause, Written
from shared.database import Database
from shared.eventstore.group_commit import ConstraintViolated
from shared.idempotency import KEY_USED, PURGE, Kept, Key, KeyReused
from tests.parts import owner_of
from tests.shared.shop import ANNA, PRODUCT, PlateTaken, Shop, note, order

KEY = Key(ANNA.actor, "key-1", b"body")


@pytest.fixture
async def database_of_shop(shop: Shop) -> AsyncIterator[Database]:
    opened = Database(shop.dsn, connections=2)
    await opened.open()
    yield opened
    await opened.close()


def keeping(key: Key, **answer: str) -> Cause:
    """The cause of a command that came with a key."""
    cause = replace(ANNA, bookkeeping=lambda seen, given: key.keep(201, seen, given))
    return cause.answering(**answer)


async def do(shop: Shop, product_id: str, key: Key) -> Written:
    return await shop.streams.change(PRODUCT, product_id, note(product_id, "once"), keeping(key, id=product_id))


async def test_the_same_key_and_body_get_the_same_answer(shop: Shop, database_of_shop: Database) -> None:
    assert await KEY.kept(database_of_shop) is None
    await do(shop, "product-1", KEY)
    assert await KEY.kept(database_of_shop) == Kept(201, ("product-1@1",), {"id": "product-1"})


async def test_the_same_key_for_another_body_is_refused(shop: Shop, database_of_shop: Database) -> None:
    await do(shop, "product-1", KEY)
    with pytest.raises(KeyReused):
        await replace(KEY, digest=b"another body").kept(database_of_shop)


async def test_a_key_belongs_to_whoever_used_it(shop: Shop, database_of_shop: Database) -> None:
    await do(shop, "product-1", KEY)
    assert await replace(KEY, actor=Actor("profile", "profile-bo")).kept(database_of_shop) is None


async def test_a_command_that_is_refused_keeps_no_answer(shop: Shop, database_of_shop: Database) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    with pytest.raises(PlateTaken):
        await shop.streams.change(PRODUCT, "product-2", order("product-2", "DK12345"), keeping(KEY))
    assert await KEY.kept(database_of_shop) is None


async def test_a_command_that_changed_nothing_keeps_its_answer_too(shop: Shop, database_of_shop: Database) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), keeping(KEY))
    assert await KEY.kept(database_of_shop) == Kept(201, ("product-1@1",), {})


async def test_of_simultaneous_commands_with_one_key_one_is_done(
    shop: Shop, replica: Shop, database_of_shop: Database
) -> None:
    """Sent to two replicas, about different things even: a stream's version cannot be what keeps them apart."""
    answers = await asyncio.gather(
        *(do(at, f"product-{n}", KEY) for n in range(10) for at in (shop, replica)), return_exceptions=True
    )
    done = [answer for answer in answers if isinstance(answer, Written)]
    refused = [answer for answer in answers if isinstance(answer, ConstraintViolated)]
    assert (len(done), len(refused)) == (1, 19)
    assert {violated.constraint for violated in refused} == {KEY_USED}
    assert len(shop.log()) == 1
    kept = await KEY.kept(database_of_shop)
    assert kept is not None
    assert (kept.seen, kept.answer) == (done[0].seen, done[0].answer)


async def test_a_key_is_good_again_after_a_day(shop: Shop, database_of_shop: Database) -> None:
    await do(shop, "product-1", KEY)
    _age(shop, "23 hours 59 minutes")
    assert await KEY.kept(database_of_shop) is not None
    _age(shop, "2 minutes")
    assert await KEY.kept(database_of_shop) is None
    await do(shop, "product-2", KEY)
    kept = await KEY.kept(database_of_shop)
    assert kept is not None
    assert kept.answer == {"id": "product-2"}


async def test_keys_past_their_time_are_purged(shop: Shop) -> None:
    await do(shop, "product-1", KEY)
    _age(shop, "25 hours")
    await do(shop, "product-2", replace(KEY, key="key-2"))
    with shop.connect() as connection:
        connection.execute(PURGE)
    assert shop.query("SELECT key FROM idempotency") == [("key-2",)]


def _age(shop: Shop, by: str) -> None:
    with psycopg.connect(owner_of(shop.dsn), autocommit=True) as connection:
        connection.execute("UPDATE idempotency SET at = at - %s::interval", (by,))
