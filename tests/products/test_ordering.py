"""P1–P5, A7 through the real application: products are ordered, changed and closed."""

from datetime import datetime, timedelta
from urllib.parse import quote

from tests.feed import SUSANNE, log_of
from tests.products.conftest import (
    ANNA,
    BIZZ,
    CONFIRMED,
    DEVICE,
    ETICKET,
    HANS,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
)


async def test_p1_a_bizz_is_ordered_then_dispatched_with_its_device_number_then_active(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    states = [(await world.seen(bizz))["state"]]
    for command, body in (("dispatch", DEVICE), ("activate", None)):
        await world.done(SUSANNE, "POST", f"/products/{bizz}/{command}", body)
        states.append((await world.seen(bizz))["state"])
    assert states == ["ordered", "dispatched", "active"]
    assert (await world.seen(bizz))["device_number"] == DEVICE["device_number"]
    assert world.types_in_log() == ["bizz-ordered", "bizz-dispatched", "bizz-activated"]


async def test_p1_a_device_number_is_unique_and_stays_with_its_bizz(world: World) -> None:
    first, second = await world.ordered(BIZZ), await world.ordered(BIZZ)
    await world.done(SUSANNE, "POST", f"/products/{first}/dispatch", DEVICE)
    await world.done(ANNA, "POST", f"/products/{first}/close", CONFIRMED)
    answer = await world.asked_by(SUSANNE)("POST", f"/products/{second}/dispatch", DEVICE)
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, "device-number-taken", "P1")


async def test_p1_a_bizz_is_dispatched_before_it_is_active_and_only_a_bizz_has_a_device(world: World) -> None:
    bizz, plate_payment = await world.ordered(BIZZ), await world.ordered(PLATE_PAYMENT)
    ask = world.asked_by(SUSANNE)
    for path, body, code in (
        (f"/products/{bizz}/activate", None, "bizz-not-dispatched"),
        (f"/products/{plate_payment}/dispatch", DEVICE, "not-a-bizz"),
        (f"/products/{plate_payment}/activate", None, "not-a-bizz"),
    ):
        answer = await ask("POST", path, body)
        assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, code, "P1"), path
    for number, code in (
        ("9108000000000001", "device-number-malformed"),
        ("4111111111111111", "looks-like-a-card-number"),
    ):
        wrong = await ask("POST", f"/products/{bizz}/dispatch", {"device_number": number})
        assert (wrong.status_code, wrong.json()["code"]) == (422, code)


async def test_p2_a_plate_payment_is_usable_after_20_minutes_at_storebaelt_and_24_hours_elsewhere(world: World) -> None:
    product = await world.seen(await world.ordered(PLATE_PAYMENT))
    ordered, at_storebaelt, elsewhere = (
        datetime.fromisoformat(product[moment])
        for moment in ("ordered_at", "usable_at_storebaelt_from", "usable_elsewhere_from")
    )
    assert (product["country"], product["plate"], product["state"]) == ("DK", "AB12345", "active")
    assert elsewhere - at_storebaelt == timedelta(hours=23, minutes=40)
    assert timedelta(0) <= ordered + timedelta(minutes=20) - at_storebaelt < timedelta(seconds=5)


async def test_p2_a_plate_has_at_most_one_open_plate_payment_or_eticket_across_all_companies(world: World) -> None:
    await world.ordered(PLATE_PAYMENT)
    await world.ordered(ETICKET)
    same_eticket = {**ETICKET, "country": "dk", "plate": "ab12345"}
    for by, order, account in (
        (ANNA, PLATE_PAYMENT, NORDLYS_ROAD),
        (ANNA, same_eticket, NORDLYS_ROAD),
        (HANS, {**PLATE_PAYMENT, "country": "dk", "plate": " ａｂ 12 345 "}, HAVNEFART_MAIN),
        (HANS, {**PLATE_PAYMENT, "country": "SE", "plate": "abc-123"}, HAVNEFART_MAIN),
    ):
        answer = await world.asks_to_order(by, order, account)
        told = answer.json()
        assert (answer.status_code, told["code"], told["rule"]) == (409, "plate-has-open-product", "P2"), order
    await world.ordered({**PLATE_PAYMENT, "country": "NO"}, HANS, HAVNEFART_MAIN)


async def test_p2_a_refusal_says_nothing_about_whose_the_plate_is(world: World) -> None:
    product = await world.ordered(PLATE_PAYMENT)
    answer = await world.asks_to_order(HANS, PLATE_PAYMENT, HAVNEFART_MAIN)
    assert not any(secret in answer.text for secret in (product, NORDLYS, NORDLYS_ROAD, ANNA.id))


async def test_p2_p4_a_plate_is_free_again_when_its_product_closes(world: World) -> None:
    product = await world.ordered(PLATE_PAYMENT)
    await world.done(ANNA, "POST", f"/products/{product}/close", CONFIRMED)
    assert await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN) != product


async def test_p3_an_eticket_is_for_companies_that_pay_by_invoice_only(world: World) -> None:
    answer = await world.asks_to_order(HANS, ETICKET, HAVNEFART_MAIN)
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, "eticket-needs-invoice", "P3")
    ticket = await world.seen(await world.ordered(ETICKET))
    assert (ticket["vin"], ticket["trips"], ticket["vehicle"]["vehicle_type"]) == ("WVWZZZ1JZXW000001", 2, "lorry")
    assert (ticket["country"], ticket["plate"], ticket["reference"]) == ("SE", "ABC123", "Malmö")


