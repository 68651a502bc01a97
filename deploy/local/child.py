"""Child processes that cannot outlive their parent.

On Linux the kernel sends a child its death signal when the *thread* that forked it ends. So every child is forked by
one thread that lives as long as the process: start-up may be parallel, and a finished worker takes no part with it.
On systems without that call a child ends only by an orderly stop.
"""

import contextlib
import ctypes
import os
import platform
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl if platform.system() == "Linux" else None


@dataclass(frozen=True, kw_only=True)
class User:
    """An operating-system user a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What to run: arguments, whole environment, user (None: ours) and the signal it gets when its parent dies."""

    argv: Sequence[str]
    env: Mapping[str, str]
    user: User | None = None
    folder: Path | None = None
    death_signal: signal.Signals = signal.SIGKILL


Child = subprocess.Popen[bytes]


def spawn(launch: Launch, output: int | IO[bytes]) -> Child:
    """Start a child in a session of its own; it dies with this process, however this process ends."""
    return _forks().ask(lambda: _popen(launch, output))


def run(launch: Launch, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, at most `timeout` seconds; answers its exit code and all it printed.

    Raises TimeoutExpired; the program is killed then.
    """
    with spawn(launch, subprocess.PIPE) as child:
        try:
            output, _ = child.communicate(timeout=timeout)
        except BaseException:
            signal_group(child, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(launch.argv, child.returncode, output.decode(errors="replace"))


def _popen(launch: Launch, output: int | IO[bytes]) -> Child:
    # The death signal is set by preexec_fn, after the change of user, which would clear it. What runs there takes no
    # lock and imports nothing, so other threads of this process cannot block it.
    user = launch.user
    return subprocess.Popen(
        list(launch.argv),
        env=dict(launch.env),
        cwd=launch.folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        preexec_fn=_die_with(os.getpid(), launch.death_signal),  # noqa: PLW1509
    )


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    def in_the_child() -> None:
        if _prctl is None:
            return
        _prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before the call: no signal will ever come
            os._exit(1)

    return in_the_child


class _Forks:
    """The one thread that forks."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[Callable[[], Child], Future[Child]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="forks", daemon=True).start()

    def ask(self, fork: Callable[[], Child]) -> Child:
        answer: Future[Child] = Future()
        self._asked.put((fork, answer))
        return answer.result()

    def _serve(self) -> None:
        while True:
            fork, answer = self._asked.get()
            try:
                answer.set_result(fork())
            except BaseException as error:  # noqa: BLE001 - whoever asked gets it
                answer.set_exception(error)


@cache
def _forks() -> _Forks:
    return _Forks()


os.register_at_fork(after_in_child=_forks.cache_clear)  # a forked copy of this process has no threads: it makes its own


def signal_group(child: Child, number: signal.Signals) -> None:
    """Signal a child and whatever it started in its session; a child that is gone is left alone."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
