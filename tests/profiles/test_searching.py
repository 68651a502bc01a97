"""People are found by name or e-mail address: by customer service all of them, by others within reach (A13)."""

from typing import Any
from urllib.parse import quote

from services.profiles.views.people import PAGE
from shared.actor import Actor
from tests.feed import SUSANNE
from tests.profiles.conftest import ANNA, BIZZ, HANS, HAVNEFART, HAVNEFART_MAIN, NORDLYS, NORDLYS_ROAD, World


async def found(world: World, who: Actor, search: str) -> list[str]:
    """The addresses of those who are found."""
    answer = await world.asked_by(who)("GET", f"/profiles?search={quote(search)}")
    assert answer.status_code == 200, answer.text
    return sorted(person["email"] for person in answer.json()["items"])


async def person(world: World, by: Actor, email: str, called: str) -> None:
    grant = {"kind": "account-administrator", "id": NORDLYS_ROAD}
    form: dict[str, Any] = {"email": email, "name": called, "grants": [grant]}
    assert (await world.asked_by(by)("POST", "/profiles", form)).status_code == 201


async def test_customer_service_finds_people_by_a_part_of_their_name_or_their_address(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    await person(world, anna, "soeren@nordlys.example.com", "Søren Østergård")
    for search in ("østergård", "ØSTER", "Søren Ø", "soeren@", "SOEREN@Nordlys"):
        assert await found(world, SUSANNE, search) == ["soeren@nordlys.example.com"], search
    assert await found(world, SUSANNE, "example.com") == [ANNA, HANS, "soeren@nordlys.example.com"]
    for search in ("nobody", "%", "_", "soeren@nordlys.example.comx"):
        assert await found(world, SUSANNE, search) == [], search


async def test_a13_an_administrator_finds_only_people_in_reach(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    hans = await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART)
    assert await found(world, anna, "example.com") == [ANNA]
    assert await found(world, hans, ANNA) == []
    dora = await world.new_person(anna, "dora@nordlys.example.com", "product-access", BIZZ)
    assert await found(world, anna, "dora") == ["dora@nordlys.example.com"]
    assert await found(world, Actor("profile", dora), "dora") == []


async def test_a_person_is_found_by_the_name_that_they_have_now(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    form = {"name": "Anna Åkesson", "phone": None}
    assert (await world.asked_by(anna)("PUT", "/profiles/me/contact-details", form)).is_success
    assert await found(world, SUSANNE, "åkesson") == [ANNA]
    assert await found(world, SUSANNE, "Anna Aas") == []


async def test_pages_of_a_search_go_on_where_the_last_one_ended(world: World) -> None:
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    for number in range(PAGE + 1):
        await person(world, anna, f"admin{number:03}@nordlys.example.com", "Admin")
    first = (await world.asked_by(SUSANNE)("GET", "/profiles?search=admin")).json()
    second = (await world.asked_by(SUSANNE)("GET", f"/profiles?search=admin&after={first['next']}")).json()
    emails = [person["email"] for page in (first, second) for person in page["items"]]
    assert sorted(emails) == [f"admin{number:03}@nordlys.example.com" for number in range(PAGE + 1)]
    assert second["next"] is None
