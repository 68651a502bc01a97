"""Bulk orders: who may send and see them, what is refused at once, and what is kept (A5, A13, A14, C7, P6, H5)."""

from datetime import timedelta
from typing import Any, LiteralString

import pytest

from services.company.events import AccountEnded
from shared.actor import Actor
from shared.heard import RevocationsNotHeard
from tests.feed import SUSANNE, hears_until, log_of
from tests.products.bulk import (
    FLEET,
    HEADER,
    counts,
    outcomes,
    plates,
    rows,
    sends,
    sent,
    worked,
    worker,
)
from tests.products.conftest import (
    ANNA,
    BIZZ,
    DORA,
    ETICKET,
    HANS,
    METTE,
    NORDLYS,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    World,
    replica,
)

# Who may --------------------------------------------------------------------------------------------------------------


async def test_a5_a13_administrators_of_the_account_send_files_and_nobody_else(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.drives(DORA, bizz)
    for by, status in ((ANNA, 202), (METTE, 202), (SUSANNE, 403), (HANS, 404), (DORA, 403)):
        answer = await sends(world, plates(1), by)
        assert answer.status_code == status, (by, answer.text)
    # Whoever may not learns nothing of what is wrong with a file either.
    assert (await sends(world, b"\xff", HANS)).status_code == 404


async def test_a13_a_bulk_order_is_seen_by_administrators_and_customer_service_and_no_one_else(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.drives(DORA, bizz)
    bulk = await worked(world, FLEET)
    for by, status in ((ANNA, 200), (METTE, 200), (SUSANNE, 200), (HANS, 404)):
        for path in (f"/bulk-orders/{bulk}", f"/bulk-orders/{bulk}/rows", f"/accounts/{NORDLYS_ROAD}/bulk-orders"):
            assert (await world.asked_by(by)("GET", path)).status_code == status, (by, path)
    assert (await world.asked_by(DORA)("GET", f"/bulk-orders/{bulk}")).status_code == 403
    assert (await world.asked_by(ANNA)("GET", f"/bulk-orders/bulk-{'0' * 32}")).status_code == 404


async def test_a13_in_the_database_too_rows_are_shown_within_reach_only(world: World) -> None:
    await worked(world, FLEET)
    for question in ("SELECT 1 FROM bulk_orders", "SELECT 1 FROM bulk_rows"):
        assert await _asked(world, HANS, question) == await _asked(world, DORA, question) == []
        assert await _asked(world, ANNA, question) != []


async def _asked(world: World, actor: Actor, question: LiteralString) -> list[dict[str, Any]]:
    return await world.backbone.database.asked_by(actor).rows(question)


async def test_bulk_orders_of_an_account_are_listed_the_latest_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = [await sent(world, plates(n), name=f"File {n}") for n in range(3)]
    await sent(world, plates(1), METTE, NORDLYS_HARBOUR)
    path = f"/accounts/{NORDLYS_ROAD}/bulk-orders"
    page = (await world.asked_by(ANNA)("GET", path)).json()
    assert [bulk["bulk_id"] for bulk in page["items"]] == [third, second, first]
    assert [bulk["name"] for bulk in page["items"]] == ["File 2", "File 1", "File 0"]
    page = (await world.asked_by(ANNA)("GET", f"{path}?after={third}")).json()
    assert [bulk["bulk_id"] for bulk in page["items"]] == [second, first]


async def test_a14_a_right_that_is_revoked_while_a_file_waits_orders_nothing(world: World) -> None:
    bulk = await sent(world, plates(1, 2))
    await world.administers_no_longer(ANNA)
    await worker(world).work()
    assert [row["outcome"] for row in await rows(world, bulk, METTE)] == ["refused", "refused"]
    assert "number-plate-payment-ordered" not in world.types_in_log()


async def test_c7_a_file_for_an_account_that_ended_meanwhile_orders_nothing(world: World) -> None:
    bulk = await sent(world, plates(1), METTE)
    await world.feed.given(AccountEnded(company_id=NORDLYS, account_id=NORDLYS_ROAD))
    await worker(world).work()
    assert [row["code"] for row in await rows(world, bulk, METTE)] == ["account-ended"]


async def test_a14_a_file_waits_while_revocations_are_not_heard(world: World, database: str) -> None:
    bulk = await sent(world, plates(1))
    deaf = replica(database)
    await deaf.backbone.open_store()
    try:
        with pytest.raises(RevocationsNotHeard):
            await worker(deaf).work()
        assert "number-plate-payment-ordered" not in world.types_in_log()
        await hears_until(deaf.backbone, timedelta(days=365))
        await worker(deaf).work()
    finally:
        await deaf.backbone.close_store()
    assert await counts(world, bulk) == {"done": 1}


# What is refused at once, and what is kept ----------------------------------------------------------------------------


async def test_a_file_that_cannot_be_read_is_refused_at_once_and_says_where(world: World) -> None:
    for content, code, fact in (
        ((HEADER + "bizz;;;;;;;;Malmö\n").encode("latin-1"), "file-not-utf-8", {"line": 2}),
        (b"", "file-empty", {}),
        (b"colour\nred\n", "file-columns-unclear", {"column": 1}),
        (b"kind\n" + b"bizz\n" * 2001, "file-too-long", {"most": 2000}),
    ):
        answer = await sends(world, content)
        told = answer.json()
        assert (answer.status_code, told["code"]) == (422, code)
        assert fact.items() <= told.items()
    for body in ({"file": "kind,", "mode": "per-row"}, {"file": "", "mode": "at-once"}, {"mode": "per-row"}):
        answer = await world.asked_by(ANNA)("POST", f"/accounts/{NORDLYS_ROAD}/bulk-orders", body)
        assert answer.status_code == 422
    assert world.types_in_log() == []


async def test_p6_a_card_number_in_a_file_is_refused_and_kept_nowhere(world: World) -> None:
    bulk = await worked(world, HEADER + "bizz;;;;;;;;4111 1111 1111 1111\nbizz;;;;;;;;Van\n")
    assert (await outcomes(world, bulk))[0] == (2, "invalid", "reference", "looks-like-a-card-number")
    assert (await sends(world, plates(1), name="4111 1111 1111 1111")).json()["rule"] == "P6"
    kept = await world.backbone.database.rows("SELECT * FROM bulk_rows")
    assert "4111" not in str(kept) + str([recorded.data for recorded in log_of(world.backbone)])


async def test_h5_what_a_row_ordered_is_kept_no_longer_than_it_waits(world: World) -> None:
    await sent(world, FLEET)
    assert "AB12345" in str(await world.backbone.database.rows("SELECT ordered FROM bulk_rows"))
    await worker(world).work()
    kept = await world.backbone.database.rows("SELECT DISTINCT ordered FROM bulk_rows")
    assert kept == [{"ordered": None}]


async def test_an_eticket_by_hand_for_a_plate_of_a_file_is_refused_as_ever(world: World) -> None:
    await worked(world, FLEET)
    assert (await world.asks_to_order(ANNA, ETICKET)).json()["code"] == "plate-has-open-product"
