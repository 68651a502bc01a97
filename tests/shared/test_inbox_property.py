"""For any order, repetition and batching of several streams' events the inbox leaves what delivery in order leaves."""

import asyncio
import itertools
import random
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.dead_letters import Letter
from tests.shared.elsewhere import Elsewhere, inbox_of, parked, said, versions
from tests.shared.shop import Shop

NUMBERS = itertools.count(1)
"""Every example has streams of its own."""


@dataclass(frozen=True)
class Delivery:
    """What happened (in which stream, and whether it is reacted to or copied) and how it arrives."""

    happened: list[tuple[int, bool]]
    twice: list[int]
    order: random.Random
    batch: int
    replicas: int


DELIVERIES = st.builds(
    Delivery,
    happened=st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=12),
    twice=st.lists(st.integers(0, 11), max_size=10),
    order=st.randoms(use_true_random=False),
    batch=st.integers(1, 9),
    replicas=st.integers(1, 2),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(delivery=DELIVERIES)
async def test_any_delivery_leaves_the_same_as_delivery_in_order(shop: Shop, replica: Shop, delivery: Delivery) -> None:
    elsewhere, example = Elsewhere(), next(NUMBERS)
    letters: list[Letter] = []
    notes: dict[str, list[str]] = {}
    echoes: dict[str, list[str]] = {}
    for number, (which, reacted_to) in enumerate(delivery.happened):
        product = f"product-{example}x{which}"
        letters += elsewhere.ordered(product) if reacted_to else elsewhere.notes(product, f"n{number}")
        happened = echoes if reacted_to else notes
        happened.setdefault(product, []).append(f"v{elsewhere.versions[product]}" if reacted_to else f"n{number}")

    arriving = [*letters, *(letters[index % len(letters)] for index in delivery.twice)]
    delivery.order.shuffle(arriving)
    batches = [arriving[at : at + delivery.batch] for at in range(0, len(arriving), delivery.batch)]
    with inbox_of(shop) as first, inbox_of(replica) as second:
        takers = [first, second][: delivery.replicas]
        for at in range(0, len(batches), delivery.replicas):
            at_once = zip(takers, batches[at : at + delivery.replicas], strict=False)
            await asyncio.gather(*(inbox.take_letters(batch) for inbox, batch in at_once))

    for product, version in elsewhere.versions.items():
        assert versions(shop)[product] == version
        assert said(shop, product) == (" ".join(notes[product]) if product in notes else None)
        assert shop.notes_of(f"echo-{product}") == echoes.get(product, [])
    assert parked(shop) == []
