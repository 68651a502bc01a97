"""Checks an export of the history without its operator: with nothing but this file, Python and `cryptography`.

    python verifier.py --policy policy.json --older checkpoint.txt EXPORT
    python verifier.py --policy policy.json --proof answer.json
    python verifier.py --policy policy.json --consistency answer.json

EXPORT is a folder with `csv/part-*.csv`, `checkpoint.txt` and perhaps `leaves.bin`, by which the first difference is
named, or `-` for CSV on standard input with `--newest checkpoint.txt`. The policy is what `GET /proof/key` answered
while it was believed, `{"key": vkey, "personal": {event: [field]}}`, perhaps with `"witnesses": [vkey]` and `"quorum"`,
how many of them must have signed the newest checkpoint. The older checkpoint is one that you kept: what was altered,
left out, added or moved among its entries is found, whoever signed it anew; without it, who rewrote all is not.

Exit code 0: all is as it was signed. 1: it is not; the first difference is named. 2: asked in the wrong way. It shares
no code with what writes the history, and is to stay so.
"""

import argparse
import base64
import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COLUMNS = (
    *("leaf", "id", "service", "stream", "version", "type", "time", "actor", "grant", "correlation", "causation"),
    *("data", "salt"),
)
AS_THEY_ARE = ("id", "service", "stream", "type", "time", "actor", "grant", "correlation", "causation")
LOG, WITNESS = 1, 4
COUNT = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
PART = re.compile(r"part-([0-9]+)-[0-9]+\.csv")


class Difference(Exception):
    """The history is not what was signed; the message names the first thing that is not."""


class Checkpoint(NamedTuple):
    """A size and the root over so many leaves, of one log."""

    origin: str
    size: int
    root: bytes


def signed_by(vkey: str, note: str) -> bool:
    """Whether the key has signed the note."""
    name, _, encoded = vkey.strip().split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    number = sha256(name.encode() + b"\n" + raw).digest()[:4]
    text, _, signatures = note.rpartition("\n\n")
    for line in signatures.splitlines():
        dash, signer, encoded, *_ = *line.split(" "), "", ""
        if (dash, signer) == ("—", name) and (found := _unpacked(encoded))[:4] == number:
            return _holds(raw, text + "\n", found[4:])
    return False


