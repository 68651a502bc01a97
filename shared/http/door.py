"""The door of a service: who asks, what they have seen, commands done once, refused attempts recorded.

A route says `caller: Caller = Depends(door.caller)` to answer a question, or `command: Command = Depends(door.command)`
to do something; there is no third way in. A command that may be asked for as a dry run says
`Depends(door.rehearsable(foresee))` instead: with `?dry-run=true` it is played through and taken back, and the answer
tells what would have come of it.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import orjson
from fastapi import Header, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from shared.actor import Actor
from shared.cause import Cause, Seen, Written
from shared.database import Database
from shared.errors import Conflict, Forbidden, Invalid, NotFound, Refusal, Unauthenticated
from shared.events import Event
from shared.eventstore.group_commit import ConstraintViolated
from shared.http import problems
from shared.idempotency import KEY_USED, Kept, Key
from shared.logs import log
from shared.seen import Applied, header_of
from shared.tokens import Claims, Verifier

RecordRefusal = Callable[[str, Sequence[str], Refusal, Cause], Awaitable[object]]
"""Appends the event of a refused attempt: operation, identifiers it named, the refusal, the cause."""

Foresee = Callable[[Sequence[Event], Actor], Awaitable[BaseModel]]
"""Told the events that a command would record, answers what would come of it, within the reach of whoever asks."""

DRY_RUN = "dry-run"

Authorization = Annotated[str | None, Header(include_in_schema=False)]
DecideNoEarlier = Annotated[
    str | None, Header(description="Decide no earlier than these `stream@version`s, as `Seen` gave them.")
]
IdempotencyKey = Annotated[
    str | None, Header(description="The same key and body get the same answer for 24 hours, and are done once.")
]
IsDryRun = Annotated[
    bool,
    Query(
        alias=DRY_RUN,
        description="Answer what would come of it, in every service and within your reach, and do nothing. Refused as "
        "the command would be; an Idempotency-Key is neither looked up nor used.",
    ),
]
MustStand = Callable[[Claims], Awaitable[object]]
"""Raises Unauthenticated when what a verified token says has been taken back meanwhile."""

_IDENTIFIER = re.compile(r"[a-z]+(?:-[a-z]+)*-[0-9a-f]{32}", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]{1,100}", re.ASCII)


class KeyMalformed(Invalid):
    """An Idempotency-Key is 1 to 100 printable ASCII characters."""

    code = "idempotency-key-malformed"


class DryRunUnclear(Invalid):
    """Say once whether this is a dry run."""

    code = "dry-run-unclear"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks, from the verified token."""

    actor: Actor
    session: str


class Door:
    """What stands between a request and a use case."""

    def __init__(
        self,
        *,
        verifier: Verifier,
        must_stand: MustStand,
        must_have_heard: Callable[[], None],
        applied: Applied,
        database: Database,
        record_refusal: RecordRefusal,
    ) -> None:
        """`must_have_heard` refuses while this service does not know what was revoked (S-16)."""
        self._verifier = verifier
        self._must_stand = must_stand
        self._must_have_heard = must_have_heard
        self._applied = applied
        self._database = database
        self._record_refusal = record_refusal

    async def caller(
        self,
        request: Request,
        authorization: Authorization = None,
        require_seen: Annotated[
            str | None, Header(description="Answer no earlier than these `stream@version`s, as `Seen` gave them.")
        ] = None,
    ) -> Caller:
        """Who asks; waits until this service has applied what they have seen. Raises Unauthenticated, NotSeenYet."""
        claims = await self._verified(request, authorization, require_seen)
        await self._must_stand(claims)
        return Caller(claims.actor, claims.session)

    async def _verified(self, request: Request, authorization: str | None, require_seen: str | None) -> Claims:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated
        claims = await self._verifier.verify(token)
        if require_seen is not None:
            await self._applied.wait_for(require_seen)
        request.state.cause = Cause(claims.actor, request.state.request_id)
        return claims

    async def command(
        self,
        request: Request,
        authorization: Authorization = None,
        require_seen: DecideNoEarlier = None,
        idempotency_key: IdempotencyKey = None,
    ) -> "Command":
        """A command of somebody. Raises as `caller`, and KeyMalformed or KeyReused."""
        claims = await self._verified(request, authorization, require_seen)
        try:
            await self._must_stand(claims)
        except Unauthenticated:
            # What ended its own session is answered again all the same when its answer was lost on the way.
            if not await self._was_answered(request, claims.actor, idempotency_key):
                raise
        key = await self._key(request, claims.actor, idempotency_key)
        caller = Caller(claims.actor, claims.session)
        return Command(self._database, request, caller, key, self._must_have_heard)

    def rehearsable(self, foresee: Foresee) -> Callable[..., Awaitable["Command"]]:
        """A dependency as `command`, for a command that may be asked for as a dry run; raises DryRunUnclear, too."""

        async def asked(
            request: Request,
            dry_run: IsDryRun = False,
            authorization: Authorization = None,
            require_seen: DecideNoEarlier = None,
            idempotency_key: IdempotencyKey = None,
        ) -> Command:
            if len(request.query_params.getlist(DRY_RUN)) > 1:
                raise DryRunUnclear  # whichever of them counted, somebody might have meant the other
            if not dry_run:
                return await self.command(request, authorization, require_seen, idempotency_key)
            return (await self.command(request, authorization, require_seen)).as_dry_run(foresee)

        return asked

    async def _key(self, request: Request, actor: Actor, given: str | None) -> Key | None:
        if given is None:
            return None
        if not _KEY.fullmatch(given):
            raise KeyMalformed
        asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
        return Key(actor, given, hashlib.sha256(asked + await request.body()).digest())

    async def _was_answered(self, request: Request, actor: Actor, given: str | None) -> bool:
        if given is None or not _KEY.fullmatch(given):
            return False
        key = await self._key(request, actor, given)
        return key is not None and await key.kept(self._database) is not None

    async def refused(self, request: Request, refusal: Exception) -> Response:
        """Answer a refusal; when somebody was refused by a rule, that is part of the history first (H1)."""
        assert isinstance(refusal, Refusal)  # noqa: S101 (registered for it)
        status = problems.status_of(refusal)
        body = problems.body_of(refusal, status) | {"request_id": request.state.request_id}
        try:
            await self._remember(request, refusal, status, body)
        except _AnsweredMeanwhile:
            return await self._answered_meanwhile(request)
        return problems.answer(body, problems.headers_of(refusal))

    async def _remember(self, request: Request, refusal: Refusal, status: int, body: Mapping[str, Any]) -> None:
        cause: Cause | None = getattr(request.state, "cause", None)
        if cause is None or not isinstance(refusal, (Forbidden, NotFound, Conflict)):
            return
        key: Key | None = getattr(request.state, "key", None)
        if key is not None:
            cause = replace(cause, bookkeeping=lambda *_: key.keep(status, (), body))
        operation = f"{request.method} {_route_of(request)}"
        try:
            await self._record_refusal(operation, await _identifiers(request), refusal, cause)
        except (Refusal, ConstraintViolated) as failure:
            if isinstance(failure, ConstraintViolated) and failure.constraint == KEY_USED:
                raise _AnsweredMeanwhile from failure
            # Still refused; that it is missing from the history must not go unnoticed.
            log.error("refused attempt not recorded", operation=operation, code=refusal.code, error=repr(failure))

    async def _answered_meanwhile(self, request: Request) -> Response:
        """Give the answer of the same command that came at the same moment and was first: often it is what refused."""
        key: Key = request.state.key
        del request.state.key
        try:
            kept = await key.kept(self._database)
        except Refusal as refusal:
            return await self.refused(request, refusal)
        assert kept is not None  # noqa: S101 (the constraint says that it is there)
        return _again(kept)


