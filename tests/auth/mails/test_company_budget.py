"""C-14: strangers have so many codes an hour mailed for people of one company; no answer tells who belongs to it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.auth.domain.limits import Limits
from services.profiles.events import AccountAdministratorGranted
from tests.auth.conftest import (
    ANNA,
    ANNAS_ID,
    DORA,
    DORAS_ID,
    NOBODY,
    SUSANNE,
    TurningClock,
    World,
    moved_in,
    name,
    replica,
)
from tests.auth.mails.conftest import delivered
from tests.feed import running

MOST = 3
LIMITS = replace(Limits(), codes_an_hour_of_a_company=MOST)


def administers(profile_id: str, company: int) -> AccountAdministratorGranted:
    return AccountAdministratorGranted(
        profile_id=profile_id, account_id=name("account", company), company_id=name("company", company)
    )


@pytest.fixture
async def strict(world: World, database: str, clock: TurningClock, catcher: tuple[int, Path]) -> AsyncIterator[World]:
    """The same house, mailing three codes an hour for a company."""
    one = moved_in(replica(database, clock, f"smtp://127.0.0.1:{catcher[0]}", limits=LIMITS))
    async with running(one.auth.backbone):
        yield one


async def mailed(world: World, inbox: Path, *emails: str) -> list[str]:
    """Everybody of these asks from a browser that nobody knows; whom a code reached."""
    for email in emails:
        assert (await world.post("/login/codes", email=email)).status_code == 202
        await world.auth.mailer.deliver_due()
        world.clock.turn(seconds=61)
    return [mail.to[0] for mail in await delivered(world, inbox) if "code" in mail.subject.lower()]


async def test_c14_a_company_s_people_together_are_mailed_so_many_codes_an_hour(strict: World, inbox: Path) -> None:
    await strict.feed.given(administers(ANNAS_ID, 1), administers(DORAS_ID, 1))
    assert await mailed(strict, inbox, ANNA, DORA, ANNA) == [ANNA, DORA, ANNA]
    assert await mailed(strict, inbox, DORA) == [ANNA, DORA, ANNA], "answered as ever, and not mailed"
    assert await mailed(strict, inbox, SUSANNE, NOBODY) == [ANNA, DORA, ANNA, SUSANNE]
    strict.clock.turn(hours=1)
    assert await mailed(strict, inbox, DORA) == [ANNA, DORA, ANNA, SUSANNE, DORA]


async def test_c14_other_companies_and_known_browsers_are_mailed_all_the_same(strict: World, inbox: Path) -> None:
    await strict.feed.given(administers(ANNAS_ID, 1), administers(DORAS_ID, 2))
    device = (await strict.logged_in(ANNA))["device"]
    assert (await mailed(strict, inbox, *[ANNA] * MOST, DORA))[-1] == DORA
    await strict.ask(ANNA, device=device)
    assert [mail.to for mail in await delivered(strict, inbox)][-1] == (ANNA,)
    assert await fates(strict) == {"sent"}


async def test_c14_a_code_that_logged_in_counts_for_no_company(strict: World, inbox: Path) -> None:
    await strict.feed.given(administers(ANNAS_ID, 1), administers(DORAS_ID, 1))
    for _ in range(MOST):
        await strict.logged_in(ANNA)
    assert DORA in await mailed(strict, inbox, DORA), "whichever of those that wait is handed over first"


async def fates(world: World) -> set[str]:
    rows = await world.auth.backbone.database.rows("SELECT fate FROM mails WHERE kind = 'code' AND fate IS NOT NULL")
    return {row["fate"] for row in rows if row["fate"] != "dropped"}
