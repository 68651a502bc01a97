"""Which bizz has this device number? (P1: a device number is unique, and stays with its bizz when that is closed.)"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.products.domain.devices import DeviceNumberTaken
from services.products.events import BizzDispatched
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class BizzByDeviceNumber:
    """One row a device; the unique key is what keeps P1."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "bizz_by_device_number": "CREATE TABLE IF NOT EXISTS bizz_by_device_number "
        "(device_number text PRIMARY KEY, product_id text NOT NULL UNIQUE)"
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"bizz_by_device_number_pkey": DeviceNumberTaken}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case BizzDispatched(product_id=product, device_number=number):
                yield Statement("INSERT INTO bizz_by_device_number VALUES (%s, %s)", (number, product))
            case _:
                pass
