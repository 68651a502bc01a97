"""Z-01: every service decides by the one table: what a row allows nobody any more, nobody can do any more."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI

from services.profiles.policy import ANYBODY, ONESELF, POLICY, STAFF, Operation
from tests.access.asking import ask, requests, service_of
from tests.access.conftest import World
from tests.access.test_bodies_and_headers import who_may

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]


@contextmanager
def allowing_nobody(row: Operation) -> Iterator[None]:
    """The table with this row empty; in this process only."""
    may = row.may
    object.__setattr__(row, "may", ())
    try:
        yield
    finally:
        object.__setattr__(row, "may", may)


def can_be_refused(row: Operation) -> bool:
    """Everybody may ask about themselves and for lists: these show what is in reach, and are refused to nobody."""
    return not {ONESELF, ANYBODY} & set(row.may) and (row.on != "anywhere" or row.may == (STAFF,))


async def test_z01_what_the_table_allows_nobody_is_refused_to_whoever_could_do_it(
    world: World, replicas: dict[str, FastAPI]
) -> None:
    things = {**world.ours, "oneself": world.ours["main_administrator"]}
    asked = set()
    for request in requests():
        row, service = request.ask.row, service_of(request)
        if service is None or not can_be_refused(row):
            continue
        token, (path, body) = world.token(who_may(request), service), request.sent(things)
        with allowing_nobody(row):
            answer = await ask(replicas[service], token, request.operation.method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted"), f"{request}: {answer.text}"
        asked.add(row.name)
    assert asked == {row.name for row in POLICY if can_be_refused(row)}
