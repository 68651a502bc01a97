"""T-07, H4: readers take away checkpoints and proofs, and check them with the verifier that shares no code with us."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.audit.adapters.rechecks import Result, recheck
from services.audit.events import HistoryRead
from services.audit.proof import verifier
from shared.cause import Cause
from shared.rebuild import Sources, difference, rebuild
from shared.wall import Roles
from tests.audit.conftest import (
    ANNA,
    BIZZ,
    DORA,
    HANS,
    HAVNEFART_BIZZ,
    METTE,
    PLATE,
    ROAD,
    UNDER_ROAD,
    World,
    bizz,
    name,
    replica,
)
from tests.audit.proofs import KEY, sealed_all, signed
from tests.feed import SUSANNE, log_of, running
from tests.parts import owner_of


@pytest.fixture
async def proven(world: World) -> World:
    """The day so far is sealed and signed."""
    seal_and_sign(world)
    return world


def seal_and_sign(world: World) -> int:
    dsn = world.backbone.settings.database_url.get_secret_value()
    sealed_all(dsn)
    return signed(dsn)[-1].size


async def get(world: World, actor: Any, path: str) -> httpx.Response:
    return await world.asked_by(actor)("GET", path)


async def entry_of(world: World, actor: Any, entity: str) -> dict[str, Any]:
    return (await world.read(actor, entity))[0]


def verified(tmp_path: Path, policy: Any, kind: str, answer: Any) -> int:
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    return verifier.main(["--policy", str(tmp_path / "policy.json"), f"--{kind}", str(tmp_path / "answer.json")])


async def test_t07_an_entry_is_proven_to_whoever_may_read_it(proven: World, tmp_path: Path) -> None:
    policy = (await get(proven, ANNA, "/proof/key")).json()
    assert policy["key"] == str(KEY.public)
    assert policy["personal"]["profiles.profile-created.v1"] == ["email", "address", "name"]
    for actor, entity in ((ANNA, BIZZ), (METTE, PLATE), (SUSANNE, HAVNEFART_BIZZ), (ANNA, DORA.id)):
        entry = await entry_of(proven, actor, entity)
        answer = (await get(proven, actor, f"/history/{entity}/proof?entry={entry['id']}")).json()
        content = json.loads(answer["canonical"])
        assert (content["id"], content["actor"], content["stream"]) == (entry["id"], entry["actor"], entry["stream"])
        assert verified(tmp_path, policy, "proof", answer) == 0
        altered = {**answer, "canonical": answer["canonical"].replace(entry["id"], "0" * 32)}
        assert verified(tmp_path, policy, "proof", altered) == 1


async def test_h5_of_personal_fields_a_proof_shows_commitments_and_the_salt_to_open_them(proven: World) -> None:
    entry = await entry_of(proven, ANNA, DORA.id)
    answer = (await get(proven, ANNA, f"/history/{DORA.id}/proof?entry={entry['id']}")).json()
    assert "Dora" not in answer["canonical"]
    committed = json.loads(answer["canonical"])["data"]["name"]
    assert committed == {"sha256": sha256(bytes.fromhex(answer["salt"]) + b'["name","Dora Dahl"]').hexdigest()}


async def test_h3_proving_is_a_reading_and_recorded(proven: World) -> None:
    entry = await entry_of(proven, ANNA, BIZZ)
    await get(proven, ANNA, f"/history/{BIZZ}/proof?entry={entry['id']}")
    last = list(log_of(proven.backbone))[-1]
    assert isinstance(last.data, HistoryRead)
    assert (last.actor, last.grant, last.data.entity_id, last.data.entries) == (ANNA, UNDER_ROAD, BIZZ, 1)


async def test_a13_what_lies_out_of_reach_is_not_proven(proven: World) -> None:
    entry = await entry_of(proven, HANS, HAVNEFART_BIZZ)
    mine = await entry_of(proven, ANNA, BIZZ)
    for entity, wanted in ((HAVNEFART_BIZZ, entry), (BIZZ, entry), (ROAD, entry), (HAVNEFART_BIZZ, mine)):
        answer = await get(proven, ANNA, f"/history/{entity}/proof?entry={wanted['id']}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    refused = await get(proven, DORA, f"/history/{BIZZ}/proof?entry={mine['id']}")
    assert (refused.status_code, refused.json()["rule"]) == (403, "A6")


async def test_a13_where_something_is_withheld_the_leaf_hash_alone_is_shown(proven: World, tmp_path: Path) -> None:
    """Anna is shown that an agreement was opened, and not which accounts besides hers it has."""
    policy = (await get(proven, ANNA, "/proof/key")).json()
    opened = [
        entry for entry in await proven.read(ANNA, ROAD) if entry["type"] == "company.framework-agreement-opened.v1"
    ]
    for entry in opened:
        answer = (await get(proven, ANNA, f"/history/{ROAD}/proof?entry={entry['id']}")).json()
        assert (answer["canonical"], answer["salt"]) == (None, None)
        assert verified(tmp_path, policy, "proof", answer) == 0
    assert opened


async def test_t07_each_checkpoint_is_proven_to_go_on_from_any_older_one(proven: World, tmp_path: Path) -> None:
    policy = (await get(proven, DORA, "/proof/key")).json()
    sizes = [int((await get(proven, DORA, "/proof/checkpoint")).json()["note"].split("\n")[1])]
    for number in range(3):
        await proven.happened(
            *(bizz(name("product", 100 * number + each), ROAD, name("company", 1)) for each in range(1, 10))
        )
        sizes.append(seal_and_sign(proven))
    for old in sizes:
        answer = (await get(proven, DORA, f"/proof/consistency?old={old}")).json()
        assert verified(tmp_path, policy, "consistency", answer) == 0
        assert answer["new"] == (await get(proven, DORA, "/proof/checkpoint")).json()["note"]
    answer = (await get(proven, DORA, f"/proof/consistency?old={sizes[0]}&new={sizes[2]}")).json()
    assert verified(tmp_path, policy, "consistency", answer) == 0
    assert verified(tmp_path, policy, "consistency", {**answer, "proof": answer["proof"][::-1]}) == 1
    assert (await get(proven, DORA, f"/proof/checkpoint?size={sizes[1]}")).json()["note"].split("\n")[1] == str(
        sizes[1]
    )


async def test_what_has_come_just_now_is_in_no_checkpoint_yet(world: World) -> None:
    entry = await entry_of(world, ANNA, BIZZ)
    answer = await get(world, ANNA, f"/history/{BIZZ}/proof?entry={entry['id']}")
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (409, "not-in-a-checkpoint", "H4")
    assert (await get(world, ANNA, "/proof/checkpoint")).status_code == 404


async def test_the_history_is_what_its_log_says_sealed_or_not_and_keeps_its_leaves_when_it_is_built_anew(
    database: str,
) -> None:
    world = replica(database)
    async with running(world.backbone):
        for number in range(1, 6):
            read = HistoryRead(reading_id=name("reading", number), entity_id=BIZZ, entries=number)
            await world.backbone.streams.record(read.reading_id, read, Cause(SUSANNE, "request"))
            if number == 3:
                assert sealed_all(database) == 3
        backbone, [history, *_] = world.backbone, world.backbone.views
        sources = Sources(
            source="audit",
            owner=owner_of(database),
            roles=Roles.of(database),
            recorder=backbone.recorder,
            views=[history],
        )
        assert await difference(sources) == []
        assert sealed_all(database) == 2
        [checkpoint] = signed(database)
        assert await difference(sources) == []
        await rebuild(sources)
        assert sealed_all(database) == 0
        with backbone.connect() as connection:
            assert recheck(connection, [checkpoint]) == Result(5, None)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/proof/checkpoint?size=0", 422),
        ("/proof/checkpoint?size=99999999999999999999", 422),
        ("/proof/checkpoint?size=7", 404),
        ("/proof/consistency", 422),
        ("/proof/consistency?old=9007199254740991", 404),
        (f"/history/{BIZZ}/proof", 422),
        (f"/history/{BIZZ}/proof?entry=x", 422),
        (f"/history/{BIZZ}/proof?entry={'f' * 32}", 404),
    ],
)
async def test_a_request_that_is_wrong_is_told_so(proven: World, path: str, status: int) -> None:
    assert (await get(proven, ANNA, path)).status_code == status


async def test_nobody_who_is_not_logged_in_takes_anything_away(proven: World) -> None:
    for path in ("/proof/key", "/proof/checkpoint", "/proof/consistency?old=1"):
        assert (await get(proven, None, path)).status_code == 401
