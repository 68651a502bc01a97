"""The mailer: takes what is due from the queue, writes it, hands it over; a dead mail server delays nobody else.

A mail is handed over at least once: after a crash in between it may come twice, then with the same code and the same
Message-ID (F-16). What a server does not take is tried again, ever less often, until it expires; a code is never sent
after its time. A slow server has a bounded time for each, and keeps no other mail waiting.
"""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psycopg

from services.auth.adapters import kept_codes, letters, mail_queue
from services.auth.adapters.letters import Letter, Reader, what_was_granted
from services.auth.adapters.mail_queue import Fate, Mail
from services.auth.adapters.post import NotSent, Post, RefusedForGood
from services.auth.adapters.sealing import SealBroken, Sealer
from services.auth.adapters.words import Words
from services.auth.domain.limits import Limits
from services.auth.domain.whereabouts import Language, Whereabouts
from services.auth.views import names, people, staff
from shared.actor import Actor
from shared.clock import Clock
from shared.database import Database, Row
from shared.errors import Unavailable
from shared.logs import log

MOST_UNDER_WAY = 20
LOOK_SECONDS = 0.1
HAND_OVER = timedelta(seconds=20)
"""The most that handing over one mail takes: less than the queue's LEASE, so no other replica begins meanwhile."""
LONGEST_WAIT = timedelta(minutes=5)
AFTER_REFUSAL = timedelta(hours=1)
MOST_REFUSALS = 3
"""So often a server may refuse a mail for good: it may be the server that is set up wrongly, and is mended soon."""
NAMES_COME_WITHIN = timedelta(minutes=1)
"""A grant may be heard of before the thing it is for, which comes on another topic: a mail waits for its name."""

_CHANCE = secrets.SystemRandom()


class NameNotKnownYet(Exception):
    """What the mail must name has not been heard of yet."""


def pause_after(tries: int, jitter: float) -> timedelta:
    """How long a mail waits after so many tries in vain: twice as long each time, up to 5 minutes.

    `jitter` from 0 to 1 takes up to half of it away, so that what failed together does not come back together.
    """
    return min(timedelta(seconds=2 ** min(tries, 10)), LONGEST_WAIT) * (1 - jitter / 2)


