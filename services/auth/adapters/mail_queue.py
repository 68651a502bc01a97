"""The mail queue: what is to be mailed, in the commit of what it is about. The text is written when it is sent.

C-15  For an address that nobody has, a row is queued as well and dropped unsent: the work is the same.
C-17  A code waits sealed; it is wiped once handed over, and in any case when it expires.

Not derived from events: rebuilding it would mail everything again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal, LiteralString

import orjson

from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement
from shared.ids import new_id

Kind = Literal["code", "invitation", "notice", "email-change", "email-changed", "security"]
Fate = Literal["sent", "dropped", "expired"]
SecurityNotice = Literal[
    "new-device",
    "success-after-failures",
    "app-enrolled",
    "app-removed",
    "method-chosen",
    "recovery-codes-issued",
    "recovery-code-used",
    "login-paused",
    "re-invited",
]
"""What somebody is told about their login (C-25)."""
LEASE = timedelta(seconds=30)
"""A claimed mail is due again after this, in case whoever claimed it is gone."""
INVITATIONS_LIVE = timedelta(days=7)
"""A grant older than this is not news: whoever starts from an empty database mails nobody about the past."""
NOTICES_LIVE = timedelta(days=2)
KEPT_AFTERWARDS = timedelta(days=7)
MOST_AT_ONCE = 10


class MailQueue:
    """One row a mail, until a week after it was sent."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "mails": """
            CREATE TABLE IF NOT EXISTS mails (
                mail_id text PRIMARY KEY,
                kind text NOT NULL CHECK (
                    kind IN ('code', 'invitation', 'notice', 'email-change', 'email-changed', 'security')),
                subject text, sealed_code bytea, about jsonb,
                queued_at timestamptz NOT NULL, expires_at timestamptz NOT NULL, due_at timestamptz NOT NULL,
                tries int NOT NULL DEFAULT 0, done_at timestamptz, fate text);
            CREATE INDEX IF NOT EXISTS mails_due ON mails (due_at) WHERE done_at IS NULL;
            CREATE INDEX IF NOT EXISTS mails_expire ON mails (expires_at) WHERE done_at IS NULL;"""
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
    about: Mapping[str, str] | None
    queued_at: datetime
    tries: int


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
    to: Mapping[str, str] | None = None,
) -> Iterable[Statement]:
    """Mail a code; an older one of the account that still waits here is worth nothing any more (C-03).

    `to` is the new address that the code proves (A15), None for a login: then it goes to the address of the subject.
    """
    yield Statement(
        "UPDATE mails SET sealed_code = NULL, done_at = %s, fate = 'dropped' WHERE done_at IS NULL AND mail_id IN "
        "(SELECT challenge_id FROM codes WHERE account = %s AND fate IS NOT NULL)",
        (now, account),
    )
    yield Statement(
        "INSERT INTO mails (mail_id, kind, subject, sealed_code, about, queued_at, expires_at, due_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(challenge_id, "email-change" if to else "code", subject, sealed),
            *(orjson.dumps(to).decode() if to else None, now, expires_at, now),
        ),
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


def queue_email_changed(*, event_id: str, profile_id: str, changed_at: datetime, now: datetime) -> Statement:
    """Tell the old address, as the copy of the person still has it, that it is theirs no more (C-26)."""
    return Statement(
        "INSERT INTO mails (mail_id, kind, subject, about, queued_at, expires_at, due_at) "
        "SELECT %s, 'email-changed', 'profile:' || profile_id, "
        "jsonb_build_object('email', email, 'address', address), %s, %s, %s FROM people WHERE profile_id = %s",
        (event_id, now, changed_at + INVITATIONS_LIVE, now, profile_id),
    )


def queue_security(*, subject: str, what: SecurityNotice, now: datetime) -> Statement:
    """Tell somebody that their login was used or changed in a way that they should know of (C-25)."""
    return Statement(
        "INSERT INTO mails (mail_id, kind, subject, about, queued_at, expires_at, due_at) "
        "VALUES (%s, 'security', %s, %s, %s, %s, %s)",
        (new_id("mail"), subject, orjson.dumps({"what": what}).decode(), now, now + NOTICES_LIVE, now),
    )


async def claim(database: Database, now: datetime) -> list[Mail]:
    """Mails that are due, for this replica alone for as long as LEASE. Raises Unavailable."""
    rows = await database.rows(
        "UPDATE mails SET due_at = %(again)s, tries = tries + 1 WHERE mail_id IN ("
        "SELECT mail_id FROM mails WHERE done_at IS NULL AND due_at <= %(now)s AND expires_at > %(now)s "
        "ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED) "
        "RETURNING mail_id, kind, subject, sealed_code, about, queued_at, tries",
        {"again": now + LEASE, "now": now, "most": MOST_AT_ONCE},
    )
    return [Mail(**{**row, "sealed_code": row["sealed_code"] and bytes(row["sealed_code"])}) for row in rows]


async def done(database: Database, mail_id: str, fate: Fate, now: datetime) -> None:
    """Handed over, or never to be; the code is wiped with it (C-17). Raises Unavailable."""
    await database.execute(
        "UPDATE mails SET done_at = %s, fate = %s, sealed_code = NULL WHERE mail_id = %s AND done_at IS NULL",
        (now, fate, mail_id),
    )


async def later(database: Database, mail_id: str, due_at: datetime) -> None:
    """Not now. Raises Unavailable."""
    await database.execute("UPDATE mails SET due_at = %s WHERE mail_id = %s AND done_at IS NULL", (due_at, mail_id))


async def wipe_expired(database: Database, now: datetime) -> None:
    """What was not sent in its time never is, and its code is gone (C-17). Raises Unavailable."""
    await database.execute(
        "UPDATE mails SET done_at = %(now)s, fate = 'expired', sealed_code = NULL "
        "WHERE done_at IS NULL AND expires_at <= %(now)s",
        {"now": now},
    )


async def forget_old(database: Database, now: datetime) -> None:
    """Drop what was done with long ago. Raises Unavailable."""
    await database.execute("DELETE FROM mails WHERE done_at < %s", (now - KEPT_AFTERWARDS,))
