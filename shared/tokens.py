"""Access tokens between the gateway and the services: short-lived, EdDSA only, one audience each.

This is the only place that calls PyJWT. Its own defaults accept a token without `exp`, of any age and of any type; here
algorithm, type, issuer, audience, all times and the longest life are checked, and nothing in a header is followed.
"""

import asyncio
import base64
import json
import re
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
KNOWN = timedelta(seconds=10)
"""How long a key is believed before it is looked up again: a revoked one is refused within that."""
UNKNOWN = timedelta(seconds=1)
MOST_KEYS = 1000
LONGEST_TOKEN = 4096
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_HEADERS = {"alg", "typ", "kid"}
_CLAIMS = {"iss", "aud", "sub", "act", "sid", "jti", "iat", "nbf", "exp"}
_OPTIONS: jwt.types.Options = {
    "strict_aud": True,
    "verify_exp": False,  # all times are checked here, by the service's clock
    "verify_nbf": False,
    "verify_iat": False,
}


class TokenRefused(Unauthenticated):
    """The access token is missing or not valid here."""

    code = "token-refused"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    actor: Actor
    session: str


def sign(
    key: Ed25519PrivateKey,
    key_id: str,
    *,
    audience: str,
    actor: Actor,
    session: str,
    now: datetime,
    life: timedelta = LIFE,
) -> str:
    """A token for one audience, good for `life`."""
    claims = {
        "iss": ISSUER,
        "aud": audience,
        "sub": str(actor),
        "act": {"sub": GATEWAY},
        "sid": session,
        "jti": uuid7().hex,
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int((now + life).timestamp()),
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
        self._keys: dict[str, tuple[Ed25519PublicKey | None, datetime]] = {}
        self._asking = asyncio.Lock()

    async def verify(self, token: str) -> Claims:
        """Who this token speaks for. Raises TokenRefused whatever is wrong with it, Unavailable when keys are."""
        try:
            _check_form(token)
            key = await self._key(jwt.get_unverified_header(token)["kid"])
            claims: Mapping[str, Any] = jwt.decode(
                token, key, algorithms=[ALGORITHM], audience=self._audience, issuer=ISSUER, options=_OPTIONS
            )
            self._check_times(claims)
            _check_parties(claims)
            return Claims(Actor.parse(claims["sub"]), claims["sid"])
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError) as wrong:
            raise TokenRefused from wrong

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now, skew = self._clock().timestamp(), SKEW.total_seconds()
        issued, not_before, expires = (_whole_seconds(claims[name]) for name in ("iat", "nbf", "exp"))
        if not (issued - skew <= now and not_before - skew <= now < expires + skew):
            raise ValueError("not now")
        if not 0 < expires - issued <= LONGEST_LIFE.total_seconds():
            raise ValueError("lives too long")

    async def _key(self, key_id: str) -> Ed25519PublicKey:
        """A key from memory, or looked up: one id at a time, a known one every half minute, an unknown one a second.

        So a flood of made-up ids costs one look-up at a time, and never keeps a new key from being found.
        """
        async with self._asking:
            key, until = self._keys.get(key_id, (None, None))
            if until is None or self._clock() >= until:
                raw = await self._find_key(key_id)
                key = None if raw is None else Ed25519PublicKey.from_public_bytes(raw)
                self._remember(key_id, key)
        if key is None:
            raise ValueError("unknown key")
        return key

    def _remember(self, key_id: str, key: Ed25519PublicKey | None) -> None:
        now = self._clock()
        if len(self._keys) >= MOST_KEYS:
            self._keys = {known: kept for known, kept in self._keys.items() if kept[0] is not None and kept[1] > now}
        self._keys[key_id] = (key, now + (UNKNOWN if key is None else KNOWN))


def _check_form(token: str) -> None:
    """Refuse what is not built like one of our tokens, before anything in it is believed."""
    if len(token) > LONGEST_TOKEN or not _COMPACT.fullmatch(token):
        raise ValueError("not a compact token")
    header, claims = (_no_name_twice(part) for part in token.split(".")[:2])
    if header.get("typ") != TYPE or header.get("alg") != ALGORITHM or set(header) != _HEADERS:
        raise ValueError("not one of our access tokens")
    if set(claims) != _CLAIMS or not isinstance(header["kid"], str):
        raise ValueError("claims too much, or too little")


def _no_name_twice(part: str) -> Mapping[str, Any]:
    """A part of a token as JSON. Raises ValueError when a name is there twice: readers would differ about it."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = dict(pairs)
        if len(names) < len(pairs):
            raise ValueError("a name is there twice")
        return names

    read = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), object_pairs_hook=once)
    if not isinstance(read, dict):
        raise TypeError("not an object")
    return read


def _check_parties(claims: Mapping[str, Any]) -> None:
    if claims["act"] != {"sub": GATEWAY}:
        raise ValueError("only the gateway speaks for others")
    if not all(isinstance(claims[name], str) and claims[name] for name in ("sub", "sid", "jti")):
        raise TypeError("names are texts")


def _whole_seconds(moment: Any) -> int:
    if type(moment) is not int:
        raise TypeError("times are whole seconds")
    return moment
