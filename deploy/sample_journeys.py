"""Sample journeys: as many as one likes, the same ones for the same seed. Prices are invented round numbers."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]

PLACES = (
    ("storebaelt", "Storebælt", ("150.00", "285.00", "620.00")),
    ("oresund", "Øresundsbron", ("200.00", "480.00", "1250.00")),
    ("forsea", "ForSea Helsingør–Helsingborg", ("120.00", "350.00")),
    ("scandlines", "Scandlines Rødby–Puttgarden", ("400.00", "900.00")),
    ("scandlines", "Scandlines Gedser–Rostock", ("500.00", "1100.00")),
    ("molslinjen", "Molslinjen Aarhus–Odden", ("300.00", "700.00")),
    ("svinesund", "Svinesund", ("20.00", "60.00")),
    ("port-parking", "Port parking, Aarhus", ("50.00", "100.00")),
)
"""Operators, places and invented prices."""
STRANGER = {"country": "SE", "plate": "ZZZ999"}


def journeys(
    seed: int, count: int, seen: Sequence[Json], since: datetime, days: int = 1, *, strangers: int = 0
) -> Iterator[Json]:
    """So many records over so many days, in no order, of these devices, plates and products.

    Of every 1,000 `strangers` were driven with what nobody has.
    """
    chance = random.Random(seed)  # noqa: S311 (a sample that can be made again)
    seconds = days * 24 * 3600
    for number in range(count):
        operator, place, prices = PLACES[chance.randrange(len(PLACES))]
        amount = prices[chance.randrange(len(prices))]
        kroner = int(amount[:-3])
        yield {
            "record": "journey.v1",
            "id": f"{operator}-{seed}-{number:09}",
            "operator": operator,
            "place": place,
            "at": (since + timedelta(seconds=chance.randrange(seconds))).isoformat(),
            "seen": STRANGER if chance.randrange(1000) < strangers else seen[chance.randrange(len(seen))],
            "amount": amount,
            "vat": f"{kroner // 5}.{kroner % 5 * 2}0",
            "currency": "DKK",
        }
