"""Somebody is logged out everywhere by whoever could cancel their login, and is told (S-19, A11)."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from services.auth.events import SessionEnded
from services.company.events import AccountOpened
from services.products.events import BizzOrdered
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    ProductAccessGranted,
)
from tests.auth.conftest import ANNA, ANNAS_ID, DORA, DORAS_ID, SUSANNE, World, cancelled, name
from tests.auth.test_open_sessions import ask, endings, is_good, mailed

ACCOUNT, ELSEWHERE, BIZZ, COMPANY = name("account", 1), name("account", 2), name("product", 1), name("company", 1)


async def given_dora_drives_for_anna(world: World, *more: str) -> None:
    """Anna administers an account; Dora has access to a bizz on it, and administers these as well."""
    accounts = [
        AccountOpened(
            company_id=COMPANY,
            account_id=account,
            customer_number=number,
            name="Main account",
            payment="invoice",
            agreement_id=None,
        )
        for account, number in ((ACCOUNT, "1000001"), (ELSEWHERE, "1000002"))
    ]
    await world.feed.given(
        *accounts,
        AccountAdministratorGranted(profile_id=ANNAS_ID, account_id=ACCOUNT, company_id=COMPANY),
        *(AccountAdministratorGranted(profile_id=DORAS_ID, account_id=each, company_id=COMPANY) for each in more),
    )
    if not more:
        product = ProductAccessGranted(profile_id=DORAS_ID, product_id=BIZZ, account_id=ACCOUNT, company_id=COMPANY)
        await world.feed.given(bizz(), product)


def bizz() -> Any:
    return BizzOrdered(product_id=BIZZ, account_id=ACCOUNT, company_id=COMPANY, reference=None)


async def end_doras(world: World, session: dict[str, Any], *, confirm: bool = True) -> httpx.Response:
    return await ask(world, session, "POST", f"/logins/{DORAS_ID}/end-sessions", {"confirm": confirm})


async def test_s19_an_administrator_in_reach_logs_somebody_out_everywhere_who_is_told(world: World) -> None:
    await given_dora_drives_for_anna(world)
    doras = [await world.logged_in(DORA), await world.logged_in(DORA)]
    anna = await world.logged_in(ANNA)
    answer = await end_doras(world, anna)
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    assert {because for _, because in endings(world)} == {"ended-by-administrator"}
    assert [await is_good(world, session) for session in (*doras, anna)] == [False, False, True]
    assert await mailed(world, f"profile:{DORAS_ID}") == ["sessions-ended-by-administrator"]
    [grant] = {recorded.grant for recorded in world.log() if isinstance(recorded.data, SessionEnded)}
    assert grant == f"account-administrator:{ACCOUNT}"
    assert (await end_doras(world, anna)).json() == {"ended": 0}
    assert len(await mailed(world, f"profile:{DORAS_ID}")) == 1, "nothing ended, so nobody is told"


async def test_s19_customer_service_logs_anybody_out(world: World) -> None:
    doras, susanne = await world.logged_in(DORA), await world.logged_in(SUSANNE)
    assert (await end_doras(world, susanne)).json() == {"ended": 1}
    assert not await is_good(world, doras)


async def test_a11_logging_somebody_out_must_be_confirmed(world: World) -> None:
    await given_dora_drives_for_anna(world)
    anna, doras = await world.logged_in(ANNA), await world.logged_in(DORA)
    answer = await end_doras(world, anna, confirm=False)
    assert (answer.status_code, answer.json()["code"]) == (422, "ending-sessions-not-confirmed")
    assert await is_good(world, doras)


@pytest.mark.parametrize(
    ("also", "status", "code"),
    [
        ((ACCOUNT,), 200, None),
        ((ACCOUNT, ELSEWHERE), 403, "cannot-end-sessions"),
        ((ELSEWHERE,), 404, "not-found"),
    ],
)
async def test_a11_only_who_could_cancel_somebody_logs_them_out(
    world: World, also: Sequence[str], status: int, code: str | None
) -> None:
    await given_dora_drives_for_anna(world, *also)
    anna, doras = await world.logged_in(ANNA), await world.logged_in(DORA)
    answer = await end_doras(world, anna)
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert await is_good(world, doras) is (status != 200)


async def test_a13_a_driver_logs_nobody_out_and_learns_nothing(world: World) -> None:
    await given_dora_drives_for_anna(world)
    dora = await world.logged_in(DORA)
    for profile in (ANNAS_ID, name("profile", 77)):
        answer = await ask(world, dora, "POST", f"/logins/{profile}/end-sessions", {"confirm": True})
        assert answer.status_code == 404


async def test_a14_a_right_that_is_gone_logs_nobody_out(world: World) -> None:
    await given_dora_drives_for_anna(world)
    anna, doras = await world.logged_in(ANNA), await world.logged_in(DORA)
    revoked = AccountAdministratorRevoked(
        profile_id=ANNAS_ID, account_id=ACCOUNT, company_id=COMPANY, because="revoked"
    )
    await world.feed.given(revoked)
    assert (await end_doras(world, anna)).status_code == 404
    assert await is_good(world, doras)


async def test_a13_of_a_cancelled_login_there_is_nothing_to_end(world: World) -> None:
    susanne = await world.logged_in(SUSANNE)
    await world.feed.given(cancelled(DORA))
    assert (await end_doras(world, susanne)).status_code == 404
