"""The sample world: loaded the first time the system runs on a machine, over HTTP like everything else.

Names and plates are invented; addresses end in example.com.
"""

from pathlib import Path

import httpx

from deploy.demo.day import Day, Say
from deploy.demo.person import Person, Unexpected

STAFF = ("susanne@example.com", "Susanne Skov")
LOGINS = {
    "customer service": "susanne@example.com",
    "Nordlys Transport ApS, account administrator": "anna@nordlys.example.com",
    "Havnefart A/S, account administrator": "hans@havnefart.example.com",
    "driver with access to one bizz of Nordlys": "dora@nordlys.example.com",
}


class SampleDay(Day):
    """The first three steps of the day, with plain addresses."""

    def __init__(self, http: httpx.AsyncClient, say: Say) -> None:
        super().__init__(http, STAFF[0], say, mark="5a3b1e")
        self.anna, self.hans, self.driver = (Person(http, LOGINS[who]) for who in list(LOGINS)[1:])


async def load(base_url: str, folder: Path, say: Say) -> bool:
    """Load the sample world unless it was loaded before; says whether it did."""
    done = folder / "sample-world"
    if done.exists():
        return False
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as http:
        day = SampleDay(http, say)
        try:
            await day.customer_service_registers_two_companies()
            await day.administrators_order_products()
            await day.a_driver_sees_one_product_and_nothing_else()
        except Unexpected as part_of_it_is_there:
            # A start that was interrupted left some of it: that much has to do.
            if "cvr-already-registered" not in str(part_of_it_is_there):
                raise
    done.touch()
    return True
