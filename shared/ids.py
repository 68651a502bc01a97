"""Identifiers: random, sortable by the time they were made, and naming the kind of thing they identify."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = int.from_bytes(milliseconds.to_bytes(6, "big") + os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    return UUID(int=value & ~(0x3 << 62) | (0x2 << 62))


def new_id(kind: str) -> str:
    """A fresh identifier such as `product-0192f1…`; it says nothing about who or what is behind it."""
    return f"{kind}-{uuid7().hex}"


def kind_of(identifier: str) -> str:
    """The kind that an identifier or a stream name begins with: `product` for `product-0192f1…`."""
    return identifier.rpartition("-")[0]
