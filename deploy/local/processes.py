"""Looking at a process before acting on it: a number in an old file may by now belong to somebody innocent."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from deploy.local.child import User

PROC = Path("/proc")


def is_running(pid: int) -> bool:
    """Whether there is a process of that number, whosever it is."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_server_of(pid: int, data: Path, user: User | None) -> bool:
    """Whether process `pid` is a PostgreSQL server, of the expected user, working in this data folder."""
    if pid <= 1:
        return False
    owner = user.uid if user else os.geteuid()
    return _by_proc(pid, data, owner) if PROC.is_dir() else _by_ps(pid, data, owner)


def _by_proc(pid: int, data: Path, owner: int) -> bool:
    process = PROC / str(pid)
    try:
        program = (process / "exe").readlink().name
        return (
            process.stat().st_uid == owner
            and program.removesuffix(" (deleted)") == "postgres"
            and (process / "cwd").readlink() == data.resolve()
        )
    except OSError:  # gone, a zombie, or not ours to look at
        return False


def _by_ps(pid: int, data: Path, owner: int) -> bool:
    asked = ["ps", "-ww", "-o", "uid=,command=", "-p", str(pid)]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    uid, _, command = answer.partition(" ")
    return uid == str(owner) and "postgres" in command and str(data) in command


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children of a process; none where the system does not tell."""
    try:
        return [int(child) for child in (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()]
    except OSError:
        return []


def kill_if(pid: int, is_the_one: Callable[[int], bool]) -> None:
    """SIGKILL a process if it still is the one that is meant."""
    if is_the_one(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
