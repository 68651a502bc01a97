"""H3: reading is itself recorded. Pages, places to go on from, and requests that are wrong."""

import asyncio

from services.audit.events import HistoryRead
from shared.envelope import Recorded
from tests.audit.conftest import (
    ANNA,
    BIZZ,
    DORA,
    HARBOUR,
    METTE,
    ROAD,
    UNDER_ROAD,
    World,
    closed,
    name,
    product_access,
    product_access_ended,
)
from tests.feed import SUSANNE, log_of


def readings(world: World) -> list[Recorded]:
    return [recorded for recorded in log_of(world.backbone) if isinstance(recorded.data, HistoryRead)]


async def test_h3_reading_is_recorded_with_who_what_and_under_which_grant(world: World) -> None:
    await world.ask(ANNA, BIZZ)
    await world.ask(METTE, HARBOUR)
    await world.ask(SUSANNE, DORA.id)
    await world.ask(ANNA, DORA.id)
    agreement = f"main-administrator:{name('agreement', 1)}"
    assert [(r.actor, r.grant, r.data.model_dump(exclude={"reading_id"})) for r in readings(world)] == [
        (ANNA, UNDER_ROAD, {"entity_id": BIZZ, "entries": 2}),
        (METTE, agreement, {"entity_id": HARBOUR, "entries": 3}),
        (SUSANNE, "customer-service", {"entity_id": DORA.id, "entries": 2}),
        (ANNA, UNDER_ROAD, {"entity_id": DORA.id, "entries": 3}),
    ]


async def test_h3_a_reading_that_cannot_be_recorded_is_not_answered(world: World) -> None:
    await world.backbone.writer.stop()
    answer = await world.ask(ANNA, BIZZ)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "items" not in answer.json()


async def test_h3_readings_are_part_of_the_history_of_what_was_read_and_of_who_read(world: World) -> None:
    await world.ask(SUSANNE, BIZZ)
    entry = (await world.read(ANNA, BIZZ))[-1]
    assert (entry["type"], entry["actor"], entry["service"]) == ("audit.history-read.v1", str(SUSANNE), "audit")
    assert "history-read" in await world.types_read(SUSANNE, SUSANNE.id)


async def test_a_refused_reading_is_an_attempt_in_the_history(world: World) -> None:
    answer = await world.ask(DORA, BIZZ)
    assert answer.status_code == 403
    entry = (await world.read(ANNA, DORA.id))[-1]
    assert entry["type"] == "audit.attempt-refused.v1"
    assert (entry["data"]["rule"], entry["data"]["about"]) == ("H3", [BIZZ])
    assert entry["data"]["operation"] == "GET /history/{entity_id}"
    assert entry["correlation"] == answer.headers["x-request-id"]


async def test_pages_follow_each_other_oldest_first_and_end(world: World) -> None:
    for number in range(6, 16):
        driver = type(DORA)("profile", name("profile", number))
        await world.happened(product_access(driver, BIZZ, ROAD), product_access_ended(driver, BIZZ, ROAD), by=ANNA)
    whole = await world.read(SUSANNE, BIZZ)
    assert len(whole) == 22
    for limit in (1, 7, 21, 22, 100):
        pages, query = [], {"limit": str(limit)}
        for _ in range(50):
            page = (await world.ask(SUSANNE, BIZZ, **query)).json()
            assert len(page["items"]) <= limit
            pages += [entry for entry in page["items"] if entry["service"] != "audit"]
            if page["next"] is None:
                break
            query["after"] = page["next"]
        assert page["next"] is None
        assert pages == whole


async def test_a_place_stays_good_whatever_happens_meanwhile(world: World) -> None:
    await world.happened(product_access_ended(DORA, BIZZ, ROAD), by=ANNA)
    first = (await world.ask(ANNA, BIZZ, limit=1)).json()
    await asyncio.gather(*(world.ask(SUSANNE, BIZZ) for _ in range(5)))
    await world.happened(closed(BIZZ, ROAD), by=ANNA)
    second = (await world.ask(ANNA, BIZZ, limit=2, after=first["next"])).json()
    assert [entry["type"].split(".")[1] for entry in [*first["items"], *second["items"]]] == [
        "bizz-ordered",
        "product-access-granted",
        "product-access-revoked",
    ]
    assert second["next"] is None
    assert (await world.types_read(ANNA, BIZZ))[3] == "product-closed"


WRONG = {
    f"/history/{BIZZ}?limit=0": 422,
    f"/history/{BIZZ}?limit=101": 422,
    f"/history/{BIZZ}?limit=many": 422,
    f"/history/{BIZZ}?after=yesterday": 422,
    f"/history/{BIZZ}?after=-1-{'f' * 32}-1": 422,
    f"/history/{BIZZ}?after=99999999999999999-{'f' * 32}-99999999999999999": 404,
    f"/history/{BIZZ.upper()}": 404,
    "/history/product-1": 404,
    f"/history/{'a-' * 60}{'0' * 32}": 404,
    "/history/%00": 404,
    "/history/%ff%fe": 404,
    "/history/": 404,
    "/history": 404,
}


async def test_what_cannot_be_asked_is_answered_with_a_problem(audit: World) -> None:
    for path, expected in WRONG.items():
        answer = await audit.asked_by(SUSANNE)("GET", path)
        assert answer.status_code == expected, path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_reading_waits_for_what_the_reader_has_seen(world: World) -> None:
    asked = world.asked_by(ANNA)
    known = await asked("GET", f"/history/{BIZZ}", require_seen=f"{BIZZ}@1, {DORA.id}@2")
    assert known.status_code == 200
    late = world.topics.letter(closed(BIZZ, ROAD), by=ANNA)
    waiting = asyncio.create_task(asked("GET", f"/history/{BIZZ}", require_seen=f"{BIZZ}@2"))
    await asyncio.sleep(0.1)
    await world.arrived(late)
    assert (await waiting).json()["items"][-1]["version"] == 2 or "product-closed" in (await waiting).text
