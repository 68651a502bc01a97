"""What readers are told that proves the history: checkpoints, and that an entry or an earlier tree is in a later one.

H3   Whoever may read an entry may have it proven; that is a reading of it, and recorded.
H4   A proof leads to a checkpoint that the log has signed.
A13  The bytes that a leaf is made of name everything that the entry names. They are shown where nothing of the entry is
     withheld from the reader; else its leaf hash alone, which leads nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from services.audit.adapters import checkpoints
from services.audit.adapters.leaves import ENTRY
from services.audit.adapters.tree_nodes import ranges_in
from services.audit.canonical import canonical, leaf_hash
from services.audit.events import HistoryRead
from services.audit.proof.notes import Checkpoint, opened
from services.audit.proof.tree import consistency, inclusion
from services.audit.use_cases import READINGS, reading
from services.audit.views.history import Cursor, history_of
from services.profiles.access import Access
from services.profiles.policy import PROVE_ENTRY, READ_CHECKPOINTS
from shared.cause import Cause
from shared.database import Database, Row
from shared.errors import Conflict, NotFound
from shared.eventstore.streams import Streams
from shared.ids import new_id


class NotInACheckpoint(Conflict):
    """This entry has come just now and is in no checkpoint yet; ask again in a minute."""

    code = "not-in-a-checkpoint"
    rule = "H4"


@dataclass(frozen=True, slots=True)
class EntryProof:
    """That an entry is in the tree of a checkpoint."""

    leaf: int
    leaf_hash: bytes
    canonical: str | None
    salt: bytes | None
    hashes: list[bytes]
    note: str


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the tree of one checkpoint begins with all of an older one's."""

    old: str
    new: str
    hashes: list[bytes]


class Proving:
    """The questions about the proof."""

    def __init__(self, streams: Streams, database: Database, access: Access) -> None:
        self._streams = streams
        self._database = database
        self._access = access

    async def may_read_checkpoints(self, cause: Cause) -> None:
        """Whoever is logged in may. Raises NotFound, NotPermitted."""
        await self._access.require(cause.actor, READ_CHECKPOINTS)

    async def checkpoint(self, size: int | None, cause: Cause) -> str:
        """The note of the checkpoint of this size, or of the newest one. Raises NotFound, NotPermitted."""
        await self.may_read_checkpoints(cause)
        return await self._note(size)

    async def consistency(self, old: int, new: int | None, cause: Cause) -> ConsistencyProof:
        """That one checkpoint goes on from another. Raises NotFound where one of them is none of ours, NotPermitted."""
        await self.may_read_checkpoints(cause)
        older, newer = await self._note(old), await self._note(new)
        sizes = [Checkpoint.parse(opened(note)[0]).size for note in (older, newer)]
        if sizes[0] > sizes[1]:
            raise NotFound
        return ConsistencyProof(older, newer, await ranges_in(self._database, consistency(*sizes)))

    async def entry(self, entity_id: str, entry_id: str, cause: Cause) -> EntryProof:
        """That an entry of an entity's history is in the newest checkpoint; the reading is recorded first.

        Raises NotFound, NotPermitted, NotInACheckpoint, and GrantWithdrawn (A14).
        """
        operation, place = reading(entity_id, PROVE_ENTRY)
        permit = await self._access.require(cause.actor, operation, place)
        staff = await self._access.is_staff(cause.actor)
        asked = (self._database, cause.actor, entity_id)
        shown = await history_of(*asked, staff=staff, after=Cursor(), limit=1, only=entry_id)
        if not shown:
            raise NotFound
        kept = await self._database.row(_KEPT, {"id": entry_id})
        found = await checkpoints.newest(self._database)
        if kept is None or found is None or kept["leaf"] >= found[0]:
            raise NotInACheckpoint
        if not place:
            permit = await self._access.require(cause.actor, *reading(shown[0]["via"] or "", PROVE_ENTRY))
        read = HistoryRead(reading_id=new_id("reading"), entity_id=entity_id, entries=1)
        await self._streams.change(READINGS, read.reading_id, lambda _: [read], permit.covers(cause))
        hashes = await ranges_in(self._database, inclusion(kept["leaf"], found[0]))
        return _entry_proof(kept, hashes, found[1], whole=_is_whole(shown[0], kept))

    async def _note(self, size: int | None) -> str:
        if size is None:
            newest = await checkpoints.newest(self._database)
            note = newest[1] if newest else None
        else:
            note = await checkpoints.of_size(self._database, size)
        if note is None:
            raise NotFound
        return note


def _is_whole(shown: Row, kept: Row) -> bool:
    return bool(shown["data"] == kept["data"] and shown["grant"] == kept["grant"])


def _entry_proof(kept: Mapping[str, Any], hashes: list[bytes], note: str, *, whole: bool) -> EntryProof:
    salt = bytes(kept["salt"]) if kept["salt"] is not None else None
    return EntryProof(
        leaf=kept["leaf"],
        leaf_hash=leaf_hash(kept, salt),
        canonical=canonical(kept, salt).decode() if whole else None,
        salt=salt if whole else None,
        hashes=hashes,
        note=note,
    )


_KEPT: LiteralString = f"""
    SELECT {ENTRY}, l.leaf, l.salt FROM history h JOIN leaves l USING (event_id) WHERE h.event_id = %(id)s"""
