"""Forged tokens: everything that somebody may send in the place of one that auth signed, for any service and moment."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(header: bytes, claims: bytes, by: Callable[[bytes], bytes] = KEY.sign) -> str:
    body = f"{b64(header)}.{b64(claims)}"
    return f"{body}.{b64(by(body.encode()))}"


class Forger:
    """Somebody who has seen a token and tries others, all of one moment and for one service."""

    def __init__(self, moment: datetime, *, audience: str = "profiles", kid: str = "key-1", soon: int = 6) -> None:
        """`soon` seconds from the moment is still too early when the last forgery is tried."""
        self._soon = soon
        self.kid = kid
        self._now = int(moment.timestamp())
        self.header = {"alg": "EdDSA", "typ": "at+jwt", "kid": kid}
        self.claims: dict[str, Any] = {
            "iss": "selfservice-auth",
            "aud": audience,
            "sub": "profile:profile-anna",
            "act": {"sub": "gateway"},
            "sid": "session-1",
            "jti": "token-1",
            "iat": self._now,
            "nbf": self._now,
            "exp": self._now + 60,
        }

    def token_of(
        self,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        key: Ed25519PrivateKey = KEY,
    ) -> str:
        """A correctly signed token of whatever is given."""
        return signed(json.dumps(header or self.header).encode(), json.dumps(claims or self.claims).encode(), key.sign)

    def claims_with(self, **changed: Any) -> str:
        return self.token_of(claims={**self.claims, **changed})

    def claims_without(self, name: str) -> str:
        return self.token_of(claims={known: value for known, value in self.claims.items() if known != name})

    def header_with(self, **changed: Any) -> str:
        return self.token_of(header={**self.header, **changed})

    def hmac_with(self, secret: bytes, **changed: Any) -> str:
        header = json.dumps({**self.header, "alg": "HS256", **changed}).encode()
        return signed(header, json.dumps(self.claims).encode(), lambda body: hmac.digest(secret, body, hashlib.sha256))

    def at(self, seconds: int) -> int:
        return self._now + seconds

    def forged(self) -> dict[str, str]:
        """Every forgery by what it is."""
        good, claims = self.token_of(), json.dumps(self.claims).encode()
        header, unsigned = json.dumps(self.header).encode(), json.dumps({**self.header, "alg": "none"}).encode()
        endless = json.dumps({**self.claims, "exp": float("inf")}).encode()
        theirs = {"kty": "OKP", "crv": "Ed25519", "x": b64(OTHER_KEY.public_key().public_bytes_raw())}
        elliptic, rsa_key = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
        return {
            "nothing": "",
            "no token": "Bearer",
            "alg none": signed(unsigned, claims, lambda _: b""),
            "alg none, old signature": self.header_with(alg="none"),
            "HS256 with the public key as PEM": self.hmac_with(PEM),
            "HS256 with the public key as DER": self.hmac_with(DER),
            "HS256 with the raw public key": self.hmac_with(KEY.public_key().public_bytes_raw()),
            "HS256 with an empty secret": self.hmac_with(b""),
            "ES256": jwt.encode(self.claims, elliptic, "ES256", headers={"typ": "at+jwt", "kid": self.kid}),
            "RS256": jwt.encode(self.claims, rsa_key, "RS256", headers={"typ": "at+jwt"}),
            "a key of somebody else": self.token_of(key=OTHER_KEY),
            "an unknown kid": self.header_with(kid="key-2"),
            "no kid": self.token_of(header={"alg": "EdDSA", "typ": "at+jwt"}),
            "kid as a path": self.header_with(kid="../../etc/passwd"),
            "kid as SQL": self.header_with(kid=f"{self.kid}' OR '1'='1"),
            "kid as a list": self.header_with(kid=[self.kid]),
            "kid as null": self.header_with(kid=None),
            "jku": self.header_with(jku="https://evil.example.com/keys.json"),
            "x5u": self.header_with(x5u="https://evil.example.com/cert.pem"),
            "x5c": self.header_with(x5c=["MII"]),
            "jwk of the forger": self.token_of(
                header={
                    **self.header,
                    "jwk": theirs,
                },
                key=OTHER_KEY,
            ),
            "crit": self.header_with(crit=["exp"], exp=1),
            "b64 false": self.header_with(b64=False, crit=["b64"]),
            "typ of a refresh token": self.header_with(typ="refresh+jwt"),
            "typ JWT": self.header_with(typ="JWT"),
            "no typ": self.token_of(header={"alg": "EdDSA", "kid": self.kid}),
            "another audience": self.claims_with(aud="another"),
            "several audiences": self.claims_with(aud=[self.claims["aud"], "another"]),
            "another issuer": self.claims_with(iss="https://evil.example.com"),
            "expired": self.claims_with(iat=self.at(-120), nbf=self.at(-120), exp=self.at(-6)),
            "not yet": self.claims_with(nbf=self.at(self._soon), exp=self.at(self._soon + 60)),
            "issued in the future": self.claims_with(iat=self.at(self._soon), exp=self.at(self._soon + 60)),
            "lives too long": self.claims_with(exp=self.at(601)),
            "expires before it is issued": self.claims_with(iat=self.at(3), exp=self.at(2)),
            "exp as text": self.claims_with(exp=str(self.at(60))),
            "exp as a fraction": self.claims_with(exp=self.at(60) + 0.5),
            "exp as true": self.claims_with(exp=True, iat=0, nbf=0),
            "exp without end": signed(header, endless),
            **{f"no {name}": self.claims_without(name) for name in self.claims},
            "sub that is no actor": self.claims_with(sub="anna"),
            "sub as a number": self.claims_with(sub=7),
            "sid empty": self.claims_with(sid=""),
            "not from the gateway": self.claims_with(act={"sub": "products"}),
            "a claim too many": self.claims_with(scope="admin"),
            "sub twice": signed(
                header,
                claims[:-1] + b',"sub":"profile:profile-bo"}',
            ),
            "alg twice": signed(b'{"alg":"none",' + header[1:], claims),
            "claims as a list": signed(header, b"[]"),
            "header as a list": signed(b"[]", claims),
            "header nested without end": signed(b"[" * 2000, claims),
            "not UTF-8": signed(b"\xff\xfe", claims),
            "truncated": good[:-4],
            "without signature": good.rpartition(".")[0] + ".",
            "two parts": good.rpartition(".")[0],
            "five parts": good + ".a.b",
            "signature with blanks in it": good[:-3] + " " + good[-3:],
            "one letter changed": good[:100] + ("A" if good[100] != "A" else "B") + good[101:],
            "padded": good + "==",
            "much too long": self.claims_with(jti="x" * 5000),
            "not ASCII": good.replace("e", "е", 1),
        }
