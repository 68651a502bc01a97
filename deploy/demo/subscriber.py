"""An outside subscriber, the very program that the README teaches, run as a process of its own."""

import asyncio
import os
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from deploy.demo.day import Day, Say
from deploy.demo.person import Unexpected

README = Path(__file__).parent.parent.parent / "README.md"
PROGRAM = re.compile(r"```python\n# subscriber\.py\n(.*?)```", re.DOTALL)
LINE = re.compile(r"^(\S+)@(\d+) (\S+)")


def program() -> str:
    """The subscriber as it stands in the README."""
    found = PROGRAM.search(README.read_text())
    if found is None:
        raise Unexpected("the README teaches no subscriber.py")
    return found[1]


class Subscriber:
    """Runs it and reads what it prints: `stream@version type`, a line an event."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "GROUP": f"outside-{uuid4().hex[:8]}",
            "PYTHONUNBUFFERED": "1",
        }
        self.received: dict[str, list[tuple[int, str]]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        self._file = Path(tempfile.mkdtemp(prefix="subscriber-")) / "subscriber.py"
        self._file.write_text(program())
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(self._file),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # FastStream's own log
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        await self._reading
        self._file.unlink()
        self._file.parent.rmdir()

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 (a pipe was asked for)
        async for line in self._process.stdout:
            if match := LINE.match(line.decode()):
                self.received[match[1]].append((int(match[2]), match[3]))

    async def has_all_of(self, day: Day, say: Say) -> None:
        """It has received the day's streams, in order per entity. Raises Unexpected."""
        ids = day.cast.ids
        wanted = [ids["nordlys company"], ids["havnefart company"], ids["bizz"], ids["plate payment"], ids["driver"]]
        for _ in range(150):
            if all(stream in self.received for stream in wanted) and self._last(ids["driver"]) >= 4:
                break
            await asyncio.sleep(0.1)
        for stream in wanted:
            versions = [version for version, _ in self.received[stream]]
            first_time = list(dict.fromkeys(versions))
            if not versions or first_time != list(range(1, len(first_time) + 1)):
                raise Unexpected(f"the subscriber received {stream} as {versions}")
        events = sum(map(len, self.received.values()))
        say(f"   an outside subscriber received {events} events of {len(self.received)} entities, each in order")

    def _last(self, stream: str) -> int:
        return max((version for version, _ in self.received[stream]), default=0)
