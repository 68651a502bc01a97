"""The guess budget: what strangers and known devices may fail, how long one waits, who is told, what it adds up to."""

import hashlib
import random
from datetime import timedelta

import pytest

from services.auth.adapters import guess_budget
from services.auth.adapters.known_devices import STRANGERS
from services.auth.domain.limits import Limits
from services.auth.events import CodeRefused, LoginPaused
from tests.auth.conftest import ANNA, ANNAS_ID, DORA, World

LIMITS = Limits()
ACCOUNT = f"profile:{ANNAS_ID}"


def refusals(world: World) -> list[str]:
    return [refused.because for refused in world.said(CodeRefused)]


async def failures(world: World) -> int:
    row = await world.row("SELECT coalesce(sum(failures), 0) AS sum FROM failed_tries WHERE account = %s", ACCOUNT)
    return int(row["sum"])


async def had_failed(world: World, count: int, bucket: str = STRANGERS) -> None:
    """So many failures in a row, long enough ago that nobody has to wait."""
    await world.auth.backbone.database.execute(
        "INSERT INTO failed_tries VALUES (%s, 'mailed-code', %s, %s, '-infinity') "
        "ON CONFLICT (account, authenticator, bucket) DO UPDATE SET failures = excluded.failures",
        (ACCOUNT, bucket, count),
    )


LADDER = [(failures, 0) for failures in range(5)] + [
    *((5, 30), (6, 60), (7, 120), (8, 240), (9, 480), (10, 960), (11, 1920), (12, 3600), (13, 3600), (99, 3600))
]


@pytest.mark.parametrize(("failed", "seconds"), LADDER)
def test_c08_the_ladder_begins_after_the_fifth_failure_doubles_and_ends_at_an_hour(failed: int, seconds: int) -> None:
    assert LIMITS.wait_after(failed) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("failed", "seconds"), [(4, 0), *LADDER[5:12]])
async def test_c08_one_waits_to_the_second_after_each_failure_of_the_ladder(
    world: World, failed: int, seconds: int
) -> None:
    """Just before the wait is over the right code is not looked at, from then on it is."""
    await had_failed(world, failed - 1)
    login = await world.ask(ANNA)
    await world.give(login.challenge, login.wrong)
    world.clock.turn(seconds=max(0, seconds - 0.001))
    login = login if seconds < 250 else await world.ask(ANNA)
    if seconds:
        assert (await world.give(login.challenge, login.code)).status_code == 401
        assert refusals(world) == ["wrong-code", "must-wait"]
        world.clock.turn(seconds=0.001)
    assert (await world.give(login.challenge, login.code)).status_code == 201


async def test_c08_strangers_fail_20_times_in_24_hours_and_the_window_slides(patient: World) -> None:
    for _ in range(LIMITS.failures_a_day):
        patient.clock.turn(minutes=61)
        login = await patient.ask(ANNA)
        await patient.give(login.challenge, login.wrong)
    first = patient.clock() - timedelta(minutes=61 * 19)
    patient.clock.turn(minutes=61)
    login = await patient.ask(ANNA)
    assert (await patient.give(login.challenge, login.code)).status_code == 401
    assert refusals(patient) == ["wrong-code"] * 20 + ["spent-for-today"]
    patient.clock.now = first + timedelta(hours=24) - timedelta(seconds=1)
    login = await patient.ask(ANNA)
    await patient.give(login.challenge, login.code)
    assert refusals(patient)[-1] == "spent-for-today"
    patient.clock.turn(seconds=1)
    assert (await patient.give(login.challenge, login.code)).status_code == 201


async def test_c07_strangers_are_stopped_for_good_and_no_time_and_no_new_code_makes_up_for_it(patient: World) -> None:
    for _ in range(LIMITS.failures_in_a_row_of_strangers + 5):
        patient.clock.turn(hours=9)
        login = await patient.ask(ANNA)
        await patient.give(login.challenge, login.wrong)
        await patient.auth.upkeep.forget_old()
    assert refusals(patient) == ["wrong-code"] * 80 + ["account-paused"] * 5
    patient.clock.turn(days=300)
    await patient.auth.upkeep.forget_old()
    login = await patient.ask(ANNA)
    refused = await patient.give(login.challenge, login.code)
    assert (refused.status_code, refused.json()["code"]) == (401, "code-refused")
    await patient.logged_in(DORA)  # nobody else is concerned


