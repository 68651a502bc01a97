"""The services: each at one or more addresses, asked in turn; one that does not answer is passed over for a moment."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

import aiohttp
from yarl import URL

from shared.errors import Unavailable
from shared.http.problems import MEDIA_TYPE
from shared.logs import log

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 10.0
PASSED_OVER_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 4.0
"""Less than the services keep an idle connection open: it is we who close it, so never with a request on its way."""


class PerhapsDone(Unavailable):
    """The service went away before it answered: it may have done this. Ask again with the same Idempotency-Key."""

    code = "perhaps-done"


class BrokenDown(aiohttp.ClientError):
    """Not the service answered but the server around it: what our services have to say is a problem."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A request to a service; `path` is made by us and encoded. `repeatable` may reach two replicas without harm."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None
    repeatable: bool = False
    streamed: bool = False
    """Whether the answer may be too long to be kept."""


class Stream:
    """The body of a long answer, piece by piece as it comes; whoever was given it closes it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises aiohttp.ClientError or TimeoutError when the service breaks off, or says nothing for too long."""
        return self._response.content.iter_any()

    def close(self) -> None:
        """Ask for no more of it; the service notices."""
        self._response.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    stream: Stream | None = None
    """The body instead, when it comes piece by piece."""


class HttpClient:
    """The client that asks services: it follows nothing, keeps no cookies, heeds no proxy of the environment."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS, ttl_dns_cache=10),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, address: str, asking: Asking) -> Answer:
        """One request to one address. Raises aiohttp.ClientError (such as BrokenDown), OSError or TimeoutError.

        Of a streamed answer the head is waited for as for any other, and then each piece; a refusal is read at once.
        """
        response = await self._begun(address, asking)
        if asking.streamed and response.status < 300:
            return Answer(response.status, response.headers, b"", Stream(response))
        async with response:
            answer = Answer(response.status, response.headers, await response.read())
        if answer.status >= 500 and answer.headers.get("content-type") != MEDIA_TYPE:
            raise BrokenDown(f"status {answer.status}")
        return answer

    async def _begun(self, address: str, asking: Asking) -> aiohttp.ClientResponse:
        assert self._session is not None  # noqa: S101 (it is open while the gateway runs)
        piecemeal = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS)
        return await self._session.request(
            asking.method,
            URL(address + asking.path, encoded=True),
            headers=asking.headers,
            data=asking.body,
            allow_redirects=False,
            timeout=piecemeal if asking.streamed else self._session.timeout,
        )


class Service:
    """One service at all of its addresses."""

    def __init__(self, name: str, addresses: Iterable[str], http: HttpClient) -> None:
        self.name = name
        self._addresses = tuple(addresses)
        self._http = http
        self._turn = 0
        self._passed_over: dict[str, float] = {}

    async def ask(self, asking: Asking) -> Answer:
        """The answer of the first replica that gives one. Raises Unavailable, PerhapsDone.

        A replica that refuses the connection was sent nothing, so the next one is tried. One that breaks off later may
        have done what it was asked, so the next one is tried only for what is repeatable.
        """
        for address in self._in_turn():
            try:
                return await self._http.ask(address, asking)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                self._passed_over[address] = time.monotonic() + PASSED_OVER_SECONDS
                log.warning("replica out of reach", upstream=self.name, address=address)
            except (aiohttp.ClientError, OSError, TimeoutError) as broken:
                log.warning("no answer", upstream=self.name, address=address, error=type(broken).__name__)
                if not asking.repeatable:
                    raise PerhapsDone from None
                if isinstance(broken, TimeoutError):
                    break  # whoever asks has waited long enough
        raise Unavailable(f"The service {self.name} cannot be reached; ask again in a moment.")

    def _in_turn(self) -> list[str]:
        """The addresses, beginning with the next one; those that were out of reach just now come last."""
        self._turn = (self._turn + 1) % len(self._addresses)
        order = [*self._addresses[self._turn :], *self._addresses[: self._turn]]
        if not self._passed_over:
            return order
        now = time.monotonic()
        self._passed_over = {address: until for address, until in self._passed_over.items() if until > now}
        return sorted(order, key=lambda address: address in self._passed_over)

    async def is_ready(self) -> bool:
        """Whether a replica may be asked; services that are only starting are no news for the log."""
        answers = await asyncio.gather(*map(self._is_ready, self._addresses))
        return any(answers)

    async def _is_ready(self, address: str) -> bool:
        try:
            async with asyncio.timeout(2 * CONNECT_SECONDS):
                return (await self._http.ask(address, Asking("GET", "/health/ready", {}))).status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
