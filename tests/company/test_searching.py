"""Customer service finds companies by name, CVR number or customer number, and open requests, the oldest first."""

from typing import Any
from urllib.parse import quote

import pytest

from services.company.views import change_requests
from shared.actor import Actor
from tests.company.conftest import ANNA, DORA, HANS, HAVNEFART, METTE, NORDLYS, World
from tests.company.test_requesting import AS_EAN, CVR, NAMED, TO_INVOICE, asked, ends
from tests.feed import SUSANNE


async def found(world: World, who: Actor, search: str) -> list[str]:
    """The names of the companies that are found."""
    answer = await world.asked_by(who)("GET", f"/companies?search={quote(search)}")
    assert answer.status_code == 200, answer.text
    return [company["legal_name"] for company in answer.json()["items"]]


async def listed(world: World, who: Actor, query: str = "") -> list[str]:
    """The requests on a page, in its order."""
    answer = await world.asked_by(who)("GET", f"/change-requests{query}")
    assert answer.status_code == 200, answer.text
    return [request["change_request_id"] for request in answer.json()["items"]]


async def test_customer_service_finds_a_company_by_a_part_of_its_name_its_cvr_number_or_a_customer_number(
    world: World,
) -> None:
    nordlys = await world.registered({**NORDLYS, "legal_name": "Nørdlys Ægir ApS"}, ANNA)
    havnefart = await world.registered(HAVNEFART, HANS)
    for search in ("nørd", "ÆGIR", "s æ", NORDLYS["cvr"], nordlys["customer_number"]):
        assert await found(world, SUSANNE, search) == ["Nørdlys Ægir ApS"], search
    assert await found(world, SUSANNE, havnefart["customer_number"]) == ["Havnefart A/S"]
    assert len(await found(world, SUSANNE, "a")) == 2
    for search in ("nobody", "%", "_", NORDLYS["cvr"][:4], "10000"):
        assert await found(world, SUSANNE, search) == [], search


async def test_a_company_is_found_by_the_name_and_the_number_that_it_has_now(world: World) -> None:
    ids = await world.registered(NORDLYS, ANNA)
    for wish in (NAMED, CVR):
        await ends(world, SUSANNE, await asked(world, ANNA, ids, wish), "approve")
    assert await found(world, SUSANNE, "logistik") == await found(world, SUSANNE, CVR["cvr"]) == [NAMED["legal_name"]]
    assert await found(world, SUSANNE, "transport") == await found(world, SUSANNE, NORDLYS["cvr"]) == []


async def test_a13_others_find_companies_in_reach_and_by_no_number_of_an_account_out_of_it(world: World) -> None:
    nordlys = await world.registered(NORDLYS, ANNA)
    havnefart = await world.registered(HAVNEFART, HANS)
    agreement = await world.agreement_of(nordlys["company_id"], METTE)
    await world.drives(DORA, nordlys["account_id"], nordlys["company_id"])
    assert await found(world, ANNA, "a") == ["Nordlys Transport ApS"]
    assert await found(world, ANNA, nordlys["customer_number"]) == ["Nordlys Transport ApS"]
    for unseen in (HAVNEFART["cvr"], havnefart["customer_number"], agreement["customer_number"]):
        assert await found(world, ANNA, unseen) == [], "even where the company itself is in reach"
    assert await found(world, METTE, agreement["customer_number"]) == ["Nordlys Transport ApS"]
    assert await found(world, DORA, "a") == []


async def test_c3_customer_service_sees_what_waits_the_oldest_first(world: World) -> None:
    nordlys, havnefart = await world.registered(NORDLYS, ANNA), await world.registered(HAVNEFART, HANS)
    first = await asked(world, ANNA, nordlys, NAMED)
    second = await asked(world, HANS, havnefart, TO_INVOICE)
    third = await asked(world, ANNA, nordlys, CVR)
    assert await listed(world, SUSANNE, "?state=open") == [first, second, third]
    await ends(world, SUSANNE, second, "decline", {"reason": "No."})
    assert await listed(world, SUSANNE, "?state=open") == [first, third]
    assert await listed(world, SUSANNE, "?state=declined") == [second]
    assert await listed(world, SUSANNE, f"?company_id={nordlys['company_id']}") == [first, third]
    assert await listed(world, SUSANNE) == [first, second, third]


async def test_a13_administrators_see_the_requests_of_their_companies_and_drivers_none(world: World) -> None:
    nordlys, havnefart = await world.registered(NORDLYS, ANNA), await world.registered(HAVNEFART, HANS)
    await world.agreement_of(nordlys["company_id"], METTE)
    await world.drives(DORA, nordlys["account_id"], nordlys["company_id"])
    ours, theirs = await asked(world, ANNA, nordlys, NAMED), await asked(world, HANS, havnefart, TO_INVOICE)
    assert await listed(world, ANNA) == await listed(world, METTE) == [ours]
    assert await listed(world, HANS) == [theirs]
    assert await listed(world, DORA) == []
    assert await listed(world, HANS, f"?company_id={nordlys['company_id']}") == []


async def test_c3_pages_of_what_waits_skip_and_repeat_nothing_while_requests_are_decided(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_requests, "PAGE", 2)
    nordlys, havnefart = await world.registered(NORDLYS, ANNA), await world.registered(HAVNEFART, HANS)
    wishes: list[dict[str, Any]] = [NAMED, CVR, AS_EAN]
    requests = [await asked(world, ANNA, nordlys, wish) for wish in wishes]
    requests += [await asked(world, HANS, havnefart, wish) for wish in (TO_INVOICE, AS_EAN)]
    seen: list[str] = []
    after = ""
    while True:
        page = (await world.asked_by(SUSANNE)("GET", f"/change-requests?state=open&after={after}")).json()
        seen += [request["change_request_id"] for request in page["items"]]
        if (after := page["next"]) is None:
            break
        await ends(world, SUSANNE, page["items"][0]["change_request_id"], "decline", {"reason": "No."})
    assert seen == requests


async def test_wrong_filters_are_problems(world: World) -> None:
    for query in ("state=closed", "state=", "after=%00", "company_id=1", "after=A"):
        answer = await world.asked_by(SUSANNE)("GET", f"/change-requests?{query}")
        assert answer.status_code == 422, query
    for query in ("search=", "search=%00", f"search={'x' * 201}"):
        assert (await world.asked_by(SUSANNE)("GET", f"/companies?{query}")).status_code == 422, query
