"""No child outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from deploy.local.child import Launch, run, spawn
from deploy.local.part import wait_until
from tests.deploy.scripts import exists, started

SLEEP = Launch(argv=["sleep", "300"], env=dict(os.environ))

SPAWNS_FROM_A_FINISHED_THREAD = """
import os, subprocess, threading, time
from deploy.local.child import Launch, spawn
children = []
launch = Launch(argv=["sleep", "300"], env=dict(os.environ))
thread = threading.Thread(target=lambda: children.append(spawn(launch, subprocess.DEVNULL)))
thread.start()
thread.join()
print(children[0].pid, flush=True)
time.sleep(300)
"""


def test_a_child_dies_when_its_parent_is_killed() -> None:
    with started(SPAWNS_FROM_A_FINISHED_THREAD) as (parent, line):
        child = int(line)
        assert exists(child)
        parent.kill()
        assert wait_until(lambda: not exists(child), 2)


def test_a_child_lives_on_when_the_thread_that_asked_for_it_ends() -> None:
    children: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: children.append(spawn(SLEEP, subprocess.DEVNULL)))
    thread.start()
    thread.join()
    time.sleep(0.1)
    assert children[0].poll() is None
    children[0].kill()
    assert children[0].wait() == -signal.SIGKILL


def test_a_child_is_seen_to_its_end_with_all_it_printed() -> None:
    answer = run(Launch(argv=[sys.executable, "-c", "print('Færdig'); raise SystemExit(3)"], env=dict(os.environ)))
    assert (answer.returncode, answer.stdout) == (3, "Færdig\n")


def test_a_program_that_is_missing_is_told_to_whoever_asked() -> None:
    with pytest.raises(FileNotFoundError, match="/no/such/program"):
        spawn(Launch(argv=["/no/such/program"], env={}), subprocess.DEVNULL)
