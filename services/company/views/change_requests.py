"""Which changes were requested, and what became of them? (C3: of each kind a company has at most one open request.)"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, LiteralString

from services.company.domain.change_requests import ChangeRequestOpen
from services.company.events import (
    ChangeRequestApproved,
    ChangeRequestDeclined,
    ChangeRequested,
    ChangeRequestWithdrawn,
)
from services.profiles.reach import ASKER_IS_STAFF
from shared.actor import Actor
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

PAGE = 100
"""The most requests on one page."""

State = Literal["open", "approved", "declined", "withdrawn"]


class RequestedChanges:
    """One row a request; the unique key on the open ones is what keeps C3, however many ask at the same moment."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "change_requests": """
            CREATE TABLE IF NOT EXISTS change_requests (
                change_request_id text PRIMARY KEY, company_id text NOT NULL, kind text NOT NULL, "to" text NOT NULL,
                ean text, expected_yearly_usage_dkk bigint, state text NOT NULL, reason text,
                requested_by text NOT NULL, requested_at timestamptz NOT NULL, closed_at timestamptz);
            CREATE UNIQUE INDEX IF NOT EXISTS one_open_change_request
                ON change_requests (company_id, kind) WHERE state = 'open';
            CREATE INDEX IF NOT EXISTS change_requests_open ON change_requests (change_request_id) WHERE state = 'open';
            CREATE INDEX IF NOT EXISTS change_requests_company ON change_requests (company_id, change_request_id)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"one_open_change_request": ChangeRequestOpen}
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "change_requests": f"{ASKER_IS_STAFF} OR company_id IN (SELECT asker_companies())"
    }

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case ChangeRequested() as asked:
                yield Statement(
                    "INSERT INTO change_requests VALUES (%s, %s, %s, %s, %s, %s, 'open', NULL, %s, %s)",
                    (
                        *(asked.change_request_id, asked.company_id, asked.kind, asked.to, asked.ean),
                        *(asked.expected_yearly_usage_dkk, asked.requested_by, recorded.time),
                    ),
                )
            case ChangeRequestApproved(change_request_id=request):
                yield _closed(recorded, request, "approved")
            case ChangeRequestDeclined(change_request_id=request, reason=reason):
                yield _closed(recorded, request, "declined", reason)
            case ChangeRequestWithdrawn(change_request_id=request):
                yield _closed(recorded, request, "withdrawn")
            case _:
                pass


def _closed(recorded: Recorded, change_request_id: str, state: State, reason: str | None = None) -> Statement:
    return Statement(
        "UPDATE change_requests SET state = %s, reason = %s, closed_at = %s WHERE change_request_id = %s",
        (state, reason, recorded.time, change_request_id),
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests a list is asked for; what is None does not matter."""

    company_id: str | None = None
    state: State | None = None
    after: str = ""
    """The id of the last request of the page before."""


# Whoever asked is named to those who see that person anyway (A13).
_MINE: LiteralString = """
    SELECT r.change_request_id, r.company_id, r.kind, r."to", r.ean, r.expected_yearly_usage_dkk, r.state, r.reason,
           r.requested_at, r.closed_at,
           CASE WHEN r.requested_by = %(who)s OR r.requested_by IN (SELECT profile_id FROM people_around(%(who)s))
                THEN r.requested_by END AS requested_by
    FROM change_requests r
    WHERE r.company_id IN (
        SELECT a.company_id FROM reach_accounts a JOIN administered_accounts(%(who)s) USING (account_id))"""
_ALL: LiteralString = "SELECT r.* FROM change_requests r WHERE true"
# Their ids are in the order in which they were asked for; the oldest has waited longest.
_PAGE: LiteralString = """
      AND r.change_request_id > %(after)s
      AND (%(company)s::text IS NULL OR r.company_id = %(company)s)
      AND (%(state)s::text IS NULL OR r.state = %(state)s)
    ORDER BY r.change_request_id LIMIT %(limit)s"""


async def in_reach(database: Database, actor: Actor, wanted: Wanted, *, staff: bool) -> list[Row]:
    """A page of the requests of companies with an account that the actor administers, the oldest first."""
    asked = {
        "who": actor.id,
        "company": wanted.company_id,
        "state": wanted.state,
        "after": wanted.after,
        "limit": PAGE,
    }
    return await database.asked_by(actor).rows(f"{_ALL if staff else _MINE} {_PAGE}", asked)


async def one(database: Database, actor: Actor, change_request_id: str, *, staff: bool) -> Row | None:
    """One request, as the actor may see it. Raises Unavailable."""
    sql: LiteralString = f"{_ALL if staff else _MINE} AND r.change_request_id = %(request)s"
    return await database.asked_by(actor).row(sql, {"who": actor.id, "request": change_request_id})


async def company_of(database: Database, change_request_id: str) -> str | None:
    """Whose request it is. Raises Unavailable."""
    row = await database.row(
        "SELECT company_id FROM change_requests WHERE change_request_id = %s", (change_request_id,)
    )
    return row["company_id"] if row else None
