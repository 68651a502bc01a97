"""H2, H3: `selfservice audit timeline`, `as-of` and `diff`, beside the running service; every reading is recorded."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from tests.audit.conftest import (
    AGREEMENT,
    ANNA,
    BIZZ,
    DORA,
    METTE,
    NOON,
    ROAD,
    UNDER_ROAD,
    World,
    name,
    product_access_ended,
)
from tests.feed import log_of
from tests.parts import owner_of

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def told(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the service's process is told by the supervisor."""
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("DATABASE_OWNER_URL", owner_of(database))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")


async def audit(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["audit", *arguments])


async def lines(*arguments: str) -> list[dict[str, Any]]:
    answer = await audit(*arguments, "--json")
    assert answer.exit_code == 0, answer.output
    return [json.loads(line) for line in answer.stdout.splitlines()]


async def test_h2_the_questions_about_the_past_at_the_command_line(world: World, told: None) -> None:
    await world.happened(
        product_access_ended(DORA, BIZZ, ROAD), by=METTE, grant=f"main-administrator:{AGREEMENT}", at=LATER
    )
    before, after = "2026-03-01T12:59", "2026-03-01T14:00:00+01:00"
    assert [line["profile_id"] for line in await lines("as-of", before, "--place", BIZZ)] == [
        ANNA.id,
        METTE.id,
        DORA.id,
    ]
    assert [line["profile_id"] for line in await lines("as-of", after, "--place", BIZZ)] == [ANNA.id, METTE.id]
    assert [line["thing"] for line in await lines("as-of", before, "--person", DORA.id)] == [BIZZ]
    assert len(await lines("as-of", before)) == 4
    fields = {line["field"]: line["value"] for line in await lines("as-of", before, "--state", BIZZ)}
    assert (fields["account_id"], fields["(open)"]) == (ROAD, True)
    changed = await lines("diff", before, after)
    assert [(line["change"], line["profile_id"], line["by"]) for line in changed] == [("ended", DORA.id, str(METTE))]
    entries = await lines("timeline", DORA.id, "--until", before)
    assert [(line["type"], line["grant"]) for line in entries] == [
        ("profiles.profile-created.v1", UNDER_ROAD),
        ("profiles.product-access-granted.v1", UNDER_ROAD),
    ]
    table = await audit("as-of", before, "--place", BIZZ)
    assert (table.exit_code, DORA.id in table.stdout, "given by" in table.stdout) == (0, True, True)
    read = [str(recorded.actor) for recorded in log_of(world.backbone)]
    assert read == ["system:command-line"] * 8, "reading is itself recorded"


async def test_what_cannot_be_asked_at_the_command_line_is_said(world: World, told: None) -> None:
    for arguments, said in (
        (("as-of", "yesterday"), "write it like"),
        (("as-of", "2026-03-01", "--place", BIZZ, "--person", DORA.id), "ask for one"),
        (("as-of", "2026-03-01", "--place", name("product", 999)), "knows of no"),
        (("diff", "2026-03-02", "2026-03-01"), "comes before"),
        (("timeline", name("product", 999)), "knows of no"),
    ):
        answer = await audit(*arguments)
        assert answer.exit_code != 0, arguments
        assert said in answer.stderr.replace("\n", " "), (arguments, answer.stderr)
