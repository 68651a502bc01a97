"""Where the system is: in our own environment (a container), or running on this machine under its supervisor."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from pydantic import SecretStr

from deploy.cli.screen import NotPossible
from deploy.local.postgres import Addresses
from deploy.local.runfile import NotRunning
from deploy.local.world import ROOT, SERVICES, World
from shared.backbone import Backbone
from shared.settings import KafkaSettings

KEEPING = tuple(service for service in SERVICES if service != "gateway")
"""The services that keep events; the gateway keeps nothing."""

Folder = Annotated[Path, typer.Option("--folder", help="Where the system that runs here keeps what is its own.")]
FOLDER = ROOT / "var"
Service = Annotated[str, typer.Argument(help=f"One of {', '.join(KEEPING)}.", metavar="SERVICE")]


def environment_of(service: str, folder: Path) -> Mapping[str, str]:
    """What a service is told. Raises NotPossible when nothing runs and nothing is named."""
    if service not in KEEPING:
        raise NotPossible(f"there is no {service} that keeps events; there are {', '.join(KEEPING)}")
    if os.environ.get("DATABASE_URL"):
        return dict(os.environ)
    if os.environ.get(f"DATABASE_URL_{service.upper()}"):
        names = ("DATABASE_URL", "DATABASE_OWNER_URL")
        ours = {name: os.environ.get(f"{name}_{service.upper()}") for name in names}
        return {**os.environ, **{name: address for name, address in ours.items() if address}}
    try:
        return World.found_in(folder).environment_of(service)
    except NotRunning as nothing:
        raise NotPossible(f"{nothing}; start the system (make run), or name DATABASE_URL") from nothing


def kafka(folder: Path) -> KafkaSettings:
    """How to reach the broker. Raises NotPossible."""
    if not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        os.environ.update(environment_of(KEEPING[0], folder))
    return KafkaSettings()


def settings_of(service: str, folder: Path, *, needs_no_secrets: bool = False) -> Any:
    """The settings of a service, of its own class; secrets that are not needed need not be told. Raises NotPossible."""
    return _settings(service, environment_of(service, folder), needs_no_secrets=needs_no_secrets)


def backbone_in(service: str, database: Addresses) -> Backbone:
    """The parts of a service in a database that is not the running system's, without its secrets."""
    told = {"DATABASE_URL": database.service, "DATABASE_OWNER_URL": database.owner}
    return _built(service, _settings(service, told, needs_no_secrets=True))


def _settings(service: str, told: Mapping[str, str], *, needs_no_secrets: bool) -> Any:
    settings = get_type_hints(import_module(f"services.{service}.service").build)["settings"]
    stand_ins = _stand_ins(settings) if needs_no_secrets else {}
    with _environment({**stand_ins, **told}):
        return settings()


def _stand_ins(settings: type[Any]) -> dict[str, str]:
    secrets = [name for name, field in settings.model_fields.items() if field.annotation is SecretStr]
    return {name.upper(): f"{name:->43}" for name in secrets if name != "database_url"}


@contextmanager
def _environment(told: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(told)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def backbone_of(service: str, folder: Path, *, needs_no_secrets: bool = False) -> Backbone:
    """The parts of a service, put together as it does itself, nothing of it started. Raises NotPossible."""
    return _built(service, settings_of(service, folder, needs_no_secrets=needs_no_secrets))


def _built(service: str, settings: Any) -> Backbone:
    built = import_module(f"services.{service}.service").build(settings)
    return next(part for part in built if isinstance(part, Backbone))
