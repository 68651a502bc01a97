"""`selfservice up`, `demo` and `status`: the whole system on this machine."""

import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.table import Table

from deploy import sample
from deploy.cli.screen import NotPossible, aside, said_clearly, screen
from deploy.cli.where import FOLDER, Folder
from deploy.demo import run
from deploy.local import world
from deploy.local.runfile import NotRunning, PartState, RunState, read
from deploy.local.world import SERVICES, BrokerKind
from shared.health import Health

app = typer.Typer()


class BrokerChoice(StrEnum):
    """The broker that is started here, unless KAFKA_BOOTSTRAP_SERVERS names one."""

    EMBEDDED = "embedded"
    KAFKA = "kafka"


_KIND: Mapping[BrokerChoice, BrokerKind] = {BrokerChoice.EMBEDDED: "tansu", BrokerChoice.KAFKA: "kafka"}


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="The gateway's port.", min=1, max=65535)] = None,
    replicas: Annotated[
        list[str] | None, typer.Option(help="More processes of a service; may be given again.", metavar="SERVICE=COUNT")
    ] = None,
    broker: Annotated[BrokerChoice, typer.Option(help="The broker that is started here.")] = BrokerChoice.EMBEDDED,
    folder: Folder = FOLDER,
) -> None:
    """Start everything on this machine and keep it running until Ctrl-C; the first time with a small sample world."""
    wanted = _replicas(replicas or [])
    with said_clearly():
        world.up(
            folder,
            replicas=wanted,
            ports={"gateway": port} if port else None,
            broker=_KIND[broker],
            when_ready=lambda state: _welcome(folder, state),
        )


@app.command()
def demo(
    crashes: Annotated[bool, typer.Option(help="Kill services and the broker under load as the last step.")] = True,
    folder: Folder = FOLDER,
) -> None:
    """Walk through one company's day, over HTTP only, against the system that runs here."""
    with said_clearly():
        run.demo(folder, screen.print, crashes=crashes)


@app.command()
def status(folder: Folder = FOLDER) -> None:
    """Show every service's health and how far behind it is. Exit code 1 when one is not well."""
    table = Table("part", "address", "state", "to publish", "to take in", "dead letters", "restarts", box=None)
    with said_clearly():
        well = [_add_row(table, part) for part in _parts(folder)]
        screen.print(table)
        if not all(well):
            raise NotPossible("not everything is well")


def _replicas(asked: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in asked:
        service, _, count = each.partition("=")
        if service not in SERVICES or not count.isdecimal() or int(count) < 1:
            raise typer.BadParameter(f"{each!r}: say for example --replicas profiles=2", param_hint="--replicas")
        counts[service] = int(count)
    return counts


def _welcome(folder: Path, state: RunState) -> None:
    gateway = state.parts["gateway"].url
    screen.print(f"\nReady. The API is {gateway}/api/v1, described at {gateway}/api/v1/openapi.json")
    screen.print(f"Mails, with the login codes, appear at {gateway}/dev/mail")
    for who, email in sample.LOGINS.items():
        screen.print(f"  {email:28} {who}")
    screen.print("One company's day: make demo. All events: selfservice events tail. Ctrl-C stops everything.\n")
    # In a thread, so that Ctrl-C is heard while the sample world is loaded.
    threading.Thread(target=_load_sample_world, args=(folder, gateway), daemon=True).start()


def _load_sample_world(folder: Path, gateway: str) -> None:
    try:
        run.add_staff(folder, *sample.STAFF)
        if asyncio.run(sample.load(gateway, folder, lambda _: None)):
            screen.print("The sample world is loaded: Nordlys Transport ApS and Havnefart A/S.")
    except Exception as failure:  # noqa: BLE001 (the system runs on without it; the next start tries again)
        aside.print(f"selfservice: the sample world could not be loaded: {failure!r}")


def _parts(folder: Path) -> list[PartState]:
    """What runs here; else the services that the environment names, as the gateway is told them."""
    try:
        return list(read(folder).parts.values())
    except NotRunning:
        named = {service: os.environ.get(f"{service.upper()}_URL", "") for service in SERVICES}
        found = [
            PartState(name=service, kind="process", port=0, url=url, pid=None, ready=True, restarts=0)
            for service, urls in named.items()
            for url in urls.split(",")
            if url
        ]
        if not found:
            raise
        return found


def _add_row(table: Table, part: PartState) -> bool:
    """Show one part; whether it is well."""
    serves = part.name.partition("-")[0] in SERVICES
    health = _health_of(part.url) if serves else None
    ready = part.ready if health is None and part.name != "gateway" and not serves else _is_ready(part.url)
    state = "ready" if ready else "not ready"
    lag = ("", "", "")
    if health:
        state = f"{state}, relay {health.relay_state}" + (f": {health.error}" if health.error else "")
        counts = list(health.inbox_behind.values())
        behind = "unknown" if None in counts else str(sum(count or 0 for count in counts))
        lag = (str(health.relay_behind), behind, str(health.dead_letters))
    table.add_row(part.name, part.url, state, *lag, str(part.restarts))
    return ready and not (health and health.dead_letters)


def _health_of(url: str) -> Health | None:
    """A service's own account of itself; None from one that keeps nothing, or that does not answer."""
    try:
        answer = httpx.get(f"{url}/health/lag", timeout=2)
        return Health.model_validate(answer.json()) if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError):
        return None


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
