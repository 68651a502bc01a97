"""Guessing at many accounts: the alarm, and the puzzle that a try costs strangers from 10,000 failures a day on."""

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.adapters.puzzle import solve, solves
from services.auth.domain.limits import Limits
from services.auth.events import Authenticator, CodeRefused, GuessingSuspected
from tests.auth.conftest import ANNA, DORA, NOBODY, SUSANNE, Login, World, moved_in, replica
from tests.feed import running

LIMITS = Limits()
BITS, FEW = LIMITS.puzzle_bits, 8
PUZZLES = st.text("0123456789abcdef", min_size=32, max_size=32)
CODES = st.integers(0, 999_999).map("{:06d}".format)


async def guessed(world: World, count: int, *, known: bool = True) -> None:
    """So many failures of other accounts just now."""
    await world.auth.backbone.database.execute(
        "INSERT INTO guesses SELECT 'guess-' || gen_random_uuid(), 'profile:other' || n, 'mailed-code', 'strangers', "
        "%s, %s FROM generate_series(1, %s) n",
        (known, world.clock(), count),
    )


@pytest.mark.parametrize(("count", "alarms"), [(999, 0), (1000, 1), (1001, 1)])
async def test_c09_a_thousand_failures_within_an_hour_raise_the_alarm_once(
    world: World, other: World, count: int, alarms: int, capsys: pytest.CaptureFixture[str]
) -> None:
    await guessed(world, count)
    for one in (world, other, world):
        await one.auth.upkeep.watch_guessing()
    raised = world.said(GuessingSuspected)
    assert [alarm.failures for alarm in raised] == [count] * alarms
    assert capsys.readouterr().out.count("guessing suspected") == alarms
    world.clock.turn(hours=1)
    await world.auth.upkeep.watch_guessing()
    assert len(world.said(GuessingSuspected)) == alarms, "an hour later it is over"


async def test_c09_spraying_a_few_guesses_over_many_accounts_raises_the_alarm(database: str, world: World) -> None:
    """The same with real attempts, at a stricter alarm: two guesses at each of three accounts."""
    strict = moved_in(replica(database, world.clock, limits=replace(LIMITS, alarm_failures_an_hour=6)))
    async with running(strict.auth.backbone):
        for email in (ANNA, DORA, SUSANNE):
            login = await strict.ask(email)
            for _ in range(2):
                await strict.auth.upkeep.watch_guessing()
                assert not strict.said(GuessingSuspected)
                await strict.give(login.challenge, login.wrong)
        await strict.auth.upkeep.watch_guessing()
    assert [alarm.failures for alarm in world.said(GuessingSuspected)] == [6]


async def test_c09_guessing_at_addresses_that_nobody_has_stops_nobody(world: World) -> None:
    await guessed(world, 10_000, known=False)
    login = await world.ask(NOBODY)
    await world.give(login.challenge, login.wrong)
    await world.logged_in(ANNA)


async def asked_for_work(world: World, login: Login, code: str) -> str:
    """The puzzle that an attempt without work is answered with."""
    answer = await world.give(login.challenge, code)
    assert (answer.status_code, answer.json()["code"], answer.json()["bits"]) == (401, "puzzle-unsolved", BITS)
    return str(answer.json()["puzzle"])


@pytest.mark.parametrize(
    ("count", "refused"), [(9_999, []), (10_000, ["puzzle-unsolved"]), (10_001, ["puzzle-unsolved"])]
)
async def test_c09_from_ten_thousand_failures_a_day_on_a_try_costs_strangers_a_puzzle_and_known_devices_nothing(
    world: World, count: int, refused: list[str]
) -> None:
    device = (await world.logged_in(DORA))["device"]
    await guessed(world, count)
    login = await world.ask(ANNA)
    work = (
        {"work": solve(await asked_for_work(world, login, login.code), "mailed-code", login.code, bits=BITS)}
        if refused
        else {}
    )
    assert (await world.give(login.challenge, login.code, **work)).status_code == 201
    assert [attempt.because for attempt in world.said(CodeRefused)] == refused
    await world.logged_in(DORA, device=device)


async def test_c09_each_guess_costs_work_of_its_own_and_counts_as_ever(world: World) -> None:
    await guessed(world, 10_000)
    login = await world.ask(ANNA)
    puzzle = await asked_for_work(world, login, login.wrong)
    work = solve(puzzle, "mailed-code", login.wrong, bits=BITS)
    wrong = await world.give(login.challenge, login.wrong, work=work)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "code-refused")
    assert await asked_for_work(world, login, login.code) == puzzle
    assert (await world.give(login.challenge, login.code, work=work)).json()["code"] == "puzzle-unsolved"
    spent = await world.row("SELECT max(tries) AS tries FROM codes")
    assert spent["tries"] == 1, "what was not worked for was not looked at"


async def test_c09_no_work_buys_more_than_five_tries_at_a_code(world: World) -> None:
    await guessed(world, 10_000)
    login = await world.ask(ANNA)
    puzzle = await asked_for_work(world, login, login.code)
    wrong = islice((code for code in map("{:06d}".format, range(10)) if code != login.code), LIMITS.tries_a_code)
    for code in (*wrong, login.code):
        work = solve(puzzle, "mailed-code", code, bits=BITS)
        assert (await world.give(login.challenge, code, work=work)).status_code == 401
    assert world.said(CodeRefused)[-1].because == "tries-spent"


async def test_c15_whoever_works_learns_no_more_of_an_address_that_nobody_has(world: World) -> None:
    await guessed(world, 10_000)
    told = []
    for email in (ANNA, NOBODY):
        login = await world.ask(email)
        puzzle = await asked_for_work(world, login, login.wrong)
        work = solve(puzzle, "mailed-code", login.wrong, bits=BITS)
        answer = await world.give(login.challenge, login.wrong, work=work)
        told.append((answer.status_code, {**answer.json(), "request_id": ""}, len(answer.content)))
    assert told[0] == told[1]


@given(puzzle=PUZZLES, code=CODES, other=CODES, by=st.sampled_from(["mailed-code", "authenticator-app"]))
def test_c09_work_solves_its_own_puzzle_and_is_worth_nothing_for_another_guess(
    puzzle: str, code: str, other: str, by: Authenticator
) -> None:
    """At few bits chance solves, too: so rarely that three other guesses in a row are not all solved."""
    work = solve(puzzle, by, code, bits=FEW)
    assert solves(puzzle, by, code, work, bits=FEW)
    assert not solves(puzzle, by, code, None, bits=FEW)
    others = [(puzzle[::-1] + "0", by, code), (puzzle, "recovery-code", code), (puzzle, by, other + "0")]
    assert not all(solves(*guess, work, bits=FEW) for guess in others)
