"""A13, H1: pages of who can and of what is reached skip and repeat nothing while grants change; views built anew."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from deploy.cli.views import sources_of
from shared.actor import Actor
from shared.rebuild import difference, rebuild
from tests.feed import SUSANNE
from tests.profiles.conftest import (
    ANNA,
    BIZZ,
    NORDLYS,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    bizz,
    name,
    replica,
)
from tests.rebuilt import rebuild as rebuild_from_the_log
from tests.rebuilt import tables_of

Line = dict[str, Any]


async def page_by_page(world: World, asker: Actor, what: str, **query: str | int) -> AsyncIterator[list[Line]]:
    """Every page as it is asked for, so that something may happen between two of them."""
    while True:
        answer = await world.asked_by(asker)("GET", f"/access/{what}?{httpx.QueryParams(query)}")
        assert answer.status_code == 200, answer.text
        yield answer.json()["items"]
        if (after := answer.json()["next"]) is None:
            return
        query["after"] = after


async def erik(world: World, by: Actor, number: int) -> str:
    return await world.new_person(by, f"erik{number}@nordlys.example.com", "account-administrator", NORDLYS_ROAD)


async def test_a13_a_page_of_who_can_skips_and_repeats_nobody_while_grants_change(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    ask = world.asked_by(anna)
    staying, going = [await erik(world, anna, n) for n in range(7)], [await erik(world, anna, n) for n in range(7, 13)]
    came = iter(range(13, 100))
    named: list[str] = []
    grant = {"kind": "account-administrator", "id": NORDLYS_ROAD}
    async for page in page_by_page(world, anna, "who-can", operation="product.order", resource=NORDLYS_ROAD, limit=2):
        named += [each["profile_id"] for each in page]
        if going:
            await ask("POST", f"/profiles/{going.pop()}/revoke", grant)
            await erik(world, anna, next(came))
            # Whoever is granted the same in another way stays in their place, too.
            await world.asked_by(SUSANNE)(
                "POST", f"/profiles/{staying[0]}/grants", {"kind": "product-access", "id": BIZZ}
            )
    assert len(named) == len(set(named))
    assert set(named) >= {anna.id, *staying}


async def test_a13_a_page_of_reach_skips_and_repeats_nothing_while_grants_change(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    staff = world.asked_by(SUSANNE)
    await staff("POST", f"/profiles/{anna.id}/grants", {"kind": "product-access", "id": BIZZ})
    await world.feed.given(*(bizz(name("product", 100 + number), NORDLYS_ROAD, NORDLYS) for number in range(9)))
    throughout = {NORDLYS_ROAD, BIZZ, PLATE_PAYMENT, *(name("product", 100 + number) for number in range(9))}
    listed: list[str] = []
    changes = iter([("grants", NORDLYS_HARBOUR), ("revoke", NORDLYS_HARBOUR), ("grants", NORDLYS_HARBOUR)])
    async for page in page_by_page(world, anna, "reach", profile=anna.id, limit=3):
        listed += [each["id"] for each in page]
        if change := next(changes, None):
            grant = {"kind": "account-administrator", "id": change[1]}
            assert (await staff("POST", f"/profiles/{anna.id}/{change[0]}", grant)).status_code == 200
            await world.feed.given(bizz(name("product", 200 + len(listed)), NORDLYS_ROAD, NORDLYS))
    assert len(listed) == len(set(listed))
    assert set(listed) >= throughout


@pytest.mark.parametrize(
    ("what", "query"),
    [
        ("who-can", {"operation": "product.read", "resource": BIZZ, "after": "profile-1"}),
        ("who-can", {"operation": "product.read", "resource": BIZZ, "limit": 0}),
        ("who-can", {"operation": "product.read", "resource": BIZZ, "limit": 101}),
        ("reach", {"profile": name("profile", 1), "after": BIZZ}),
        ("reach", {"profile": name("profile", 1), "after": f"{NORDLYS_ROAD}.{BIZZ}x"}),
        ("reach", {"profile": name("profile", 1), "after": "%00"}),
    ],
)
async def test_a_cursor_or_a_limit_that_is_none_is_refused(world: World, what: str, query: dict[str, Any]) -> None:
    answer = await world.asked_by(SUSANNE)("GET", f"/access/{what}?{httpx.QueryParams(query)}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


# Built anew ----------------------------------------------------------------------------------------------------------


async def test_h1_where_grants_come_from_is_built_anew_from_the_log_as_it_is(
    world: World, new_database: Callable[[], str]
) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    people = [await world.new_person(anna, f"d{n}@nordlys.example.com", "product-access", BIZZ) for n in range(3)]
    ask = world.asked_by(anna)
    await ask("POST", f"/profiles/{people[0]}/revoke", {"kind": "product-access", "id": BIZZ})
    await ask("POST", f"/profiles/{people[1]}/cancel", {"confirm": True})
    fresh = replica(new_database()).backbone
    rebuild_from_the_log(world.backbone, world.backbone.views, fresh)
    live = tables_of(world.backbone, ["grant_origins"])
    assert len(live["grant_origins"]) == 2
    assert tables_of(fresh, ["grant_origins"]) == live
    await asyncio.to_thread(fresh._datastore.close)


async def test_h1_the_view_takes_part_in_check_and_rebuild(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    dora = await world.new_person(anna, "dora@nordlys.example.com", "product-access", BIZZ)
    own = sources_of(world.backbone)
    own.copies, own.foreign = (), None  # only the own log is read here
    view = next(view for view in world.backbone.views if "grant_origins" in view.tables)
    with world.backbone.connect() as connection:
        connection.execute("DELETE FROM grant_origins WHERE profile_id = %s", (dora,))
    assert [line for line in await difference(own) if line.startswith("grant_origins: only rebuilt")] != []
    assert await rebuild(own, view) == ["grant_origins"]
    assert [line for line in await difference(own) if line.startswith("grant_origins")] == []
    held = await world.backbone.database.rows("SELECT granted_by FROM grant_origins WHERE profile_id = %s", (dora,))
    assert held == [{"granted_by": f"profile:{anna.id}"}]
