"""What explains and what decides are one: for any rights, any person, any operation and any thing (A13, A9, H1)."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.profiles.access import Access, NotPermitted
from services.profiles.explaining import Explaining, ResourceDoesNotFit
from services.profiles.policy import (
    BY_NAME,
    CANCEL_PROFILE,
    GRANT_MAIN_ADMINISTRATOR,
    ONESELF,
    POLICY,
    READ_ACCOUNT,
    READ_HISTORY,
    READ_PERSON,
    READ_PRODUCT,
    REVOKING,
    Operation,
    at,
)
from services.profiles.views import people
from services.profiles.views.reached import Cursor
from shared.actor import Actor
from shared.database import Row
from shared.errors import Forbidden, NotFound
from shared.ids import kind_of
from tests.feed import SUSANNE
from tests.profiles.conftest import AGREEMENT
from tests.profiles.random_rights import (
    ACCOUNT_OF,
    COMPANY_OF,
    PEOPLE,
    PLACES,
    RESOURCES,
    RIGHTS,
    Held,
    Rights,
    given_rights,
    person,
)

Probe = tuple[str, str, str]
"""Who, what, on what."""

PROBES = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from([row.name for row in POLICY]), st.sampled_from(RESOURCES)),
    min_size=40,
    max_size=60,
)
IN_ANY_WORLD = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@IN_ANY_WORLD
@given(rights=RIGHTS, probes=PROBES)
def test_an_explanation_agrees_with_the_decision_for_any_rights(
    new_database: Callable[[], str], rights: tuple[Held, ...], probes: list[Probe]
) -> None:
    async def play() -> None:
        async with given_rights(new_database(), rights) as given:
            for who, operation, resource in [*probes, *product(PEOPLE, [CANCEL_PROFILE.name], PEOPLE)]:
                await _agrees(given, rights, person(who), BY_NAME[operation], resource)

    asyncio.run(play())


async def _agrees(given: Rights, rights: tuple[Held, ...], who: Actor, operation: Operation, resource: str) -> None:
    if operation.on in ("anywhere", "oneself"):
        resource = ""
    told = await _answer(given.explaining, SUSANNE, who, operation, resource)
    own = await _answer(given.explaining, who, who, operation, resource)
    if told is ResourceDoesNotFit or (operation is CANCEL_PROFILE and resource == who.id):
        return
    cancelled = rights[PEOPLE.index(who.id)].cancelled and ONESELF in operation.may
    decided = Forbidden if cancelled else await _decided(given.may, given, who, operation, resource)
    assert _verdict(own) == decided, (who, operation, resource)
    if told is NotFound:  # customer service is not told of what does not exist
        assert decided is NotFound or resource.endswith("999")
    else:
        assert _verdict(told) == (Forbidden if decided is NotFound else decided), (who, operation, resource)
        assert isinstance(told, dict)
        assert (told["rule"] == "A13") >= (decided is NotFound)


async def _answer(explaining: Explaining, asker: Actor, who: Actor, operation: Operation, resource: str) -> Any:
    return await _unless_refused(explaining.explain(asker, who.id, operation.name, resource))


def _verdict(told: Any) -> Any:
    """A denial as what the command would be refused with, an allowance as the grant that it rests on."""
    if not isinstance(told, dict):
        return told
    return Forbidden if told["decision"] == "deny" else (told["grant"] and (told["grant"]["kind"], told["grant"]["id"]))


async def _decided(may: Access, given: Rights, who: Actor, operation: Operation, resource: str) -> Any:
    """What the service itself does."""
    try:
        if operation is READ_PERSON or operation is CANCEL_PROFILE:
            await given.use.see(resource, who)
        permit = await may.require(who, at(operation, resource), resource)
        if operation is CANCEL_PROFILE:
            other = await people.oneself(given.world.backbone.database, person(resource))
            for grant in other["grants"] if other else []:
                await may.require(who, REVOKING[grant["kind"]], grant["id"])
    except NotPermitted:
        return Forbidden
    except NotFound:
        return Forbidden if operation is CANCEL_PROFILE and await _sees(given, who, resource) else NotFound
    return (permit.kind, permit.target) if permit.target else None


async def _sees(given: Rights, who: Actor, other: str) -> bool:
    try:
        await given.use.see(other, who)
    except NotFound:
        return False
    return True


@IN_ANY_WORLD
@given(rights=RIGHTS, probes=PROBES, seer=st.sampled_from(PEOPLE))
def test_a9_an_administrator_is_told_the_same_whatever_others_hold_out_of_their_sight(
    new_database: Callable[[], str], rights: tuple[Held, ...], probes: list[Probe], seer: str
) -> None:
    async def play() -> None:
        async with given_rights(new_database(), rights) as given:
            asker = person(seer)
            before = [await _told(given, asker, probe) for probe in probes]
            lists = await _lists(given, asker)
            await _forget_what_is_out_of_sight(given, asker)
            assert [await _told(given, asker, probe) for probe in probes] == before
            assert await _lists(given, asker) == lists

    asyncio.run(play())


async def _told(given: Rights, asker: Actor, probe: Probe) -> Any:
    who, name, resource = probe
    operation = BY_NAME[name]
    if who == asker.id:
        return None
    about = "" if operation.on in ("anywhere", "oneself") else resource
    return await _unless_refused(given.explaining.explain(asker, who, name, about))


async def _lists(given: Rights, asker: Actor) -> Any:
    """Who can read the history of each place, and what each of the others reaches."""
    ask = given.explaining
    return [
        *[await _unless_refused(ask.who_can(asker, READ_HISTORY.name, place, "", 100)) for place in PLACES],
        *[await _unless_refused(ask.reach(asker, who, Cursor(), 100)) for who in PEOPLE if who != asker.id],
    ]


async def _unless_refused(asking: Awaitable[Any]) -> Any:
    try:
        return await asking
    except (NotFound, ResourceDoesNotFit, NotPermitted) as refused:
        return type(refused)


async def _forget_what_is_out_of_sight(given: Rights, asker: Actor) -> None:
    database = given.world.backbone.database
    visible = await people.visible_to(database, asker, staff=False)
    kept = [f"{row['profile_id']}:{grant['kind']}:{grant['id']}" for row in visible for grant in row["grants"]]
    for table in ("reach_grants", "grant_origins"):
        await database.execute(
            f"DELETE FROM {table} WHERE profile_id <> %s AND profile_id || ':' || kind || ':' || target_id <> ALL(%s)",
            (asker.id, kept),
        )


@IN_ANY_WORLD
@given(rights=RIGHTS)
def test_who_can_names_exactly_those_who_are_allowed(new_database: Callable[[], str], rights: tuple[Held, ...]) -> None:
    async def play() -> None:
        async with given_rights(new_database(), rights) as given:
            for operation in (
                row for row in POLICY if row.on in ("company", "agreement", "account", "product", "place")
            ):
                for place in PLACES:
                    if operation.on in (kind_of(place), "place"):
                        assert await _named(given, operation, place) == await _allowed(given, operation, place)

    asyncio.run(play())


async def _named(given: Rights, operation: Operation, place: str) -> dict[str, tuple[str, str]]:
    """Everybody who is listed, page by page, with the grant that it rests on."""
    found, after = list[Row](), ""
    while True:
        page = await given.explaining.who_can(SUSANNE, operation.name, place, after, 2)
        found += page.items
        if page.next is None:
            assert [row["profile_id"] for row in found] == sorted({row["profile_id"] for row in found})
            return {row["profile_id"]: (row["grant"]["kind"], row["grant"]["id"]) for row in found}
        after = page.next


async def _allowed(given: Rights, operation: Operation, place: str) -> dict[str, tuple[str, str]]:
    decisions = {who: await given.may.decide(person(who), at(operation, place), place) for who in PEOPLE}
    return {
        who: (decision.permit.kind, decision.permit.target or "")
        for who, decision in decisions.items()
        if decision.permit
    }


@IN_ANY_WORLD
@given(rights=RIGHTS, page=st.integers(1, 4))
def test_reach_lists_exactly_what_the_person_is_let_see_with_the_grant_that_lets_them(
    new_database: Callable[[], str], rights: tuple[Held, ...], page: int
) -> None:
    async def play() -> None:
        async with given_rights(new_database(), rights) as given:
            for who in PEOPLE:
                assert await _listed(given, who, page) == await _let_see(given, who)

    asyncio.run(play())


async def _listed(given: Rights, who: str, limit: int) -> dict[str, tuple[str, str]]:
    found, after = list[Row](), Cursor()
    while True:
        page = await given.explaining.reach(SUSANNE, who, after, limit)
        found += page.items
        if page.next is None:
            assert len({row["id"] for row in found}) == len(found)
            return {row["id"]: (row["grant"]["kind"], row["grant"]["id"]) for row in found}
        after = Cursor.parse(page.next)


async def _let_see(given: Rights, who: str) -> dict[str, tuple[str, str]]:
    asked = {
        AGREEMENT: GRANT_MAIN_ADMINISTRATOR,
        **dict.fromkeys(COMPANY_OF, READ_ACCOUNT),
        **dict.fromkeys(ACCOUNT_OF, READ_PRODUCT),
    }
    decisions = {place: await given.may.decide(person(who), operation, place) for place, operation in asked.items()}
    return {
        place: (decision.permit.kind, decision.permit.target or "")
        for place, decision in decisions.items()
        if decision.permit
    }
