"""HTTP of the proof: checkpoints, proofs, and what is needed to check them. Decides nothing."""

import base64
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from services.audit.api import EntityId
from services.audit.proof.notes import LogKey
from services.audit.proof.proving import EntryProof, Proving
from services.profiles.policy import PROVE_ENTRY, READ_CHECKPOINTS, asks
from shared.http.door import Caller, Door
from shared.http.openapi import COMMAND, QUERY, Answer

NOTE = (
    "selfservice.example/audit\n2\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+NwySsEYEM=\n\n— selfservice.example/audit Az3g…\n"
)
MOST_LEAVES = 2**53 - 1
NOT_YET = {**QUERY, 409: COMMAND[409]}
"""What can go wrong with a question that may come a moment too soon."""

Size = Annotated[int, Query(ge=1, le=MOST_LEAVES)]
EntryId = Annotated[str, Query(pattern=r"^[0-9a-f]{32}$", examples=["0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])]


class ProofKey(Answer):
    """What a checkpoint and an export are checked with; keep it where the operator cannot change it."""

    origin: str = Field(examples=["selfservice.example/audit"])
    key: str = Field(description="The log's public key, a C2SP vkey.")
    personal: Mapping[str, list[str]] = Field(
        description="The personal fields of each event: in the canonical bytes, commitments stand for them."
    )


class SignedCheckpoint(Answer):
    """A checkpoint as a C2SP signed note: how many entries there are and the root over them. Keep it."""

    note: str = Field(examples=[NOTE])


class Inclusion(Answer):
    """That an entry is in the history of a checkpoint."""

    leaf: int = Field(description="Its number in the order of the proof.")
    leaf_hash: str = Field(description="SHA-256 over 0x00 and the canonical bytes, in hexadecimal.")
    canonical: str | None = Field(description="The canonical bytes; null where something of the entry is withheld.")
    salt: str | None = Field(description="What the commitments to its personal fields are salted with, in hexadecimal.")
    proof: str = Field(description="The proof as a C2SP tlog-proof.")


class Consistency(Answer):
    """That the history of the newer checkpoint begins with all of the older one's."""

    old: str = Field(description="The older checkpoint, a C2SP signed note.", examples=[NOTE])
    new: str = Field(description="The newer one.", examples=[NOTE])
    proof: list[str] = Field(description="The hashes of the RFC 6962 consistency proof, in base64.")


def routes(prove: Proving, key: LogKey, personal: Mapping[str, list[str]], door: Door) -> APIRouter:
    """The operations of the proof."""
    api = APIRouter(tags=["audit"])
    caller = Depends(door.caller)

    @api.get("/proof/key", operation_id="getProofKey", **asks(READ_CHECKPOINTS), responses=QUERY)
    async def get_key(request: Request, _caller: Annotated[Caller, caller]) -> ProofKey:
        """What checkpoints and exports are checked with."""
        await prove.may_read_checkpoints(request.state.cause)
        return ProofKey(origin=key.origin, key=str(key.public), personal=personal)

    @api.get("/proof/checkpoint", operation_id="getCheckpoint", **asks(READ_CHECKPOINTS), responses=QUERY)
    async def get_checkpoint(
        request: Request, _caller: Annotated[Caller, caller], size: Size | None = None
    ) -> SignedCheckpoint:
        """The newest checkpoint, or the one of a size."""
        return SignedCheckpoint(note=await prove.checkpoint(size, request.state.cause))

    @api.get("/proof/consistency", operation_id="proveConsistency", **asks(READ_CHECKPOINTS), responses=QUERY)
    async def prove_consistency(
        request: Request, _caller: Annotated[Caller, caller], old: Size, new: Size | None = None
    ) -> Consistency:
        """Prove that a checkpoint (the newest, unless one is named) goes on from an older one."""
        found = await prove.consistency(old, new, request.state.cause)
        return Consistency(old=found.old, new=found.new, proof=[_base64(each) for each in found.hashes])

    @api.get("/history/{entity_id}/proof", operation_id="proveEntry", **asks(PROVE_ENTRY), responses=NOT_YET)
    async def prove_entry(
        entity_id: EntityId, request: Request, _caller: Annotated[Caller, caller], entry: EntryId
    ) -> Inclusion:
        """Prove that an entry of an entity's history is in the newest checkpoint; that is itself recorded (H3)."""
        found = await prove.entry(entity_id, entry, request.state.cause)
        return Inclusion(
            leaf=found.leaf,
            leaf_hash=found.leaf_hash.hex(),
            canonical=found.canonical,
            salt=found.salt.hex() if found.salt else None,
            proof=tlog_proof(found),
        )

    return api


def tlog_proof(found: EntryProof) -> str:
    """The proof of an entry as C2SP tlog-proof text."""
    hashes = "".join(f"{_base64(each)}\n" for each in found.hashes)
    return f"c2sp.org/tlog-proof@v1\nindex {found.leaf}\n{hashes}\n{found.note}"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
