"""Rate limits: token buckets in memory, one set a replica, bounded in number."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

from shared.errors import TooMany

MOST_BUCKETS = 50_000


class Buckets:
    """For each key: `burst` at once, then `per_second` on average. The least recently used keys are forgotten."""

    def __init__(
        self, *, per_second: float, burst: float, most: int = MOST_BUCKETS, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._most, self._now = per_second, burst, most, now
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: str) -> None:
        """Take one. Raises TooMany when there is none, with the seconds after which there will be."""
        now = self._now()
        level, since = self._levels.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - since) * self._per_second)
        allowed = level >= 1
        self._levels[key] = (level - 1 if allowed else level, now)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        if not allowed:
            wait = math.ceil((1 - level) / self._per_second)
            raise TooMany("Too many requests; ask again later.", retry_after=max(1, wait))


def network_address_of(scope: Scope, trusted_hops: int) -> IPv4Address | IPv6Address | None:
    """Where a request comes from: the peer, or what the outermost of our own proxies has written down.

    Of `X-Forwarded-For` only the entries that `trusted_hops` proxies of ours have added are believed.
    """
    client = scope.get("client")
    address = str(client[0]) if client else "unknown"
    if trusted_hops:
        hops = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
        address = hops[-min(trusted_hops, len(hops))].strip() or address
    try:
        return ip_address(address)
    except ValueError:
        return None


def address_of(scope: Scope, trusted_hops: int) -> str:
    """By what requests are counted; an IPv6 address counts as its /64: whoever has one of them has them all."""
    address = network_address_of(scope, trusted_hops)
    if address is None:
        return "unknown"
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else str(address)
