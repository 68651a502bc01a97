"""A signing key: what access tokens are signed with, from its publication until its end.

S-11  A key is published before it is used, and known until the last token it signed is worth nothing; then it retires.
S-12  A key that somebody else may have is revoked: from then on nobody believes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from services.auth.events import SigningKeyEvent, SigningKeyPublished, SigningKeyRetired, SigningKeyRevoked
from shared.errors import NotFound

LIFE = timedelta(days=30)
OVERLAP = timedelta(days=1)
"""When the newest key has only this left, the next one is made."""
SETTLING = timedelta(minutes=5)
"""Until then somebody may not have heard of a new key; the one before it is used."""
LAST_TOKEN = timedelta(minutes=10)
"""Nothing is signed with a key that ends before a token of the longest life does."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What the rules ask of a key; `SigningKey()` is one that was never published."""

    id: str = ""
    over: bool = False


class SigningKeyUnknown(NotFound):
    """There is no such signing key; `selfservice keys list` tells which there are."""

    code = "signing-key-unknown"


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key that this service can sign with."""

    id: str
    generation: int
    """Counts from 1; a key is made as the next generation, so only one of several replicas makes it."""
    sealed: bytes
    published_at: datetime
    not_after: datetime


def evolve(key: SigningKey, event: SigningKeyEvent) -> SigningKey:
    """The key after one more event of its history."""
    match event:
        case SigningKeyPublished(key_id=identifier):
            return SigningKey(identifier)
        case SigningKeyRetired() | SigningKeyRevoked():
            return replace(key, over=True)
        case _:
            assert_never(event)


def publish(key: SigningKey, *, key_id: str, public_key: str, now: datetime) -> list[SigningKeyEvent]:
    """A key begins to count."""
    if key.id:
        return []
    return [SigningKeyPublished(key_id=key_id, algorithm="EdDSA", public_key=public_key, not_after=now + LIFE)]


def retire(key: SigningKey) -> list[SigningKeyEvent]:
    """A key has done its work."""
    return [SigningKeyRetired(key_id=key.id)] if key.id and not key.over else []


def revoke(key: SigningKey) -> list[SigningKeyEvent]:
    """A key must not be believed any more; revoking it again changes nothing. Raises SigningKeyUnknown."""
    if not key.id:
        raise SigningKeyUnknown
    return [] if key.over else [SigningKeyRevoked(key_id=key.id)]


def next_is_due(keys: Sequence[KeptKey], now: datetime) -> bool:
    """Whether a new key has to be made."""
    return all(key.not_after - OVERLAP <= now for key in keys)


def in_use(keys: Sequence[KeptKey], now: datetime) -> KeptKey | None:
    """The key to sign with: the newest that everybody knows, else the oldest that is left."""
    usable = sorted((key for key in keys if now + LAST_TOKEN < key.not_after), key=lambda key: key.generation)
    settled = [key for key in usable if key.published_at + SETTLING <= now]
    return next(iter(settled[-1:] or usable), None)


def have_done_their_work(keys: Sequence[KeptKey], now: datetime) -> list[KeptKey]:
    """Keys that a newer one has taken the place of for longer than any token lives (S-11)."""
    long_settled = [key.generation for key in keys if key.published_at + SETTLING + LAST_TOKEN <= now]
    return [key for key in keys if key.generation < max(long_settled, default=0)]
