"""Sessions: what they are exchanged for, whose they are, and how they end.

L3  The limits stand in `domain/limits.py`.
"""

from dataclasses import dataclass
from functools import partial

from services.auth.adapters import session_secrets
from services.auth.adapters.key_ring import KeyRing
from services.auth.domain import session as sessions
from services.auth.domain import signing_key as keys
from services.auth.domain.limits import Limits
from services.auth.domain.session import LAST_USE_GRAIN, SessionNotValid
from services.auth.use_cases.categories import SESSIONS
from services.auth.use_cases.session_secret import Recognition, Renewed
from services.auth.views import open_sessions, people, staff
from shared import tokens
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database, Row
from shared.errors import Unavailable
from shared.eventstore.streams import Change, Streams


@dataclass(frozen=True, slots=True)
class Token:
    """An access token for one audience, good for `expires_in` seconds."""

    token: str
    expires_in: int
    subject: str
    session_id: str
    renewed: Renewed | None
    """For the browser that asked, when it was time."""


class Sessions:
    """What is done with a session once it has started."""

    def __init__(
        self,
        *,
        streams: Streams,
        database: Database,
        clock: Clock,
        limits: Limits,
        ring: KeyRing,
        recognition: Recognition,
    ) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._ring = ring
        self._recognition = recognition

    async def exchange(self, secret: str, audience: str, *, renews: bool = False, background: bool = False) -> Token:
        """A token for one audience, for as long as the session is good; checked each time (C-13, S-03, S-05).

        `renews` says that a browser would take a new secret (S-13), `background` that no person asked (S-04).
        Raises SessionNotValid.
        """
        now = self._clock()
        session, renewed = await self._recognition.of(secret, now, renews=renews)
        if not background and now - session.last_used_at >= LAST_USE_GRAIN:
            await session_secrets.used(self._database, session.session_id, now, LAST_USE_GRAIN)
        key = keys.in_use(await self._ring.keys(), now)
        if key is None:
            raise Unavailable("There is no signing key yet.")
        actor, life = Actor.parse(session.subject), self._limits.token_life
        token = tokens.sign(
            self._ring.open(key), key.id, audience=audience, actor=actor, session=session.session_id, now=now, life=life
        )
        return Token(token, int(life.total_seconds()), session.subject, session.session_id, renewed)

    async def who_am_i(self, session_id: str) -> Row:
        """The session and the person behind it. Raises SessionNotValid when it is over."""
        session = await open_sessions.by_id(self._database, session_id)
        if session is None:
            raise SessionNotValid
        actor = Actor.parse(session["subject"])
        look = staff.by_id if actor.kind == "staff" else people.by_id
        person = await look(self._database, actor.id) or {}
        return {**session, "session_id": session_id, "name": person.get("name"), "email": person.get("email")}

    async def log_out(self, session_id: str, cause: Cause) -> Written:
        """End one's own session; ending it again changes nothing."""
        decide = partial(sessions.end, because="logged-out")
        return await self._streams.change(SESSIONS, session_id, decide, cause.answering(session_id=session_id))

    async def end_sessions_of(self, profile_id: str, cause: Cause) -> Written:
        """A login was cancelled: all of its sessions end in one commit (A11)."""
        end = partial(sessions.end, because="profile-cancelled")
        found = await open_sessions.of_subject(self._database, f"profile:{profile_id}")
        return await self._streams.change_all([Change(SESSIONS, session, end) for session in found], cause)