class Mailer:
    """Delivers the queue; several replicas may at once."""

    def __init__(
        self,
        *,
        database: Database,
        sealer: Sealer,
        post: Post,
        clock: Clock,
        limits: Limits,
        site: str,
        language: Language = "en",
    ) -> None:
        """`site` is where people log in, for the mails; `language` is for those of whom none is known."""
        self._database = database
        self._sealer = sealer
        self._post = post
        self._clock = clock
        self._limits = limits
        self._site = site
        self._language = language

    async def run(self) -> None:
        """Deliver what is due, for ever; each mail takes its own time. Raises Unavailable."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                for mail in await self._claim(MOST_UNDER_WAY - len(under_way)):
                    task = asyncio.create_task(self._deliver(mail))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def deliver_due(self) -> None:
        """Try every mail that is due now, once. Raises Unavailable."""
        while mails := await self._claim(MOST_UNDER_WAY):
            await asyncio.gather(*(self._deliver(mail) for mail in mails))

    async def wipe_expired(self) -> None:
        """No code is kept past its time, sent or not (C-17). Raises Unavailable."""
        await mail_queue.wipe_expired(self._database, self._clock())

    async def _claim(self, most: int) -> list[Mail]:
        return await mail_queue.claim(self._database, self._clock(), most) if most else []

    async def _deliver(self, mail: Mail) -> None:
        """One try; what cannot even be written down is due again when its lease is over."""
        try:
            await self._try(mail)
        except (Unavailable, psycopg.Error) as failure:
            log.warning("mail left to its lease", mail=mail.mail_id, error=repr(failure))
        except Exception as defect:  # noqa: BLE001 (a defect in one mail must not keep the others)
            log.error("defect", mail=mail.mail_id, kind=mail.kind, error=type(defect).__name__, exc_info=defect)

    async def _try(self, mail: Mail) -> None:
        try:
            fate = await self._hand_over(mail)
        except NameNotKnownYet:
            await self._later(mail, timedelta(seconds=1))
        except RefusedForGood as failure:
            await self._refused(mail, failure)
        except (NotSent, TimeoutError) as failure:
            reason = str(failure) or type(failure).__name__
            log.warning("mail not sent", mail=mail.mail_id, kind=mail.kind, tries=mail.tries, error=reason)
            await self._later(mail, pause_after(mail.tries, _CHANCE.random()))
        else:
            await mail_queue.done(self._database, mail.mail_id, fate, self._clock())

    async def _refused(self, mail: Mail, failure: RefusedForGood) -> None:
        log.error("mail refused", mail=mail.mail_id, kind=mail.kind, refusals=mail.refusals + 1, error=str(failure))
        if mail.refusals + 1 < MOST_REFUSALS:
            await mail_queue.later(self._database, mail.mail_id, self._clock() + AFTER_REFUSAL, refused=True)
        else:
            await mail_queue.done(self._database, mail.mail_id, "refused", self._clock())

    async def _hand_over(self, mail: Mail) -> Fate:
        """Send it, if there is still somebody to send it to. Raises NameNotKnownYet, NotSent, TimeoutError."""
        person = await self._recipient(mail.subject)
        if person is None:
            return "dropped"
        brings_a_code = mail.sealed_code is not None
        if brings_a_code and await kept_codes.is_over_its_companys(self._database, mail.mail_id, self._limits):
            log.error("code withheld: strangers ask for too many of one company's people", mail=mail.mail_id)
            return "withheld"
        try:
            letter = await self._letter(mail, person)
        except SealBroken:
            log.error("mail dropped: its code cannot be opened with this SECRETS_KEY", mail=mail.mail_id)
            return "dropped"
        if (left := mail.expires_at - self._clock()) <= timedelta(0):
            return "expired"
        if not await mail_queue.still_waits(self._database, mail.mail_id):
            return "dropped"
        async with asyncio.timeout(min(left, HAND_OVER).total_seconds()):
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
        """What it says, in the language of its reader. Raises NameNotKnownYet, SealBroken."""
        reader = Reader(person["name"], person["email"], mail.language or self._language)
        where = Whereabouts(mail.asked_from["browser"], mail.asked_from["place"]) if mail.asked_from else None
        if mail.sealed_code is not None:
            code = self._sealer.open(mail.sealed_code, about=mail_queue.sealed_about(mail.mail_id)).decode()
            life = self._limits.code_life
            if mail.kind == "email-change":
                return letters.new_address(reader, code, life)
            return letters.login_code(reader, code, life, where or Whereabouts(), mail.queued_at)
        if mail.kind == "email-changed":
            return letters.address_left(reader, self._site)
        assert mail.about is not None  # noqa: S101 (a mail has a code or is about something)
        if mail.kind == "security":
            return letters.security(reader, mail.about["what"], self._site, where, mail.queued_at)
        return await self._about_a_thing(mail, mail.about, reader)

    async def _about_a_thing(self, mail: Mail, about: Mapping[str, Any], reader: Reader) -> Letter:
        if mail.kind == "change-request":
            return await self._about_a_change(about, reader)
        if mail.kind == "card":
            return await self._about_a_card(about, reader)
        return await self._about_a_grant(mail, about, reader)

    async def _about_a_change(self, about: Mapping[str, Any], reader: Reader) -> Letter:
        # Whoever is told administers something of the company, so its name has been heard of, if it ever will be.
        _, company = (await names.named(self._database, about["company"])).get(about["company"], ("company", None))
        return letters.change_decided(
            reader,
            what=about["change"],
            decision=about["decision"],
            reason=about.get("reason"),
            company=company,
            site=self._site,
        )

    async def _about_a_card(self, about: Mapping[str, Any], reader: Reader) -> Letter:
        known = await names.named(self._database, about["account"])
        account = known[about["account"]][1] if known else None
        return letters.card(reader, about["what"], about, account=account, site=self._site)

    async def _about_a_grant(self, mail: Mail, about: Mapping[str, str], reader: Reader) -> Letter:
        wanted = letters.names_in(about)
        known = await names.named(self._database, *wanted)
        by = await self._granted_by(Actor.parse(about["by"]), reader.words)
        if (by is None or wanted - set(known)) and self._clock() < mail.queued_at + NAMES_COME_WITHIN:
            raise NameNotKnownYet
        write = letters.invitation if mail.kind == "invitation" else letters.notice
        what = what_was_granted(about, known, reader.words)
        return write(reader, by=by or reader.words.colleague, what=what, site=self._site)

    async def _granted_by(self, actor: Actor, words: Words) -> str | None:
        if actor.kind == "profile":
            person = await people.by_id(self._database, actor.id)
            return f"{person['name']} ({person['email']})" if person else None
        member = await staff.by_id(self._database, actor.id) if actor.kind == "staff" else None
        return words.of_customer_service.format(name=member["name"]) if member else words.customer_service

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
