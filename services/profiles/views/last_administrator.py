"""Does every open account still have an administrator?

A12  An account never loses its last administrator (account administrator, or main administrator of its agreement)
     through self-service. Holds under concurrency too: the check runs in the commit, after the revocation counts.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.profiles.domain.profile import LastAdministrator
from services.profiles.events import AccountAdministratorRevoked, MainAdministratorRevoked
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.events import Event
from shared.eventstore.statement import Statement


class LastAdministratorStays:
    """A check over what `reach` keeps; it has no table of its own."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "account_keeps_an_administrator": """
            CREATE OR REPLACE FUNCTION account_keeps_an_administrator(account text, agreement text) RETURNS void
            LANGUAGE plpgsql AS $$ BEGIN
                PERFORM 1 FROM reach_accounts WHERE account_id = account OR agreement_id = agreement
                    ORDER BY account_id FOR UPDATE;
                IF EXISTS (
                    SELECT 1 FROM reach_accounts a
                    WHERE (a.account_id = account OR a.agreement_id = agreement) AND a.open AND NOT EXISTS (
                        SELECT 1 FROM reach_grants g
                        WHERE g.kind = 'account-administrator' AND g.target_id = a.account_id
                           OR g.kind = 'main-administrator' AND g.target_id = a.agreement_id))
                THEN
                    RAISE check_violation USING CONSTRAINT = 'account_keeps_an_administrator',
                        MESSAGE = 'no administrator would be left';
                END IF;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"account_keeps_an_administrator": LastAdministrator}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


def administrators_stay(events: Iterable[Event]) -> list[Statement]:
    """What must hold after these events: every account that lost an administrator by them has another one."""
    return [
        Statement("SELECT account_keeps_an_administrator(%s, %s)", where)
        for event in events
        if (where := _weakened_by(event)) is not None
    ]


def _weakened_by(event: Event) -> tuple[str | None, str | None] | None:
    match event:
        case AccountAdministratorRevoked(account_id=account):
            return account, None
        case MainAdministratorRevoked(agreement_id=agreement):
            return None, agreement
        case _:
            return None
