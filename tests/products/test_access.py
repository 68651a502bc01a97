"""A5, A6, A13, A14 through the real application: who sees and does what with products, and what each is told."""

import asyncio

import psycopg

from services.products.service import NAME
from shared.actor import Actor
from shared.eventstore.recorder import APPEND_LOCK
from tests.feed import SUSANNE, log_of, running, token
from tests.products.conftest import (
    ANNA,
    BIZZ,
    CONFIRMED,
    DEVICE,
    DORA,
    ETICKET,
    HANS,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    PLATE_PAYMENT,
    World,
    name,
    replica,
)
from tests.waiting import started_and_held


async def test_a6_a_driver_sees_its_own_product_and_nothing_else(world: World) -> None:
    bizz, other = await world.ordered(BIZZ), await world.ordered(PLATE_PAYMENT)
    await world.drives(DORA, bizz)
    assert (await world.seen(bizz, DORA))["reference"] == "Van 12"
    assert (await world.asked_by(DORA)("GET", f"/products/{other}")).status_code == 404
    assert await world.listed(DORA) == [bizz]
    assert await world.listed(DORA, f"?account_id={NORDLYS_ROAD}") == [bizz]
    assert await world.listed(DORA, "?kind=number-plate-payment") == []


async def test_a6_a_driver_may_not_order_close_or_change_the_product(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.drives(DORA, bizz)
    for method, path, body, who_could in (
        ("POST", f"/accounts/{NORDLYS_ROAD}/products", BIZZ, "main administrator or account administrator"),
        ("POST", f"/products/{bizz}/close", CONFIRMED, "main administrator or account administrator"),
        ("PUT", f"/products/{bizz}/reference", {"reference": "Mine"}, "main administrator or account administrator"),
        ("POST", f"/products/{bizz}/dispatch", DEVICE, "customer service"),
        ("POST", f"/products/{bizz}/activate", None, "customer service"),
    ):
        answer = await world.asked_by(DORA)(method, path, body)
        assert (answer.status_code, answer.json()["rule"]) == (403, "A6"), path
        assert answer.json()["who_could"] == who_could
    assert set(world.types_in_log()) == {"bizz-ordered", "attempt-refused"}


async def test_a6_a_driver_keeps_the_vehicle_information_of_its_product_up_to_date(world: World) -> None:
    bizz, other = await world.ordered(BIZZ), await world.ordered(PLATE_PAYMENT)
    await world.drives(DORA, bizz)
    await world.done(DORA, "PUT", f"/products/{bizz}/vehicle", {"make": "Volvo", "plate": "CD 67 890"})
    *_, described = log_of(world.backbone)
    assert (described.actor, described.grant) == (DORA, f"product-access:{bizz}")
    answer = await world.asked_by(DORA)("PUT", f"/products/{other}/vehicle", {"make": "Volvo"})
    assert answer.status_code == 404


async def test_a6_a_driver_reaches_nothing_once_the_access_has_ended(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.drives(DORA, bizz)
    await world.done(ANNA, "POST", f"/products/{bizz}/close", CONFIRMED)
    await world.drives_no_longer(DORA, bizz)
    assert (await world.asked_by(DORA)("GET", f"/products/{bizz}")).status_code == 404
    assert await world.listed(DORA) == []


async def test_p4_closing_takes_effect_at_once_for_a_driver_too(world: World) -> None:
    """Before profiles has said that the access ended."""
    bizz = await world.ordered(BIZZ)
    await world.drives(DORA, bizz)
    await world.done(ANNA, "POST", f"/products/{bizz}/close", CONFIRMED)
    assert (await world.asked_by(DORA)("GET", f"/products/{bizz}")).status_code == 404
    assert await world.listed(DORA) == []


async def test_a5_an_account_administrator_orders_changes_and_closes_on_their_accounts_and_no_others(
    world: World,
) -> None:
    harbour = await world.ordered(BIZZ, METTE, NORDLYS_HARBOUR)
    assert (await world.asks_to_order(ANNA, BIZZ, NORDLYS_HARBOUR)).status_code == 404
    assert (await world.asks_to_order(ANNA, BIZZ, HAVNEFART_MAIN)).status_code == 404
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "/reference", {"reference": "Mine"}),
        ("PUT", "/vehicle", {"make": "Volvo"}),
        ("POST", "/close", CONFIRMED),
    ):
        assert (await world.asked_by(ANNA)(method, f"/products/{harbour}{path}", body)).status_code == 404, path


async def test_a4_a_main_administrator_does_all_of_it_on_every_account_of_the_agreement(world: World) -> None:
    for account in (NORDLYS_ROAD, NORDLYS_HARBOUR):
        bizz = await world.ordered(BIZZ, METTE, account)
        await world.done(METTE, "PUT", f"/products/{bizz}/reference", {"reference": "Van 13"})
        await world.done(METTE, "POST", f"/products/{bizz}/close", CONFIRMED)
    assert (await world.asks_to_order(METTE, BIZZ, HAVNEFART_MAIN)).status_code == 404


async def test_a13_lists_show_what_is_in_reach_and_customer_service_sees_all(world: World) -> None:
    road, harbour, theirs = (
        await world.ordered(BIZZ),
        await world.ordered(ETICKET, METTE, NORDLYS_HARBOUR),
        await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN),
    )
    for who, reached in (
        (ANNA, [road]),
        (METTE, [road, harbour]),
        (HANS, [theirs]),
        (SUSANNE, [road, harbour, theirs]),
    ):
        assert sorted(await world.listed(who)) == sorted(reached)
        assert await world.listed(who, f"?account_id={HAVNEFART_MAIN}") == [p for p in reached if p == theirs]
        assert await world.listed(who, "?kind=bizz") == [p for p in reached if p == road]
        assert await world.listed(who, "?reference=van&kind=eticket") == []
        assert await world.listed(who, f"?after={max(reached)}") == []


