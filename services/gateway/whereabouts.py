"""Whereabouts: from where somebody logs in, as coarsely as they recognise it, and the language that they read.

Auth tells it to the person alone: in the mail with the code, and in the list of their sessions (C-25, S-19). Of what a
browser sends nothing is passed on but words of the tables below; of an address only its network.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from services.gateway.limits import network_address_of

BROWSERS: Final = (
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox")),
    *(("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari")),
    *(("curl", "curl"), ("python", "Python"), ("Java", "Java")),
)
"""A part of what browsers call themselves, and the family: the first that fits, for most claim to be others as well."""
SYSTEMS: Final = (
    *(("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iOS")),
    *(("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)
LANGUAGES: Final = ("da", "en")
NETWORK_BITS: Final = {4: 24, 6: 48}


def whereabouts(scope: Scope, trusted_hops: int) -> dict[str, str]:
    """What auth is told of a request; what is not known is left out."""
    headers = Headers(scope=scope)
    told: Mapping[str, str | None] = {
        "browser": browser_of(headers.get("user-agent", "")),
        "place": network_of(network_address_of(scope, trusted_hops)),
        "language": language_of(headers.get("accept-language", "")),
    }
    return {name: value for name, value in told.items() if value is not None}


def browser_of(user_agent: str) -> str | None:
    """Browser and system, such as `Firefox, Windows`."""
    browser, system = _first(BROWSERS, user_agent), _first(SYSTEMS, user_agent)
    return f"{browser or 'unknown'}, {system or 'unknown'}" if browser or system else None


def _first(table: Iterable[tuple[str, str]], text: str) -> str | None:
    return next((family for part, family in table if part.lower() in text.lower()), None)


def network_of(address: IPv4Address | IPv6Address | None) -> str | None:
    """The network that an address is in: of a provider or a company, not of a person."""
    return None if address is None else str(ip_network((address, NETWORK_BITS[address.version]), strict=False))


def language_of(accepted: str) -> str | None:
    """The first of ours among the languages that a browser accepts, by its own preference."""
    known = sorted(_preferences(accepted), key=lambda preference: -preference[1])
    return next((language for language, quality in known if quality > 0), None)


def _preferences(accepted: str) -> Iterable[tuple[str, float]]:
    for part in accepted[:200].split(","):
        name, _, quality = part.strip().partition(";q=")
        language = name.strip().lower().partition("-")[0]
        try:
            wanted = float(quality) if quality else 1.0
        except ValueError:
            continue
        if language in LANGUAGES:
            yield language, wanted
