"""The witnesses: others who are asked to sign each checkpoint, and refuse when it does not go on from what they saw.

T-05  A history that its operator rewrote and signed anew is consistent in itself; only who holds an older root notices.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString, Self

import httpx

from services.audit.adapters.checkpoints import newest
from services.audit.adapters.tree_nodes import ranges_in
from services.audit.proof.notes import DASH, WITNESS, Key, MalformedNote, of_key, opened
from services.audit.proof.tree import consistency
from shared.database import Database
from shared.logs import log

SECONDS = 10.0
CONFLICT, NOT_CONSISTENT = 409, 422


@dataclass(frozen=True, slots=True)
class Address:
    """Where a witness is asked, and the key that it signs with."""

    url: str
    key: Key

    @classmethod
    def several(cls, text: str) -> list[Self]:
        """`URL VKEY URL VKEY …`. Raises ValueError."""
        words = text.split()
        found = [cls(url.rstrip("/"), Key.parse(vkey)) for url, vkey in zip(words[::2], words[1::2], strict=True)]
        if not all(each.url.startswith(("http://", "https://")) and each.key.kind == WITNESS for each in found):
            raise ValueError("each witness is an address and the vkey of a witness")
        return found


class Witnesses:
    """Asks all of them about the newest checkpoint."""

    def __init__(self, database: Database, addresses: Sequence[Address]) -> None:
        self._database = database
        self._addresses = addresses
        self._refused: dict[str, str] = {}

    async def ask(self) -> None:
        """Have the newest checkpoint signed by every witness that has not signed it yet."""
        if not self._addresses or (found := await newest(self._database)) is None:
            return
        async with httpx.AsyncClient(timeout=SECONDS) as http:
            for address in self._addresses:
                try:
                    await self._ask(http, address, *found)
                except (httpx.HTTPError, MalformedNote) as unreachable:
                    log.warning("a witness cannot be asked", witness=address.key.name, error=repr(unreachable))

    def alarms(self) -> list[str]:
        """Which witnesses hold something else than we do."""
        return [f"the witness {name} {why}" for name, why in self._refused.items()]

    async def _ask(self, http: httpx.AsyncClient, address: Address, size: int, note: str) -> None:
        seen = await self._seen(address)
        if seen == size:
            return
        answer = await self._sent(http, address, seen, size, note)
        if answer.status_code == CONFLICT and answer.text.strip().isdecimal():
            told = int(answer.text)
            if told > size or told == seen:
                self._refuses(address, f"has seen {told} entries, and another history than these {size}")
                return
            answer = await self._sent(http, address, told, size, note)
        if answer.status_code in {CONFLICT, NOT_CONSISTENT}:
            self._refuses(address, f"does not find what it saw in these {size} entries")
            return
        answer.raise_for_status()
        await self._keep(address, size, note, answer.text)

    async def _seen(self, address: Address) -> int:
        row = await self._database.row(_SEEN, (address.key.name,))
        return int(row["size"]) if row else 0

    async def _sent(self, http: httpx.AsyncClient, address: Address, old: int, size: int, note: str) -> httpx.Response:
        hashes = await ranges_in(self._database, consistency(old, size))
        lines = "".join(f"{base64.b64encode(each).decode()}\n" for each in hashes)
        return await http.post(f"{address.url}/add-checkpoint", content=f"old {old}\n{lines}\n{note}".encode())

    async def _keep(self, address: Address, size: int, note: str, answer: str) -> None:
        lines = [each for each in answer.splitlines(keepends=True) if each.startswith(DASH)]
        signature = of_key(address.key, opened(note)[0], lines)
        if signature is None:
            raise MalformedNote(f"{address.key.name} answers with no signature of its own")
        await self._database.execute(_KEEP, (size, address.key.name, signature))
        self._refused.pop(address.key.name, None)

    def _refuses(self, address: Address, why: str) -> None:
        self._refused[address.key.name] = why
        log.error("a witness refuses to sign", witness=address.key.name, why=why)


_SEEN: LiteralString = "SELECT coalesce(max(size), 0) AS size FROM cosignatures WHERE witness = %s"
_KEEP: LiteralString = "INSERT INTO cosignatures (size, witness, line) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
