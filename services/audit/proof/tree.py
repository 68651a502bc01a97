"""The tree over the leaves (RFC 6962): what a root and a proof are made of, and what a proof shows.

H4   A root says all leaves and their order. An inclusion proof leads from one leaf to the root; a consistency proof
     shows that a later tree begins with all of an earlier one.

A range of leaves is hashed from its perfect subtrees, those of 2^level leaves that begin at a multiple of as many.
Which are needed is said first, so that whoever keeps them is asked once; there are never more than some 2·log2(size).
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

Subtree = tuple[int, int]
"""A perfect subtree, by its level and how many of that level stand before it."""
Range = tuple[int, int]
"""Leaves from the first number on, up to and without the second."""
NODE: Final = b"\x01"
"""RFC 6962: what the hash of a node begins with."""
EMPTY: Final = sha256(b"").digest()
"""The root of no leaves."""


def parent(left: bytes, right: bytes) -> bytes:
    """The hash of a node."""
    return sha256(NODE + left + right).digest()


def subtrees(leaves: Range) -> list[Subtree]:
    """The perfect subtrees that a range is hashed from, in their order."""
    (first, end), found = leaves, []
    while first < end:
        level = (end - first).bit_length() - 1
        found.append((level, first >> level))
        first += 1 << level
    return found


def needed(ranges: Iterable[Range]) -> list[Subtree]:
    """All perfect subtrees that some ranges are hashed from."""
    return [subtree for leaves in ranges for subtree in subtrees(leaves)]


def hashed(leaves: Range, kept: Mapping[Subtree, bytes]) -> bytes:
    """The hash of a range, from its perfect subtrees. Raises KeyError when one is not there."""
    *before, last = [kept[subtree] for subtree in subtrees(leaves)] or [EMPTY]
    for left in reversed(before):
        last = parent(left, last)
    return last


def inclusion(leaf: int, size: int) -> list[Range]:
    """The ranges whose hashes are the inclusion proof of a leaf, from the leaf's sibling up."""
    first, end, beside = 0, size, []
    while end - first > 1:
        middle = first + _left(end - first)
        if leaf < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((first, middle))
            first = middle
    return beside[::-1]


def consistency(old: int, new: int) -> list[Range]:
    """The ranges whose hashes are the consistency proof between two sizes; none where there is nothing to show."""
    if old in {0, new}:
        return []
    first, end, beside = 0, new, []
    while end != old:
        middle = first + _left(end - first)
        if old <= middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((first, middle))
            first = middle
    if first:
        beside.append((first, end))
    return beside[::-1]


def extends(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the new tree (size and root) begins with all of the old one."""
    (old_size, old_root), (new_size, new_root) = old, new
    if old_size > new_size or len(proof) != len(ranges := consistency(old_size, new_size)):
        return False
    if old_size in {0, new_size}:
        return old_root == (new_root if old_size else EMPTY)
    beside = list(zip(ranges, proof, strict=True))
    (first, _), found = beside.pop(0) if ranges[0][1] == old_size else ((0, old_size), old_root)
    before = after = found
    for (low, high), other in beside:
        if high == first:
            first, before, after = low, parent(other, before), parent(other, after)
        else:
            after = parent(after, other)
    return before == old_root and after == new_root


def _left(size: int) -> int:
    """The greatest power of two that is less than the size."""
    return 1 << ((size - 1).bit_length() - 1)
