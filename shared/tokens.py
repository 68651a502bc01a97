"""Access tokens between the gateway and the services: short-lived, EdDSA only, one audience each.

This is the only place that calls PyJWT. Its own defaults accept a token without `exp`, of any age and of any type; here
algorithm, type, issuer, audience, all times and the longest life are checked, and nothing in a header is followed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.actor import Actor
from shared.clock import Clock
from shared.errors import Unauthenticated
from shared.ids import uuid7

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
ISSUER = "selfservice-auth"
GATEWAY = "gateway"
LIFE = timedelta(seconds=60)
LONGEST_LIFE = timedelta(minutes=10)
SKEW = timedelta(seconds=5)
REFETCH_SECONDS = 1.0
_ALLOWED_HEADERS = {"alg", "typ", "kid"}


class TokenRefused(Unauthenticated):
    """The access token is missing or not valid here."""

    code = "token-refused"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    actor: Actor
    session: str


def sign(key: Ed25519PrivateKey, key_id: str, *, audience: str, actor: Actor, session: str, now: datetime) -> str:
    """A token for one audience, good for `LIFE`."""
    claims = {
        "iss": ISSUER,
        "aud": audience,
        "sub": str(actor),
        "act": {"sub": GATEWAY},
        "sid": session,
        "jti": uuid7().hex,
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int((now + LIFE).timestamp()),
    }
    return jwt.encode(claims, key, ALGORITHM, headers={"typ": TYPE, "kid": key_id})


FindKey = Callable[[str], Awaitable[bytes | None]]
"""Answers the raw Ed25519 public key of a key id while it may be used, else None."""


class Verifier:
    """Verifies tokens for one audience with the keys that auth has published."""

    def __init__(self, audience: str, find_key: FindKey, clock: Clock) -> None:
        self._audience = audience
        self._find_key = find_key
        self._clock = clock
        self._keys: dict[str, tuple[Ed25519PublicKey, float]] = {}
        self._unknown_asked_at = -REFETCH_SECONDS
        self._asking = asyncio.Lock()

    async def verify(self, token: str) -> Claims:
        """Who this token speaks for. Raises TokenRefused whatever is wrong with it."""
        try:
            header = jwt.get_unverified_header(token)
            _check_header(header)
            key = await self._key(header["kid"])
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=ISSUER,
                options={
                    "require": ["exp", "iat", "nbf", "sub", "aud", "iss", "jti", "sid"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            self._check_times(claims)
            return Claims(Actor.parse(claims["sub"]), str(claims["sid"]))
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as wrong:
            raise TokenRefused from wrong

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now, skew = self._clock().timestamp(), SKEW.total_seconds()
        issued, not_before, expires = (int(claims[name]) for name in ("iat", "nbf", "exp"))
        if not (issued - skew <= now and not_before - skew <= now < expires + skew):
            raise ValueError("not now")
        if expires - issued > LONGEST_LIFE.total_seconds():
            raise ValueError("lives too long")

    async def _key(self, key_id: str) -> Ed25519PublicKey:
        """A key from memory for a minute; an unknown id is looked up at most once a second."""
        known = self._keys.get(key_id)
        if known is not None and time.monotonic() - known[1] < 60:
            return known[0]
        async with self._asking:
            if known is None and time.monotonic() - self._unknown_asked_at < REFETCH_SECONDS and self._keys:
                raise ValueError("unknown key")
            raw = await self._find_key(key_id)
            if raw is None:
                self._keys.pop(key_id, None)
                self._unknown_asked_at = time.monotonic()
                raise ValueError("unknown key")
            key = Ed25519PublicKey.from_public_bytes(raw)
            self._keys[key_id] = (key, time.monotonic())
            return key


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("typ") != TYPE or header.get("alg") != ALGORITHM or not set(header) <= _ALLOWED_HEADERS:
        raise ValueError("not one of our access tokens")
    if not isinstance(header["kid"], str):
        raise TypeError("kid is a name")
