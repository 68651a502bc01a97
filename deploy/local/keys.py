"""Secrets for development: made once, kept in one file only its owner can read, never printed."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path


def development_secret(folder: Path, name: str, environment: Mapping[str, str]) -> str:
    """The secret of that name: the environment's, else the one in `folder/secrets.json`, made at first need.

    A made secret is 32 random bytes in URL-safe base64.
    """
    if given := environment.get(name):
        return given
    file = folder / "secrets.json"
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    if name not in known:
        known[name] = secrets.token_urlsafe(32)
        write_private(file, json.dumps(known, indent=1))
    return known[name]


def write_private(file: Path, text: str) -> None:
    """Replace a file whole by one that only its owner can read."""
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(file)
