"""Asking for a code: the beginning of every login.

L2  Asking for a code is answered, and costs, the same for every address.
C-14  Asking too often is answered alike, too, and is part of the history.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from services.auth.adapters import kept_codes, known_devices, mail_queue
from services.auth.adapters.codes import Codes, new_code, new_secret
from services.auth.adapters.kept_codes import Asking
from services.auth.adapters.sealing import Sealer
from services.auth.domain import challenge as challenges
from services.auth.domain.challenge import Challenge, CodesAskedTooOften
from services.auth.domain.limits import Limits
from services.auth.domain.whereabouts import NOWHERE, Whereabouts
from services.auth.events import Authenticator, ChallengeEvent, CodeWithheld, Purpose
from services.auth.use_cases.categories import ANONYMOUS, CHALLENGES
from services.auth.views import login_methods, people, staff
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database
from shared.email_address import normalised
from shared.eventstore.statement import Statement
from shared.eventstore.streams import Streams
from shared.ids import new_id

LOGIN: Purpose = "login"


@dataclass(frozen=True, slots=True)
class From:
    """Where a request comes from, as the gateway says: the network address, the secret of a known device, and what the
    person recognises it by; `session` is the secret of a session that the browser still has.
    """

    client: str | None = None
    device: str | None = None
    where: Whereabouts = NOWHERE
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser gets for asking: its challenge, and for how many seconds the code is good."""

    challenge: str
    expires_in: int


class AskingForCodes:
    """From an address to a challenge."""

    def __init__(
        self, *, streams: Streams, database: Database, clock: Clock, limits: Limits, codes: Codes, sealer: Sealer
    ) -> None:
        self._streams = streams
        self._database = database
        self._clock = clock
        self._limits = limits
        self._codes = codes
        self._sealer = sealer

    async def request_code(self, email: str, by: Authenticator, origin: From, correlation: str) -> Asked:
        """Mail a code to whoever has the address, unless they want to use their app.

        L2, C-15: known or not, all of this is done. Raises EmailMalformed, CodesAskedTooOften.
        """
        address = normalised(email)
        subject = await self._subject_of(address)
        account = subject or f"address:{self._codes.of_address(address)}"
        method = await login_methods.method_of(self._database, account)
        asking = await self.of(account, subject, LOGIN, by, origin)
        mailed = by == "mailed-code" and method != "authenticator-app"
        secret, challenge_id = new_secret(), new_id("challenge")
        found_by, mail_to = self._codes.of_secret(secret), subject if mailed else None
        beside = self.new_code(asking, challenge_id, found_by, mail_to=mail_to, where=origin.where)
        decide = partial(challenges.request_code, challenge_id=challenge_id, subject=subject, purpose=LOGIN, by=by)
        cause = Cause(ANONYMOUS, correlation).ensuring(lambda _: beside)
        await self.ask(asking, challenge_id, decide, cause)
        return Asked(secret, int(self._limits.code_life.total_seconds()))

    async def of(self, account: str, subject: str | None, purpose: Purpose, by: Authenticator, origin: From) -> Asking:
        """Who asks, as it is counted: a known device by itself, strangers together (C-10)."""
        now, device = self._clock(), self._codes.of_secret(origin.device) if origin.device else None
        bucket = await known_devices.bucket_of(self._database, account, device, now)
        return Asking(account, subject, purpose, by, bucket, self._codes.of_client(origin.client), now)

    def new_code(
        self,
        asking: Asking,
        challenge_id: str,
        found_by: bytes,
        *,
        mail_to: str | None,
        address: Mapping[str, str] | None = None,
        where: Whereabouts | None = None,
    ) -> Sequence[Statement]:
        """What stands beside the event of a code asked for: its kept form and its mail, to a new address if named."""
        code, expires_at = new_code(), asking.now + self._limits.code_life
        kept = kept_codes.keep(
            asking,
            challenge_id=challenge_id,
            challenge=found_by,
            digest=self._codes.of_code(challenge_id, asking.purpose, code),
            pepper=self._codes.version,
            expires_at=expires_at,
        )
        queued = mail_queue.queue_code(
            challenge_id=challenge_id,
            subject=mail_to,
            sealed=self._sealer.seal(code.encode(), about=mail_queue.sealed_about(challenge_id)),
            account=asking.account,
            now=asking.now,
            expires_at=expires_at,
            to=address,
            where=where,
        )
        return [*kept, *queued]

    async def ask(
        self, asking: Asking, challenge_id: str, decide: Callable[[Challenge], Sequence[ChallengeEvent]], cause: Cause
    ) -> Written:
        """Ask, unless it is too often: looked at before, for when to ask again, and once more in the commit (C-14).

        Raises CodesAskedTooOften.
        """
        wait = await kept_codes.wait(self._database, asking, self._limits)
        if wait.total_seconds() > 0:
            raise await self._withheld(asking, asking.now + wait, cause)
        guarded = cause.guarded_by(kept_codes.must_not_wait(asking, self._limits))
        try:
            return await self._streams.change(CHALLENGES, challenge_id, decide, guarded)
        except CodesAskedTooOften as at_this_moment:
            again_at = asking.now + self._limits.code_again_after
            raise await self._withheld(asking, again_at, cause) from at_this_moment

    async def _withheld(self, asking: Asking, again_at: datetime, cause: Cause) -> CodesAskedTooOften:
        """The answer to asking too often, once the history has it (H1); the same for every address (C-14)."""
        withheld = CodeWithheld(
            challenge_id=new_id("challenge"),
            subject=asking.subject,
            purpose=asking.purpose,
            by=asking.by,
            again_at=again_at,
        )
        await self._streams.record(withheld.challenge_id, withheld, Cause(cause.actor, cause.correlation))
        return CodesAskedTooOften(retry_after=max(1, -int((asking.now - again_at).total_seconds() // 1)))

    async def _subject_of(self, address: str) -> str | None:
        """Who logs in with the address; both questions are asked whatever the first one answers (C-15)."""
        member = await staff.by_address(self._database, address)
        profile_id = await people.by_address(self._database, address)
        if member is not None:
            return f"staff:{member['staff_id']}"
        return f"profile:{profile_id}" if profile_id else None
