"""Access tokens: only what auth signed a moment ago, for this service, is believed."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared import tokens
from shared.actor import Actor
from shared.errors import Unavailable
from shared.tokens import Claims, TokenRefused, Verifier, sign

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANNA = Actor("profile", "profile-anna")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
CLAIMS: dict[str, Any] = {
    "iss": "selfservice-auth",
    "aud": "profiles",
    "sub": "profile:profile-anna",
    "act": {"sub": "gateway"},
    "sid": "session-1",
    "jti": "token-1",
    "iat": int(NOON.timestamp()),
    "nbf": int(NOON.timestamp()),
    "exp": int(NOON.timestamp()) + 60,
}
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "key-1"}


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


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def token_of(
    header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, key: Ed25519PrivateKey = KEY
) -> str:
    """A correctly signed token of whatever is given."""
    return signed(json.dumps(header or HEADER).encode(), json.dumps(claims or CLAIMS).encode(), key.sign)


def signed(header: bytes, claims: bytes, by: Callable[[bytes], bytes] = KEY.sign) -> str:
    body = f"{b64(header)}.{b64(claims)}"
    return f"{body}.{b64(by(body.encode()))}"


def claims_with(**changed: Any) -> str:
    return token_of(claims={**CLAIMS, **changed})


def claims_without(name: str) -> str:
    return token_of(claims={known: value for known, value in CLAIMS.items() if known != name})


def header_with(**changed: Any) -> str:
    return token_of(header={**HEADER, **changed})


def hmac_with(secret: bytes, **changed: Any) -> str:
    header = json.dumps({**HEADER, "alg": "HS256", **changed}).encode()
    return signed(header, json.dumps(CLAIMS).encode(), lambda body: hmac.digest(secret, body, hashlib.sha256))


def at(seconds: int) -> int:
    return int(NOON.timestamp()) + seconds


GOOD = token_of()
FORGED: dict[str, str] = {
    "nothing": "",
    "no token": "Bearer",
    "alg none": signed(b'{"alg":"none","typ":"at+jwt","kid":"key-1"}', json.dumps(CLAIMS).encode(), lambda _: b""),
    "alg none, old signature": header_with(alg="none"),
    "HS256 with the public key as PEM": hmac_with(PEM),
    "HS256 with the public key as DER": hmac_with(DER),
    "HS256 with the raw public key": hmac_with(KEY.public_key().public_bytes_raw()),
    "HS256 with an empty secret": hmac_with(b""),
    "ES256": jwt.encode(
        CLAIMS, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"typ": "at+jwt", "kid": "key-1"}
    ),
    "RS256": jwt.encode(CLAIMS, rsa.generate_private_key(65537, 2048), "RS256", headers={"typ": "at+jwt"}),
    "a key of somebody else": token_of(key=OTHER_KEY),
    "an unknown kid": header_with(kid="key-2"),
    "no kid": token_of(header={"alg": "EdDSA", "typ": "at+jwt"}),
    "kid as a path": header_with(kid="../../etc/passwd"),
    "kid as SQL": header_with(kid="key-1' OR '1'='1"),
    "kid as a list": header_with(kid=["key-1"]),
    "kid as null": header_with(kid=None),
    "jku": header_with(jku="https://evil.example.com/keys.json"),
    "x5u": header_with(x5u="https://evil.example.com/cert.pem"),
    "x5c": header_with(x5c=["MII"]),
    "jwk of the forger": token_of(
        header={**HEADER, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(OTHER_KEY.public_key().public_bytes_raw())}},
        key=OTHER_KEY,
    ),
    "crit": header_with(crit=["exp"], exp=1),
    "b64 false": header_with(b64=False, crit=["b64"]),
    "typ of a refresh token": header_with(typ="refresh+jwt"),
    "typ JWT": header_with(typ="JWT"),
    "no typ": token_of(header={"alg": "EdDSA", "kid": "key-1"}),
    "another audience": claims_with(aud="products"),
    "several audiences": claims_with(aud=["profiles", "products"]),
    "another issuer": claims_with(iss="https://evil.example.com"),
    "expired": claims_with(iat=at(-120), nbf=at(-120), exp=at(-6)),
    "not yet": claims_with(nbf=at(6)),
    "issued in the future": claims_with(iat=at(6), nbf=at(0)),
    "lives too long": claims_with(exp=at(601)),
    "expires before it is issued": claims_with(iat=at(3), exp=at(2)),
    "exp as text": claims_with(exp=str(at(60))),
    "exp as a fraction": claims_with(exp=at(60) + 0.5),
    "exp as true": claims_with(exp=True, iat=0, nbf=0),
    "exp without end": signed(json.dumps(HEADER).encode(), json.dumps({**CLAIMS, "exp": float("inf")}).encode()),
    **{f"no {name}": claims_without(name) for name in CLAIMS},
    "sub that is no actor": claims_with(sub="anna"),
    "sub as a number": claims_with(sub=7),
    "sid empty": claims_with(sid=""),
    "not from the gateway": claims_with(act={"sub": "products"}),
    "a claim too many": claims_with(scope="admin"),
    "sub twice": signed(
        json.dumps(HEADER).encode(), json.dumps(CLAIMS).encode()[:-1] + b',"sub":"profile:profile-bo"}'
    ),
    "alg twice": signed(b'{"alg":"none",' + json.dumps(HEADER).encode()[1:], json.dumps(CLAIMS).encode()),
    "claims as a list": signed(json.dumps(HEADER).encode(), b"[]"),
    "header as a list": signed(b"[]", json.dumps(CLAIMS).encode()),
    "header nested without end": signed(b"[" * 2000, json.dumps(CLAIMS).encode()),
    "not UTF-8": signed(b"\xff\xfe", json.dumps(CLAIMS).encode()),
    "truncated": GOOD[:-4],
    "without signature": GOOD.rpartition(".")[0] + ".",
    "two parts": GOOD.rpartition(".")[0],
    "five parts": GOOD + ".a.b",
    "signature with blanks in it": GOOD[:-3] + " " + GOOD[-3:],
    "one letter changed": GOOD[:100] + ("A" if GOOD[100] != "A" else "B") + GOOD[101:],
    "padded": GOOD + "==",
    "much too long": claims_with(jti="x" * 5000),
    "not ASCII": GOOD.replace("e", "е", 1),
}


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
    unknown = header_with(kid="key-9")
    await asyncio.gather(*(verifier.verify(unknown) for _ in range(100)), return_exceptions=True)
    assert keys.asked["key-9"] == 1
    watch.now += tokens.UNKNOWN
    keys.published["key-9"] = KEY.public_key().public_bytes_raw()
    await verifier.verify(unknown)


async def test_a_flood_of_made_up_keys_is_asked_one_at_a_time_remembered_within_bounds_and_keeps_no_new_key_out(
    keys: Keys, verifier: Verifier
) -> None:
    flood = [asyncio.create_task(verifier.verify(header_with(kid=f"made-up-{n}"))) for n in range(1500)]
    keys.published["key-2"] = OTHER_KEY.public_key().public_bytes_raw()
    await verifier.verify(sign(OTHER_KEY, "key-2", audience="profiles", actor=ANNA, session="s", now=NOON))
    await asyncio.gather(*flood, return_exceptions=True)
    assert len(verifier._keys) <= tokens.MOST_KEYS
