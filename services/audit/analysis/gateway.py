"""The history over the API, for notebooks and scripts: what whoever logged in may see, and every reading is recorded.

anna = log_in("http://127.0.0.1:8080", "anna@nordlys.example.com")
for entry in anna.history("product-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"):
    print(entry["time"], entry["type"], entry["actor"])
"""

import time
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any, Final, Self

import httpx

API: Final = "/api/v1"
SESSION: Final = "__Host-session"
TRIES: Final = 10


class NotAnswered(Exception):
    """The API refused, or could not answer; the message is its own."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.problem: dict[str, Any] = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        super().__init__(f"{answer.status_code}: {self.problem.get('detail') or answer.text}")


class Gateway:
    """One person at the API, by the session that they have there."""

    def __init__(self, address: str, session: str) -> None:
        headers = {"Authorization": f"Bearer {session}"}
        self._http = httpx.Client(base_url=address.rstrip("/"), headers=headers, timeout=30.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; the session stays."""
        self._http.close()

    def history(self, entity_id: str) -> Iterator[dict[str, Any]]:
        """Everything that happened to one entity, oldest first, as far as it lies within reach."""
        return self.items(f"/history/{entity_id}")

    def items(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """The items of every page of an answer, one after the other."""
        page: dict[str, Any] = {"next": None}
        while True:
            page = self.ask(path, **query)
            yield from page["items"]
            if page.get("next") is None:
                return
            query = {**query, "after": page["next"]}

    def ask(self, path: str, **query: str) -> Any:
        """One question (GET), asked again while the system asks for it. Raises NotAnswered."""
        for left in reversed(range(TRIES)):
            answer = self._http.get(f"{API}{path}", params=query)
            if answer.status_code not in {429, 503} or not left:
                break
            time.sleep(min(float(answer.headers.get("Retry-After", "1")), 5.0))
        if answer.status_code != 200:
            raise NotAnswered(answer)
        return answer.json()


def log_in(address: str, email: str, code: Callable[[], str] | None = None) -> Gateway:
    """Log in with the code that is mailed, which is asked for here unless `code` knows it. Raises NotAnswered."""
    with httpx.Client(base_url=address.rstrip("/"), timeout=30.0) as http:
        asked = http.post(f"{API}/login/codes", json={"email": email})
        if asked.status_code != 202:
            raise NotAnswered(asked)
        given = (code or _asked_here)()
        cookies = "; ".join(f"{name}={value}" for name, value in _cookies(asked).items())
        answer = http.post(f"{API}/login/sessions", json={"code": given}, headers={"Cookie": cookies})
    if answer.status_code != 201:
        raise NotAnswered(answer)
    return Gateway(address, _cookies(answer)[SESSION])


def _asked_here() -> str:
    return input("The code from the mail: ").strip()


def _cookies(answer: httpx.Response) -> dict[str, str]:
    """Those that were set. A cookie jar keeps them for HTTPS only, and on this machine there is none."""
    jar: SimpleCookie = SimpleCookie()
    for cookie in answer.headers.get_list("set-cookie"):
        jar.load(cookie)
    return {name: morsel.value for name, morsel in jar.items()}
