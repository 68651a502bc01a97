"""The numbers of keys in the README are those that run."""

import re
from datetime import timedelta

from services.auth.domain import signing_key as keys
from shared import tokens
from tests.auth.conftest import AUTH

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
RUNNING = {
    "a signing key": keys.LIFE,
    "from published to used": keys.SETTLING,
    "from replaced to retired": keys.LAST_TOKEN,
    "a key is believed before it is looked up again": tokens.KNOWN,
}


def number(text: str) -> timedelta:
    count, _, unit = text.partition(" ")
    return timedelta(seconds=int(count) * UNITS[unit.rstrip("s")])


def test_the_numbers_of_keys_in_the_readme_are_those_that_run() -> None:
    part = (AUTH / "README.md").read_text().partition("## Keys in numbers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([0-9]+(?: [a-z]+)?) \| [^|]+ \|$", part, re.MULTILINE)
    assert {what: number(much) for what, much in rows} == RUNNING
