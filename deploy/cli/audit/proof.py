"""What proves the history: the key it is checked with, checkpoints, checks from within and without, a witness."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.cli.screen import NotPossible, aside, said_clearly, screen
from deploy.cli.where import FOLDER, Folder, settings_of
from deploy.local.keys import write_private
from services.audit.adapters.checkpoints import newest_signed
from services.audit.adapters.publishing import last_published
from services.audit.adapters.rechecks import recheck
from services.audit.canonical import personal_fields_of
from services.audit.proof import verifier
from services.audit.proof.notes import Checkpoint, Key, LogKey, MalformedNote, checkpoint_signed_by
from services.audit.proof.witness import Witness, server
from services.audit.service import EVERY_SERVICE, NAME, Settings

app = typer.Typer()
NOT_OURS = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command()
def key(folder: Folder = FOLDER) -> None:
    """Print what exports and checkpoints are checked with, as `verify --policy` reads it. Keep it elsewhere."""
    with said_clearly():
        policy = {"key": str(_key(_settings(folder))), "personal": personal_fields_of((*EVERY_SERVICE, NAME))}
        screen.print(json.dumps(policy, indent=1))


@app.command()
def checkpoint(folder: Folder = FOLDER) -> None:
    """Print the newest checkpoint with all its signatures. Keep it elsewhere."""
    with said_clearly(), psycopg.connect(_settings(folder).database_url.get_secret_value()) as connection:
        if (found := newest_signed(connection)) is None:
            raise NotPossible("nothing is signed yet")
        sys.stdout.write(found[2])


@app.command()
def check(
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A checkpoint that you kept; the topic's newest is taken in any case."),
    ] = None,
    folder: Folder = FOLDER,
) -> None:
    """Hash the whole history anew and compare it with everything that was said of it. Exit code 1 when it differs."""
    with said_clearly():
        settings = _settings(folder)
        notes = [file.read_text() for file in checkpoints or ()]
        if published := asyncio.run(last_published(settings.kafka)):
            notes.append(published)
        with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as connection:
            found = recheck(connection, [_of(_key(settings), note) for note in notes])
        if found.difference is not None:
            raise NotPossible(f"the history is not what it was: {found.difference}")
        screen.print(
            f"{found.entries} entries are what was said of them, by {len(notes)} checkpoints from outside too."
        )


@app.command(context_settings=NOT_OURS, add_help_option=False)
def verify(context: typer.Context) -> None:
    """Check an export or a proof as `python services/audit/proof/verifier.py` does, which needs nothing of ours."""
    raise typer.Exit(verifier.main(context.args))


@app.command()
def witness(
    log: Annotated[str, typer.Option(help="The public key of the log to watch, a vkey (`selfservice audit key`).")],
    name: Annotated[str, typer.Option(help="What the witness is called.")] = "witness.example",
    folder: Annotated[Path, typer.Option(help="Where it keeps its key and what it saw.")] = FOLDER / "witness",
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="And on which port.")] = 8140,
) -> None:
    """Run a witness: it signs checkpoints that go on from what it saw. Not for the log's own operator."""
    with said_clearly():
        folder.mkdir(parents=True, exist_ok=True)
        it = Witness(name, _key_in(folder / "key"), [str(_parsed(log))], folder / "seen.json")
        with server(it, host, port) as http:
            screen.print(f"http://{host}:{http.server_address[1]} {it.public}")
            aside.print("That is what audit is told as WITNESSES. Ctrl-C ends it.")
            try:
                http.serve_forever()
            except KeyboardInterrupt:
                aside.print("The witness has ended.")


def _settings(folder: Path) -> Settings:
    settings: Settings = settings_of("audit", folder)
    return settings


def _key(settings: Settings) -> Key:
    return LogKey(settings.log_origin, settings.log_key.get_secret_value()).public


def _of(key: Key, note: str) -> Checkpoint:
    try:
        return checkpoint_signed_by(key, note)
    except MalformedNote as wrong:
        raise NotPossible(f"a checkpoint cannot be believed: {wrong}") from wrong


def _parsed(vkey: str) -> Key:
    try:
        return Key.parse(vkey)
    except MalformedNote as wrong:
        raise NotPossible(str(wrong)) from wrong


def _key_in(file: Path) -> Ed25519PrivateKey:
    """The key of the witness, made at its first start."""
    if not file.exists():
        write_private(file, Ed25519PrivateKey.generate().private_bytes_raw().hex())
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text()))
