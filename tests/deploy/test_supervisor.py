"""The supervisor, with real little processes that are really killed."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local import runfile
from deploy.local.keeper import Placed
from deploy.local.logs import Logs
from deploy.local.part import PartFailed, wait_until
from deploy.local.ports import LOOPBACK, PortInUse, answers, free_port
from deploy.local.process import Process
from deploy.local.runfile import AlreadyRunning, NotRunning
from deploy.local.supervisor import Supervisor
from tests.deploy.scripts import ROOT, exists, started

LITTLE = str(ROOT / "tests" / "deploy" / "little_service.py")
RUNS_A_SUPERVISOR = """
import sys
from pathlib import Path
from deploy.local.supervisor import Supervisor
from tests.deploy.test_supervisor import little
folder = Path(sys.argv[1])
parts = [little(folder, "company", *sys.argv[2:], order=2, patience=20), little(folder, "postgres", order=1)]
Supervisor(parts, folder=folder).run(lambda state: print("READY", state.supervisor, flush=True))
"""


def little(
    folder: Path, name: str, *arguments: str, order: int = 1, port: int | None = None, patience: float = 5
) -> Placed:
    port = port or free_port()
    environment = {**os.environ, "SERVICE_NAME": name, "PORT": str(port), "DIARY": str(folder / "diary")}
    process = Process(
        name=name,
        argv=[sys.executable, LITTLE, *arguments],
        port=port,
        env=lambda: environment,
        ready_path="/health/ready",
    )
    return Placed(part=process, order=order, url=f"http://{LOOPBACK}:{port}", patience=patience)


def supervised(folder: Path, parts: Sequence[Placed], screen: io.StringIO | None = None) -> Supervisor:
    console = Console(file=screen or io.StringIO(), width=60, soft_wrap=True, highlight=False)
    return Supervisor(parts, folder=folder, logs=Logs(folder / "logs", console))


def diary(folder: Path) -> list[str]:
    return (folder / "diary").read_text().splitlines()


def test_parts_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    parts = [
        little(tmp_path, "gateway", order=3),
        little(tmp_path, "postgres", "slow", order=1),
        little(tmp_path, "broker", order=2),
    ]
    with supervised(tmp_path, parts) as system:
        system.wait_until_ready(20)
    assert diary(tmp_path) == [
        *("start postgres", "start broker", "start gateway"),
        *("stop gateway", "stop broker", "stop postgres"),
    ]


def test_what_runs_is_told_in_a_file_and_no_longer_when_it_stopped(tmp_path: Path) -> None:
    part = little(tmp_path, "profiles")
    with supervised(tmp_path, [part, little(tmp_path, "profiles-2"), little(tmp_path, "products")]) as system:
        system.wait_until_ready(20)
        state = runfile.read(tmp_path)
        first = state.parts["profiles"]
        assert (first.url, first.port, first.ready, first.restarts) == (part.url, part.part.port, True, 0)
        assert first.pid is not None
        assert exists(first.pid)
        assert [replica.name for replica in state.replicas("profiles")] == ["profiles", "profiles-2"]
        assert state.supervisor == os.getpid()
    with pytest.raises(NotRunning):
        runfile.read(tmp_path)


def test_a_part_that_is_killed_is_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    with supervised(tmp_path, [little(tmp_path, "products"), little(tmp_path, "audit")]) as system:
        before = system.wait_until_ready(20).parts
        killed = before["products"].pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        assert wait_until(lambda: system.state.parts["products"].restarts == 1, 5)
        assert wait_until(lambda: system.state.parts["products"].ready, 5)
        after = system.state.parts
        assert after["products"].pid not in {None, killed}
        assert after["products"].url == before["products"].url
        assert after["audit"] == before["audit"]


def test_a_part_that_keeps_ending_is_started_ever_more_slowly(tmp_path: Path) -> None:
    with supervised(tmp_path, [little(tmp_path, "products")]) as system:
        system.wait_until_ready(20)
        pauses = []
        for restarts in (1, 2):
            killed = system.state.parts["products"].pid
            assert killed is not None
            began = time.monotonic()
            os.kill(killed, signal.SIGKILL)
            assert wait_until(partial(has_restarted, tmp_path, "products", restarts), 5)
            pauses.append(time.monotonic() - began)
        assert pauses[1] > pauses[0]


def test_a_part_that_cannot_start_ends_the_start_with_what_it_said(tmp_path: Path) -> None:
    parts = [little(tmp_path, "auth", "broken"), little(tmp_path, "gateway", order=2)]
    with supervised(tmp_path, parts) as system, pytest.raises(PartFailed, match="the pepper is missing") as failed:
        system.wait_until_ready(20)
    assert "auth ended with exit code 1, 3 times before it was ready" in str(failed.value)
    assert not (tmp_path / "diary").exists()


def test_a_port_in_use_is_told_with_the_part_and_a_way_out(tmp_path: Path) -> None:
    with socket.socket() as other:
        port = free_port()
        other.bind((LOOPBACK, port))
        other.listen()
        with (
            supervised(tmp_path, [little(tmp_path, "gateway", port=port)]) as system,
            pytest.raises(PortInUse, match=rf"Port {port}, which gateway wants .* PORT_GATEWAY={port + 1000}"),
        ):
            system.wait_until_ready(20)


def test_a_part_that_is_late_is_named(tmp_path: Path) -> None:
    parts = [little(tmp_path, "auth"), little(tmp_path, "company", order=2)]
    with supervised(tmp_path, parts) as system, pytest.raises(PartFailed, match="not ready after 0 s: auth, company"):
        system.wait_until_ready(0)


def test_a_part_that_does_not_listen_is_killed_when_its_patience_is_over(tmp_path: Path) -> None:
    screen = io.StringIO()
    with supervised(tmp_path, [little(tmp_path, "audit", "stubborn", patience=0.2)], screen) as system:
        pid = system.wait_until_ready(20).parts["audit"].pid
    assert pid is not None
    assert not exists(pid)
    assert "audit did not end within 0 s and is killed" in screen.getvalue()


def test_every_line_tells_which_part_said_it(tmp_path: Path) -> None:
    screen = io.StringIO()
    with supervised(tmp_path, [little(tmp_path, "company")], screen) as system:
        system.wait_until_ready(20)
        assert wait_until(lambda: "     company │ company is open: smørrebrød\n" in screen.getvalue(), 5)
    assert (tmp_path / "logs" / "company.log").read_text() == "company is open: smørrebrød\n"


def test_a_second_supervisor_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with supervised(tmp_path, [little(tmp_path, "auth")]) as system:
        system.wait_until_ready(20)
        with (
            pytest.raises(AlreadyRunning, match=f"already runs in {tmp_path}"),
            supervised(tmp_path, [little(tmp_path, "auth")]),
        ):
            pass
        assert system.state.parts["auth"].ready


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_stops_everything_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with started(RUNS_A_SUPERVISOR, str(tmp_path)) as (process, first):
        assert_ready(process.stdout, first)
        process.send_signal(number)
        assert process.wait(20) == 0
    assert diary(tmp_path)[-2:] == ["stop company", "stop postgres"]
    with pytest.raises(NotRunning):
        runfile.read(tmp_path)


def test_a_screen_that_is_gone_stops_no_part(tmp_path: Path) -> None:
    with started(RUNS_A_SUPERVISOR, str(tmp_path)) as (process, first):
        assert process.stdout is not None
        assert_ready(process.stdout, first)
        process.stdout.close()
        for restarts in (1, 2):
            pid = runfile.read(tmp_path).parts["company"].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert wait_until(partial(has_restarted, tmp_path, "company", restarts), 5)
        process.terminate()
        process.wait(20)
    assert diary(tmp_path)[-2:] == ["stop company", "stop postgres"]


def has_restarted(folder: Path, name: str, restarts: int) -> bool:
    part = runfile.read(folder).parts[name]
    return part.restarts == restarts and part.ready


def test_asked_twice_it_kills_what_does_not_listen(tmp_path: Path) -> None:
    with started(RUNS_A_SUPERVISOR, str(tmp_path), "stubborn") as (process, first):
        assert_ready(process.stdout, first)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(4) == 0


def test_killed_it_takes_everything_with_it_and_can_be_started_again(tmp_path: Path) -> None:
    with started(RUNS_A_SUPERVISOR, str(tmp_path)) as (process, first):
        assert_ready(process.stdout, first)
        parts = runfile.read(tmp_path).parts.values()
        process.kill()
        process.wait()
        assert wait_until(lambda: not any(part.pid and exists(part.pid) for part in parts), 2)
        assert not any(answers(part.port) for part in parts)
    with pytest.raises(NotRunning):
        runfile.read(tmp_path)
    with supervised(tmp_path, [little(tmp_path, "company")]) as system:
        assert system.wait_until_ready(20).parts["company"].ready


def assert_ready(output: object, first: str) -> None:
    """The supervisor's process prints its parts' lines too; wait for its own."""
    assert isinstance(output, io.TextIOBase)
    line = first
    while line and not line.startswith("READY"):
        line = output.readline()
    assert line.startswith("READY")