def _unpacked(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        return b""


def _holds(key: bytes, text: str, signature: bytes) -> bool:
    signed = text.encode()
    if key[0] == WITNESS:
        seconds, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        signed = f"cosignature/v1\ntime {seconds}\n{text}".encode()
    try:
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def opened(note: str, vkey: str, called: str) -> Checkpoint:
    """The checkpoint in a note that the log's key has signed. Raises Difference."""
    if not signed_by(vkey, note):
        raise Difference(f"{called} is not signed by the key of the log")
    origin, size, root, *more = note.rpartition("\n\n")[0].split("\n")
    if more or not COUNT.fullmatch(size) or origin != vkey.split("+", 1)[0] or len(_unpacked(root)) != 32:
        raise Difference(f"{called} is no checkpoint of this log")
    return Checkpoint(origin, int(size), _unpacked(root))


def node(left: bytes, right: bytes) -> bytes:
    """The hash of a node (RFC 6962)."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """The right edge of a tree to which leaves are added."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """One leaf more."""
        rest = self.size
        while rest & 1:
            leaf, rest = node(self._edge.pop(), leaf), rest >> 1
        self._edge.append(leaf)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        edge = self._edge[::-1] or [sha256(b"").digest()]
        found = edge[0]
        for left in edge[1:]:
            found = node(left, found)
        return found


def root_of_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2); None when it fits no tree of that size."""
    if not 0 <= index < size:
        return None
    here, last = index, size - 1
    for other in proof:
        if last == 0:
            return None
        if here & 1 or here == last:
            leaf = node(other, leaf)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            leaf = node(leaf, other)
        here, last = here >> 1, last >> 1
    return leaf if last == 0 else None


def consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Whether the new tree, by size and root, begins with all of the old one (RFC 9162, 2.1.4.2)."""
    (old_size, old_root), (new_size, new_root) = old, new
    if not 0 < old_size < new_size:
        empty = old == (0, sha256(b"").digest())
        return not proof and (old == new or (empty and new_size > 0))
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    here, last = old_size - 1, new_size - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    if not path:
        return False
    before = after = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            before, after = node(other, before), node(other, after)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            after = node(after, other)
        here, last = here >> 1, last >> 1
    return (before, after, last) == (old_root, new_root, 0)


def canonical(row: Mapping[str, str], personal: Mapping[str, Sequence[str]]) -> bytes:
    """The canonical bytes of a row of the export. Raises ValueError when it cannot have been written by an export."""
    if not COUNT.fullmatch(row["version"]):
        raise ValueError("its version is no number")
    data = json.loads(row["data"], object_pairs_hook=_each_once)
    salt = bytes.fromhex(row["salt"])
    if not isinstance(data, dict):
        raise ValueError("its data are no fields")  # noqa: TRY004 (whatever it is, it differs)
    for name in personal.get(row["type"], ()) if salt else ():
        if name in data:
            data[name] = {"sha256": sha256(salt + written([name, data[name]])).hexdigest()}
    head = {name: row[name] or None for name in AS_THEY_ARE}
    return written({**head, "version": int(row["version"]), "data": data})


def written(value: Any) -> bytes:
    """JSON in the one way in which it is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a field stands there twice")
    return found


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf (RFC 6962)."""
    return sha256(b"\x00" + content).digest()


def check(
    rows: Iterable[Mapping[str, str]],
    personal: Mapping[str, Sequence[str]],
    newest: Checkpoint,
    older: Checkpoint | None = None,
    leaves: Iterable[bytes] | None = None,
) -> int:
    """How many entries there are, if they are what both checkpoints say. Raises Difference.

    The tree is made of `leaves`, if they are there: when it has the signed root, they are the true ones, and the first
    entry that is not what its leaf was made of is the first that was touched.
    """
    if older is not None and older.size > newest.size:
        raise Difference(f"the newest checkpoint has {newest.size} entries, the older one {older.size}: some are gone")
    claimed, tree, touched = iter(leaves) if leaves is not None else None, Tree(), ""
    for row in rows:
        found, called = _leaf_of(row, tree.size, personal)
        leaf = next(claimed, b"") if claimed is not None else found
        if leaf != found and not touched:
            touched = f"{called} is not what its leaf was made of"
        tree.add(leaf)
        if older is not None and tree.size == older.size and tree.root != older.root:
            raise Difference(_with(touched, f"the first {older.size} entries are not those of the older checkpoint"))
    if tree.size < newest.size:
        raise Difference(f"leaf {tree.size} is not there, and none after it; the newest checkpoint has {newest.size}")
    if (tree.size, tree.root) != (newest.size, newest.root):
        raise Difference(_with(touched, f"{tree.size} entries are not the {newest.size} of the newest checkpoint"))
    if touched:
        raise Difference(touched)
    return tree.size


def _leaf_of(row: Mapping[str, str], number: int, personal: Mapping[str, Sequence[str]]) -> tuple[bytes, str]:
    """The hash that the leaf of this row must have, and how the row is called. Raises Difference."""
    called = f"leaf {number} (entry {row['id']}, {row['type']} of {row['stream']})"
    if row["leaf"] != str(number):
        raise Difference(f"leaf {number} is not there; leaf {row['leaf']} stands in its place")
    try:
        return leaf_hash(canonical(row, personal)), called
    except ValueError as wrong:
        raise Difference(f"{called} was not written by an export: {wrong}") from wrong


def _with(touched: str, found: str) -> str:
    return f"{found}; perhaps {touched}" if touched else found


def rows_of(lines: Iterable[str], called: str) -> Iterator[Mapping[str, str]]:
    """The rows of a CSV file of an export. Raises Difference."""
    csv.field_size_limit(1 << 26)
    reader = csv.reader(lines, strict=True)
    if tuple(next(reader, ())) != COLUMNS:
        raise Difference(f"{called} does not have the columns of an export")
    for values in reader:
        if len(values) != len(COLUMNS):
            raise Difference(f"{called}, line {reader.line_num}: {len(values)} fields and not {len(COLUMNS)}")
        yield dict(zip(COLUMNS, values, strict=True))


def rows_in(folder: Path) -> Iterator[Mapping[str, str]]:
    """The rows of all CSV files of an export, in the order of their leaves."""
    parts = {int(match[1]): file for file in folder.glob("csv/*.csv") if (match := PART.fullmatch(file.name))}
    for _, file in sorted(parts.items()):
        with file.open(newline="", encoding="utf-8") as lines:
            yield from rows_of(lines, file.name)


def _leaves_in(file: Path) -> Iterator[bytes]:
    with file.open("rb") as leaves:
        yield from iter(partial(leaves.read, 32), b"")


def _check_export(given: argparse.Namespace, policy: Mapping[str, Any]) -> str:
    folder = Path(given.export)
    note = (given.newest or folder / "checkpoint.txt").read_text(encoding="utf-8")
    newest = opened(note, policy["key"], "the newest checkpoint")
    signed = [vkey for vkey in policy.get("witnesses", ()) if signed_by(vkey, note)]
    if len(signed) < policy.get("quorum", 0):
        raise Difference(f"{len(signed)} witnesses have signed the newest checkpoint and not {policy['quorum']}")
    older = opened(given.older.read_text(encoding="utf-8"), policy["key"], "the older one") if given.older else None
    rows = rows_of(sys.stdin, "standard input") if given.export == "-" else rows_in(folder)
    leaves = _leaves_in(folder / "leaves.bin") if (folder / "leaves.bin").exists() else None
    found = check(rows, policy.get("personal", {}), newest, older, leaves)
    before = f", the first {older.size} of them as before" if older else "; no older checkpoint was given"
    return f"{found} entries are what was signed{before}."


def _check_proof(given: argparse.Namespace, policy: Mapping[str, Any]) -> str:
    answer = json.loads(given.proof.read_text(encoding="utf-8"))
    head, _, note = answer["proof"].partition("\n\n")
    kind, index, *hashes = head.split("\n")
    checkpoint = opened(note, policy["key"], "the checkpoint of the proof")
    content = answer["canonical"]
    leaf = leaf_hash(content.encode()) if content is not None else bytes.fromhex(answer["leaf_hash"])
    number = int(index.removeprefix("index "))
    root = root_of_inclusion(leaf, number, checkpoint.size, [_unpacked(each) for each in hashes])
    if kind != "c2sp.org/tlog-proof@v1" or root != checkpoint.root:
        raise Difference(f"this is no leaf {number} of the {checkpoint.size} of the checkpoint")
    return f"leaf {number} is among the {checkpoint.size} that were signed{': ' + content if content else '.'}"


def _check_consistency(given: argparse.Namespace, policy: Mapping[str, Any]) -> str:
    answer = json.loads(given.consistency.read_text(encoding="utf-8"))
    old, new = (opened(answer[each], policy["key"], f"the {each} checkpoint") for each in ("old", "new"))
    if not consistent(old[1:], new[1:], [_unpacked(each) for each in answer["proof"]]):
        raise Difference(f"the {new.size} entries do not begin with the {old.size} of the older checkpoint")
    return f"the {new.size} entries begin with the {old.size} of the older checkpoint."


def main(arguments: Sequence[str] | None = None) -> int:
    """What the command line asks for; answers the exit code."""
    asked = argparse.ArgumentParser(description="Check an export of the history, or a proof.")
    asked.add_argument("export", nargs="?", help="a folder, or - for CSV on standard input")
    for name in ("policy", "older", "newest", "proof", "consistency"):
        asked.add_argument(f"--{name}", type=Path, required=name == "policy")
    given = asked.parse_args(arguments)
    if not (given.export or given.proof or given.consistency) or (given.export == "-" and not given.newest):
        asked.error("name an export (with --newest where it is standard input), --proof or --consistency")
    policy = json.loads(given.policy.read_text(encoding="utf-8"))
    act = _check_export if given.export else _check_proof if given.proof else _check_consistency
    try:
        sys.stdout.write(f"{act(given, policy)}\n")
    except (Difference, KeyError, ValueError, OSError, csv.Error) as difference:
        sys.stdout.write(f"NOT AS SIGNED: {difference}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
