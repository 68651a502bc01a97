"""H2: past decisions against another table of the policy, each judged by what the actor held at that moment."""

import asyncio
import json
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.cli.audit.policy_replay import routes
from deploy.sample_history import SampleHistory
from deploy.sample_history_load import load
from deploy.sample_spans_load import fill_spans
from services.audit.policy_replay import _DECIDED, Count, NotATable, changed, replayed
from services.products.events import AttemptRefused, ReferenceChanged
from services.profiles.events import AccountAdministratorRevoked
from services.profiles.policy import ACCOUNT, MAIN, PRODUCT
from shared.events import class_of
from tests.audit.conftest import (
    AGREEMENT,
    ANNA,
    BIZZ,
    DORA,
    METTE,
    NOON,
    NORDLYS,
    ROAD,
    UNDER_ROAD,
    World,
    closed,
    name,
)
from tests.audit.test_command_line import told as told  # noqa: PLC0414 (a fixture)
from tests.parts import OWNERS

UNDER_AGREEMENT = f"{MAIN}:{AGREEMENT}"
BESIDE = 1
"""In the day so far Anna ordered for an account that she never administered: no table explains it."""
BEGINNING, END = NOON - timedelta(days=1000), NOON + timedelta(days=1000)


async def turned(world: World, table: dict[str, Any]) -> tuple[list[tuple[str, ...]], Count]:
    count, database = Count(), world.backbone.database
    lines = [line async for line in replayed(database, (BEGINNING, END), changed(table), routes(), count)]
    return [(line["operation"], line["actor"], line["was"], line["would_be"]) for line in lines], count


def refused(number: int, *about: str) -> AttemptRefused:
    return AttemptRefused(
        attempt_id=name("attempt", number),
        operation="POST /products/{product_id}/close",
        about=about,
        code="not-permitted",
        rule="A6",
        reason="This is not within your rights.",
    )


async def test_h2_what_was_done_would_be_refused_and_what_was_refused_would_be_done(world: World) -> None:
    await world.happened(refused(1, BIZZ), by=DORA)
    await world.happened(closed(BIZZ, ROAD), by=ANNA, grant=UNDER_ROAD)
    lines, count = await turned(world, {"product.close": [MAIN, PRODUCT]})
    assert lines == [
        ("product.close", str(DORA), "refused", "accepted"),
        ("product.close", str(ANNA), "accepted", "refused"),
    ]
    assert (count.would_be_accepted, count.would_be_refused, count.unexplained) == (1, 1, BESIDE)
    assert (await turned(world, {}))[0] == []


async def test_h2_a_decision_is_judged_by_what_was_held_at_its_moment(world: World) -> None:
    again = ReferenceChanged(product_id=BIZZ, account_id=ROAD, reference="Van 7")
    await world.happened(again, by=ANNA, grant=UNDER_ROAD)
    gone = AccountAdministratorRevoked(profile_id=ANNA.id, account_id=ROAD, company_id=NORDLYS, because="revoked")
    await world.happened(gone, by=METTE, grant=UNDER_AGREEMENT)
    lines, count = await turned(world, {"product.change-reference": [MAIN]})
    assert lines == [("product.change-reference", str(ANNA), "accepted", "refused")]
    # By who holds it now nobody could have done it: of that nothing is said.
    await world.happened(ReferenceChanged(product_id=BIZZ, account_id=ROAD, reference=None), by=ANNA, grant=UNDER_ROAD)
    lines, count = await turned(world, {"product.change-reference": [MAIN]})
    assert (len(lines), count.unexplained) == (1, BESIDE + 1)


async def test_h2_the_standing_table_explains_a_whole_sample_history(audit: World, database: str) -> None:
    events = list(islice(SampleHistory(11, 2500).events(), 2500))
    with audit.backbone.connect() as connection:
        for table in ("history", "history_about", "unsealed"):
            connection.execute(f"DELETE FROM {table}")
    assert list(load(OWNERS[database], events))[-1] == 2500
    fill_spans(OWNERS[database])
    lines, count = await turned(audit, {})
    assert (lines, count.unexplained) == ([], 0)
    assert count.decisions > 1000
    lines, count = await turned(audit, {"product.order": [MAIN], "product.close": [MAIN, ACCOUNT, PRODUCT]})
    attempts = sum(isinstance(event.data, AttemptRefused) for event in events)
    assert count.would_be_accepted == attempts > 10
    assert 0 < count.would_be_refused < count.decisions


def test_every_decided_event_names_its_target_by_a_field_that_it_has() -> None:
    for event, (operation, field) in _DECIDED.items():
        assert field in ("", *class_of(event).model_fields), event
        assert operation.on == (field.removesuffix("_id") or "anywhere"), event


def test_a_changed_table_names_rows_and_people_that_there_are() -> None:
    for wrong in (
        {"product.fly": [MAIN]},
        {"product.close": ["pilot"]},
        {"product.close": MAIN},
        {"product.close": [1]},
    ):
        with pytest.raises(NotATable):
            changed(wrong)


async def test_h2_the_replay_at_the_command_line(world: World, told: None, tmp_path: Path) -> None:
    await world.happened(refused(1, BIZZ), by=DORA)
    (table := tmp_path / "table.json").write_text(json.dumps({"product.close": [MAIN, PRODUCT]}))
    arguments = ["audit", "policy-replay", "--from", "2026-01-01", "--until", "2027-01-01", "--changed", str(table)]
    answer = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    assert [json.loads(line)["actor"] for line in answer.stdout.splitlines()] == [str(DORA)]
    assert "0 would have been refused, 1 accepted" in answer.stderr
    table.write_text('{"product.fly": []}')
    answer = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert (answer.exit_code, "no row product.fly" in answer.stderr) == (1, True)
