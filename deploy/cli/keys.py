"""`selfservice keys`: the keys that access tokens are signed with come and go by themselves; this is for sooner."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from deploy.cli.screen import said_clearly, screen
from deploy.cli.where import FOLDER, Folder, settings_of
from services.auth.domain.signing_key import SETTLING
from services.auth.service import assemble
from services.auth.use_cases.categories import COMMAND_LINE
from services.auth.use_cases.key_rotation import KeyRotation
from shared.cause import Cause
from shared.ids import uuid7
from shared.tokens import KNOWN

app = typer.Typer(help="The keys that access tokens are signed with.", no_args_is_help=True)


@app.command("list")
def list_(folder: Folder = FOLDER) -> None:
    """Which keys there are, and which one is signed with."""
    with said_clearly():
        screen.print(asyncio.run(_with_keys(folder, _listed)))


@app.command()
def rotate(folder: Folder = FOLDER) -> None:
    """Make the next key now. No token is refused for it: it is used once every service knows it."""
    with said_clearly():
        screen.print(asyncio.run(_with_keys(folder, _rotated)))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key that somebody else may have.", metavar="KEY")],
    folder: Folder = FOLDER,
) -> None:
    """Let nobody believe a key any more, at once. Requests may be refused for some seconds; sessions go on."""
    with said_clearly():
        screen.print(asyncio.run(_with_keys(folder, lambda keys: _revoked(keys, key))))


async def _with_keys(folder: Path, act: Callable[[KeyRotation], Awaitable[str | Table]]) -> str | Table:
    auth = assemble(settings_of("auth", folder))
    await auth.backbone.open_store()
    try:
        return await act(auth.use.keys)
    finally:
        await auth.backbone.close_store()


async def _listed(keys: KeyRotation) -> Table:
    known, used = await keys.all()
    table = Table("key", "generation", "published", "ends at the latest", "")
    for key in known:
        word = "signed with" if used is not None and key.id == used.id else "known"
        moments = (f"{moment:%Y-%m-%d %H:%M:%S} UTC" for moment in (key.published_at, key.not_after))
        table.add_row(key.id, str(key.generation), *moments, word)
    return table


async def _rotated(keys: KeyRotation) -> str:
    written = await keys.rotate(Cause(COMMAND_LINE, uuid7().hex))
    return f"{written.answer['key_id']} is published, and signed with in {SETTLING.total_seconds() / 60:.0f} minutes."


async def _revoked(keys: KeyRotation, key: str) -> str:
    await keys.revoke(key, Cause(COMMAND_LINE, uuid7().hex))
    _, used = await keys.all()
    now = f"; {used.id} is signed with" if used is not None else ""
    return f"{key} is revoked: no service believes it {KNOWN.total_seconds():.0f} seconds after it heard of it{now}."