async def test_a13_a_long_list_comes_in_pages(world: World) -> None:
    await asyncio.gather(*(world.ordered({"kind": "bizz", "reference": f"Van {number}"}) for number in range(103)))
    ask = world.asked_by(ANNA)
    first = (await ask("GET", "/products")).json()
    second = (await ask("GET", f"/products?after={first['next']}")).json()
    assert (len(first["items"]), len(second["items"]), second["next"]) == (100, 3, None)
    assert len({product["product_id"] for page in (first, second) for product in page["items"]}) == 103


async def test_a13_out_of_reach_answers_exactly_like_what_does_not_exist(world: World) -> None:
    foreign = {"product": await world.ordered(BIZZ, HANS, HAVNEFART_MAIN), "account": HAVNEFART_MAIN}
    missing = {"product": name("product", 9), "account": name("account", 9)}
    for method, path, body in (
        ("POST", "/accounts/{account}/products", BIZZ),
        ("GET", "/products/{product}", None),
        ("PUT", "/products/{product}/reference", {"reference": "Mine"}),
        ("PUT", "/products/{product}/vehicle", {"make": "Volvo"}),
        ("POST", "/products/{product}/close", CONFIRMED),
        ("POST", "/products/{product}/dispatch", DEVICE),
        ("POST", "/products/{product}/activate", None),
    ):
        answers = [await world.asked_by(ANNA)(method, path.format(**ids), body) for ids in (foreign, missing)]
        assert [answer.status_code for answer in answers] == [404, 404], path
        of_foreign, of_missing = ({**answer.json(), "request_id": ""} for answer in answers)
        assert of_foreign == of_missing
        assert (await world.asked_by(SUSANNE)(method, path.format(**missing), body)).status_code == 404, path


async def test_a13_what_customer_service_may_not_do_it_is_told(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    for method, path, body, rule in (
        ("POST", f"/accounts/{NORDLYS_ROAD}/products", BIZZ, "A5"),
        ("PUT", f"/products/{bizz}/reference", {"reference": "Mine"}, "A5"),
        ("PUT", f"/products/{bizz}/vehicle", {"make": "Volvo"}, "A6"),
        ("POST", f"/products/{bizz}/close", CONFIRMED, "A5"),
    ):
        answer = await world.asked_by(SUSANNE)(method, path, body)
        assert (answer.status_code, answer.json()["rule"]) == (403, rule), path


async def test_p1_only_customer_service_dispatches_and_activates(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    for path, body in (("dispatch", DEVICE), ("activate", None)):
        answer = await world.asked_by(ANNA)("POST", f"/products/{bizz}/{path}", body)
        assert (answer.status_code, answer.json()["who_could"]) == (403, "customer service")
    stranger = Actor("staff", name("staff", 9))
    assert (await world.asked_by(stranger)("POST", f"/products/{bizz}/dispatch", DEVICE)).status_code == 404


async def test_a13_nobody_is_shown_anything_without_a_valid_token(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    for path in ("/products", f"/products/{bizz}"):
        assert (await world.asked_by(None)("GET", path)).status_code == 401
        assert (await world.asked_by(ANNA)("GET", path, authorization="Bearer nonsense")).status_code == 401


async def test_a14_a_revoked_right_stops_working_here_as_soon_as_it_is_heard_of(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.administers_no_longer(ANNA)
    assert (await world.asked_by(ANNA)("POST", f"/products/{bizz}/close", CONFIRMED)).status_code == 404
    assert (await world.asks_to_order(ANNA, BIZZ)).status_code == 404


async def test_s17_whoever_is_demoted_during_a_session_is_refused_the_next_write(world: World) -> None:
    bizz = await world.ordered(BIZZ)
    await world.drives(ANNA, bizz)
    bearer = f"Bearer {token(ANNA, NAME)}"
    rename = ("PUT", f"/products/{bizz}/reference", {"reference": "Van 13"})
    assert (await world.asked_by(ANNA)(*rename, authorization=bearer)).status_code == 200
    await world.administers_no_longer(ANNA)
    answer = await world.asked_by(ANNA)(*rename, authorization=bearer)
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (403, "not-permitted", "A6")


async def test_a14_a_right_revoked_between_check_and_commit_refuses_the_command(world: World, database: str) -> None:
    """Z-12: the command is held on one replica while another hears that the right is gone."""
    other = replica(database)
    with psycopg.connect(database) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        async with (
            running(other.backbone),
            started_and_held(other.asks_to_order(ANNA, PLATE_PAYMENT), database) as ordering,
        ):
            await world.administers_no_longer(ANNA)
            holder.commit()
            answer = await ordering
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (403, "grant-withdrawn", "A14")
    assert world.types_in_log() == ["attempt-refused"]
    await world.ordered(PLATE_PAYMENT, HANS, HAVNEFART_MAIN)


async def test_h1_a_refused_attempt_is_an_event_with_who_what_and_why_and_no_personal_data(world: World) -> None:
    await world.ordered(PLATE_PAYMENT)
    await world.asks_to_order(HANS, PLATE_PAYMENT, HAVNEFART_MAIN)
    *_, refused = log_of(world.backbone)
    told = refused.data.model_dump()
    assert (refused.type, refused.actor) == ("products.attempt-refused.v1", HANS)
    assert told["operation"] == "POST /accounts/{account_id}/products"
    assert (told["about"], told["code"], told["rule"]) == ((HAVNEFART_MAIN,), "plate-has-open-product", "P2")
    assert "12345" not in told["reason"]
