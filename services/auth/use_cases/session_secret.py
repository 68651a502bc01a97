"""A session's secret: what a browser shows to be recognised, and how it is replaced now and then (S-13).

A secret that somebody copied is worth something for as long as it counts. So a browser gets a new one every few
minutes, with any answer; the one before goes on counting until the new one was shown, for an answer may be lost, and
for some seconds more, for requests that were under way. Whoever shows it after that has a copy, or is the one who was
robbed: nobody can tell, so the session is over for both, and its owner is told.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from services.auth.adapters import mail_queue, session_secrets
from services.auth.adapters.codes import Codes, new_secret
from services.auth.adapters.sealing import SealBroken, Sealer
from services.auth.adapters.session_secrets import Found
from services.auth.domain import session as sessions
from services.auth.domain.limits import Limits
from services.auth.domain.session import SessionInUse, SessionNotValid
from services.auth.use_cases.categories import AUTH, SESSIONS
from shared.cause import Cause
from shared.database import Database
from shared.eventstore.streams import Streams
from shared.logs import log


@dataclass(frozen=True, slots=True)
class Renewed:
    """The secret that a browser shows from now on, and when its session ends at the latest."""

    secret: str
    ends_at: datetime


class Recognition:
    """Whose session is this?"""

    def __init__(self, *, streams: Streams, database: Database, limits: Limits, codes: Codes, sealer: Sealer) -> None:
        self._streams = streams
        self._database = database
        self._limits = limits
        self._codes = codes
        self._sealer = sealer

    async def of(self, secret: str, now: datetime, *, renews: bool) -> tuple[SessionInUse, Renewed | None]:
        """The session of a secret, and a new secret when it is time for one and the asker takes it.

        Raises SessionNotValid: unknown, over, or a secret that was replaced long enough ago to have been stolen.
        """
        digest = self._codes.of_secret(secret)
        found = await self._good(digest, now)
        if found.standing == "current" and found.session.shown_at is None:
            await session_secrets.shown(self._database, digest, now)
        elif found.standing == "current" and renews and found.session.secret_is_due(now, self._limits):
            return found.session, await self._renew(found.session, digest, now)
        return found.session, self._handed_over(found) if renews else None

    async def _good(self, digest: bytes, now: datetime) -> Found:
        found = await session_secrets.find(self._database, digest)
        if found is None or found.session.over_because(now, self._limits):
            raise SessionNotValid
        if found.session.secret_is_dead(found.standing, now, self._limits):
            await self._end_stolen(found.session, now)
            raise SessionNotValid
        return found

    async def _renew(self, session: SessionInUse, digest: bytes, now: datetime) -> Renewed | None:
        """A new secret; of several who ask for one at the same moment all get the same."""
        secret = new_secret()
        sealed = self._sealer.seal(secret.encode(), about=session_secrets.sealed_about(session.session_id))
        new = self._codes.of_secret(secret)
        if await session_secrets.renew(self._database, old=digest, new=new, sealed=sealed, now=now):
            return Renewed(secret, session.ends_at)
        return self._handed_over(await self._good(digest, now))

    def _handed_over(self, found: Found) -> Renewed | None:
        """The secret that the one before was replaced by, while nobody has shown it."""
        if found.standing != "before" or found.handing_over is None:
            return None
        session = found.session
        try:
            secret = self._sealer.open(found.handing_over, about=session_secrets.sealed_about(session.session_id))
        except SealBroken:
            return None  # sealed under another SECRETS_KEY: the one before goes on counting
        return Renewed(secret.decode(), session.ends_at)

    async def _end_stolen(self, session: SessionInUse, now: datetime) -> None:
        """Two have the secret: it is over for both, and the owner is told (S-13)."""
        log.warning("a secret that was replaced was shown again", session=session.session_id)
        told = mail_queue.queue_security(subject=session.subject, what="session-taken-over", now=now)
        cause = Cause(AUTH, session.session_id).ensuring(lambda events: [told] if events else [])
        decide = partial(sessions.end, because="secret-reused")
        await self._streams.change(SESSIONS, session.session_id, decide, cause)
