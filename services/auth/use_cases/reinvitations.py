"""Reinvitations: somebody lost all that they log in with, and two people let them begin again.

C-27  Who could end a login may also set it back: everything it reaches lies in their reach. Two of them have to agree;
      where a company has only one, customer service is the other. Neither learns anything to log in with.
"""

from functools import partial

from services.auth.adapters import mail_queue
from services.auth.domain import login as rules
from services.auth.domain import session as sessions
from services.auth.domain.limits import Limits
from services.auth.domain.login import SecondPersonNeeded, login_id_of
from services.auth.use_cases.all_they_hold import AllTheyHold
from services.auth.use_cases.categories import LOGINS, SESSIONS
from services.auth.views import open_sessions
from services.profiles import policy
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database
from shared.errors import Forbidden
from shared.eventstore.streams import Change, Streams


class CannotReinvite(Forbidden):
    """This person reaches more than lies within your reach; customer service can help."""

    code = "cannot-reinvite"
    rule = "A11"

    def __init__(self) -> None:
        super().__init__(who_could=policy.WHO[policy.STAFF])


class Reinvitations:
    """What administrators and customer service do for somebody who cannot log in."""

    def __init__(
        self, *, streams: Streams, database: Database, clock: Clock, limits: Limits, all_they_hold: AllTheyHold
    ) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._all_they_hold = all_they_hold

    async def propose(self, profile_id: str, confirmed: bool, cause: Cause) -> Written:
        """The first of two.

        Raises NotFound, CannotReinvite, ReinvitationNotConfirmed, SecondPersonNeeded for oneself.
        """
        subject = f"profile:{profile_id}"
        cause = await self._covering(profile_id, cause)
        decide = partial(
            rules.propose_reinvitation,
            subject=subject,
            by=str(cause.actor),
            confirmed=confirmed,
            now=self._clock(),
            limits=self._limits,
        )
        return await self._streams.change(
            LOGINS, login_id_of(subject), decide, cause.answering(profile_id=profile_id, state="proposed")
        )

    async def confirm(self, profile_id: str, confirmed: bool, cause: Cause) -> Written:
        """The second agrees: mailed codes again, no app, no session left, in one commit.

        Raises NotFound, CannotReinvite, ReinvitationNotConfirmed, NothingProposed, SecondPersonNeeded.
        """
        subject, now = f"profile:{profile_id}", self._clock()
        cause = await self._covering(profile_id, cause)
        decide = partial(rules.confirm_reinvitation, subject=subject, by=str(cause.actor), confirmed=confirmed, now=now)
        end = partial(sessions.end, because="re-invited")
        found = await open_sessions.of_subject(self._database, subject)
        mail = mail_queue.queue_security(subject=subject, what="re-invited", now=now)
        return await self._streams.change_all(
            [Change(LOGINS, login_id_of(subject), decide), *(Change(SESSIONS, session, end) for session in found)],
            cause.answering(profile_id=profile_id, state="re-invited").ensuring(lambda _: [mail]),
        )

    async def _covering(self, profile_id: str, cause: Cause) -> Cause:
        """All that the person holds is in reach. Raises SecondPersonNeeded, NotFound, NotPermitted, CannotReinvite."""
        if cause.actor == Actor("profile", profile_id):
            raise SecondPersonNeeded
        return await self._all_they_hold.covering(policy.REINVITE, profile_id, cause, else_raise=CannotReinvite)
