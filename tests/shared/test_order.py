"""The order of the log: whoever reads `position > last` misses nothing and sees every stream in order.

Writers of every kind in processes of their own: replicas with group commit, the library's own insert, raw SQL that is
slow, raw SQL that mostly rolls back. Readers poll meanwhile. (Without the turns that appends take, every fourth event
is missed.)
"""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import IO

from tests.shared.shop import ANNA, PRODUCT, Shop, order

PROCESSES = [
    ["reader-1", "reader-2"],
    ["replica-1"],
    ["replica-2", "failing-1"],
    ["library-1", "library-2", "slow-1", "slow-2", "failing-2"],
]
WRITE_SECONDS = 3.0

Row = tuple[int, str, int]
"""Position, stream and version."""


async def test_readers_miss_nothing_and_see_every_stream_in_order(shop: Shop) -> None:
    await shop.streams.change(PRODUCT, "product-1", order("product-1", "DK12345"), ANNA)
    readers = _run(shop.dsn)
    log: list[Row] = [
        (int(position), str(stream), int(version))
        for position, stream, version in shop.query(
            "SELECT notification_id, originator_id, originator_version FROM events ORDER BY notification_id"
        )
    ]
    assert {stream.split("-")[0] for _, stream, _ in log} == {"product", "shared", "library", "slow", "failing"}
    assert len(log) > 100
    assert len(readers) == 2
    for rows in readers:
        assert (len(set(log) - set(rows)), len(rows) - len(set(rows))) == (0, 0)
        assert rows == log
        _expect_streams_in_order(rows)


def _run(dsn: str) -> list[list[Row]]:
    """Let all processes begin at the same moment; answers what each reader read."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.shared.order_process", dsn, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for names in PROCESSES
    ]
    for process in started:
        assert _pipe(process.stdout).readline() == "ready\n"
    end = time.time() + WRITE_SECONDS
    for process in started:
        _pipe(process.stdin).write(f"{end}\n")
        _pipe(process.stdin).flush()
    read: list[list[Row]] = []
    for process in started:
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        read += [[(row[0], row[1], row[2]) for row in rows] for rows in json.loads(printed)]
    return read


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _expect_streams_in_order(rows: Sequence[Row]) -> None:
    versions: dict[str, list[int]] = defaultdict(list)
    for _, stream, version in rows:
        versions[stream].append(version)
    for stream, seen in versions.items():
        assert seen == list(range(1, len(seen) + 1)), stream
