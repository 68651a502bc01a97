"""C-30: the numbers and the arithmetic in the README of auth are those of the running settings."""

import re
from dataclasses import fields
from datetime import timedelta
from math import isclose

from pydantic import SecretStr

from services.auth.domain import app_steps
from services.auth.domain.limits import Limits
from services.auth.service import Settings
from tests.auth.conftest import AUTH

README = (AUTH / "README.md").read_text()
NOBODY = SecretStr("postgresql://nobody")
RUNNING = Settings(database_url=NOBODY, database_owner_url=NOBODY, code_pepper=NOBODY, secrets_key=NOBODY)
CODES = 10**6


def section(title: str) -> str:
    return README.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def table(text: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def written(value: object) -> str:
    """A number as the README writes it."""
    if not isinstance(value, timedelta):
        return f"{value:,}"
    units = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))
    for unit, size in (*units, ("second", timedelta(seconds=1))):
        if value % size == timedelta(0) and (value >= 2 * size or value == size):
            count = value // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    raise AssertionError(value)


def test_c30_every_limit_stands_in_the_readme_with_the_number_that_runs() -> None:
    said = {row[0].strip("`"): row[1] for row in table(section("The numbers"))}
    assert said == {field.name: written(getattr(RUNNING.limits, field.name)) for field in fields(Limits)}


def test_c30_the_numbers_that_are_no_setting_stand_there_too() -> None:
    assert f"off by {app_steps.MOST_DRIFT} steps at most" in README
    assert f"{app_steps.SECONDS} seconds" in README


def computed(limits: Limits) -> dict[str, float]:
    """The bounds, from the settings: how likely it is that guessing lets anybody in."""
    live = {"mail": 1, "app": limits.app_steps}
    a_day = limits.failures_a_day
    return {
        "one code, all of its tries": limits.tries_a_code * live["mail"] / CODES,
        "a hundred in a row, mailed codes": limits.failures_in_a_row * live["mail"] / CODES,
        "a hundred in a row, app": limits.failures_in_a_row * live["app"] / CODES,
        "strangers in a day, mailed codes": a_day * live["mail"] / CODES,
        "strangers in a day, app": a_day * live["app"] / CODES,
        "strangers in a year in which the owner logs in every day, mailed codes": 1 - (1 - a_day / CODES) ** 365,
        "strangers in a year in which the owner logs in every day, app": 1 - (1 - 2 * a_day / CODES) ** 365,
        "both codes in a day": (a_day / CODES) * (a_day * live["app"] / CODES),
        "all accounts together in a day, mailed codes, before a try costs a puzzle": 1
        - (1 - 1 / CODES) ** limits.failures_a_day_in_all,
    }


def as_number(text: str) -> float:
    """`0.73 %` or `1.0e-4`."""
    number = float(re.sub(r"[^0-9.e-]", "", text))
    return number / 100 if text.endswith("%") else number


def test_c30_the_bound_of_the_readme_is_computed_from_the_running_settings() -> None:
    said = {row[0]: as_number(row[1]) for row in table(section("How likely a guess is"))}
    wanted = computed(RUNNING.limits)
    assert said.keys() == wanted.keys()
    for what, bound in wanted.items():
        assert isclose(said[what], bound, rel_tol=0.02), (what, bound)


def test_c30_a_change_of_any_limit_would_be_noticed() -> None:
    """The comparison has been seen to fail: each number is read from the README and none is a default of this test."""
    said = {row[0].strip("`"): row[1] for row in table(section("The numbers"))}
    for field in fields(Limits):
        value = getattr(RUNNING.limits, field.name)
        other = value * 3 if isinstance(value, timedelta) else value + 1
        assert said[field.name] != written(other), field.name
