"""Credentials: by what a request says whose it is, and whether a foreign page may have sent it (S-20, S-21).

A browser holds the session as a cookie and is checked for cross-site requests; a script sends it as
`Authorization: Bearer`, which no foreign page can. Neither is ever a token: those stay inside.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from services.gateway.refusing import BodyNotJson, CrossSite, Malformed
from shared.errors import Unauthenticated

SESSION: Final = "__Host-session"
CHALLENGE: Final = "__Host-challenge"
DEVICE: Final = "__Host-device"
"""By what a browser is known that has logged in before; it says nothing about anybody (C-10)."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
JSON = "application/json"
_OPAQUE = re.compile(r"[0-9A-Za-z._~-]{16,100}", re.ASCII)


def session_of(headers: Headers) -> str:
    """The session that a request names. Raises Unauthenticated, Malformed."""
    if (authorization := only(headers, "authorization")) is not None:
        scheme, _, session = authorization.partition(" ")
        found = session if scheme.lower() == "bearer" else None
    else:
        found = cookie(headers, SESSION)
    if found is None or not _OPAQUE.fullmatch(found):
        raise Unauthenticated
    return found


def challenge_of(headers: Headers) -> str:
    """The challenge of the browser that asked for a code. Raises Unauthenticated, Malformed."""
    challenge = cookie(headers, CHALLENGE)
    if challenge is None or not _OPAQUE.fullmatch(challenge):
        raise Unauthenticated("Ask for a code first, from this browser.")
    return challenge


def session_held(headers: Headers) -> str | None:
    """The session that a browser still has while it logs in; what cannot be one counts as none. Raises Malformed."""
    session = cookie(headers, SESSION)
    return session if session is not None and _OPAQUE.fullmatch(session) else None


def device_of(headers: Headers) -> str | None:
    """By what the browser is known, if it is; what cannot be such a thing counts as none. Raises Malformed."""
    device = cookie(headers, DEVICE)
    return device if device is not None and _OPAQUE.fullmatch(device) else None


def only(headers: Headers, name: str) -> str | None:
    """A header that may be there once, of visible ASCII. Raises Malformed."""
    values = headers.getlist(name)
    if len(values) > 1 or any(not (value.isascii() and value.isprintable()) for value in values):
        raise Malformed(f"The header {name} is there twice, or holds what it cannot.")
    return values[0] if values else None


def cookie(headers: Headers, name: str) -> str | None:
    """The value of a cookie. Raises Malformed when there are two of the name."""
    values = list(_cookies(headers.getlist("cookie"), name))
    if len(values) > 1:
        raise Malformed(f"The cookie {name} is there twice.")
    return values[0] if values else None


def _cookies(lines: Iterable[str], name: str) -> Iterable[str]:
    for line in lines:
        for pair in line.split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                yield value


def must_be_our_own(method: str, headers: Headers, origin: str | None) -> None:
    """An unsafe request that a browser may have sent must be JSON and come from our own pages.

    `origin` is that of our pages; None means whatever host the request names. Raises CrossSite, BodyNotJson.
    """
    if method in SAFE_METHODS:
        return
    scripted = "authorization" in headers
    if not scripted and not _same_origin(headers, origin):
        raise CrossSite
    if has_body(headers) and headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise CrossSite if not scripted and cookie(headers, SESSION) is not None else BodyNotJson


def has_body(headers: Headers) -> bool:
    """Whether a body comes with the request, as far as its headers tell."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _same_origin(headers: Headers, ours: str | None) -> bool:
    if any(site != "same-origin" for site in headers.getlist("sec-fetch-site")):
        return False
    host = headers.get("host", "")
    return all(
        given == ours if ours else urlsplit(given).scheme in {"http", "https"} and urlsplit(given).netloc == host
        for given in headers.getlist("origin")
    )


def set_cookie(name: str, value: str, seconds: int) -> str:
    """A `Set-Cookie` header's value: for this host alone, over TLS, out of scripts' reach, never sent cross-site."""
    return f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}"


def session_cookie(secret: str, ends_at: datetime) -> str:
    """The session, for as long as it may last."""
    return set_cookie(SESSION, secret, max(0, int((ends_at - datetime.now(UTC)).total_seconds())))


def clear_cookie(name: str) -> str:
    """As `set_cookie`, to take it away."""
    return set_cookie(name, "", 0)
