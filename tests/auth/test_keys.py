"""Signing keys come and go: no valid token is refused for it, no crash leaves one half done (S-11, S-12, F-18)."""

import asyncio
import base64
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.auth.domain import signing_key as keys
from services.auth.domain.signing_key import SigningKeyUnknown
from services.auth.events import SigningKeyPublished, SigningKeyRetired, SigningKeyRevoked
from services.auth.keys import find_key
from services.company import service as company
from shared import tokens
from shared.envelope import Recorded
from shared.tokens import TokenRefused, Verifier
from tests.auth.conftest import ANNA, TurningClock, World, moved_in, name, replica
from tests.feed import Feed, running, settings_for
from tests.parts import owner_of

ROOT = Path(__file__).parents[2]


def kid_of(token: str) -> str:
    return str(json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))["kid"])


async def token(world: World, secret: str) -> str:
    answer = await world.exchange(secret, "company")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


async def ring(world: World) -> set[str]:
    return {row["key_id"] for row in await world.auth.backbone.database.rows("SELECT key_id FROM signing_key_ring")}


async def verifiable(world: World) -> set[str]:
    return {row["key_id"] for row in await world.auth.backbone.database.rows("SELECT key_id FROM signing_keys")}


def test_s11_a_key_settles_for_longer_than_twice_what_anybody_remembers_and_outlives_its_last_token() -> None:
    assert 2 * tokens.KNOWN <= keys.SETTLING
    assert tokens.LONGEST_LIFE + tokens.SKEW <= keys.LAST_TOKEN + keys.SETTLING
    assert tokens.LIFE + tokens.SKEW <= keys.LAST_TOKEN


async def test_s11_while_keys_rotate_not_one_valid_token_is_refused(
    world: World, other: World, new_database: Callable[[], str]
) -> None:
    """Two replicas sign, a service that hears of everything half a minute late verifies, for three rotations."""
    backbone, _ = company.build(settings_for(new_database()))
    async with running(backbone):
        slow = SlowEar(world, Feed(backbone))
        await slow.hear(everything=True)
        verifier = Verifier("company", lambda key: find_key(backbone.database, key), world.clock)
        secret, used, held = str((await world.logged_in(ANNA))["session"]), set[str](), list[tuple[datetime, str]]()
        for step in range(300):
            signer = (world, other)[step % 2]
            await signer.auth.use.keys.all()  # every replica looks at the ring every ten seconds
            held.append((world.clock(), await token(signer, secret)))
            held = [(made, each) for made, each in held if world.clock() - made < tokens.LIFE]
            for _, each in (held[0], held[-1]):
                await verifier.verify(each)
                used.add(kid_of(each))
            if step % 100 == 0:
                await signer.auth.use.keys.rotate(world.cause)
            if step % 4 == 0:
                await signer.auth.upkeep.keep_signing_key_fresh()
            world.clock.turn(seconds=11)
            await slow.hear()
        assert len(used) == 4, "all of them were really used"
        assert len(world.said(SigningKeyRetired)) == 3


class SlowEar:
    """Another service hears of keys half a minute after they were said."""

    def __init__(self, world: World, feed: Feed) -> None:
        self._world, self._feed = world, feed
        self._heard, self._waiting = 0, list[tuple[datetime, Recorded]]()

    async def hear(self, *, everything: bool = False) -> None:
        log = self._world.log()
        self._waiting += [(self._world.clock(), recorded) for recorded in log[self._heard :]]
        self._heard = len(log)
        late = timedelta(0) if everything else timedelta(seconds=30)
        due = [recorded for at, recorded in self._waiting if self._world.clock() - at >= late]
        self._waiting = [(at, recorded) for at, recorded in self._waiting if self._world.clock() - at < late]
        about_keys = (SigningKeyPublished, SigningKeyRetired, SigningKeyRevoked)
        await self._feed.given(*(recorded.data for recorded in due if isinstance(recorded.data, about_keys)))


