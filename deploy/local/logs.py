"""The logs of all parts on one screen: each line with the time and the part it came from, coloured on a terminal."""

import threading
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.text import Text

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
SUPERVISOR = "supervisor"


class Logs:
    """Where the lines go: the console, and a file for each part in `folder`, begun anew when the system starts."""

    def __init__(self, folder: Path, console: Console | None = None, *, quiet: bool = False) -> None:
        self._folder, self._quiet = folder, quiet
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._colours: dict[str, str] = {SUPERVISOR: "bold white"}
        self._files: dict[str, IO[bytes]] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, line: str) -> None:
        """A line of the supervisor itself."""
        self._line(SUPERVISOR, line)

    def follow(self, name: str, output: IO[bytes]) -> threading.Thread:
        """Copy a part's output line by line until it ends; in a thread of its own."""
        thread = threading.Thread(target=self._copy, args=(name, output), name=f"log of {name}", daemon=True)
        thread.start()
        return thread

    def end_of(self, name: str, lines: int = 20) -> str:
        """The last lines of a part."""
        file = self._folder / f"{name}.log"
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else ""

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _copy(self, name: str, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._keep(name, line)
                if not self._quiet:
                    self._line(name, line.decode(errors="replace").rstrip())

    def _keep(self, name: str, line: bytes) -> None:
        with self._lock:
            if name not in self._files:
                self._files[name] = (self._folder / f"{name}.log").open("wb", buffering=0)
            self._files[name].write(line)

    def _line(self, name: str, line: str) -> None:
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        try:
            self._console.print(Text.assemble((f"{name:>12} │ ", colour), Text.from_ansi(line)))
        except (OSError, SystemExit):  # nobody looks any more; a part must not stop because its log cannot be shown
            self._quiet = True
