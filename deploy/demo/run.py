"""`make demo`: the whole day against the system that runs here."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import httpx

from deploy.demo.crashes import Crashes
from deploy.demo.day import Day, Say
from deploy.demo.subscriber import Subscriber
from deploy.local.runfile import read
from deploy.sample import STAFF


def add_staff(folder: Path, email: str, name: str) -> None:
    """Let somebody of customer service log in, by the command line as an operator would; twice does no harm."""
    command = [sys.executable, "-m", "deploy.cli", "staff", "add", email, "--name", name, "--folder", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (our own command, our own arguments)


async def play(folder: Path, say: Say, *, crashes: bool = True) -> None:
    """Play the day against the system that runs on `folder`. Raises NotRunning, Unexpected."""
    state = read(folder)
    began = time.perf_counter()
    add_staff(folder, *STAFF)
    async with httpx.AsyncClient(base_url=state.parts["gateway"].url, timeout=30) as http:
        day = Day(http, STAFF[0], say)
        async with Subscriber(f"127.0.0.1:{state.parts['broker'].port}") as subscriber:
            await day.play()
            await subscriber.has_all_of(day, say)
        if crashes:
            await Crashes(day, folder, day.cast.mark).play()
    say(f"The day is over, everything was as it must be ({time.perf_counter() - began:.0f} s).")


def demo(folder: Path, say: Say, *, crashes: bool = True) -> None:
    """As `play`, from a program without an event loop."""
    asyncio.run(play(folder, say, crashes=crashes))
