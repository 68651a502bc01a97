"""H2, H3, A13: the questions about the past as people ask them, and what each is told."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.audit.events import PastRead
from services.company.events import AccountEnded, FrameworkAgreementEnded
from services.products.events import BizzActivated, NumberPlatePaymentOrdered, ReferenceChanged
from services.profiles.events import AccountAdministratorRevoked
from shared.actor import Actor
from tests.audit.conftest import (
    AGREEMENT,
    ANNA,
    BIZZ,
    DORA,
    ERIK,
    HANS,
    HARBOUR,
    HAVNEFART_BIZZ,
    METTE,
    NOON,
    NORDLYS,
    PLATE,
    QUAY,
    ROAD,
    UNDER_ROAD,
    World,
    closed,
    name,
    product_access,
    product_access_ended,
)
from tests.feed import SUSANNE, log_of

LATER = NOON + timedelta(hours=1)
LATEST = NOON + timedelta(days=2)
MAIN, ACCOUNT, PRODUCT = "main-administrator", "account-administrator", "product-access"


async def ask(world: World, actor: Actor | None, path: str, **query: Any) -> httpx.Response:
    given = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in query.items()}
    return await world.asked_by(actor)("GET", f"/past/{path}?{httpx.QueryParams(given)}")


async def told(world: World, actor: Actor, path: str, **query: Any) -> dict[str, Any]:
    answer = await ask(world, actor, path, **query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def holders(world: World, actor: Actor, place: str, at: datetime) -> list[tuple[str, str]]:
    page = await told(world, actor, "holders", place=place, at=at)
    return [(item["profile_id"], item["kind"]) for item in page["items"]]


async def things(world: World, actor: Actor, person: Actor, at: datetime) -> list[str]:
    return [item["id"] for item in (await told(world, actor, "reach", profile=person.id, at=at))["items"]]


async def test_h2_who_could_reach_a_product_at_a_moment_and_who_gave_it_to_them(world: World) -> None:
    await world.happened(product_access_ended(DORA, BIZZ, ROAD), by=METTE, grant=f"{MAIN}:{AGREEMENT}", at=LATER)
    assert await holders(world, SUSANNE, BIZZ, LATEST) == [(ANNA.id, ACCOUNT), (METTE.id, MAIN)]
    page = await told(world, SUSANNE, "holders", place=BIZZ, at=NOON + timedelta(minutes=30))
    assert [item["profile_id"] for item in page["items"]] == [ANNA.id, METTE.id, DORA.id]
    dora = page["items"][2]
    assert (dora["begun_by"], dora["begun_under"], dora["made_at_version"]) == (str(ANNA), UNDER_ROAD, 2)
    assert (dora["ended_by"], dora["ended_under"]) == (str(METTE), f"{MAIN}:{AGREEMENT}")
    entries = {entry["id"]: entry["type"] for entry in await world.read(SUSANNE, BIZZ)}
    assert entries[dora["since_event"]] == "profiles.product-access-granted.v1"
    assert entries[dora["until_event"]] == "profiles.product-access-revoked.v1"
    assert await holders(world, SUSANNE, BIZZ, NOON - timedelta(days=1)) == []


async def test_h2_everything_that_a_person_could_reach_at_a_moment(world: World) -> None:
    assert await things(world, SUSANNE, METTE, LATER) == [AGREEMENT, ROAD, BIZZ, HARBOUR, PLATE, name("account", 4)]
    assert await things(world, SUSANNE, DORA, LATER) == [BIZZ]
    await world.happened(
        FrameworkAgreementEnded(company_id=NORDLYS, agreement_id=AGREEMENT, account_ids=(ROAD, HARBOUR)), at=LATER
    )
    assert await things(world, SUSANNE, METTE, LATEST) == []
    assert len(await things(world, SUSANNE, METTE, LATER - timedelta(minutes=1))) == 6


async def test_p4_c7_a_grant_ends_with_what_it_is_on_by_the_hand_of_who_ended_that(world: World) -> None:
    await world.happened(closed(BIZZ, ROAD), by=ANNA, grant=UNDER_ROAD, at=LATER)
    await world.happened(product_access_ended(DORA, BIZZ, ROAD), at=LATER + timedelta(seconds=2))
    await world.happened(AccountEnded(company_id=NORDLYS, account_id=ROAD), by=SUSANNE, at=LATEST)
    dora = (await told(world, SUSANNE, "reach", profile=DORA.id, at=LATER - timedelta(seconds=1)))["items"][0]["grant"]
    assert (dora["ended_by"], dora["because"]) == (str(ANNA), "product-closed")
    assert await things(world, SUSANNE, DORA, LATER + timedelta(seconds=1)) == []
    anna = (await told(world, SUSANNE, "holders", place=ROAD, at=LATER))["items"][0]
    assert (anna["profile_id"], anna["ended_by"], anna["because"]) == (ANNA.id, str(SUSANNE), "account-ended")


async def test_h2_two_moments_are_compared_with_the_events_and_people_that_made_the_difference(world: World) -> None:
    await world.happened(product_access(ERIK, BIZZ, ROAD), by=ANNA, grant=UNDER_ROAD, at=LATER)
    await world.happened(closed(BIZZ, ROAD), by=METTE, grant=f"{MAIN}:{AGREEMENT}", at=LATEST)
    moments = {"since": NOON + timedelta(minutes=30), "until": LATEST + timedelta(days=1)}
    for of in ({}, {"of": BIZZ}):
        lines = (await told(world, SUSANNE, "differences", **moments, **of))["items"]
        assert [(line["what"], line["change"], line["profile_id"], line["by"]) for line in lines] == [
            ("place", "ended", None, str(METTE)),
            ("grant", "ended", DORA.id, str(METTE)),
        ]
    until_then = {"since": NOON + timedelta(minutes=30), "until": LATER}
    lines = (await told(world, SUSANNE, "differences", **until_then, of=ERIK.id))["items"]
    assert [(line["change"], line["target_id"], line["by"], line["under"]) for line in lines] == [
        ("began", BIZZ, str(ANNA), UNDER_ROAD)
    ]
    assert lines[0]["event_id"] in {entry["id"] for entry in await world.read(SUSANNE, ERIK.id)}


async def test_h2_the_state_of_a_thing_is_the_newest_value_of_each_field_with_the_event_that_said_it(
    world: World,
) -> None:
    changed = ReferenceChanged(product_id=BIZZ, account_id=ROAD, reference="Van 7")
    await world.happened(changed, by=ANNA, grant=UNDER_ROAD, at=LATER)
    before, after = [
        {field["field"]: field for field in (await told(world, ANNA, f"states/{BIZZ}", at=at))["fields"]}
        for at in (LATER - timedelta(seconds=1), LATER)
    ]
    assert (before["reference"]["value"], before["reference"]["type"]) == (None, "products.bizz-ordered.v1")
    assert (after["reference"]["value"], after["reference"]["type"]) == ("Van 7", "products.reference-changed.v1")
    assert (after["reference"]["version"], after["reference"]["actor"]) == (2, str(ANNA))
    assert after["company_id"] == before["company_id"]
    assert (await told(world, ANNA, f"states/{BIZZ}", at=NOON - timedelta(days=1)))["fields"] == []


async def test_h2_of_a_companys_stream_each_event_tells_of_the_narrowest_thing_that_it_names(world: World) -> None:
    fields = {
        entity: {field["field"]: field["value"] for field in (await told(world, SUSANNE, f"states/{entity}"))["fields"]}
        for entity in (NORDLYS, ROAD, AGREEMENT)
    }
    assert fields[NORDLYS]["legal_name"] == "Nordlys Transport ApS"
    assert "customer_number" not in fields[NORDLYS]
    assert (fields[ROAD]["name"], fields[ROAD]["account_id"]) == ("Road", ROAD)
    assert fields[AGREEMENT]["sub_account_ids"] == [ROAD, HARBOUR]


async def test_p2_p4_valid_time_a_product_is_usable_and_closed_at_times_of_its_own(world: World) -> None:
    plate = name("product", 7)
    ordered = NumberPlatePaymentOrdered(
        product_id=plate,
        account_id=ROAD,
        company_id=NORDLYS,
        country="DK",
        plate="AB12345",
        usable_at_storebaelt_from=LATER + timedelta(minutes=20),
        usable_elsewhere_from=LATER + timedelta(hours=24),
        reference=None,
    )
    await world.happened(ordered, by=ANNA, grant=UNDER_ROAD, at=LATER)
    # `closed` says that partners have closed it a day after noon.
    await world.happened(closed(plate, ROAD), by=ANNA, grant=UNDER_ROAD, at=LATER + timedelta(hours=2))

    async def stood(at: datetime, valid_at: datetime) -> tuple[Any, ...] | None:
        standing = (await told(world, ANNA, f"states/{plate}", at=at, valid_at=valid_at))["standing"]
        return standing and (standing["open"], standing["at_storebaelt"], standing["elsewhere"])

    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    assert await stood(LATER - minute, LATEST) is None
    assert await stood(LATER, LATER) == (True, "not-yet", "not-yet")
    assert await stood(LATER, LATER + 20 * minute) == (True, "usable", "not-yet")
    assert await stood(LATER, LATER + 24 * hour) == (True, "usable", "usable"), "nobody knew that it would be closed"
    assert await stood(LATEST, LATER + hour) == (True, "usable", "not-yet"), "what is known now, of an hour later"
    assert await stood(LATEST, LATER + 2 * hour) == (False, "closed", "not-yet")
    assert await stood(LATEST, LATEST) == (False, "closed", "closed")


async def test_p4_partners_may_need_some_time_to_close_and_a_bizz_is_usable_once_it_is_active(world: World) -> None:
    await world.happened(BizzActivated(product_id=BIZZ, account_id=ROAD), by=SUSANNE, at=LATER)
    await world.happened(closed(BIZZ, ROAD), by=ANNA, at=LATER + timedelta(hours=1))
    seen = []
    for hours in (-1, 0, 1, 30):
        answer = await told(world, ANNA, f"states/{BIZZ}", at=LATEST, valid_at=LATER + timedelta(hours=hours))
        seen.append((answer["standing"]["at_storebaelt"], answer["standing"]["elsewhere"]))
    assert seen == [("not-yet", "not-yet"), ("usable", "usable"), ("closed", "closing"), ("closed", "closed")]


async def test_h3_an_administrator_sees_of_the_past_what_lies_in_their_reach_now(world: World) -> None:
    assert await holders(world, ANNA, BIZZ, LATER) == [(ANNA.id, ACCOUNT), (METTE.id, MAIN), (DORA.id, PRODUCT)]
    assert await things(world, ANNA, METTE, LATER) == [AGREEMENT, ROAD, BIZZ]
    everything = await told(world, ANNA, "grants", at=LATER)
    assert {item["profile_id"] for item in everything["items"]} == {ANNA.id, METTE.id, DORA.id}
    assert {item["profile_id"] for item in (await told(world, HANS, "grants", at=LATER))["items"]} == {HANS.id}
    assert len((await told(world, SUSANNE, "grants", at=LATER))["items"]) == 4
    days = {"since": NOON - timedelta(days=1), "until": LATEST}
    assert {line["account_id"] for line in (await told(world, HANS, "differences", **days))["items"]} == {QUAY, None}
    # Who lost their account sees nothing of it any more, not even of the days when they administered it.
    gone = AccountAdministratorRevoked(profile_id=ANNA.id, account_id=ROAD, company_id=NORDLYS, because="revoked")
    await world.happened(gone, by=METTE, at=LATEST)
    assert (await ask(world, ANNA, "holders", place=BIZZ, at=LATER)).status_code == 404
    # The others see the one who left.
    assert await things(world, METTE, ANNA, LATER) == [ROAD, BIZZ]
    assert await things(world, METTE, ANNA, LATEST) == []


async def test_a13_a_stay_in_an_agreement_out_of_reach_names_neither_it_nor_the_grant_it_was_done_under(
    world: World,
) -> None:
    left = FrameworkAgreementEnded(company_id=NORDLYS, agreement_id=AGREEMENT, account_ids=(ROAD, HARBOUR))
    await world.happened(left, by=METTE, grant=f"{MAIN}:{AGREEMENT}", at=LATER)
    answer = await ask(world, ANNA, "differences", since=NOON + timedelta(minutes=9), until=LATEST)
    stays = [line for line in answer.json()["items"] if line["what"] == "stay"]
    assert [(line["account_id"], line["target_id"], line["under"]) for line in stays] == [(ROAD, None, MAIN)]
    assert AGREEMENT not in answer.text
    assert HARBOUR not in answer.text


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("holders", {"place": HAVNEFART_BIZZ}),
        ("holders", {"place": name("product", 999)}),
        ("reach", {"profile": HANS.id}),
        ("reach", {"profile": name("profile", 999)}),
        ("differences", {"since": NOON, "until": LATER, "of": QUAY}),
        ("differences", {"since": NOON, "until": LATER, "of": name("account", 999)}),
        (f"states/{HAVNEFART_BIZZ}", {}),
        (f"states/{name('product', 999)}", {}),
    ],
)
async def test_a13_the_past_of_what_is_out_of_reach_answers_like_that_of_what_does_not_exist(
    world: World, path: str, query: dict[str, Any]
) -> None:
    answer = await ask(world, ANNA, path, **query)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    if "999" in path + str(query):
        assert (await ask(world, SUSANNE, path, **query)).status_code == 404


async def test_h3_product_access_reads_nothing_of_the_past(world: World) -> None:
    for path, query, rule in (
        ("holders", {"place": BIZZ}, "A6"),
        ("grants", {}, "A6"),
        (f"states/{BIZZ}", {}, "H3"),
        (f"states/{DORA.id}", {}, "H3"),
    ):
        answer = await ask(world, DORA, path, **query)
        assert (answer.status_code, answer.json()["rule"]) == (403, rule), path
    assert (await ask(world, None, "grants")).status_code == 401


async def test_h3_asking_about_the_past_is_recorded_with_what_was_asked(world: World) -> None:
    await told(world, ANNA, "holders", place=BIZZ, at=LATER)
    await told(world, SUSANNE, "differences", since=NOON, until=LATER)
    read = [recorded for recorded in log_of(world.backbone) if isinstance(recorded.data, PastRead)]
    assert [(r.actor, r.grant, r.data.model_dump(exclude={"reading_id"})) for r in read] == [
        (ANNA, UNDER_ROAD, {"question": "holders", "entity_id": BIZZ, "moments": (LATER,), "entries": 3}),
        (
            SUSANNE,
            "customer-service",
            {"question": "differences", "entity_id": None, "moments": (NOON, LATER), "entries": 17},
        ),
    ]
    assert "past-read" in await world.types_read(ANNA, BIZZ)
    await world.backbone.writer.stop()
    assert (await ask(world, ANNA, "holders", place=BIZZ)).status_code == 503


async def test_pages_of_the_past_follow_each_other_and_end(world: World) -> None:
    for number in range(6, 16):
        driver = Actor("profile", name("profile", number))
        await world.happened(product_access(driver, BIZZ, ROAD), by=ANNA, at=LATER)
    for path, query in (
        ("holders", {"place": BIZZ, "at": LATEST}),
        ("grants", {"at": LATEST}),
        ("reach", {"profile": METTE.id, "at": LATEST}),
        ("differences", {"since": NOON - timedelta(days=1), "until": LATEST}),
    ):
        whole = (await told(world, SUSANNE, path, **query))["items"]
        for limit in (1, 4, len(whole)):
            pages: list[Any] = []
            after: dict[str, str] = {}
            while True:
                page = await told(world, SUSANNE, path, **query, **after, limit=limit)
                pages += page["items"]
                if page["next"] is None:
                    break
                after = {"after": page["next"]}
            assert pages == whole, (path, limit)


WRONG = {
    "holders": 422,
    "holders?place=profile-1": 422,
    f"holders?place={BIZZ}&at=yesterday": 422,
    f"holders?place={BIZZ}&at=2026-03-01T12:00:00": 422,
    f"holders?place={BIZZ}&at=99999999999999999999": 422,
    f"holders?place={BIZZ}&at=0001-01-01T00:00:00%2B14:00": 200,
    f"holders?place={BIZZ}&at=9999-12-31T23:59:59-14:00": 200,
    f"holders?place={BIZZ}&after=x": 422,
    f"holders?place={BIZZ}&limit=101": 422,
    "reach?profile=x": 422,
    f"differences?since={'2026-03-01T12:00:00Z'}": 422,
    "differences?since=2026-03-01T12:00:00Z&until=2026-03-01T12:00:00Z": 422,
    "differences?since=0001-01-01T00:00:00%2B14:00&until=9999-12-31T23:59:59-14:00": 200,
    f"differences?since=2026-03-01T12:00:00Z&until=2026-03-02T12:00:00Z&after={'9' * 17}.{'f' * 32}.x": 200,
    "states/product-1": 404,
    f"states/{BIZZ}?valid_at=now": 422,
}


async def test_what_cannot_be_asked_of_the_past_is_answered_with_a_problem(world: World) -> None:
    for path, expected in WRONG.items():
        answer = await world.asked_by(SUSANNE)("GET", f"/past/{path}")
        assert answer.status_code == expected, (path, answer.text)
        if expected != 200:
            assert answer.headers["content-type"] == "application/problem+json"
