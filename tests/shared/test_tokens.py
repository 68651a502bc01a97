"""Access tokens: only what auth signed a moment ago, for this service, is believed."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from shared import tokens
from shared.actor import Actor
from shared.errors import Unavailable
from shared.tokens import Claims, TokenRefused, Verifier, sign
from tests.shared.forging import KEY, OTHER_KEY, Forger

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANNA = Actor("profile", "profile-anna")


class Keys:
    """Published keys, and how often each was asked for."""

    def __init__(self) -> None:
        self.published = {"key-1": KEY.public_key().public_bytes_raw()}
        self.asked: Counter[str] = Counter()
        self.down = False

    async def find(self, key_id: str) -> bytes | None:
        self.asked[key_id] += 1
        if self.down:
            raise Unavailable
        return self.published.get(key_id)


@pytest.fixture
def keys() -> Keys:
    return Keys()


class Watch:
    """A clock that a test can move."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def verifier(keys: Keys, watch: Watch) -> Verifier:
    return Verifier("profiles", keys.find, watch)


FORGER = Forger(NOON)
GOOD, FORGED = FORGER.token_of(), FORGER.forged()


async def test_a_token_that_auth_signed_says_who_asks(verifier: Verifier) -> None:
    token = sign(KEY, "key-1", audience="profiles", actor=ANNA, session="session-1", now=NOON)
    assert await verifier.verify(token) == Claims(ANNA, "session-1")
    assert await verifier.verify(GOOD) == Claims(ANNA, "session-1")


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
async def test_a_forged_token_is_refused(verifier: Verifier, token: str) -> None:
    with pytest.raises(TokenRefused):
        await verifier.verify(token)


async def test_a_token_is_good_for_a_minute_and_a_little(verifier: Verifier, watch: Watch) -> None:
    token = sign(KEY, "key-1", audience="profiles", actor=ANNA, session="session-1", now=NOON)
    for seconds, good in ((-6, False), (-5, True), (0, True), (64, True), (65, False)):
        watch.now = NOON + timedelta(seconds=seconds)
        if good:
            await verifier.verify(token)
        else:
            with pytest.raises(TokenRefused):
                await verifier.verify(token)


async def test_a_new_key_is_believed_beside_the_old_one_without_a_single_refusal(
    keys: Keys, verifier: Verifier
) -> None:
    old = sign(KEY, "key-1", audience="profiles", actor=ANNA, session="session-1", now=NOON)
    new = sign(OTHER_KEY, "key-2", audience="profiles", actor=ANNA, session="session-1", now=NOON)
    await verifier.verify(old)
    keys.published["key-2"] = OTHER_KEY.public_key().public_bytes_raw()
    await asyncio.gather(*(verifier.verify(token) for token in (old, new) * 20))
    assert keys.asked == {"key-1": 1, "key-2": 1}


async def test_a_revoked_key_is_refused_once_it_is_looked_up_again(
    keys: Keys, verifier: Verifier, watch: Watch
) -> None:
    await verifier.verify(GOOD)
    del keys.published["key-1"]
    await verifier.verify(GOOD)
    watch.now += tokens.KNOWN
    with pytest.raises(TokenRefused):
        await verifier.verify(GOOD)


async def test_without_a_way_to_look_keys_up_the_known_ones_hold_and_then_nobody_gets_in(
    keys: Keys, verifier: Verifier, watch: Watch
) -> None:
    await verifier.verify(GOOD)
    keys.down = True
    await verifier.verify(GOOD)
    watch.now += tokens.KNOWN
    with pytest.raises(Unavailable):
        await verifier.verify(GOOD)


async def test_an_unknown_key_is_looked_up_once_a_second_however_often_it_is_named(
    keys: Keys, verifier: Verifier, watch: Watch
) -> None:
    unknown = FORGER.header_with(kid="key-9")
    await asyncio.gather(*(verifier.verify(unknown) for _ in range(100)), return_exceptions=True)
    assert keys.asked["key-9"] == 1
    watch.now += tokens.UNKNOWN
    keys.published["key-9"] = KEY.public_key().public_bytes_raw()
    await verifier.verify(unknown)


async def test_a_flood_of_made_up_keys_is_asked_one_at_a_time_remembered_within_bounds_and_keeps_no_new_key_out(
    keys: Keys, verifier: Verifier
) -> None:
    flood = [asyncio.create_task(verifier.verify(FORGER.header_with(kid=f"made-up-{n}"))) for n in range(1500)]
    keys.published["key-2"] = OTHER_KEY.public_key().public_bytes_raw()
    await verifier.verify(sign(OTHER_KEY, "key-2", audience="profiles", actor=ANNA, session="s", now=NOON))
    await asyncio.gather(*flood, return_exceptions=True)
    assert len(verifier._keys) <= tokens.MOST_KEYS
