"""What auth does: who may log in, codes, sessions, tokens, signing keys.

L1  A person logs in with an e-mail address and a code.
L2  Asking for a code is answered, and costs, the same for every address.
L3  The limits stand in `domain/limits.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from services.auth.adapters import kept_codes, mail_queue, session_secrets
from services.auth.adapters.codes import Codes, new_code, new_secret
from services.auth.adapters.key_ring import KeyRing
from services.auth.adapters.sealing import Sealer
from services.auth.categories import ANONYMOUS, CHALLENGES, SESSIONS, STAFF
from services.auth.domain import challenge as challenges
from services.auth.domain import session as sessions
from services.auth.domain import signing_key as keys
from services.auth.domain import staff as members
from services.auth.domain.challenge import CodeNotAccepted, CodeNotLive, Tried, verdict
from services.auth.domain.limits import Limits
from services.auth.domain.session import LAST_USE_GRAIN, SessionNotValid
from services.auth.domain.staff import StaffAddressTaken
from services.auth.domain.whereabouts import Whereabouts
from services.auth.events import CodeRefused, Purpose, RefusedBecause
from services.auth.session_room import RoomForSessions
from services.auth.session_secret import Recognition, Renewed
from services.auth.views import open_sessions, people, staff
from shared import tokens
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database, Row
from shared.email_address import normalised
from shared.errors import Unavailable
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Change, Streams
from shared.ids import new_id

LOGIN: Purpose = "login"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser gets for asking: its challenge, and for how many seconds the mailed code is good."""

    challenge: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session that started; `seen` names the version of the person that auth knows, for other services."""

    session: str
    subject: str
    session_id: str
    ends_at: datetime
    seen: list[str]


@dataclass(frozen=True, slots=True)
class Token:
    """An access token for one audience, good for `expires_in` seconds; a new secret for the browser that asked."""

    token: str
    expires_in: int
    subject: str
    session_id: str
    renewed: Renewed | None


class UseCases:
    """The commands and questions of auth."""

    def __init__(
        self,
        *,
        streams: Streams,
        database: Database,
        clock: Clock,
        limits: Limits,
        codes: Codes,
        sealer: Sealer,
        ring: KeyRing,
        room: RoomForSessions,
        recognition: Recognition,
    ) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._codes = codes
        self._sealer = sealer
        self._ring = ring
        self._room = room
        self._recognition = recognition

    # Customer service ------------------------------------------------------------------------------------------------

    async def add_staff(self, email: str, name: str, cause: Cause) -> Written:
        """Let somebody of customer service log in; answers their `staff_id`, the one they have if they have one.

        Raises EmailMalformed, TextMalformed, StaffAddressTaken when the address is another person's.
        """
        known = await staff.by_address(self._database, normalised(email))
        if known is not None and known["name"] == " ".join(name.split()):
            return Written((), {"staff_id": known["staff_id"]})
        if known is not None:
            raise StaffAddressTaken
        staff_id = new_id("staff")
        decide = partial(members.add_staff, staff_id=staff_id, email=email, name=name)
        return await self._streams.change(STAFF, staff_id, decide, cause.answering(staff_id=staff_id))

    # Codes -----------------------------------------------------------------------------------------------------------

    async def request_code(self, email: str, where: Whereabouts, correlation: str) -> Asked:
        """Mail a code to whoever has the address (L2, C-15: known or not, all of this is done).

        Raises EmailMalformed.
        """
        address = normalised(email)
        subject = await self._subject_of(address)
        account = subject or f"address:{self._codes.of_address(address)}"
        secret, challenge_id = new_secret(), new_id("challenge")
        found_by = self._codes.of_challenge(secret)
        beside = self.new_code(challenge_id, LOGIN, found_by, account=account, subject=subject, where=where)
        decide = partial(challenges.request_code, challenge_id=challenge_id, subject=subject, purpose=LOGIN)
        cause = Cause(ANONYMOUS, correlation).ensuring(lambda _: beside)
        await self._streams.change(CHALLENGES, challenge_id, decide, cause)
        return Asked(secret, int(self._limits.code_life.total_seconds()))

    def new_code(
        self,
        challenge_id: str,
        purpose: Purpose,
        found_by: bytes,
        *,
        account: str,
        subject: str | None,
        where: Whereabouts | None = None,
        to: Mapping[str, str] | None = None,
    ) -> Sequence[Statement]:
        """What stands beside the event of a code asked for: its kept form and its mail, to a new address if named."""
        now, code = self._clock(), new_code()
        expires_at = now + self._limits.code_life
        kept = kept_codes.keep(
            challenge_id=challenge_id,
            challenge=found_by,
            account=account,
            subject=subject,
            purpose=purpose,
            digest=self._codes.of_code(challenge_id, purpose, code),
            expires_at=expires_at,
        )
        sealed = self._sealer.seal(code.encode(), about=mail_queue.sealed_about(challenge_id))
        queued = mail_queue.queue_code(
            challenge_id=challenge_id,
            subject=subject,
            sealed=sealed,
            account=account,
            now=now,
            expires_at=expires_at,
            where=where,
            to=to,
        )
        return [*kept, *queued]

    async def log_in(
        self, challenge: str, code: str, where: Whereabouts, correlation: str, *, held: str | None = None
    ) -> LoggedIn:
        """Start a session for whoever gives the right code with the challenge it was asked with.

        `held` is the secret of a session that the browser still has: that one ends (S-02).
        Raises CodeNotAccepted, whatever the reason: only the history tells it (C-29).
        """
        found_by = self._codes.of_challenge(challenge)
        tried, subject = await self.try_code(found_by, LOGIN, code, correlation)
        try:
            return await self._start_session(tried, subject, where, held, correlation)
        except CodeNotLive as too_late:
            raise await self.refused_late(found_by, tried, correlation) from too_late

    async def try_code(self, found_by: bytes, purpose: Purpose, code: str, correlation: str) -> tuple[Tried, str]:
        """Spend a try at a code; answers what is known of it, and whose it is, when it is right (C-05, C-12).

        Raises CodeNotAccepted, once the history has its reason.
        """
        now = self._clock()
        evaluated = await kept_codes.spend_try(self._database, found_by, now, self._limits)
        tried = await kept_codes.find(self._database, found_by)
        if tried is None:
            raise await self._refused_stranger(correlation)
        given = self._codes.of_code(tried.challenge_id, purpose, code)
        matches = self._codes.same(given, tried.digest)
        because = verdict(tried, evaluated=evaluated, matches=matches, now=now, limits=self._limits)
        if because is not None or tried.subject is None:
            raise await self._refused(tried, because or "unknown", correlation)
        return tried, tried.subject

    async def refused_late(self, found_by: bytes, tried: Tried, correlation: str) -> CodeNotAccepted:
        """The right code was refused at the commit: the same answer, and its reason in the history."""
        return await self._refused(tried, await self._why_not_live(found_by, self._clock()), correlation)

    async def _start_session(
        self, tried: Tried, subject: str, where: Whereabouts, held: str | None, correlation: str
    ) -> LoggedIn:
        secret, session_id, now = new_secret(), new_id("session"), self._clock()
        start = partial(
            sessions.start,
            session_id=session_id,
            subject=subject,
            challenge_id=tried.challenge_id,
            now=now,
            limits=self._limits,
        )
        digest = self._codes.of_session(secret)
        kept = session_secrets.keep(digest=digest, session_id=session_id, now=now, where=where)
        changes: list[Change[Any]] = [
            Change(CHALLENGES, tried.challenge_id, challenges.accept_code),
            Change(SESSIONS, session_id, start),
        ]
        actor = Actor.parse(subject)
        cause = Cause(actor, correlation).guarded_by(people.must_not_be_cancelled(actor.id))
        beside = [kept, *mail_queue.reads(subject, where.language)]
        await self._room.change_all(changes, cause.ensuring(lambda _: beside), where=where, held=held)
        ends_at = now + self._limits.session_life
        return LoggedIn(secret, subject, session_id, ends_at, await self._seen_of(actor))

    async def _refused(self, tried: Tried, because: RefusedBecause, correlation: str) -> CodeNotAccepted:
        """The one answer to every attempt in vain, once the history has its reason (C-29)."""
        decide = partial(challenges.refuse_code, challenge_id=tried.challenge_id, because=because)
        await self._streams.change(CHALLENGES, tried.challenge_id, decide, Cause(ANONYMOUS, correlation))
        return CodeNotAccepted()

    async def _refused_stranger(self, correlation: str) -> CodeNotAccepted:
        """Nobody knows the challenge; the attempt is an event all the same, in a stream of its own."""
        challenge_id = new_id("challenge")
        refused = CodeRefused(challenge_id=challenge_id, subject=None, because="unknown")
        await self._streams.record(challenge_id, refused, Cause(ANONYMOUS, correlation))
        return CodeNotAccepted()

    async def _why_not_live(self, found_by: bytes, now: datetime) -> RefusedBecause:
        """Why the right code was refused at the commit: used or replaced meanwhile, else its login is cancelled."""
        tried = await kept_codes.find(self._database, found_by)
        if tried is None or tried.fate is None:
            return "unknown"
        return verdict(tried, evaluated=False, matches=True, now=now, limits=self._limits) or "unknown"

    async def _subject_of(self, address: str) -> str | None:
        """Who logs in with the address; both questions are asked whatever the first one answers (C-15)."""
        member = await staff.by_address(self._database, address)
        profile_id = await people.by_address(self._database, address)
        if member is not None:
            return f"staff:{member['staff_id']}"
        return f"profile:{profile_id}" if profile_id else None

    async def _seen_of(self, actor: Actor) -> list[str]:
        row = await self._database.row(
            "SELECT coalesce((SELECT version FROM inbox WHERE stream = %(id)s), "
            "(SELECT max(originator_version) FROM events WHERE originator_id = %(id)s)) AS version",
            {"id": actor.id},
        )
        return [f"{actor.id}@{row['version']}"] if row and row["version"] else []

    # Sessions --------------------------------------------------------------------------------------------------------

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
        actor = Actor.parse(session.subject)
        life = self._limits.token_life
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

    # Mails about grants ----------------------------------------------------------------------------------------------

    async def tell_of_grant(
        self, profile_id: str, about: Mapping[str, str], *, event_id: str, granted_at: datetime, cause: Cause
    ) -> Written:
        """Queue the mail about a grant: the first one invites (L4). The commit has no event, only the row."""
        now = self._clock()
        row = mail_queue.queue_grant(
            event_id=event_id, profile_id=profile_id, about=about, granted_at=granted_at, now=now
        )
        return await self._streams.change_all([], cause.ensuring(lambda _: [row]))
