"""Consistency tokens: a client that sends back what it wrote is never answered from before that.

Every write answers `Seen: profile-…@7, product-…@1`. A request with `Require-Seen:` of the same form is answered only
when this service has applied at least those versions: its own from the log, others' from the inbox. Outside, past the
gateway, an entry is sealed: what was not given out does not get here from there (decisions/0019).
"""

import asyncio
import re
from typing import LiteralString

from shared.cause import Seen
from shared.database import Database
from shared.errors import Invalid, Unavailable
from shared.ids import kind_of

WAIT_SECONDS = 2.0
POLL_SECONDS = 0.02
MOST_STREAMS = 50
MOST_KNOWN = 10_000
_ENTRY = re.compile(r"([a-z]+(?:-[a-z]+)*-[0-9a-f]{32})@([0-9]{1,15})", re.ASCII)


class SeenMalformed(Invalid):
    """`Require-Seen` must be a list of what `Seen` answered, of fifty streams at most."""

    code = "require-seen-malformed"


class NotSeenYet(Unavailable):
    """This service has not applied yet what you have seen; ask again in a moment."""

    code = "not-seen-yet"


def header_of(seen: Seen) -> str:
    """The value of the `Seen` header."""
    return ", ".join(seen)


def parse(header: str) -> dict[str, int]:
    """The versions a client requires by stream. Raises SeenMalformed."""
    wanted: dict[str, int] = {}
    for entry in header.split(","):
        match = _ENTRY.fullmatch(entry.strip())
        if match is None or len(wanted) == MOST_STREAMS:
            raise SeenMalformed
        wanted[match[1]] = max(int(match[2]), wanted.get(match[1], 0))
    return wanted


class Applied:
    """What a service has applied, of its own streams and of those it follows."""

    def __init__(self, database: Database, *, own: frozenset[str], follows: frozenset[str]) -> None:
        self._database = database
        self._own = own
        self._follows = follows
        self._known: dict[str, int] = {}
        """Versions found applied before: they stay applied, so nobody has to look again."""

    async def wait_for(self, header: str) -> None:
        """Come back when everything is applied that the header names and that can matter here.

        Raises SeenMalformed, or NotSeenYet after two seconds.
        """
        wanted = parse(header)
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while not await self._has_all(wanted):
            if asyncio.get_running_loop().time() > deadline:
                raise NotSeenYet
            await asyncio.sleep(POLL_SECONDS)

    async def _has_all(self, wanted: dict[str, int]) -> bool:
        open_ = {stream: version for stream, version in wanted.items() if version > self._known.get(stream, 0)}
        own = {stream: version for stream, version in open_.items() if kind_of(stream) in self._own}
        foreign = {stream: version for stream, version in open_.items() if kind_of(stream) in self._follows}
        return await self._holds(_IN_LOG, own) and await self._holds(_IN_INBOX, foreign)

    async def _holds(self, query: LiteralString, wanted: dict[str, int]) -> bool:
        """Whether all of them are there, in one question however many they are."""
        if not wanted:
            return True
        row = await self._database.row(query, (list(wanted), list(wanted.values())))
        if row is None or row["found"] != len(wanted):
            return False
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        self._known.update(wanted)
        return True


_WANTED: LiteralString = "SELECT count(*) AS found FROM unnest(%s::text[], %s::bigint[]) AS w(stream, version) "
_IN_LOG: LiteralString = _WANTED + "JOIN events ON originator_id = w.stream AND originator_version = w.version"
_IN_INBOX: LiteralString = _WANTED + "JOIN inbox i ON i.stream = w.stream AND i.version >= w.version"
