"""Delegation, whole: A4, A5, A6, A10, A11 and A13 as one table of who may give and take what, for all three types.

Nordlys has a framework agreement over two accounts: Mette is its main administrator, Anna administers the road account,
Dora drives with its bizz. Havnefart has another: Mads and Hans. Susanne is customer service.
"""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx
import pytest

from services.company.events import FrameworkAgreementOpened, MainAdministratorNamed
from shared.actor import Actor
from tests.feed import SUSANNE
from tests.profiles.conftest import (
    AGREEMENT,
    ANNA,
    BIZZ,
    DORA,
    HANS,
    HAVNEFART,
    HAVNEFART_BIZZ,
    HAVNEFART_MAIN,
    NORDLYS,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    World,
    agreement_opened,
    bizz,
    name,
)

HARBOUR_BIZZ, HAVNEFARTS_AGREEMENT = name("product", 9), name("agreement", 2)
MAIN, ACCOUNT, PRODUCT = "main-administrator", "account-administrator", "product-access"
Target = tuple[str, str]
NUMBERS = itertools.count(1)


@dataclass
class House:
    """Everybody there is, in their places."""

    world: World
    people: Mapping[str, Actor]

    async def ask(self, who: str, path: str, body: object) -> httpx.Response:
        return await self.world.asked_by(self.people[who])("POST", path, body)

    async def somebody_with(self, *targets: Target) -> str:
        """A new person, given exactly these by customer service."""
        answer = await self.create("susanne", *targets)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["profile_id"])

    async def create(self, who: str, *targets: Target) -> httpx.Response:
        email = f"somebody{next(NUMBERS)}@nordlys.example.com"
        return await self.ask(who, "/profiles", {"email": email, "name": "Some Body", "grants": named(*targets)})


def named(*targets: Target) -> list[dict[str, str]]:
    return [{"kind": kind, "id": target} for kind, target in targets]


@pytest.fixture
async def house(world: World) -> House:
    await world.feed.given(
        *agreement_opened(),
        bizz(HARBOUR_BIZZ, NORDLYS_HARBOUR, NORDLYS),
        FrameworkAgreementOpened(
            company_id=HAVNEFART,
            agreement_id=HAVNEFARTS_AGREEMENT,
            framework_account_id=HAVNEFART_MAIN,
            sub_account_ids=(),
        ),
    )
    for email, company, agreement in (
        ("mette@nordlys.example.com", NORDLYS, AGREEMENT),
        ("mads@havnefart.example.com", HAVNEFART, HAVNEFARTS_AGREEMENT),
    ):
        main = MainAdministratorNamed(company_id=company, agreement_id=agreement, email=email, name="Main")
        await world.feed.given(main, by=SUSANNE)
    anna = await world.administrator(ANNA, NORDLYS_ROAD, NORDLYS)
    people = {
        "susanne": SUSANNE,
        "mette": await world.profile_of("mette@nordlys.example.com"),
        "anna": anna,
        "dora": Actor("profile", await world.new_person(anna, DORA, PRODUCT, BIZZ)),
        "hans": await world.administrator(HANS, HAVNEFART_MAIN, HAVNEFART),
        "mads": await world.profile_of("mads@havnefart.example.com"),
    }
    return House(world, people)


# Which answer each gets who gives the grant of the row; 200 stands for done.
GIVING: Mapping[Target, Mapping[str, int]] = {
    (MAIN, AGREEMENT): {"susanne": 200, "mette": 200, "anna": 403, "dora": 403, "hans": 404, "mads": 404},
    (ACCOUNT, NORDLYS_ROAD): {"susanne": 200, "mette": 200, "anna": 200, "dora": 403, "hans": 404, "mads": 404},
    (ACCOUNT, NORDLYS_HARBOUR): {"susanne": 200, "mette": 200, "anna": 404, "dora": 404, "hans": 404, "mads": 404},
    (PRODUCT, BIZZ): {"susanne": 200, "mette": 200, "anna": 200, "dora": 403, "hans": 404, "mads": 404},
    (PRODUCT, HARBOUR_BIZZ): {"susanne": 200, "mette": 200, "anna": 404, "dora": 404, "hans": 404, "mads": 404},
    (MAIN, HAVNEFARTS_AGREEMENT): {"susanne": 200, "mette": 404, "anna": 404, "dora": 404, "hans": 403, "mads": 200},
    (ACCOUNT, HAVNEFART_MAIN): {"susanne": 200, "mette": 404, "anna": 404, "dora": 404, "hans": 200, "mads": 200},
    (PRODUCT, HAVNEFART_BIZZ): {"susanne": 200, "mette": 404, "anna": 404, "dora": 404, "hans": 200, "mads": 200},
}
# Whoever is taken from holds that one grant, so Dora, who sees nobody, is told of nobody (A13).
TAKING = {target: {**row, "dora": 404} for target, row in GIVING.items()}
RULES_OF_403 = {"anna": "A5", "hans": "A5", "dora": "A6"}

Act = Callable[[House, str, str, Target], Awaitable[httpx.Response]]


async def create(house: House, who: str, _person: str, target: Target) -> httpx.Response:
    return await house.create(who, target)


async def grant(house: House, who: str, person: str, target: Target) -> httpx.Response:
    return await house.ask(who, f"/profiles/{person}/grants", named(target)[0])