@pytest.mark.parametrize(("failed", "status"), [(98, 201), (99, 201), (100, 401), (101, 401)])
async def test_c07_c11_a_known_device_gets_in_up_to_the_hundredth_failure_of_all_together(
    world: World, failed: int, status: int
) -> None:
    device = (await world.logged_in(ANNA))["device"]
    await had_failed(world, failed)
    login = await world.ask(ANNA, device=device)
    assert (await world.give(login.challenge, login.code, device=device)).status_code == status
    if status == 201:
        assert await failures(world) == 0, "C-06: a success takes all of them back"


@pytest.mark.parametrize(("failed", "status"), [(78, 201), (79, 201), (80, 401)])
async def test_c10_what_is_kept_for_known_devices_is_not_there_for_strangers(
    world: World, failed: int, status: int
) -> None:
    await had_failed(world, failed)
    login = await world.ask(ANNA)
    assert (await world.give(login.challenge, login.code)).status_code == status


async def test_c10_whoever_burns_every_try_of_strangers_locks_the_owner_out_of_no_known_browser(patient: World) -> None:
    """100 attempts of an attacker over days, each as early as the limits allow, and the owner at once afterwards."""
    device = (await patient.logged_in(ANNA))["device"]
    for _ in range(100):
        await patient.fails(ANNA)
    for _ in range(10):
        await patient.post("/login/codes", email=ANNA)
    began = patient.clock()
    login = await patient.ask(ANNA, device=device)
    assert (await patient.give(login.challenge, login.code, device=device)).status_code == 201
    assert patient.clock() - began < timedelta(minutes=1)


async def test_c10_a_stranger_can_neither_replace_nor_delay_the_code_of_a_known_device(world: World) -> None:
    device = (await world.logged_in(ANNA))["device"]
    login = await world.ask(ANNA, device=device)
    await world.ask(ANNA)
    assert (await world.give(login.challenge, login.code, device=device)).status_code == 201


async def test_c10_a_known_device_is_known_for_its_own_account_only(world: World) -> None:
    device = (await world.logged_in(DORA))["device"]
    await had_failed(world, 80)
    login = await world.ask(ANNA, device=device)
    assert (await world.give(login.challenge, login.code, device=device)).status_code == 401


async def test_c10_a_planted_device_cookie_is_worth_nothing_to_whoever_planted_it(world: World) -> None:
    planted = (await world.logged_in(DORA))["device"]
    taken_over = (await world.logged_in(ANNA, device=planted))["device"]
    assert taken_over != planted
    again = await world.logged_in(ANNA, device=taken_over)
    assert again["device"] == taken_over, "whoever is known stays known by the same secret"
    await had_failed(world, 80)
    login = await world.ask(ANNA, device=planted)
    assert (await world.give(login.challenge, login.code, device=planted)).status_code == 401
    await world.logged_in(DORA, device=taken_over)  # one browser, two people


async def test_c10_a_device_is_forgotten_after_180_days_without_a_login(world: World) -> None:
    device = (await world.logged_in(ANNA))["device"]
    world.clock.turn(days=179)
    await world.logged_in(ANNA, device=device)
    world.clock.turn(days=180)
    assert (await world.logged_in(ANNA, device=device))["device"] != device


async def test_c10_a_device_has_a_small_budget_of_its_own(patient: World) -> None:
    device = (await patient.logged_in(ANNA))["device"]
    for _ in range(11):
        await patient.fails(ANNA, device=device)
    assert refusals(patient) == ["wrong-code"] * 10 + ["spent-for-today"]
    patient.clock.turn(minutes=1)
    await patient.logged_in(ANNA)


