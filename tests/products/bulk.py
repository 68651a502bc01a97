"""Bulk orders as tests send them: files, what works through them, and what became of them."""

import base64
from typing import Any

import httpx

from services.products.use_cases.bulk import BulkOrdering
from services.products.use_cases.products import CareOfProducts
from services.profiles.access import Access
from shared.actor import Actor
from tests.products.conftest import (
    ANNA,
    NORDLYS_ROAD,
    World,
)

HEADER = "kind;country;plate;vin;vehicle_type;trips;details_are_right;may_be_used_everywhere;reference\n"
TICKET_ROW = "eticket;SE;ABC 123;wvwzzz1jzxw000001;lorry;2;yes;yes;Malmö\n"
FLEET = HEADER + "bizz;;;;;;;;Van 1\nbizz;;;;;;;;Van 1\nnumber-plate-payment;DK;AB 12 345\n" + TICKET_ROW
ONE_WRONG = FLEET + "number-plate-payment;DK;?\n"


def plates(*numbers: int) -> str:
    return HEADER + "".join(f"number-plate-payment;DK;AB {number:05d}\n" for number in numbers)


def worker(world: World) -> BulkOrdering:
    """What works through files in the background of a service that runs."""
    parts = world.backbone.streams, world.backbone.database, Access(world.backbone.database), world.backbone.clock
    return BulkOrdering(
        *parts,
        care=CareOfProducts(*parts),
        record_refusal=world.backbone.record_refusal,
        must_have_heard=world.backbone.heard.must_be_fresh,
    )


async def sends(
    world: World,
    file: str | bytes,
    by: Actor = ANNA,
    account: str = NORDLYS_ROAD,
    key: str = "",
    **more: str,
) -> httpx.Response:
    content = file.encode() if isinstance(file, str) else file
    headers: dict[str, Any] = {"idempotency_key": key} if key else {}
    body = {"mode": "per-row", **more, "file": base64.b64encode(content).decode()}
    return await world.asked_by(by)("POST", f"/accounts/{account}/bulk-orders", body, **headers)


async def sent(world: World, file: str, by: Actor = ANNA, account: str = NORDLYS_ROAD, **more: str) -> str:
    """A file that is taken in; answers which bulk order it is."""
    answer = await sends(world, file, by, account, **more)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["bulk_id"])


async def worked(world: World, file: str, by: Actor = ANNA, account: str = NORDLYS_ROAD, **more: str) -> str:
    """A file that is taken in and worked through."""
    bulk = await sent(world, file, by, account, **more)
    while await worker(world).work():
        pass
    return bulk


async def shown(world: World, bulk: str, by: Actor = ANNA) -> dict[str, Any]:
    answer = await world.asked_by(by)("GET", f"/bulk-orders/{bulk}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def rows(world: World, bulk: str, by: Actor = ANNA, query: str = "") -> list[dict[str, Any]]:
    answer = await world.asked_by(by)("GET", f"/bulk-orders/{bulk}/rows{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def counts(world: World, bulk: str, by: Actor = ANNA) -> dict[str, int]:
    """How many rows have each outcome, of those that some have."""
    found = await shown(world, bulk, by)
    return {name: found[name] for name in ("waiting", "done", "refused", "invalid", "not_ordered") if found[name]}


async def outcomes(world: World, bulk: str, by: Actor = ANNA) -> list[tuple[int, str, str | None, str | None]]:
    return [(row["line"], row["outcome"], row["column"], row["code"]) for row in await rows(world, bulk, by)]
