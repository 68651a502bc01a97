"""A person at the gateway: logs in with the code from the mail and never asks for less than they saw."""

import asyncio
import json
import re
import time
from typing import Any
from uuid import uuid4

import httpx

CODE = re.compile(r"(?<![0-9])[0-9]{6}(?![0-9])")
MAIL_SECONDS = 20.0
REQUIRED = 20
"""How many of the newest entries seen a request requires; older ones have long been applied everywhere."""


class Unexpected(Exception):
    """The system answered something else than the day expects."""


class Person:
    """Somebody with an e-mail address and a browser."""

    def __init__(self, http: httpx.AsyncClient, email: str) -> None:
        self._http = http
        self.email = email
        self._cookies: dict[str, str] = {}
        self._seen: dict[str, None] = {}
        """Entries of `Seen` as they were given, in the order in which they were first heard of."""

    @property
    def session(self) -> str:
        """The session, as a program sends it (`Authorization: Bearer`)."""
        return self._cookies["__Host-session"]

    async def log_in(self) -> dict[str, Any]:
        """Ask for a code, read it in the newest mail, give it back."""
        before = {mail["id"] for mail in await self.mails()}
        await self.ask("POST", "/login/codes", {"email": self.email}, expect=202)
        code = await self.code_mailed(before)
        answer = await self.ask("POST", "/login/sessions", {"code": code}, expect=201)
        self._remember(", ".join(answer["seen"]))
        return answer

    async def ask(
        self, method: str, path: str, body: Any = None, *, expect: int | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """Ask the API; a command carries an Idempotency-Key. Raises Unexpected when the status is another one."""
        answer = await self.send(method, path, body, key=key)
        if expect is not None and answer.status_code != expect:
            raise Unexpected(f"{method} {path}: {answer.status_code} instead of {expect}: {answer.text}")
        content: dict[str, Any] = answer.json() if answer.content else {}
        return content

    async def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        """One request, sent again with the same key while the service asks to be asked again (503)."""
        headers = {"Idempotency-Key": key or uuid4().hex} if method != "GET" else {}
        if self._seen:
            headers["Require-Seen"] = ", ".join(list(self._seen)[-REQUIRED:])
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        for attempt in range(30):
            try:
                answer = await self._http.request(method, f"/api/v1{path}", content=content, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code != 503 or attempt == 29:
                break
            await asyncio.sleep(float(answer.headers.get("Retry-After", "0.2")) / 4)
        self._keep_cookies(answer)
        self._remember(answer.headers.get("Seen", ""))
        return answer

    def has_seen(self, other: "Person") -> None:
        """Somebody tells what they have seen: from now on it holds here, too."""
        self._remember(", ".join(other._seen))

    async def mails(self) -> list[dict[str, Any]]:
        """The mails that arrived, the newest first (the development inbox)."""
        answer = await self._http.get("/dev/mail.json", params={"to": self.email})
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found

    async def wait_for_mail(self, about: str) -> dict[str, Any]:
        """Wait for a mail whose subject contains a word."""
        until = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < until:
            for mail in await self.mails():
                if about.lower() in mail["subject"].lower():
                    return mail
            await asyncio.sleep(0.1)
        raise Unexpected(f"no mail about {about} for {self.email}")

    async def code_mailed(self, before: set[str]) -> str:
        """The code of the next mail that is none of these. Raises Unexpected when there is none in time."""
        until = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < until:
            for mail in await self.mails():
                if (
                    mail["id"] not in before
                    and "code" in mail["subject"].lower()
                    and (found := CODE.search(mail["text"]))
                ):
                    return found[0]
            await asyncio.sleep(0.05)
        raise Unexpected(f"no code was mailed to {self.email}")

    def _keep_cookies(self, answer: httpx.Response) -> None:
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            if value and "max-age=0" not in cookie.lower():
                self._cookies[name] = value
            else:
                self._cookies.pop(name, None)

    def _remember(self, seen: str) -> None:
        for entry in filter(None, seen.split(", ")):
            self._seen.setdefault(entry)
