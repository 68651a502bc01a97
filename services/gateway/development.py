"""What only development has: a page to begin at, and the mails that were caught instead of sent."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from deploy.local.mailcatcher import Mail, messages
from services.gateway.contract import PREFIX

STYLE: Final = "body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto}pre{white-space:pre-wrap}"
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MOST_SHOWN: Final = 100

To = Annotated[str | None, Query(max_length=320)]


def routes(mail_folder: Path) -> APIRouter:
    """The pages of development."""
    api = APIRouter(include_in_schema=False)

    @api.get("/")
    def begin() -> HTMLResponse:
        links = {f"{PREFIX}/openapi.json": "The API, described", "/dev/mail": "Mails", "/health/ready": "Health"}
        items = "".join(f'<li><a href="{href}">{text}</a></li>' for href, text in links.items())
        return _page("Self-service (development)", f"<ul>{items}</ul>")

    @api.get("/dev/mail")
    def mails(to: To = None) -> HTMLResponse:
        return _page("Caught mails", "".join(map(_article, _newest(mail_folder, to))) or "<p>None yet.</p>")

    @api.get("/dev/mail.json")
    def mails_as_json(to: To = None) -> list[dict[str, Any]]:
        return [
            {"id": mail.id, "time": mail.time, "to": mail.to, "subject": mail.subject, "text": mail.text}
            for mail in _newest(mail_folder, to)
        ]

    return api


def _newest(folder: Path, to: str | None) -> Sequence[Mail]:
    return messages(folder, to=to)[:MOST_SHOWN] if folder.is_dir() else ()


def _article(mail: Mail) -> str:
    about = f"{mail.time:%Y-%m-%d %H:%M:%S} to {', '.join(mail.to)}"
    return f"<h2>{escape(mail.subject)}</h2><p>{escape(about)}</p><pre>{escape(mail.text)}</pre>"


def _page(title: str, body: str) -> HTMLResponse:
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    page = f"<!doctype html><html lang=en>{head}<h1>{escape(title)}</h1>{body}</html>"
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})