async def test_s11_an_old_key_retires_when_its_last_token_is_long_dead_and_its_private_half_is_destroyed(
    world: World,
) -> None:
    [old] = await ring(world)
    await world.auth.use.keys.rotate(world.cause)
    world.clock.now += keys.SETTLING + keys.LAST_TOKEN - timedelta(seconds=1)
    await world.auth.upkeep.keep_signing_key_fresh()
    assert old in await ring(world)
    world.clock.turn(seconds=1)
    for _ in range(2):
        await world.auth.upkeep.keep_signing_key_fresh()
    assert [retired.key_id for retired in world.said(SigningKeyRetired)] == [old]
    assert old not in await ring(world) | await verifiable(world)
    assert len(await ring(world)) == 1


async def test_s12_a_revoked_key_signs_nothing_and_verifies_nothing_and_sessions_go_on_with_the_next(
    world: World,
) -> None:
    secret = str((await world.logged_in(ANNA))["session"])
    stolen = await token(world, secret)
    verifier = Verifier("company", lambda key: find_key(world.auth.backbone.database, key), world.clock)
    await verifier.verify(stolen)
    for _ in range(2):
        await world.auth.use.keys.revoke(kid_of(stolen), world.cause)
    assert len(world.said(SigningKeyRevoked)) == 1, "revoking again changes nothing"
    fresh = await token(world, secret)
    assert kid_of(fresh) != kid_of(stolen)
    await verifier.verify(fresh)
    world.clock.now += tokens.KNOWN
    with pytest.raises(TokenRefused):
        await verifier.verify(stolen)
    assert kid_of(stolen) not in await ring(world) | await verifiable(world)


async def test_s12_another_replica_signs_with_a_revoked_key_for_ten_seconds_at_most(world: World, other: World) -> None:
    secret = str((await world.logged_in(ANNA))["session"])
    revoked = kid_of(await token(other, secret))
    await world.auth.use.keys.revoke(revoked, world.cause)
    async with asyncio.timeout(12):
        while kid_of(await token(other, secret)) == revoked:
            await asyncio.sleep(0.2)


async def test_s12_with_a_spare_key_revoking_makes_no_new_one(world: World) -> None:
    spare = (await world.auth.use.keys.rotate(world.cause)).answer["key_id"]
    [first] = await ring(world) - {spare}
    await world.auth.use.keys.revoke(first, world.cause)
    assert await ring(world) == {spare}


async def test_a_key_that_never_was_cannot_be_revoked(world: World) -> None:
    before = await ring(world)
    with pytest.raises(SigningKeyUnknown):
        await world.auth.use.keys.revoke(name("key", 77), world.cause)
    assert await ring(world) == before


async def test_two_replicas_that_rotate_at_the_same_moment_make_one_key_a_generation(
    world: World, other: World
) -> None:
    await asyncio.gather(*(one.auth.use.keys.rotate(world.cause) for one in (world, other)), return_exceptions=True)
    rows = await world.auth.backbone.database.rows("SELECT generation FROM signing_key_ring ORDER BY 1")
    assert [row["generation"] for row in rows] in ([1, 2], [1, 2, 3])
    assert len(world.said(SigningKeyPublished)) == len(rows)


async def test_f18_whenever_a_process_is_killed_while_it_rotates_and_retires_log_ring_and_keys_agree(
    world: World, database: str
) -> None:
    chance = random.Random(18)  # noqa: S311 (no secret: when to kill)
    for _ in range(5):
        argv = [sys.executable, "-m", "tests.auth.key_turner", database, owner_of(database)]
        process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        await process.stdout.readline()  # it has begun
        await asyncio.sleep(chance.uniform(0.01, 0.4))
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        over = {event.key_id for event in world.said(SigningKeyRetired, SigningKeyRevoked)}
        standing = {event.key_id for event in world.said(SigningKeyPublished)} - over
        assert await ring(world) == await verifiable(world) == standing
        assert standing
    assert len(world.said(SigningKeyRetired)) > 5, "it was really killed in the middle of much"
    later = moved_in(replica(database, TurningClock(world.clock() + timedelta(days=1))))
    async with running(later.auth.backbone):
        await later.auth.upkeep.keep_signing_key_fresh()
        secret = str((await later.logged_in(ANNA))["session"])
        assert kid_of(await token(later, secret)) in await ring(world)
