"""Which event made this grant: when, by whose hand, and under which grant of theirs?

H1   Every grant that stands can be traced to the event that made it. Grants that ended are the business of the history.

The table is also what is paged through: its keys lead from a thing to everyone who holds something on it, in the order
of their ids, at a cost that does not grow with the number of grants.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCancelled,
)
from services.profiles.policy import ACCOUNT, MAIN, PRODUCT
from services.profiles.reach import GRANT_IN_REACH
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class GrantOrigins:
    """One row a grant that stands, with the event that made it."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "grant_origins": """
            CREATE TABLE IF NOT EXISTS grant_origins (
                profile_id text NOT NULL, kind text NOT NULL, target_id text NOT NULL,
                account_id text, company_id text NOT NULL, event_id text NOT NULL, stream_version bigint NOT NULL,
                granted_at timestamptz NOT NULL, granted_by text NOT NULL, granted_under text,
                PRIMARY KEY (profile_id, kind, target_id));
            CREATE INDEX IF NOT EXISTS grant_origins_target ON grant_origins (target_id, kind, profile_id);
            CREATE INDEX IF NOT EXISTS grant_origins_company ON grant_origins (company_id, profile_id)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {"grant_origins": GRANT_IN_REACH}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case MainAdministratorGranted(agreement_id=agreement, company_id=company):
                yield _granted(recorded, MAIN, agreement, None, company)
            case AccountAdministratorGranted(account_id=account, company_id=company):
                yield _granted(recorded, ACCOUNT, account, account, company)
            case ProductAccessGranted(product_id=product, account_id=account, company_id=company):
                yield _granted(recorded, PRODUCT, product, account, company)
            case MainAdministratorRevoked(agreement_id=agreement):
                yield _ended(recorded, MAIN, agreement)
            case AccountAdministratorRevoked(account_id=account):
                yield _ended(recorded, ACCOUNT, account)
            case ProductAccessRevoked(product_id=product):
                yield _ended(recorded, PRODUCT, product)
            case ProfileCancelled(profile_id=profile):
                yield Statement("DELETE FROM grant_origins WHERE profile_id = %s", (profile,))
            case _:
                pass


def _granted(recorded: Recorded, kind: str, target: str, account: str | None, company: str) -> Statement:
    by, under = str(recorded.actor), recorded.grant
    return Statement(
        "INSERT INTO grant_origins VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            *(recorded.stream, kind, target, account, company),
            *(recorded.id, recorded.version, recorded.time, by, under),
        ),
    )


def _ended(recorded: Recorded, kind: str, target: str) -> Statement:
    return Statement(
        "DELETE FROM grant_origins WHERE profile_id = %s AND kind = %s AND target_id = %s",
        (recorded.stream, kind, target),
    )


async def origin_of(database: Database, profile_id: str, kind: str, target_id: str) -> Row | None:
    """The grant with its origin, if it stands. Raises Unavailable."""
    return await database.row(
        "SELECT profile_id, kind, target_id, event_id, stream_version, granted_at, granted_by, granted_under "
        "FROM grant_origins WHERE profile_id = %s AND kind = %s AND target_id = %s",
        (profile_id, kind, target_id),
    )