async def test_p3_an_eticket_needs_plate_vin_type_one_or_two_trips_and_two_confirmations(world: World) -> None:
    for wrong, code in (
        ({"plate": "?"}, "plate-malformed"),
        ({"country": "DA"}, "country-unknown"),
        ({"vin": "WVWZZZ1JZXW00000O"}, "vin-malformed"),
        ({"vehicle_type": "spaceship"}, "vehicle-type-unknown"),
        ({"trips": 0}, "trips-out-of-range"),
        ({"trips": 3}, "trips-out-of-range"),
        ({"details_are_right": False}, "eticket-not-confirmed"),
        ({"may_be_used_everywhere": False}, "eticket-not-confirmed"),
    ):
        answer = await world.asks_to_order(ANNA, {**ETICKET, **wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, code), wrong
    assert world.types_in_log() == []


async def test_p4_closing_is_confirmed_takes_effect_at_once_and_within_24_hours_at_partners(world: World) -> None:
    product = await world.ordered(PLATE_PAYMENT)
    answer = await world.asked_by(ANNA)("POST", f"/products/{product}/close", {"confirm": False})
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (422, "closing-not-confirmed", "P4")
    await world.done(METTE, "POST", f"/products/{product}/close", CONFIRMED)
    closed = await world.seen(product)
    assert closed["state"] == "closed"
    at, by = (datetime.fromisoformat(closed[moment]) for moment in ("closed_at", "closed_at_partners_by"))
    assert timedelta(hours=24) - timedelta(seconds=5) < by - at <= timedelta(hours=24)


async def test_p4_a_closed_product_stays_as_it_is(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.done(ANNA, "POST", f"/products/{bizz}/close", CONFIRMED)
    await world.done(ANNA, "POST", f"/products/{bizz}/close", CONFIRMED)
    for by, method, path, body in (
        (ANNA, "PUT", "reference", {"reference": "Van 13"}),
        (ANNA, "PUT", "vehicle", {"make": "Volvo"}),
        (SUSANNE, "POST", "dispatch", DEVICE),
        (SUSANNE, "POST", "activate", None),
    ):
        answer = await world.asked_by(by)(method, f"/products/{bizz}/{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "product-closed"), path
    assert world.types_in_log().count("product-closed") == 1


async def test_p5_every_product_may_carry_a_reference_that_is_searchable(world: World) -> None:
    van, ticket, plain = (
        await world.ordered(BIZZ),
        await world.ordered(ETICKET),
        await world.ordered({**PLATE_PAYMENT, "reference": None}),
    )
    await world.done(ANNA, "PUT", f"/products/{plain}/reference", {"reference": "  Ærø_færge  7 "})
    for sought, found in (
        ("van", [van]),
        ("MALMÖ", [ticket]),
        ("ærø_F", [plain]),
        ("%", []),
        ("V_n", []),
        ("12", [van]),
    ):
        assert await world.listed(ANNA, f"?reference={quote(sought)}") == found, sought
    await world.done(ANNA, "PUT", f"/products/{plain}/reference", {"reference": None})
    assert (await world.seen(plain))["reference"] is None
    assert await world.listed(ANNA, f"?reference={quote('ærø')}") == []


async def test_p6_a_reference_that_holds_a_card_number_is_refused_and_not_repeated(world: World) -> None:
    answer = await world.asks_to_order(ANNA, {"kind": "bizz", "reference": "4111 1111 1111 1111"})
    assert (answer.status_code, answer.json()["rule"]) == (422, "P6")
    assert "4111" not in answer.text
    assert "4111" not in str([recorded.data for recorded in log_of(world.backbone)])


async def test_a7_only_a_bizz_has_a_plate_that_changes(world: World) -> None:
    bizz, plate_payment = await world.ordered(BIZZ), await world.ordered(PLATE_PAYMENT)
    vehicle = {"make": "Volvo", "model": "FH16", "vehicle_type": "lorry", "plate": "cd 67 890"}
    await world.done(ANNA, "PUT", f"/products/{bizz}/vehicle", vehicle)
    assert (await world.seen(bizz))["vehicle"] == {**vehicle, "plate": "CD67890"}
    answer = await world.asked_by(ANNA)("PUT", f"/products/{plate_payment}/vehicle", vehicle)
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, "plate-is-the-product", "A7")
    await world.done(ANNA, "PUT", f"/products/{plate_payment}/vehicle", {**vehicle, "plate": None})


async def test_what_is_already_so_is_accepted_and_changes_nothing(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    for by, method, path, body in (
        (ANNA, "PUT", "reference", {"reference": "Van 13"}),
        (ANNA, "PUT", "vehicle", {"make": "Volvo", "plate": "CD67890"}),
        (SUSANNE, "POST", "dispatch", DEVICE),
        (SUSANNE, "POST", "activate", None),
        (ANNA, "POST", "close", CONFIRMED),
    ):
        await world.done(by, method, f"/products/{bizz}/{path}", body)
        done = world.types_in_log()
        await world.done(by, method, f"/products/{bizz}/{path}", body)
        assert world.types_in_log() == done, path
