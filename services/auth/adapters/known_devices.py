"""Known devices: browsers that have logged in to an account before, recognised by a secret in a cookie (C-10).

The cookie says nothing about the person. Its secret is made anew at the login in which a browser becomes known, so
whoever planted one gains nothing by it. Not derived from events: without it every browser is a stranger again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar, LiteralString

from services.auth.events import Reinvited
from shared.database import Database
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class KnownDevices:
    """One row a browser and account that it has logged in to."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "known_devices": """
            CREATE TABLE IF NOT EXISTS known_devices (
                digest bytea NOT NULL, account text NOT NULL, device_id text NOT NULL, until timestamptz NOT NULL,
                PRIMARY KEY (digest, account));
            CREATE INDEX IF NOT EXISTS known_devices_account ON known_devices (account);
            CREATE OR REPLACE FUNCTION known_device(secret bytea, whose text, moment timestamptz) RETURNS text
            LANGUAGE sql STABLE AS $$ SELECT device_id FROM known_devices
                WHERE digest = secret AND account = whose AND until > moment $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case Reinvited(subject=subject):
                yield Statement("DELETE FROM known_devices WHERE account = %s", (subject,))
            case _:
                pass


STRANGERS = "strangers"
"""The bucket of every client that is not a known device."""


async def bucket_of(database: Database, account: str, device: bytes | None, now: datetime) -> str:
    """In which bucket a client is counted for an account (C-10). Raises Unavailable."""
    row = await database.row("SELECT known_device(%s, %s, %s) AS device_id", (device, account, now))
    return str(row["device_id"]) if row and row["device_id"] else STRANGERS


async def has_any(database: Database, account: str) -> bool:
    """Whether an account was ever logged in to from a device that is still known. Raises Unavailable."""
    return await database.row("SELECT 1 AS one FROM known_devices WHERE account = %s LIMIT 1", (account,)) is not None


def still_known(device_id: str, until: datetime) -> Iterable[Statement]:
    """A known device has logged in again."""
    yield Statement("UPDATE known_devices SET until = %s WHERE device_id = %s", (until, device_id))


def becomes_known(
    *, device_id: str, digest: bytes, before: bytes | None, account: str, until: datetime
) -> Iterable[Statement]:
    """A stranger has logged in: it gets a new secret, which takes the place of the one it may have for others."""
    yield Statement("UPDATE known_devices SET digest = %s WHERE digest = %s", (digest, before))
    yield Statement(
        "INSERT INTO known_devices (digest, account, device_id, until) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (digest, account) DO UPDATE SET device_id = excluded.device_id, until = excluded.until",
        (digest, account, device_id, until),
    )


async def forget_old(database: Database, now: datetime) -> None:
    """Drop devices that have not logged in for long. Raises Unavailable."""
    await database.execute("DELETE FROM known_devices WHERE until <= %s", (now,))
