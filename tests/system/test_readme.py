"""The README is kept true: its tour is run as it stands, and the answers compared."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from deploy import sample
from tests.system.conftest import System

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

README = (Path(__file__).parent.parent.parent / "README.md").read_text()
STEP = re.compile(r"```sh\n(.*?)```\n```\n(.*?)```", re.DOTALL)
BETWEEN = "----"


def tour() -> list[tuple[str, str]]:
    """The tour's steps: what to type, and what is answered."""
    chapter = README[README.index("## A five-minute tour") : README.index("## Subscribe")]
    return [(match[1], match[2]) for match in STEP.finditer(chapter)]


def _without_what_changes(answer: str) -> str:
    answer = re.sub(r"\b(request_id\":\")[0-9a-f]{32}", r"\1…", answer)
    answer = re.sub(r"-[0-9a-f]{32}", "-…", answer)
    answer = re.sub(r'(?<=")[0-9A-Za-z_-]{96}(?=")', "…", answer)
    answer = re.sub(r'"customer_number":"\d+"', '"customer_number":"1000001"', answer)
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "…", answer).strip()


@pytest.mark.parametrize("system", ["tansu"], indirect=True)
async def test_the_tour_of_the_readme_answers_what_the_readme_says(system: System, tmp_path: Path) -> None:
    await sample.load(system.url, tmp_path, print)
    script = f"\necho {BETWEEN}\n".join(commands for commands, _ in tour()).replace("http://127.0.0.1:8080", system.url)
    command = ["bash", "-c", script]
    done = await asyncio.to_thread(subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, timeout=90)
    answered = [_without_what_changes(part) for part in done.stdout.split(f"{BETWEEN}\n")]
    assert answered == [answer.strip() for _, answer in tour()], done.stderr
