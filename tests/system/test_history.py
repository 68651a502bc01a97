"""H2, H3: analysts at the running system: through the API, from its database, and in a sample history beside it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from deploy.sample import STAFF
from services.audit.analysis.gateway import NotAnswered, log_in
from services.audit.analysis.history import exported
from services.audit.analysis.layout import Manifest
from shared.ids import new_id
from tests.system.conftest import System

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
SUSANNE = STAFF[0]


def code_mailed(system: System, email: str, before: int) -> str:
    """The code of the next mail, as somebody reads it in their inbox."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        mails = httpx.get(f"{system.url}/dev/mail.json", params={"to": email}).json()
        if len(mails) > before and (found := re.search(r"\b[0-9]{6}\b", mails[0]["text"])):
            return found[0]
        time.sleep(0.1)
    raise AssertionError("no code was mailed")


def selfservice(system: System, *arguments: str, **told: str) -> str:
    """The command line, as a process of its own."""
    command = [sys.executable, "-m", "deploy.cli", *arguments, "--folder", str(system.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **told})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("system", ["tansu"], indirect=True)
def test_h3_a_script_reads_histories_as_whoever_logged_in(system: System) -> None:
    inbox = httpx.get(f"{system.url}/dev/mail.json", params={"to": SUSANNE}).json()
    with log_in(system.url, SUSANNE, lambda: code_mailed(system, SUSANNE, len(inbox))) as susanne:
        me = susanne.ask("/login/sessions/current")["subject"].partition(":")[2]
        until = time.monotonic() + 20
        while "auth.session-started.v1" not in (types := [entry["type"] for entry in susanne.history(me)]):
            assert time.monotonic() < until, types
            time.sleep(0.2)  # it is on its way to audit
        assert types[0] == "auth.staff-added.v1"
        with pytest.raises(NotAnswered, match="404"):
            list(susanne.history(new_id("product")))


@pytest.mark.parametrize("system", ["tansu"], indirect=True)
def test_h2_a_sample_history_stands_beside_the_running_system(system: System, tmp_path: Path) -> None:
    made = selfservice(system, "sample", "history", "--database", "invented", "--count", "120")
    told = dict(each.split("=", 1) for each in made.split()[1:])
    assert set(told) == {"DATABASE_URL", "DATABASE_OWNER_URL"}
    selfservice(system, "audit", "export", str(tmp_path / "export"), **told)
    assert Manifest.read(tmp_path / "export").leaves == 120
    assert len(list(exported(tmp_path / "export").replay())) == 120
    real = selfservice(system, "audit", "export", str(tmp_path / "real"))
    assert "invented" not in real