class _AnsweredMeanwhile(Exception):
    """The key of a refused command has been answered by another command meanwhile."""


class Command:
    """One command: what the use case is told about it, and how its answer is given, once."""

    def __init__(
        self,
        database: Database,
        request: Request,
        caller: Caller,
        key: Key | None,
        must_have_heard: Callable[[], None],
    ) -> None:
        self._database = database
        self._request = request
        self._key = key
        self._must_have_heard = must_have_heard
        self._cause: Cause = request.state.cause
        self._foresee: Foresee | None = None
        self.caller = caller

    def as_dry_run(self, foresee: Foresee) -> "Command":
        """The same command, of which nothing will come but the answer: no event, no key, no refused attempt."""
        # The history will not know of it, and what it answers may be worth much to whoever asks very often.
        log.info(
            "dry run", operation=f"{self._request.method} {_route_of(self._request)}", actor=str(self._cause.actor)
        )
        self._foresee = foresee
        self._cause = self._cause.rehearsed()
        del self._request.state.cause  # so that a refusal is answered and not recorded: nobody attempted anything
        return self

    async def run(
        self, act: Callable[[Cause], Awaitable[Written]], *, status: int = 200, unheard: bool = False
    ) -> Response:
        """Do it and answer, or answer what the same key was answered before. Raises what the use case refuses with.

        `unheard` is for what only gives up rights of whoever asks: it is done even if revocations may have been missed.
        """
        if self._key is not None and (kept := await self._key.kept(self._database)):
            return _again(kept)
        if not unheard:
            self._must_have_heard()
        if self._foresee is not None:
            return await self._rehearse(act, self._foresee)
        cause = self._cause
        if (key := self._key) is not None:
            self._request.state.key = key  # from here on a refusal, too, is what this key is answered
            cause = replace(cause, bookkeeping=lambda seen, answer: key.keep(status, seen, answer))
        try:
            written = await act(cause)
        except ConstraintViolated as violated:
            if violated.constraint != KEY_USED or self._key is None:
                raise
            kept = await self._key.kept(self._database)
            assert kept is not None  # noqa: S101 (the constraint says that it is there)
            return _again(kept)
        return _answer(status, written.seen, written.answer)

    async def _rehearse(self, act: Callable[[Cause], Awaitable[Written]], foresee: Foresee) -> Response:
        rehearsed = await act(self._cause)
        foreseen = await foresee(rehearsed.events, self.caller.actor)
        return _answer(200, (), foreseen.model_dump(mode="json"))


def _answer(status: int, seen: Seen, body: Mapping[str, Any]) -> Response:
    return JSONResponse(dict(body), status, headers={"Seen": header_of(seen)} if seen else None)


def _again(kept: Kept) -> Response:
    if kept.status >= 400:
        return problems.answer(kept.answer)
    return _answer(kept.status, kept.seen, kept.answer)


def _route_of(request: Request) -> str:
    route = request.scope.get("route")
    return getattr(route, "path", request.url.path)


async def _identifiers(request: Request) -> list[str]:
    """Every identifier that a request names, in its path, its query and its body."""
    named = [*request.path_params.values(), *request.query_params.values()]
    found = list(dict.fromkeys(str(value) for value in named if _IDENTIFIER.fullmatch(str(value))))[:20]
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return found
    return list(dict.fromkeys([*found, *_walk(body)]))[:20]


def _walk(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if _IDENTIFIER.fullmatch(value) else []
    if isinstance(value, dict):
        value = list(value.values())
    return [found for part in value for found in _walk(part)] if isinstance(value, list) else []
