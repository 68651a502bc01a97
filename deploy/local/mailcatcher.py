"""A mail catcher: takes every mail by SMTP and keeps it as a file, so that a developer can read what the system sent.

    python -m deploy.local.mailcatcher --host 127.0.0.1 --port 8125 --folder var/mail

Another process (the gateway, in development) lists them with `messages`. Nothing is ever sent on.
"""

import argparse
import asyncio
import email
import email.policy
import json
import re
import secrets
import signal
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

LARGEST = 1_000_000
"""Bytes a mail may have; the answer to a larger one is 552."""
KEPT = 2_000
"""Mails kept; the oldest go first."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One caught mail. `sender` and `to` are the envelope's, `time` is when it came in (UTC)."""

    id: str
    time: datetime
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]


def messages(folder: Path, to: str | None = None, since: datetime | None = None) -> list[Mail]:
    """The caught mails, newest first; only those to an address (case aside), only those that came after a moment."""
    found = []
    for file in sorted(folder.glob("*.json"), reverse=True):
        mail = _read(file)
        if mail is None or (to is not None and to.casefold() not in {each.casefold() for each in mail.to}):
            continue
        if since is not None and mail.time <= since:
            break
        found.append(mail)
    return found


def message(folder: Path, mail_id: str) -> Mail | None:
    """One mail by its id; None for an unknown id, or for one that is no id at all."""
    return _read(folder / f"{mail_id}.json") if re.fullmatch(r"\d{20}-[0-9a-f]{8}", mail_id) else None


def _read(file: Path) -> Mail | None:
    try:
        kept = json.loads(file.read_text())
    except FileNotFoundError:  # it went to make room
        return None
    headers = tuple((name, value) for name, value in kept.pop("headers"))
    return Mail(**{**kept, "time": datetime.fromisoformat(kept["time"]), "to": tuple(kept["to"]), "headers": headers})


def _keep(folder: Path, mail: Mail) -> None:
    """Write beside and rename: a reader never sees half a mail. Only the owner may read: mails carry login codes."""
    new = folder / f"{mail.id}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps({**asdict(mail), "time": mail.time.isoformat()}, ensure_ascii=False, indent=1))
    new.rename(folder / f"{mail.id}.json")
    for old in sorted(folder.glob("*.json"))[:-KEPT]:
        old.unlink(missing_ok=True)


def _understand(sender: str, to: list[str], content: bytes) -> Mail:
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    now = datetime.now(UTC)
    return Mail(
        id=f"{int(now.timestamp() * 1_000_000):020d}-{secrets.token_hex(4)}",
        time=now,
        sender=sender,
        to=tuple(to),
        subject=str(parsed["subject"] or ""),
        text=_body(parsed, "plain"),
        html=_body(parsed, "html"),
        headers=tuple((name, str(value)) for name, value in parsed.items()),
    )


def _body(parsed: EmailMessage, kind: str) -> str:
    part = parsed.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # a charset nobody knows
        return str(part.get_payload())


class _Catcher:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        _keep(self._folder, _understand(envelope.mail_from or "", envelope.rcpt_tos, content))
        return "250 kept"


async def serve(host: str, port: int, folder: Path) -> None:
    """Catch mails until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(
        lambda: SMTP(_Catcher(folder), data_size_limit=LARGEST, enable_SMTPUTF8=True, ident="mail catcher", loop=loop),
        host,
        port,
    )
    async with server:
        await ended.wait()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.mailcatcher", description="Catch mails as files.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    asked.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(serve(asked.host, asked.port, asked.folder))


if __name__ == "__main__":
    main()
