"""P3: how an account pays is what its company said last; a change of it is followed (C3)."""

from typing import Any

from services.company.events import Payment, PaymentChanged
from shared.actor import Actor
from tests.products.conftest import (
    ANNA,
    HANS,
    HAVNEFART,
    HAVNEFART_MAIN,
    METTE,
    NORDLYS,
    NORDLYS_HARBOUR,
    NORDLYS_ROAD,
    World,
    opened,
)

NEW_ACCOUNT = "account-" + "9".zfill(32)


async def eticket(world: World, by: Actor, account: str, plate: str) -> tuple[int, str | None]:
    """Ask for an eTicket; what it is answered."""
    order: dict[str, Any] = {
        "kind": "eticket",
        "country": "DK",
        "plate": plate,
        "vin": "WVWZZZ1JZXW000001",
        "vehicle_type": "lorry",
        "trips": 2,
        "details_are_right": True,
        "may_be_used_everywhere": True,
    }
    answer = await world.asked_by(by)("POST", f"/accounts/{account}/products", order)
    return answer.status_code, answer.json().get("code")


async def changed(world: World, company: str, payment: Payment) -> None:
    await world.feed.given(PaymentChanged(company_id=company, payment=payment))


async def test_p3_a_company_that_changes_to_invoice_may_order_etickets(world: World) -> None:
    status, code = await eticket(world, HANS, HAVNEFART_MAIN, "AB12345")
    assert (status, code) == (409, "eticket-needs-invoice")
    await changed(world, HAVNEFART, "invoice")
    assert (await eticket(world, HANS, HAVNEFART_MAIN, "AB12345"))[0] == 201


async def test_p3_a_company_that_changes_to_card_orders_none_any_more_on_any_of_its_accounts(world: World) -> None:
    assert (await eticket(world, ANNA, NORDLYS_ROAD, "AB12345"))[0] == 201
    await changed(world, NORDLYS, "card")
    for who, account in ((ANNA, NORDLYS_ROAD), (METTE, NORDLYS_HARBOUR)):
        assert await eticket(world, who, account, "AB12346") == (409, "eticket-needs-invoice")


async def test_p3_an_account_that_is_opened_later_pays_as_it_says_itself(world: World) -> None:
    await changed(world, HAVNEFART, "invoice")
    await world.feed.given(opened(NEW_ACCOUNT, HAVNEFART, "invoice"))
    row = await world.backbone.database.row("SELECT payment FROM account_payment WHERE account_id = %s", (NEW_ACCOUNT,))
    assert row == {"payment": "invoice"}
