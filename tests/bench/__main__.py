"""`python -m tests.bench [append] [log] …` prints each figure beside what it is measured against; all without names."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console

from deploy.local.postgres import Postgres
from tests.bench.append import measure as measure_appends
from tests.bench.asof import measure as measure_past
from tests.bench.decisions import measure as measure_decisions
from tests.bench.figures import Figures
from tests.bench.gateway import measure as measure_gateway
from tests.bench.journeys import measure as measure_journeys
from tests.bench.log import measure as measure_log
from tests.bench.login import measure as measure_logins
from tests.bench.proof import measure as measure_proof
from tests.bench.replay import measure as measure_replay
from tests.bench.usage import measure as measure_usage
from tests.bench.view import measure as measure_view

SECTIONS: dict[str, Callable[[Postgres, Figures], Awaitable[None]]] = {
    "append": measure_appends,
    "log": measure_log,
    "view": measure_view,
    "journeys": measure_journeys,
    "decisions": measure_decisions,
    "gateway": measure_gateway,
    "logins": measure_logins,
    "usage": measure_usage,
    "proof": measure_proof,
    "replay": measure_replay,
    "asof": measure_past,
}


async def main(wanted: list[str]) -> None:
    console = Console()
    unknown = set(wanted) - set(SECTIONS)
    if unknown:
        console.print(f"no such section: {', '.join(sorted(unknown))}; there are: {', '.join(SECTIONS)}")
        raise SystemExit(2)
    with tempfile.TemporaryDirectory(prefix="selfservice-bench-") as folder, Postgres(folder=Path(folder)) as postgres:
        for name in wanted or SECTIONS:
            figures = Figures(console, name)
            await SECTIONS[name](postgres, figures)
            figures.show()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
