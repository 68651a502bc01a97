"""The mailer: takes what is due from the queue, writes it, hands it over; a dead mail server delays nobody else.

A mail is handed over at least once: after a crash in between it may come twice.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.auth.adapters import letters, mail_queue
from services.auth.adapters.letters import Letter, what_was_granted
from services.auth.adapters.mail_queue import Fate, Mail
from services.auth.adapters.post import NotSent, Post
from services.auth.adapters.sealing import SealBroken, Sealer
from services.auth.domain.limits import Limits
from services.auth.views import names, people, staff
from shared.actor import Actor
from shared.clock import Clock
from shared.database import Database, Row
from shared.logs import log

LONGEST_WAIT = timedelta(minutes=5)
NAMES_COME_WITHIN = timedelta(minutes=1)
"""A grant may be heard of before the thing it is for, which comes on another topic: a mail waits for its name."""


class NameNotKnownYet(Exception):
    """What the mail must name has not been heard of yet."""


class Mailer:
    """Delivers the queue; several replicas may at once."""

    def __init__(
        self, *, database: Database, sealer: Sealer, post: Post, clock: Clock, limits: Limits, site: str
    ) -> None:
        """`site` is where people log in, for the mails."""
        self._database = database
        self._sealer = sealer
        self._post = post
        self._clock = clock
        self._limits = limits
        self._site = site

    async def deliver_due(self) -> None:
        """Try every mail that is due now, once. Raises Unavailable."""
        while mails := await mail_queue.claim(self._database, self._clock()):
            await asyncio.gather(*(self._deliver(mail) for mail in mails))

    async def wipe_expired(self) -> None:
        """No code is kept past its time, sent or not (C-17). Raises Unavailable."""
        await mail_queue.wipe_expired(self._database, self._clock())

    async def _deliver(self, mail: Mail) -> None:
        try:
            fate = await self._hand_over(mail)
        except NameNotKnownYet:
            await self._later(mail, timedelta(seconds=1))
        except NotSent as failure:
            log.warning("mail not sent", mail=mail.mail_id, kind=mail.kind, tries=mail.tries, error=str(failure))
            await self._later(mail, min(timedelta(seconds=2 ** min(mail.tries, 10)), LONGEST_WAIT))
        else:
            await mail_queue.done(self._database, mail.mail_id, fate, self._clock())

    async def _hand_over(self, mail: Mail) -> Fate:
        """Send it, if there is still somebody to send it to. Raises NameNotKnownYet, NotSent."""
        person = await self._recipient(mail.subject)
        if person is None:
            return "dropped"
        try:
            letter = await self._letter(mail, person)
        except SealBroken:
            log.error("mail dropped: its code cannot be opened with this SECRETS_KEY", mail=mail.mail_id)
            return "dropped"
        await self._post.send(mail.mail_id, _address(_reader(mail, person)), letter)
        return "sent"

    async def _recipient(self, subject: str | None) -> Row | None:
        """Whoever it is for, as they are now; None when nobody is, or when their login is cancelled."""
        if subject is None:
            return None
        actor = Actor.parse(subject)
        if actor.kind == "staff":
            return await staff.by_id(self._database, actor.id)
        person = await people.by_id(self._database, actor.id)
        return None if person is None or person["cancelled"] else person

    async def _letter(self, mail: Mail, person: Row) -> Letter:
        """The mail's text. Raises NameNotKnownYet, SealBroken."""
        if mail.sealed_code is not None:
            code = self._sealer.open(mail.sealed_code, about=mail_queue.sealed_about(mail.mail_id)).decode()
            write = letters.new_address if mail.kind == "email-change" else letters.login_code
            return write(name=person["name"], code=code, life=self._limits.code_life)
        if mail.kind == "email-changed":
            return letters.address_left(name=person["name"], site=self._site)
        assert mail.about is not None  # noqa: S101 (a mail has a code or is about something)
        if mail.kind == "security":
            return letters.security(name=person["name"], what=mail.about["what"], site=self._site)
        wanted = letters.names_in(mail.about)
        known = await names.named(self._database, *wanted)
        by = await self._granted_by(Actor.parse(mail.about["by"]))
        if (by is None or wanted - set(known)) and self._clock() < mail.queued_at + NAMES_COME_WITHIN:
            raise NameNotKnownYet
        what, by = what_was_granted(mail.about, known), by or "A colleague"
        if mail.kind == "invitation":
            return letters.invitation(name=person["name"], email=person["email"], by=by, what=what, site=self._site)
        return letters.notice(name=person["name"], by=by, what=what, site=self._site)

    async def _granted_by(self, actor: Actor) -> str | None:
        if actor.kind == "profile":
            person = await people.by_id(self._database, actor.id)
            return f"{person['name']} ({person['email']})" if person else None
        member = await staff.by_id(self._database, actor.id) if actor.kind == "staff" else None
        return f"{member['name']}, customer service," if member else "Customer service"

    async def _later(self, mail: Mail, wait: timedelta) -> None:
        await mail_queue.later(self._database, mail.mail_id, self._clock() + wait)


def _reader(mail: Mail, person: Row) -> Mapping[str, Any]:
    """Whose address it goes to: the person's own, or the new or the old one that the mail is about (A15)."""
    named = mail.about if mail.kind in {"email-change", "email-changed"} else None
    return named or person


def _address(reader: Mapping[str, Any]) -> str:
    """The address as it was written where any mail server can carry that, else as it is compared."""
    written: str = reader["email"]
    return written if written.isascii() else str(reader["address"])
