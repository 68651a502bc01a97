"""Puzzles: what a try costs a stranger once all accounts together have failed too often (C-09).

Whoever tries finds a text `work` such that the SHA-256 digest of `puzzle:by:code:work` begins with so many zero bits
(the idea of Hashcash). The puzzle is one challenge's, so the work is for one guess at it: each further guess costs
anew, nothing has to be kept, and checking it costs one digest. The answer is the same for every address (L2).

It makes guessing expensive and lets people in; the limits of each account hold as before, puzzle or not.
"""

import hashlib
import itertools

from services.auth.domain.challenge import CodeNotAccepted
from services.auth.events import Authenticator

_DIGEST_BITS = 256


class PuzzleUnsolved(CodeNotAccepted):
    """Send the code again, with `work` that solves the puzzle."""

    code = "puzzle-unsolved"

    def __init__(self, puzzle: str, bits: int) -> None:
        super().__init__(puzzle=puzzle, bits=bits)


def puzzle_of(found_by: bytes) -> str:
    """The puzzle of a challenge, from that by which it is found; it tells nothing of either."""
    return hashlib.sha256(b"puzzle:" + found_by).hexdigest()[:32]


def solves(puzzle: str, by: Authenticator, code: str, work: str | None, *, bits: int) -> bool:
    """Whether the work for this very guess was done; `code` without what people put between its parts."""
    if work is None:
        return False
    digest = hashlib.sha256(f"{puzzle}:{by}:{code}:{work}".encode()).digest()
    return int.from_bytes(digest) >> (_DIGEST_BITS - bits) == 0


def solve(puzzle: str, by: Authenticator, code: str, *, bits: int) -> str:
    """Do the work: on average as many digests as there are numbers of so many bits."""
    tries = (f"{number:x}" for number in itertools.count())
    return next(work for work in tries if solves(puzzle, by, code, work, bits=bits))