async def grant_in_a_set(house: House, who: str, person: str, target: Target) -> httpx.Response:
    return await house.ask(who, f"/profiles/{person}/changes", {"grant": named(target)})


async def revoke(house: House, who: str, person: str, target: Target) -> httpx.Response:
    return await house.ask(who, f"/profiles/{person}/revoke", named(target)[0])


async def revoke_in_a_set(house: House, who: str, person: str, target: Target) -> httpx.Response:
    return await house.ask(who, f"/profiles/{person}/changes", {"revoke": named(target)})


async def cancel(house: House, who: str, person: str, _target: Target) -> httpx.Response:
    return await house.ask(who, f"/profiles/{person}/cancel", {"confirm": True})


def as_expected(answer: httpx.Response, who: str, status: int) -> bool:
    if status == 403 and answer.status_code == 403:
        return answer.json()["rule"] in {RULES_OF_403[who], "A11"} and "request_id" in answer.json()
    return answer.status_code == status or (status, answer.status_code) == (200, 201)


async def wrong_answers(house: House, act: Act, table: Mapping[Target, Mapping[str, int]], *has: Target) -> list[str]:
    """What is answered otherwise than the table says; each time to a new person who has these, else the target."""
    wrong = []
    for target, row in table.items():
        for who, status in row.items():
            person = await house.somebody_with(*(has or (target,)))
            answer = await act(house, who, person, target)
            if not as_expected(answer, who, status):
                wrong.append(f"{who} on {target}: {answer.status_code} {answer.text} instead of {status}")
    return wrong


async def test_a4_a5_a6_a10_who_may_create_a_profile_with_which_grant(house: House) -> None:
    assert await wrong_answers(house, create, GIVING) == []


@pytest.mark.parametrize("act", [grant, grant_in_a_set])
async def test_a4_a5_who_may_give_which_grant_to_somebody_they_see(house: House, act: Act) -> None:
    """The person is in everybody's reach who has an account; Dora sees nobody."""
    table = {target: {**row, "dora": 404} for target, row in GIVING.items()}
    seen = ((ACCOUNT, NORDLYS_ROAD), (ACCOUNT, HAVNEFART_MAIN))
    assert await wrong_answers(house, act, table, *seen) == []


@pytest.mark.parametrize("act", [revoke, revoke_in_a_set])
async def test_a4_a5_who_may_take_which_grant(house: House, act: Act) -> None:
    assert await wrong_answers(house, act, TAKING) == []


async def test_a11_who_may_cancel_whom(house: House) -> None:
    assert await wrong_answers(house, cancel, TAKING) == []


async def test_a11_whoever_holds_more_than_is_in_reach_is_not_cancelled_and_loses_nothing(house: House) -> None:
    for who, mine, foreign in (
        ("anna", (ACCOUNT, NORDLYS_ROAD), (ACCOUNT, NORDLYS_HARBOUR)),
        ("anna", (PRODUCT, BIZZ), (MAIN, AGREEMENT)),
        ("mette", (MAIN, AGREEMENT), (ACCOUNT, HAVNEFART_MAIN)),
        ("mads", (ACCOUNT, HAVNEFART_MAIN), (PRODUCT, BIZZ)),
    ):
        person = await house.somebody_with(mine, foreign)
        refused = await cancel(house, who, person, mine)
        assert (refused.status_code, refused.json()["code"]) == (403, "cannot-cancel"), who
        assert (await revoke(house, who, person, mine)).status_code == 200, "only what is in reach is taken"
        assert (await cancel(house, "susanne", person, mine)).status_code == 200


async def test_a11_everybody_cancels_their_own_login_whatever_it_holds(house: House) -> None:
    for target in GIVING:
        person = await house.somebody_with(target)
        oneself = House(house.world, {"oneself": Actor("profile", person)})
        assert (await cancel(oneself, "oneself", person, target)).status_code == 200
        assert (await cancel(oneself, "oneself", person, target)).status_code == 401, "nobody any more (S-16)"


async def test_a11_a_cancelled_person_gives_and_takes_nothing(house: House) -> None:
    person = await house.somebody_with((MAIN, AGREEMENT))
    assert (await cancel(house, "mette", person, (MAIN, AGREEMENT))).status_code == 200
    gone = House(house.world, {"gone": Actor("profile", person)})
    anna = house.people["anna"].id
    for act in (create, grant, grant_in_a_set, revoke, revoke_in_a_set, cancel):
        assert (await act(gone, "gone", anna, (ACCOUNT, NORDLYS_ROAD))).status_code == 401


async def test_a5_an_account_administrator_takes_from_a_main_administrator_only_what_lies_on_their_account(
    house: House,
) -> None:
    both = await house.somebody_with((MAIN, AGREEMENT), (PRODUCT, BIZZ))
    assert (await revoke(house, "anna", both, (MAIN, AGREEMENT))).status_code == 403
    assert (await revoke_in_a_set(house, "anna", both, (MAIN, AGREEMENT))).status_code == 403
    assert (await revoke(house, "anna", both, (PRODUCT, BIZZ))).status_code == 200


async def test_a15_nobody_changes_anybody_elses_contact_details(house: House) -> None:
    anna = house.people["anna"]
    for who in house.people:
        ask = house.world.asked_by(house.people[who])
        answer = await ask("PUT", f"/profiles/{anna.id}/contact-details", {"name": "Somebody Else", "phone": None})
        assert answer.status_code == 404
