"""Changing one's own e-mail address: whoever is logged in proves the new one with a code that is mailed to it.

A15   The code goes to the new address, and only the session that asked for it can give it back.
L2    Asking is answered alike whatever the new address is: nothing is looked up about it.
C-12  The code of an e-mail change logs nobody in, and the code of a login proves no new address.
C-26  Only a fresh login may ask; the old address is told, and codes on their way to it are worth nothing any more.

Auth says that the address is proven (AddressProven). Whether the profile gets it is for profiles to decide.
"""

from datetime import datetime
from functools import partial

from services.auth.adapters import kept_codes, mail_queue
from services.auth.adapters.codes import Codes
from services.auth.domain import challenge as challenges
from services.auth.domain.challenge import AddressNotProven, CodeNotAccepted, CodeNotLive
from services.auth.domain.limits import Limits
from services.auth.domain.session import SessionNotValid, must_be_fresh
from services.auth.events import Purpose
from services.auth.use_cases.asking import AskingForCodes, From
from services.auth.use_cases.categories import CHALLENGES
from services.auth.use_cases.login import LoggingIn
from services.auth.views import open_sessions
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database, Row
from shared.email_address import normalised
from shared.errors import NotFound
from shared.eventstore.streams import Streams
from shared.ids import new_id

EMAIL_CHANGE: Purpose = "email-change"
PERSON = "profile"


class EmailChange:
    """What a person does about their own address; the codes are drawn, kept and tried as those of logins are."""

    def __init__(
        self,
        *,
        streams: Streams,
        database: Database,
        clock: Clock,
        limits: Limits,
        codes: Codes,
        asking: AskingForCodes,
        login: LoggingIn,
    ) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._codes = codes
        self._asking = asking
        self._login = login

    async def request(self, email: str, session_id: str, cause: Cause) -> Written:
        """Mail a code to the new address; the code that was asked for before is worth nothing any more (C-03).

        Raises EmailMalformed, NotFound for customer service (which has no profile), SessionNotValid, LoginNotFresh,
        CodesAskedTooOften (C-14).
        """
        session = await self._session(session_id, cause.actor)
        new = {"email": email.strip(), "address": normalised(email)}
        must_be_fresh(session["started_at"], now=self._clock(), limits=self._limits)
        subject, challenge_id = str(cause.actor), new_id(EMAIL_CHANGE)
        found_by = self._codes.of_asking(EMAIL_CHANGE, session_id)
        asking = await self._asking.of(subject, subject, EMAIL_CHANGE, "mailed-code", From())
        beside = self._asking.new_code(asking, challenge_id, found_by, mail_to=subject, address=new)
        decide = partial(challenges.request_email_change, challenge_id=challenge_id, subject=subject, email=email)
        expires_in = int(self._limits.code_life.total_seconds())
        cause = cause.ensuring(lambda _: beside).answering(expires_in=expires_in)
        return await self._asking.ask(asking, challenge_id, decide, cause)

    async def confirm(self, code: str, session_id: str, cause: Cause) -> Written:
        """Give the code back, in the session that asked for it: the address is proven.

        Raises NotFound, SessionNotValid, and AddressNotProven whatever is wrong with the code (C-29).
        """
        await self._session(session_id, cause.actor)
        found_by = self._codes.of_asking(EMAIL_CHANGE, session_id)
        try:
            right = await self._login.try_code(found_by, EMAIL_CHANGE, code, cause.correlation)
        except CodeNotAccepted:
            raise AddressNotProven from None
        cause, change = self._login.taking(right, cause), right.tried.challenge_id
        try:
            return await self._streams.change(
                CHALLENGES, change, challenges.prove_address, cause.answering(email_change_id=change)
            )
        except CodeNotLive:
            await self._login.refused_late(right, cause.correlation)
            raise AddressNotProven from None

    async def tell_old_address(self, profile_id: str, *, event_id: str, changed_at: datetime, cause: Cause) -> Written:
        """The profile has another address: tell the old one. The commit has no event, only rows (C-26)."""
        told = mail_queue.queue_email_changed(
            event_id=event_id, profile_id=profile_id, changed_at=changed_at, now=self._clock()
        )
        over = kept_codes.replaced(f"{PERSON}:{profile_id}")
        return await self._streams.change_all([], cause.ensuring(lambda _: [told, *over]))

    async def _session(self, session_id: str, actor: Actor) -> Row:
        """The session that asks, still open (C-13). Raises NotFound, SessionNotValid."""
        if actor.kind != PERSON:
            raise NotFound
        session = await open_sessions.by_id(self._database, session_id)
        if session is None:
            raise SessionNotValid
        return session
