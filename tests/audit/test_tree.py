"""T-01, H4: the tree over the leaves is that of RFC 6962, kept or computed, and its proofs show what they should."""

import random
from hashlib import sha256
from typing import Any

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from services.audit.adapters.tree_nodes import LOWEST, Growing, ranges
from services.audit.proof.tree import EMPTY, Range, Subtree, consistency, extends, hashed, inclusion, parent
from services.audit.proof.verifier import consistent, root_of_inclusion
from tests.audit.proofs import connect, migrated, sealed_all

INPUTS = (
    *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
    "606162636465666768696a6b6c6d6e6f",
)
"""The leaves of the reference vectors of certificate transparency, and the roots over the first n of them."""
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = [sha256(number.to_bytes(4, "big")).digest() for number in range(1000)]


class Subtrees(dict[Subtree, bytes]):
    """Every perfect subtree of some leaves, hashed when it is asked for."""

    def __missing__(self, subtree: Subtree) -> bytes:
        level, place = subtree
        self[subtree] = parent(self[level - 1, 2 * place], self[level - 1, 2 * place + 1]) if level else LEAVES[place]
        return self[subtree]


KEPT = Subtrees()


def proof(wanted: list[Range]) -> list[bytes]:
    return [hashed(leaves, KEPT) for leaves in wanted]


def root(size: int) -> bytes:
    return hashed((0, size), KEPT)


def test_t01_the_roots_are_those_of_the_reference_vectors() -> None:
    growing = Growing()
    assert growing.root == EMPTY
    for given_input, expected in zip(INPUTS, ROOTS, strict=True):
        growing.add(sha256(b"\x00" + bytes.fromhex(given_input)).digest())
        assert growing.root.hex() == expected


def test_t01_of_a_thousand_leaves_each_has_a_proof_of_at_most_ten_hashes_that_leads_to_the_root() -> None:
    for leaf in range(1000):
        hashes = proof(inclusion(leaf, 1000))
        assert len(hashes) <= 10
        assert root_of_inclusion(LEAVES[leaf], leaf, 1000, hashes) == root(1000)
        assert root_of_inclusion(LEAVES[leaf - 1], leaf, 1000, hashes) != root(1000)


def test_t01_the_tree_of_each_size_up_to_a_thousand_is_shown_to_begin_the_one_of_a_thousand() -> None:
    for size in range(1, 1001):
        hashes = proof(consistency(size, 1000))
        old, new = (size, root(size)), (1000, root(1000))
        assert extends(old, new, hashes)
        assert consistent(old, new, hashes)


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(0, 999), st.randoms(use_true_random=False))
def test_h4_a_consistency_proof_shows_no_other_tree(size: int, more: int, changed: int, chance: random.Random) -> None:
    old_size, new_size = sorted((size, more))
    hashes = proof(consistency(old_size, new_size))
    other = (old_size, sha256(root(old_size)).digest())
    new = (new_size, root(new_size))
    assert not extends(other, new, hashes)
    assert not consistent(other, new, hashes)
    if hashes:
        broken = list(hashes)
        broken[changed % len(broken)] = chance.randbytes(32)
        assert not extends((old_size, root(old_size)), new, broken)
        assert not consistent((old_size, root(old_size)), new, broken)
        assert not consistent((old_size, root(old_size)), new, hashes[1:])


def test_h4_the_kept_tree_answers_what_the_whole_one_would(database: str) -> None:
    migrated(database)
    with connect(database) as connection:
        for number in range(1, 301):
            _happened(connection, number)
    assert sealed_all(database, most=37) == 300
    with connect(database) as connection:
        rows = connection.execute("SELECT hash FROM leaves ORDER BY leaf").fetchall()
        growing = Growing()
        for size, (leaf,) in enumerate(rows):
            assert ranges(connection, [(0, size)]) == [growing.root] or size == 0
            growing.add(bytes(leaf))
        wanted = [leaves for number in range(300) for leaves in inclusion(number, 300)]
        again = iter(ranges(connection, wanted))
        for number, (leaf,) in enumerate(rows):
            hashes = [next(again) for _ in inclusion(number, 300)]
            assert root_of_inclusion(bytes(leaf), number, 300, hashes) == growing.root
        kept = connection.execute("SELECT count(*), min(level) FROM tree_nodes").fetchone()
        assert kept == (sum(300 >> level for level in range(LOWEST, 9)), LOWEST)


def _happened(connection: psycopg.Connection[Any], number: int) -> None:
    connection.execute(
        """WITH added AS (INSERT INTO history (event_id, service, stream, version, type, time, at, actor, correlation,
               about, places, people, data)
           VALUES (%(id)s, 'products', 'product-1', %(number)s, 'products.trip-driven.v1', now(), now(), 'system:test',
               'request', '{}', '{}', '{}', '{}') RETURNING number, event_id)
           INSERT INTO unsealed SELECT number, event_id FROM added""",
        {"id": f"{number:032x}", "number": number},
    )
