"""Whose login is this e-mail address, and where does their mail go? A copy of what profiles says."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.auth.domain.challenge import CodeNotLive
from services.profiles.events import (
    AccountAdministratorGranted,
    ContactDetailsChanged,
    EmailChanged,
    MainAdministratorGranted,
    ProductAccessGranted,
    ProfileCancelled,
    ProfileCreated,
)
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class People:
    """One row a profile. Cancelled ones stay: their sessions are refused by it (A11, C-13)."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "people": """
            CREATE TABLE IF NOT EXISTS people (
                profile_id text PRIMARY KEY, email text NOT NULL, address text NOT NULL, name text NOT NULL,
                address_since bigint NOT NULL, cancelled boolean NOT NULL DEFAULT false, grants int NOT NULL DEFAULT 0);
            CREATE INDEX IF NOT EXISTS people_address ON people (address);
            CREATE OR REPLACE FUNCTION login_is_not_cancelled(who text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT 1 FROM people WHERE profile_id = who AND cancelled) THEN
                    RAISE check_violation USING CONSTRAINT = 'login_cancelled', MESSAGE = 'cancelled meanwhile';
                END IF;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"login_cancelled": CodeNotLive}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case ProfileCreated(profile_id=profile, email=email, address=address, name=name):
                yield Statement(
                    "INSERT INTO people (profile_id, email, address, name, address_since) VALUES (%s, %s, %s, %s, %s)",
                    (profile, email, address, name, recorded.position),
                )
            case EmailChanged(profile_id=profile, email=email, address=address):
                yield Statement(
                    "UPDATE people SET email = %s, address = %s, address_since = %s WHERE profile_id = %s",
                    (email, address, recorded.position, profile),
                )
            case ContactDetailsChanged(profile_id=profile, name=name):
                yield Statement("UPDATE people SET name = %s WHERE profile_id = %s", (name, profile))
            case ProfileCancelled(profile_id=profile):
                yield Statement("UPDATE people SET cancelled = true WHERE profile_id = %s", (profile,))
            case (
                MainAdministratorGranted(profile_id=profile)
                | AccountAdministratorGranted(profile_id=profile)
                | ProductAccessGranted(profile_id=profile)
            ):
                yield Statement("UPDATE people SET grants = grants + 1 WHERE profile_id = %s", (profile,))
            case _:
                pass


async def by_address(database: Database, address: str) -> str | None:
    """The profile that logs in with a normalised address, or None. Raises Unavailable.

    An address is free again once its profile is cancelled or has another one (A15); its next profile may be heard of
    first, so whoever got it last counts.
    """
    row = await database.row(
        "SELECT profile_id FROM people WHERE address = %s AND NOT cancelled ORDER BY address_since DESC LIMIT 1",
        (address,),
    )
    return row["profile_id"] if row else None


async def by_id(database: Database, profile_id: str) -> Row | None:
    """`email`, `address`, `name` and `cancelled` of one person, or None. Raises Unavailable."""
    return await database.row("SELECT email, address, name, cancelled FROM people WHERE profile_id = %s", (profile_id,))


def must_not_be_cancelled(profile_id: str) -> Statement:
    """What must still hold when somebody is let in (A11): refuses with CodeNotLive."""
    return Statement("SELECT login_is_not_cancelled(%s)", (profile_id,))