async def test_c10_the_secret_of_a_device_is_kept_as_a_digest_only(world: World) -> None:
    """It is 256 random bits and says nothing about anybody; whose it is stands with us alone."""
    device = (await world.logged_in(ANNA))["device"]
    assert len(device) == 43
    row = await world.row("SELECT digest, account FROM known_devices")
    assert (bytes(row["digest"]), row["account"]) == (hashlib.sha256(device.encode()).digest(), ACCOUNT)


async def test_c11_whatever_is_tried_from_wherever_a_hundred_in_a_row_are_never_passed(world: World) -> None:
    """Random mixes of strangers and three devices, days apart and minutes apart, straight at the statement."""
    chance, database = random.Random(20260301), world.auth.backbone.database  # noqa: S311
    devices: list[bytes | None] = [None, *(bytes([number]) * 32 for number in range(3))]
    for number, device in enumerate(devices[1:]):
        await database.execute(
            "INSERT INTO known_devices VALUES (%s, %s, %s, 'infinity')", (device, ACCOUNT, f"device-{number}")
        )
    evaluated = 0
    for number in range(600):
        world.clock.turn(minutes=chance.choice((2, 61, 300, 1500)))
        await database.execute(
            "INSERT INTO codes (challenge_id, challenge, account, subject, purpose, by, bucket, digest, pepper, "
            "asked_at, expires_at) "
            "VALUES (%s, %s, %s, %s, 'login', 'authenticator-app', 'x', '', 1, now(), 'infinity')",
            (f"challenge-{number}", b"%d" % number, ACCOUNT, ACCOUNT),
        )
        tried = await guess_budget.spend_try(
            database,
            b"%d" % number,
            by="mailed-code",
            device=chance.choice(devices),
            guess_id=f"guess-{number}",
            now=world.clock(),
            proven=True,
            limits=LIMITS,
        )
        assert tried is not None
        evaluated += tried.refused is None
        assert evaluated <= LIMITS.failures_in_a_row
    assert evaluated == await failures(world) == LIMITS.failures_in_a_row


async def test_c25_whoever_is_stopped_for_strangers_is_told_once(world: World, other: World) -> None:
    await had_failed(world, 79)
    await world.auth.upkeep.tell_of_hard_stops()
    assert not world.said(LoginPaused)
    await world.fails(ANNA)
    for one in (world, other, world):
        await one.auth.upkeep.tell_of_hard_stops()
    assert [(paused.authenticator, paused.failures) for paused in world.said(LoginPaused)] == [("mailed-code", 80)]
    assert await notices(world) == ["login-paused"]


async def notices(world: World) -> list[str]:
    rows = await world.auth.backbone.database.rows(
        "SELECT about->>'what' AS what FROM mails WHERE kind = 'security' ORDER BY mail_id"
    )
    return [row["what"] for row in rows]


@pytest.mark.parametrize(("failed", "told"), [(2, []), (3, ["success-after-failures"])])
async def test_c25_a_success_after_three_failures_is_told(world: World, failed: int, told: list[str]) -> None:
    login = await world.ask(ANNA)
    for _ in range(failed):
        await world.give(login.challenge, login.wrong)
    assert (await world.give(login.challenge, login.code)).status_code == 201
    assert await notices(world) == told


async def test_c25_a_login_from_a_new_device_is_told_but_not_the_first_one_of_all(world: World) -> None:
    device = (await world.logged_in(ANNA))["device"]
    await world.logged_in(ANNA, device=device)
    assert await notices(world) == []
    await world.logged_in(ANNA)
    assert await notices(world) == ["new-device"]


async def test_c05_five_tries_a_code_and_a_new_code_has_five_of_its_own(patient: World) -> None:
    for _ in range(2):
        login = await patient.ask(ANNA)
        for _ in range(5):
            await patient.give(login.challenge, login.wrong)
            await patient.auth.backbone.database.execute("UPDATE failed_tries SET wait_until = '-infinity'")
        assert (await patient.give(login.challenge, login.code)).status_code == 401
        patient.clock.turn(minutes=1)
    assert refusals(patient) == (["wrong-code"] * 5 + ["tries-spent"]) * 2
