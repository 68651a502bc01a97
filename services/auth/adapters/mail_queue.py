"""The mail queue: what is to be mailed, in the commit of what it is about. The text is written when it is sent.

C-15  For an address that nobody has, a row is queued as well and dropped unsent: the work is the same.
C-17  A code waits sealed; it is wiped once handed over, and in any case when it expires.
C-25  Notices about a login are queued in the commit of what they tell of (`queue_security`).

Not derived from events: rebuilding it would mail everything again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, LiteralString

import orjson

from services.auth.adapters.words import SecurityNotice
from services.auth.domain.whereabouts import Language, Whereabouts
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement
from shared.ids import new_id

Kind = Literal["code", "invitation", "notice", "email-change", "email-changed", "security", "change-request", "card"]
Fate = Literal["sent", "dropped", "expired", "refused", "withheld"]
"""`dropped`: there is nobody to send it to, or it is worth nothing any more. `withheld`: too many for one company."""
LEASE = timedelta(seconds=30)
"""A claimed mail is due again after this, in case whoever claimed it is gone."""
INVITATIONS_LIVE = timedelta(days=7)
"""A grant older than this is not news: whoever starts from an empty database mails nobody about the past."""
NOTICES_LIVE = timedelta(days=2)
KEPT_AFTERWARDS = timedelta(days=7)


class MailQueue:
    """One row a mail, until a week after it was sent."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "mails": """
            CREATE TABLE IF NOT EXISTS mails (
                mail_id text PRIMARY KEY, kind text NOT NULL CHECK (
                    kind IN ('code', 'invitation', 'notice', 'email-change', 'email-changed', 'security',
                             'change-request', 'card')),
                subject text, sealed_code bytea, about jsonb, asked_from jsonb, language text,
                queued_at timestamptz NOT NULL, expires_at timestamptz NOT NULL, due_at timestamptz NOT NULL,
                tries int NOT NULL DEFAULT 0, refusals int NOT NULL DEFAULT 0, done_at timestamptz, fate text);
            CREATE INDEX IF NOT EXISTS mails_due ON mails ((sealed_code IS NULL), due_at) WHERE done_at IS NULL;
            CREATE INDEX IF NOT EXISTS mails_expire ON mails (expires_at) WHERE done_at IS NULL;""",
        "mail_languages": """
            CREATE TABLE IF NOT EXISTS mail_languages (subject text PRIMARY KEY, language text NOT NULL)""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is due."""

    mail_id: str
    kind: Kind
    subject: str | None
    """Whom it is for; None when nobody is known, so that it is dropped."""
    sealed_code: bytes | None
    about: Mapping[str, Any] | None
    asked_from: Mapping[str, str | None] | None
    language: Language | None
    """Asked for with it, else what the person had when they logged in last; None when neither is known."""
    queued_at: datetime
    expires_at: datetime
    tries: int
    refusals: int
    """How often a server refused it for good."""


def sealed_about(mail_id: str) -> str:
    """What a sealed code belongs to."""
    return f"mails/{mail_id}/code"


def queue_code(
    *,
    challenge_id: str,
    subject: str | None,
    sealed: bytes,
    account: str,
    now: datetime,
    expires_at: datetime,
    where: Whereabouts | None = None,
    to: Mapping[str, str] | None = None,
) -> Iterable[Statement]:
    """Mail a code; an older one of the account that still waits here is worth nothing any more (C-03).

    `to` is the new address that the code proves (A15), None for a login: then it goes to the address of the subject.
    """
    yield Statement(
        "UPDATE mails SET sealed_code = NULL, asked_from = NULL, done_at = %s, fate = 'dropped' "
        "WHERE done_at IS NULL AND mail_id IN (SELECT challenge_id FROM codes WHERE account = %s AND fate IS NOT NULL)",
        (now, account),
    )
    yield Statement(
        "INSERT INTO mails "
        "(mail_id, kind, subject, sealed_code, about, asked_from, language, queued_at, expires_at, due_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(challenge_id, "email-change" if to else "code", subject, sealed),
            *(orjson.dumps(to).decode() if to else None, _json(where), where and where.language, now, expires_at, now),
        ),
    )


def queue_security(*, subject: str, what: SecurityNotice, now: datetime, where: Whereabouts | None = None) -> Statement:
    """Tell somebody that their login was used or changed in a way that they should know of (C-25).

    `where` is from where that was done; None when nobody outside did it.
    """
    return Statement(
        "INSERT INTO mails (mail_id, kind, subject, about, asked_from, queued_at, expires_at, due_at) "
        "VALUES (%s, 'security', %s, %s, %s, %s, %s, %s)",
        (
            *(new_id("mail"), subject, orjson.dumps({"what": what}).decode(), _json(where)),
            *(now, now + NOTICES_LIVE, now),
        ),
    )


def reads(subject: str, language: Language | None) -> Iterable[Statement]:
    """Somebody logged in with a browser in this language: mails that nobody asks for are written in it."""
    if language is not None:
        yield Statement(
            "INSERT INTO mail_languages (subject, language) VALUES (%s, %s) "
            "ON CONFLICT (subject) DO UPDATE SET language = excluded.language",
            (subject, language),
        )


def queue_grant(
    *, event_id: str, profile_id: str, about: Mapping[str, str], granted_at: datetime, now: datetime
) -> Statement:
    """Tell somebody what they may reach: the first time as an invitation (L4), then as a notice."""
    return Statement(
        "INSERT INTO mails (mail_id, kind, subject, about, queued_at, expires_at, due_at) "
        "SELECT %s, CASE WHEN grants = 0 THEN 'invitation' ELSE 'notice' END, 'profile:' || profile_id, %s, %s, %s, %s "
        "FROM people WHERE profile_id = %s",
        (event_id, orjson.dumps(about).decode(), now, granted_at + INVITATIONS_LIVE, now, profile_id),
    )


def queue_change_decided(
    *,
    event_id: str,
    company_id: str,
    requested_by: str,
    about: Mapping[str, str | None],
    decided_at: datetime,
    now: datetime,
    to_others: bool,
) -> Statement:
    """Tell whoever asked for a change, while they administer something of the company, what became of it (C3).

    `to_others` tells those as well who answer for all of it: its main administrators, or else its account
    administrators.
    """
    return Statement(
        "INSERT INTO mails (mail_id, kind, subject, about, queued_at, expires_at, due_at) "
        "SELECT DISTINCT %(event)s || '-' || profile_id, 'change-request', 'profile:' || profile_id, %(about)s::jsonb, "
        "%(now)s::timestamptz, %(until)s::timestamptz, %(now)s::timestamptz FROM reach_grants g "
        "WHERE g.company_id = %(company)s AND g.kind <> 'product-access' AND (g.profile_id = %(asked)s OR %(others)s "
        "AND (g.kind = 'main-administrator' OR NOT EXISTS (SELECT 1 FROM reach_grants m "
        "WHERE m.company_id = %(company)s AND m.kind = 'main-administrator')))",
        {
            "event": event_id,
            "about": orjson.dumps(about).decode(),
            "now": now,
            "until": decided_at + NOTICES_LIVE,
            "company": company_id,
            "asked": requested_by,
            "others": to_others,
        },
    )


def queue_email_changed(*, event_id: str, profile_id: str, changed_at: datetime, now: datetime) -> Statement:
    """Tell the old address, as the copy of the person still has it, that it is theirs no more (C-26)."""
    return Statement(
        "INSERT INTO mails (mail_id, kind, subject, about, queued_at, expires_at, due_at) "
        "SELECT %s, 'email-changed', 'profile:' || profile_id, "
        "jsonb_build_object('email', email, 'address', address), %s, %s, %s FROM people WHERE profile_id = %s",
        (event_id, now, changed_at + INVITATIONS_LIVE, now, profile_id),
    )


def queue_card(
    *,
    event_id: str,
    account_id: str,
    product_id: str | None,
    about: Mapping[str, str],
    said_at: datetime,
    now: datetime,
) -> Statement:
    """Tell everybody who administers an account now, main administrators too (A4), of its payment card (P6).

    Of a card that is linked to a product, those who have access to this are told as well (A6).
    """
    return Statement(
        "INSERT INTO mails (mail_id, kind, subject, about, queued_at, expires_at, due_at) "
        "SELECT DISTINCT %(event)s || '-' || profile_id, 'card', 'profile:' || profile_id, %(about)s::jsonb, "
        "%(now)s::timestamptz, %(until)s::timestamptz, %(now)s::timestamptz FROM reach_grants "
        "WHERE kind = 'account-administrator' AND target_id = %(account)s OR kind = 'main-administrator' "
        "AND target_id = (SELECT agreement_id FROM reach_accounts WHERE account_id = %(account)s) "
        "OR kind = 'product-access' AND target_id = %(product)s::text",
        {
            "event": event_id,
            "account": account_id,
            "product": product_id,
            "about": orjson.dumps(about).decode(),
            "now": now,
            "until": said_at + INVITATIONS_LIVE,
        },
    )


async def claim(database: Database, now: datetime, most: int) -> list[Mail]:
    """Mails that are due, for this replica alone for as long as LEASE; codes go before all else. Raises Unavailable."""
    rows = await database.rows(
        "UPDATE mails m SET due_at = %(again)s, tries = tries + 1 WHERE mail_id IN ("
        "SELECT mail_id FROM mails WHERE done_at IS NULL AND due_at <= %(now)s AND expires_at > %(now)s "
        "ORDER BY (sealed_code IS NULL), due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED) "
        "RETURNING mail_id, kind, subject, sealed_code, about, asked_from, queued_at, expires_at, tries, refusals, "
        "coalesce(language, (SELECT l.language FROM mail_languages l WHERE l.subject = m.subject)) AS language",
        {"again": now + LEASE, "now": now, "most": most},
    )
    return [Mail(**{**row, "sealed_code": row["sealed_code"] and bytes(row["sealed_code"])}) for row in rows]


async def still_waits(database: Database, mail_id: str) -> bool:
    """Whether it is still to be sent: a newer code may have replaced it after it was claimed. Raises Unavailable."""
    row = await database.row("SELECT done_at FROM mails WHERE mail_id = %s", (mail_id,))
    return row is not None and row["done_at"] is None


async def done(database: Database, mail_id: str, fate: Fate, now: datetime) -> None:
    """Handed over, or never to be; the code is wiped with it (C-17). Raises Unavailable."""
    await database.execute(
        "UPDATE mails SET done_at = %s, fate = %s, sealed_code = NULL, asked_from = NULL "
        "WHERE mail_id = %s AND done_at IS NULL",
        (now, fate, mail_id),
    )


async def later(database: Database, mail_id: str, due_at: datetime, *, refused: bool = False) -> None:
    """Not now. Raises Unavailable."""
    await database.execute(
        "UPDATE mails SET due_at = %s, refusals = refusals + %s WHERE mail_id = %s AND done_at IS NULL",
        (due_at, int(refused), mail_id),
    )


async def wipe_expired(database: Database, now: datetime) -> None:
    """What was not sent in its time never is, and its code is gone (C-17). Raises Unavailable."""
    await database.execute(
        "UPDATE mails SET done_at = %(now)s, fate = 'expired', sealed_code = NULL, asked_from = NULL "
        "WHERE done_at IS NULL AND expires_at <= %(now)s",
        {"now": now},
    )


async def forget_old(database: Database, now: datetime) -> None:
    """Drop what was done with long ago. Raises Unavailable."""
    await database.execute("DELETE FROM mails WHERE done_at < %s", (now - KEPT_AFTERWARDS,))


def _json(where: Whereabouts | None) -> str | None:
    return orjson.dumps({"browser": where.browser, "place": where.place}).decode() if where else None
